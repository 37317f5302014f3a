// hpp_check.hpp - what the tests of p2pnet.hpp count with.
#ifndef HPP_CHECK_HPP
#define HPP_CHECK_HPP

#include <p2pnet.hpp>

#include <chrono>
#include <cstdio>

// Milliseconds that decide nothing but that something hangs.
constexpr int patience = 120000;

// How long one waits for something.
class Watch
{
    std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();

  public:
    bool over() const
    {
        return std::chrono::steady_clock::now() - begun > std::chrono::milliseconds(patience);
    }
};

static int passed = 0, failed = 0;

static void check(bool ok, const char *what)
{
    (ok ? passed : failed)++;
    if (!ok)
        std::printf("FAILED: %s\n", what);
}

// How many; the exit status.
static int told()
{
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}

#ifdef __cpp_exceptions
// What a function throws; P2P_OK if it throws nothing, or an error that says nothing.
template <class Function>
static p2p_result code_of(Function function)
{
    try {
        function();
        return P2P_OK;
    } catch (const p2p::Error &e) {
        return *e.what() ? e.code() : P2P_OK;
    }
}
#endif

#endif

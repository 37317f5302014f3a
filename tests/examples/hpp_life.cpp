// hpp_life.cpp - nets of p2pnet.hpp from their beginning to every kind of end, and what they leave behind: nothing. Built and
// run by run.py. `hpp_life peer ADDR` is the other program of the test that needs one to kill.
#include "hpp_check.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

static p2p::Config &at(p2p::Config &cfg, const char *bind)
{
    cfg.set(P2P_OPT_PASSIVE_BIND, bind).set(P2P_OPT_NET_TYPE, P2P_NET_DIRECT);
    return cfg.set(P2P_OPT_NODE_TYPE, P2P_NODE_PASSIVE).set(P2P_OPT_NETWORK_MONITOR, 0);
}

static p2p::Net node(const char *bind)
{
    p2p::Config cfg;
    p2p::Net net(at(cfg, bind));
    net.start();
    return net;
}

// The events of both nets, one by one, until done says so.
template <class Done>
static void take(p2p::Net &a, p2p::Net &b, Done done)
{
    for (const Watch watch; !watch.over() && !done();) {
        (a ? a : b).wait(1);
        for (p2p::Net *net : {&a, &b})
            if (*net)
                net->poll();
    }
    check(done(), "hung");
}

// Two nets, and a connection from the first to the second.
struct Pair {
    p2p::Net a = node("127.0.0.2"), b = node("127.0.0.3");
    p2p_conn to = 0, from = 0;
    p2p_result end = P2P_OK;
    std::vector<std::string> heard;
    int lines = 0;

    Pair()
    {
        a.on_event([this](const p2p::Event &ev) { end = ev.kind() == P2P_EVENT_CLOSED ? ev.result() : end; });
        b.on_event([this](const p2p::Event &ev) {
            if (ev.kind() == P2P_EVENT_OPENED)
                from = ev.conn();
            if (ev.kind() == P2P_EVENT_MESSAGE || ev.kind() == P2P_EVENT_LINE)
                heard.emplace_back(ev.data());
            lines += ev.kind() == P2P_EVENT_LINE;
        });
        a.connect("127.0.0.3:" + std::to_string(b.info().passive_port),
                  [this](const p2p::Event &ev) { to = ev.conn(); });
        take(a, b, [this] { return to != 0 && from != 0; });
    }
};

static void messages_and_the_end_of_a_connection()
{
    Pair p;
    const std::string bytes("a\0b\r\n\xff", 6);
    check(p.a.send(p.to, bytes) == P2P_OK && p.a.send(p.to, {}) == P2P_OK, "send");
    check(p.a.send_line(p.to, "after") == P2P_OK, "send_line");
    take(p.a, p.b, [&] { return p.heard.size() == 3; });
    check(p.heard == std::vector<std::string>{bytes, "", "after"}, "bytes as they are, in order with lines");
    check(p.b.close(p.from) == P2P_OK, "close");
    take(p.a, p.b, [&] { return p.end == P2P_ERR_CLOSED && p.b.conns().empty(); });
    for (p2p_result result : {p.a.send_line(p.to, "x"), p.a.send(p.to, "x"), p.a.close(p.to),
                              p.a.pause(p.to, true), p.a.set_user(p.to, &p)})
        check(result == P2P_ERR_NOT_FOUND, "what a closed connection says");
    check(p.a.user(p.to) == nullptr && p.a.conn_info(p.to).peer[0] == '\0' && p.a.conns().empty(),
          "what is known of a closed connection");
}

static void many_events_at_a_time()
{
    Pair p;
    for (int i = 0; i < 100; i++)
        check(p.a.send_line(p.to, std::to_string(i)) == P2P_OK, "send_line");
    p2p_event events[7];
    int came = 0;
    while (came < 100) {
        const std::uint32_t n = p.b.next(events, 7);
        for (std::uint32_t i = 0; i < n; i++) {
            const p2p::Event ev(events[i]);
            check(ev.kind() == P2P_EVENT_LINE && ev.data() == std::to_string(came), "a line, in its order");
            came++;
        }
        if (n == 0)
            p.b.wait(patience);
    }
    check(p.b.next(events, 7) == 0 && p.b.next(nullptr, 0) == 0 && p.b.next(nullptr, 7) == 0, "no more");
    // DONE, whose handler does not run.
    bool ran = false, done = false;
    const p2p_request request = p.a.connect("127.0.0.1:1", [&](const p2p::Event &) { ran = true; });
    while (!done) {
        const std::uint32_t n = p.a.next(events, 7);
        for (std::uint32_t i = 0; i < n; i++)
            done = done || (events[i].kind == P2P_EVENT_DONE && events[i].request == request);
        if (n == 0)
            p.a.wait(patience);
    }
    check(!ran, "the handler has not run");
}

// A net that has stopped, and one that is not there: every function says so.
static void after_the_end()
{
    Pair p;
    p.a.stop();
    while (p.a.wait(patience))
        p.a.poll();
    p2p::Net none;
    for (p2p::Net *net : {&p.a, &none}) {
        const p2p_result expected = net == &none ? P2P_ERR_INVALID : P2P_ERR_CLOSED;
        check(code_of([&] { net->connect("127.0.0.1:1"); }) == expected, "connect");
        check(code_of([&] { net->network_changed(); }) == expected, "network_changed");
        for (p2p_result result : {net->send_line(p.to, "x"), net->send(p.to, "x"), net->close(p.to)})
            check(result == expected || result == P2P_ERR_NOT_FOUND, "a connection of it");
        check(net->broadcast_line("x") != P2P_OK || net->conns().empty(), "broadcast_line");
        check(code_of([&] { net->bootstrap(); }) != P2P_OK, "bootstrap");
        check(code_of([&] { net->advertise(); }) != P2P_OK, "advertise");
        check(code_of([&] { net->start(); }) != P2P_OK, "start");
        check(code_of([&] { net->unl_connect("x"); }) != P2P_OK, "unl_connect");
        check(net->cancel(1) != P2P_OK, "cancel");
        check(!net->wait(0) && !net->next() && net->conns().empty(), "no events, no connections");
        net->stop();
        net->wake();
    }
    p.a.reset();
    p.a.reset();
    check(!p.a && p.a.stats().opened == 0 && p.a.report().empty() && p.a.explain(1).empty(), "freed");
}

static void a_request_is_cancelled()
{
    // Somebody who takes connections and says nothing.
    sockaddr_in me{};
    socklen_t size = sizeof me;
    me.sin_family = AF_INET;
    inet_pton(AF_INET, "127.0.0.9", &me.sin_addr);
    const int silent = socket(AF_INET, SOCK_STREAM, 0);
    check(bind(silent, reinterpret_cast<sockaddr *>(&me), size) == 0 && listen(silent, 16) == 0 &&
              getsockname(silent, reinterpret_cast<sockaddr *>(&me), &size) == 0,
          "a listening socket");
    p2p::Net a = node("127.0.0.2"), none;
    p2p_result result = P2P_OK;
    int done = 0;
    a.on_event([](const p2p::Event &) {});
    const p2p_request request =
        a.connect("127.0.0.9:" + std::to_string(ntohs(me.sin_port)), [&](const p2p::Event &ev) {
            done++;
            result = ev.result();
        });
    check(a.cancel(request) == P2P_OK, "cancel");
    take(a, none, [&] { return done == 1; });
    check(result == P2P_ERR_CANCELED, "what became of it");
    check(a.cancel(request) != P2P_OK && a.cancel(12345) != P2P_OK, "cancelled twice");
    close(silent);
}

static void a_peer_that_is_killed(const char *self)
{
    int out[2];
    check(pipe(out) == 0, "pipe");
    const pid_t child = fork();
    if (child == 0) {
        dup2(out[1], STDOUT_FILENO);
        execl(self, self, "peer", "127.0.0.9", static_cast<char *>(nullptr));
        _exit(127);
    }
    close(out[1]);
    char line[64] = "";
    FILE *said = fdopen(out[0], "r");
    check(child > 0 && std::fgets(line, sizeof line, said) != nullptr, "the other program");
    p2p::Config cfg;
    p2p::Net a(at(cfg, "127.0.0.2").set(P2P_OPT_RESUME_GRACE_MS, 200)), none;
    a.start();
    p2p_conn to = 0;
    bool gone = false;
    std::string why;
    a.on_event([&](const p2p::Event &ev) {
        if (ev.kind() == P2P_EVENT_CLOSED)
            gone = true, why = ev.data();
    });
    a.connect(std::string(line, std::string(line).find('\n')), [&](const p2p::Event &ev) { to = ev.conn(); });
    take(a, none, [&] { return to != 0; });
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    take(a, none, [&] { return gone; });
    check(!why.empty() && a.send_line(to, "x") == P2P_ERR_NOT_FOUND, "a peer that is dead");
    std::fclose(said);
}

// Threads send, look and connect while the net stops; none hangs, and each is told.
static void stop_while_busy()
{
    for (int round = 0; round < 10; round++) {
        Pair p;
        std::atomic<int> told{0};
        std::vector<std::thread> busy;
        for (int i = 0; i < 2; i++)
            busy.emplace_back([&] {
                p2p_result result;
                while ((result = p.a.send_line(p.to, "line")) == P2P_OK || result == P2P_ERR_WOULD_BLOCK)
                    std::this_thread::yield();
                told += result == P2P_ERR_CLOSED || result == P2P_ERR_NOT_FOUND;
            });
        busy.emplace_back([&] {
            p2p_result result;
            while ((result = code_of([&] { p.a.connect("127.0.0.9:1"); })) == P2P_OK ||
                   result == P2P_ERR_LIMIT)
                check(p.a.report().size() > 2, "the report");
            told += result == P2P_ERR_CLOSED;
        });
        take(p.a, p.b, [&] { return p.lines > 50; });
        p.a.stop();
        while (p.a.wait(patience))
            p.a.poll();
        for (std::thread &thread : busy)
            thread.join();
        check(told == 3, "who was busy is told");
    }
}

// Everything that a program holds is let go in every order.
static void ends_in_any_order()
{
    std::array<int, 4> order{0, 1, 2, 3};
    do {
        auto cfg = std::make_unique<p2p::Config>();
        at(*cfg, "127.0.0.2").set_dht("", [](std::string_view, std::string_view) { return P2P_OK; });
        auto net = std::make_unique<p2p::Net>(*cfg);
        net->start();
        auto other = std::make_unique<p2p::Net>(node("127.0.0.3"));
        net->connect("127.0.0.3:" + std::to_string(other->info().passive_port), [](const p2p::Event &) {});
        net->wait(patience);
        auto event = std::make_unique<p2p::OwnedEvent>(net->next());
        for (int which : order) {
            if (which == 0)
                cfg.reset();
            else if (which == 1)
                net.reset();
            else if (which == 2)
                other.reset();
            else
                event.reset();
            if (event && *event)
                check((**event).data().data() != nullptr, "an event lives longer than its net");
        }
    } while (std::next_permutation(order.begin(), order.end()));
}

static int entries(const char *folder)
{
    int n = 0;
    if (DIR *dir = opendir(folder)) {
        while (readdir(dir))
            n++;
        closedir(dir);
    }
    return n;
}

static void a_thousand_nets()
{
    const auto some = [](int count) {
        for (int i = 0; i < count; i++) {
            p2p::Net net = node("127.0.0.2");
            net.on_event([](const p2p::Event &) {});
            const p2p::Net moved = std::move(net);
        }
    };
    some(50);
    const int files = entries("/proc/self/fd"), threads = entries("/proc/self/task");
    some(1000);
    // A thread that has ended is still listed for a moment.
    const auto gone = [&] {
        return entries("/proc/self/fd") <= files && entries("/proc/self/task") <= threads;
    };
    for (const Watch watch; !watch.over() && !gone();)
        std::this_thread::yield();
    check(gone(), "something was left behind");
}

static int peer(const char *bind)
{
    p2p::Net net = node(bind);
    std::printf("%s:%u\n", bind, static_cast<unsigned>(net.info().passive_port));
    std::fflush(stdout);
    net.on_event([](const p2p::Event &) {});
    while (net.wait())
        net.poll();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && std::string(argv[1]) == "peer")
        return peer(argv[2]);
    messages_and_the_end_of_a_connection();
    many_events_at_a_time();
    after_the_end();
    a_request_is_cancelled();
    a_peer_that_is_killed(argv[0]);
    stop_while_busy();
    ends_in_any_order();
    a_thousand_nets();
    return told();
}

// chat.cpp - a chat that floods: what one says reaches everybody, also over others. C++17, with p2pnet.hpp.
//
// Nodes that know each other form a mesh, found through a rendezvous server or named with --connect. Each
// passes on what it hears; P2P_OPT_DEDUP drops what comes back, so nothing goes round in circles.
//
//   c++ -std=c++17 chat.cpp -o chat $(pkg-config --cflags --libs p2pnet)
// or, in the source tree (one line),
//   c++ -std=c++17 examples-c/chat.cpp -o chat -Iinclude -Ibindings/cpp target/release/libp2pnet.a
//       -lgcc_s -lm -lpthread -ldl
//
// Three in a row; what cem says reaches ann, too, over ben:
//   ./chat --name ann --port 5000
//   ./chat --name ben --bind 127.0.0.2 --port 5000 --connect 127.0.0.1:5000
//   ./chat --name cem --bind 127.0.0.3 --connect 127.0.0.2:5000 --say hello --exit-after 1
#include "example.h"
#include <p2pnet.hpp>

#include <cerrno>
#include <iostream>
#include <poll.h>
#include <string>
#include <unistd.h>

namespace
{

struct Options {
    const char *name = "me", *bind = "127.0.0.1", *server = nullptr, *connect = nullptr, *say = nullptr;
    long port = 0, exit_after = 0;
};

class Chat
{
  public:
    explicit Chat(const Options &options) : options_(options), net_(config(options))
    {
        net_.on_event([this](const p2p::Event &ev) { on_event(ev); });
        net_.start(); // the constructor of a net opens nothing yet
        if (options.server) {
            net_.bootstrap();
            net_.advertise();
        }
        if (options.connect)
            // The DONE event of this one request comes to the lambda. It may throw: poll() throws it on.
            net_.connect(options.connect, [](const p2p::Event &ev) {
                if (!ev.ok())
                    throw std::runtime_error(std::string(ev.data()));
            });
    }

    // Ends when enough lines have come, at Ctrl-C, or with an exception.
    void run()
    {
        pollfd fds[] = {{static_cast<int>(net_.fd()), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        while (!example_interrupted && (options_.exit_after == 0 || heard_ < options_.exit_after)) {
            if (::poll(fds, 2, -1) < 0 && errno != EINTR) // a signal gives EINTR
                throw std::runtime_error("poll failed");
            if (fds[0].revents != 0)
                net_.poll();
            if (fds[1].revents != 0 && !read_stdin())
                fds[1].fd = -1; // its end is no reason to leave
        }
    }

  private:
    static p2p::Config config(const Options &options)
    {
        p2p::Config cfg;
        cfg.set(P2P_OPT_NODE_TYPE, P2P_NODE_PASSIVE)
            .set(P2P_OPT_PASSIVE_BIND, options.bind)
            .set(P2P_OPT_PASSIVE_PORT, options.port)
            .set(P2P_OPT_DEDUP, 1);
        if (options.server)
            cfg.add_server(P2P_SERVER_RENDEZVOUS, options.server);
        return cfg;
    }

    void on_event(const p2p::Event &ev)
    {
        switch (ev.kind()) {
        case P2P_EVENT_READY:
            std::cout << "listening on " << options_.bind << ':' << net_.info().passive_port << std::endl;
            break;
        case P2P_EVENT_OPENED:
            std::cout << "* " << ev.peer() << " is connected" << std::endl;
            if (options_.say)
                say(options_.say);
            break;
        case P2P_EVENT_LINE:
            example_print("", ev.data().data(), ev.data().size());
            heard_++;
            net_.broadcast_line(ev.data(), ev.conn()); // to all but whom it came from
            break;
        case P2P_EVENT_CLOSED:
            std::cout << "* " << ev.peer() << " is gone: " << ev.data() << std::endl;
            break;
        case P2P_EVENT_DONE:
            if (!ev.ok())
                throw std::runtime_error(std::string(ev.data()));
            break;
        default:
            break;
        }
    }

    // The number makes the line one of its kind: without it, a second "hello" would count as seen before.
    void say(const std::string &text)
    {
        const p2p_result result =
            net_.broadcast_line(std::string(options_.name) + ' ' + std::to_string(++said_) + ": " + text);
        if (result != P2P_OK) // an everyday thing, so no exception: somebody's buffer is full
            std::cerr << "chat: not sent to everybody: " << p2p_strerror(result) << std::endl;
    }

    bool read_stdin()
    {
        char some[4096];
        const ssize_t n = ::read(STDIN_FILENO, some, sizeof some);
        if (n <= 0)
            return n < 0 && errno == EINTR;
        typed_.append(some, static_cast<std::size_t>(n));
        for (std::size_t end; (end = typed_.find('\n')) != std::string::npos; typed_.erase(0, end + 1))
            say(typed_.substr(0, end));
        return true;
    }

    const Options options_;
    p2p::Net net_;
    std::string typed_;
    long heard_ = 0, said_ = 0;
};

} // namespace

int main(int argc, char **argv)
{
    Options o;
    const example_option table[] = {{"--name", &o.name, nullptr, nullptr},
                                    {"--bind", &o.bind, nullptr, nullptr},
                                    {"--port", nullptr, &o.port, nullptr},
                                    {"--server", &o.server, nullptr, nullptr},
                                    {"--connect", &o.connect, nullptr, nullptr},
                                    {"--say", &o.say, nullptr, nullptr},
                                    {"--exit-after", nullptr, &o.exit_after, nullptr},
                                    {nullptr, nullptr, nullptr, nullptr}};
    example_options(argc, argv, table,
                    "chat [--name NAME] [--bind ADDR] [--port N] [--server HOST:PORT]\n"
                    "            [--connect HOST:PORT] [--say TEXT] [--exit-after LINES]");
    example_begin();
    try {
        Chat(o).run();
        return 0;
    } catch (const std::exception &e) {
        std::cerr << "chat: " << e.what() << std::endl; // p2p::Error: what failed, on what, why, what to do
        return 1;
    }
}

// hpp_test.cpp - what p2pnet.hpp promises, with and without exceptions. Built and run by run.py.
#include "hpp_check.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>

static_assert(!std::is_copy_constructible_v<p2p::Net> && !std::is_copy_assignable_v<p2p::Net>);
static_assert(std::is_nothrow_move_constructible_v<p2p::Net> && std::is_nothrow_move_assignable_v<p2p::Net>);
static_assert(std::is_nothrow_move_constructible_v<p2p::Config> &&
              !std::is_copy_constructible_v<p2p::Config>);

static p2p::Net node(const char *bind)
{
    p2p::Failure f;
    p2p::Config cfg;
    check(cfg.set(P2P_OPT_PASSIVE_BIND, bind, f), f.message());
    check(cfg.set(P2P_OPT_PASSIVE_PORT, 0, f), f.message());
    p2p::Net net = p2p::Net::make(cfg, f);
    check(static_cast<bool>(net) && net.start(f), f.message());
    return net;
}

static std::string address(p2p::Net &net, const char *bind)
{
    return std::string(bind) + ":" + std::to_string(net.info().passive_port);
}

// Polls both, by the form that both kinds of build have, until done.
template <class Done>
static void poll_until(p2p::Net &a, p2p::Net &b, Done done)
{
    p2p::Failure f;
    std::uint32_t count = 0;
    for (const Watch watch; !watch.over() && !done();) {
        (a ? a : b).wait(1);
        for (p2p::Net *net : {&a, &b})
            if (*net && !net->poll(100, count, f))
                check(false, f.message());
    }
    check(done(), "hung");
}

static void lines_and_moving()
{
    p2p::Net a = node("127.0.0.2"), b = node("127.0.0.3");
    int opened = 0, lines = 0, dones = 0, own_dones = 0;
    p2p_conn to = 0;
    void *const mark = &lines;
    a.on_event([&](const p2p::Event &ev) {
        lines += ev.kind() == P2P_EVENT_LINE && ev.data() == "hello" && *(ev.data().data() + 5) == '\0';
        opened += ev.kind() == P2P_EVENT_OPENED;
    });
    b.on_event([&](const p2p::Event &ev) { dones += ev.kind() == P2P_EVENT_DONE; });
    p2p::Failure f;
    p2p_request request = 0;
    check(
        b.connect(
            address(a, "127.0.0.2"), [&](const p2p::Event &ev) { own_dones++, to = ev.conn(); }, request, f),
        f.message());
    p2p::Net moved = std::move(b); // the handlers go along
    check(!b && b.send_line(1, "x") == P2P_ERR_INVALID && !b.wait(0) && b.fd() == -1,
          "an empty net does nothing");
    poll_until(a, moved, [&] { return to != 0 && opened == 1; });
    check(own_dones == 1 && dones == 0 && request != 0, "a request's own handler gets its DONE, nobody else");
    check(moved.set_user(to, mark) == P2P_OK && moved.user(to) == mark, "user pointer");
    check(moved.conns() == std::vector<p2p_conn>{to} && a.conns().size() == 1, "the list of connections");
    check(moved.conn_info(to).via == P2P_VIA_LAN && moved.info().outbound == 1, "info");
    check(std::strlen(moved.conn_info(to).peer_id) == 43, "who the peer is");
    check(moved.relayed_by(to).empty(), "by no relay");
    const std::string_view part = std::string_view("hello world").substr(0, 5); // no NUL behind it
    check(moved.send_line(to, part) == P2P_OK, "send_line");
    check(moved.send_line(to, std::string_view()) == P2P_ERR_INVALID, "an empty line is refused");
    check(moved.send_line(9999, "x") == P2P_ERR_NOT_FOUND, "an unknown connection");
    poll_until(a, moved, [&] { return lines == 1; });
    check(moved.stats().lines_out == 1 && a.stats().lines_in == 1, "stats");
    b = std::move(moved); // back again, into the empty one
    b.on_event({});
    check(b.send_line(to, "bye") == P2P_OK, "after moving back");
    b.stop();
    while (b.wait(patience))
        while (p2p::OwnedEvent ev = b.next())
            check((*ev).raw().struct_size > 0, "an event of our own");
    check(!b.wait(0), "wait() ends with the net");
}

static void handlers_that_meddle()
{
    p2p::Net a = node("127.0.0.2"), none;
    int first = 0, second = 0;
    a.on_event([&](const p2p::Event &) {
        const std::string long_enough_not_to_be_in_place(100, 'x');
        first++;
        a.on_event([&](const p2p::Event &) { second++; }); // frees the running handler, if done wrongly
        check(long_enough_not_to_be_in_place.size() == 100, "still here"); // what ASan looks at
    });
    poll_until(a, none, [&] { return first == 1; });
    a.stop();
    while (a.wait(patience)) {
        p2p::Failure f;
        std::uint32_t count = 0;
        a.poll(1, count, f);
    }
    check(first == 1 && second >= 1, "a handler that replaces itself");

    p2p::Net c = node("127.0.0.2");
    bool gone = false;
    c.on_event([&](const p2p::Event &) {
        c.reset();
        gone = true;
    });
    poll_until(none, c, [&] { return gone; });
    check(!c, "a handler that frees its net");

    p2p::Net d = node("127.0.0.2");
    d.on_event([&](const p2p::Event &) {
        p2p::Failure f;
        std::uint32_t count = 0;
        check(!d.poll(1, count, f) && f.code() == P2P_ERR_REENTRANT && *f.message(), "poll() in a handler");
        gone = false;
    });
    poll_until(d, none, [&] { return !gone; });
}

static void failures()
{
    p2p::Failure f;
    p2p::Config cfg;
    check(!cfg.set(P2P_OPT_PASSIVE_PORT, 70000, f) && f.code() == P2P_ERR_RANGE, "out of range");
    check(std::strstr(f.message(), "70000") != nullptr, f.message());
    check(!cfg.add_server(P2P_SERVER_RENDEZVOUS, "nonsense", f) && f.code() == P2P_ERR_INVALID,
          "a server's address");
    p2p::Net net;
    check(!net.start(f) && f.code() == P2P_ERR_INVALID, "an empty net");
    std::uint32_t count = 0;
    check(!net.poll(1, count, f) && f.code() == P2P_ERR_INVALID, "polling an empty net");
    net = p2p::Net::make(cfg, f);
    p2p_request request = 0;
    check(!net.connect(
              "nonsense", [](const p2p::Event &) {}, request, f) &&
              request == 0,
          "connect to nonsense");
    net = p2p::Net(); // frees the old one
    check(!net, "assigned");
}

// A server that takes connections and says nothing: its socket, and where it is.
static int silent_server(std::string &at)
{
    sockaddr_in me{};
    socklen_t size = sizeof me;
    me.sin_family = AF_INET;
    inet_pton(AF_INET, "127.0.0.9", &me.sin_addr);
    const int s = socket(AF_INET, SOCK_STREAM, 0);
    check(bind(s, reinterpret_cast<sockaddr *>(&me), size) == 0 && listen(s, 16) == 0 &&
              getsockname(s, reinterpret_cast<sockaddr *>(&me), &size) == 0,
          "a listening socket");
    at = "127.0.0.9:" + std::to_string(ntohs(me.sin_port));
    return s;
}

static bool has(const std::string &text, const char *part)
{
    return text.find(part) != std::string::npos;
}

static void situation()
{
    check(p2p::features() == p2p_features() && (p2p::features() & P2P_FWD_PCP) != 0, "features");
    p2p::Failure f;
    p2p::Net none;
    check(none.report().empty(), "the report of an empty net");
    check(!none.network_changed(f) && f.code() == P2P_ERR_INVALID, "network_changed() of an empty net");
    std::string silent;
    const int server = silent_server(silent);
    p2p::Config cfg;
    check(cfg.set(P2P_OPT_PASSIVE_BIND, "127.0.0.2", f) && cfg.set(P2P_OPT_START_TIMEOUT_MS, 0, f) &&
              cfg.set(P2P_OPT_GATEWAY, "192.0.2.1", f) && cfg.set(P2P_OPT_STATE_DIR, "", f) &&
              cfg.set(P2P_OPT_FORWARDING, P2P_FWD_NONE, f) && cfg.set(P2P_OPT_MAPPING_LEASE_MS, 1000, f) &&
              cfg.set(P2P_OPT_VERIFY_INTERVAL_MS, 0, f) && cfg.set(P2P_OPT_NETWORK_MONITOR, 0, f),
          f.message());
    check(cfg.add_server(P2P_SERVER_RENDEZVOUS, silent, f) &&
              cfg.add_server(P2P_SERVER_REACHABILITY, "http://" + silent + "/net.php", f) &&
              cfg.add_server(P2P_SERVER_NTP, "127.0.0.9", f),
          f.message());
    check(!cfg.add_server(P2P_SERVER_REACHABILITY, "https://127.0.0.9/", f) && f.code() == P2P_ERR_INVALID &&
              has(f.message(), "expected http://"),
          f.message());
    p2p::Net net = p2p::Net::make(cfg, f);
    check(!net.network_changed(f) && f.code() == P2P_ERR_STATE && *f.message(), "not started");
    check(has(net.report(), "\"ready\":false"), "the report before the start");
    check(net.start(f), f.message());
    int ready = 0;
    std::string inside;
    net.on_event([&](const p2p::Event &ev) {
        ready += ev.kind() == P2P_EVENT_READY;
        inside = net.report();
        check(net.network_changed(f) || f.code() == P2P_ERR_CLOSED, f.message());
    });
    poll_until(net, none, [&] { return ready == 1; });
    check(inside.size() > 100 && inside.front() == '{' && inside.back() == '}', "the report in a handler");
    const p2p_net_info info = net.info();
    check(info.node_type == P2P_NODE_ACTIVE && info.reachable == -1 && info.forwarding == P2P_FWD_NONE &&
              info.mapping == P2P_MAPPING_UNKNOWN && info.allocation == P2P_ALLOCATION_UNKNOWN &&
              info.unsolicited == P2P_UNSOLICITED_UNKNOWN && info.clock_known == 0 &&
              info.external_port == 0 && info.hairpin == -1 && info.wan_ip6[0] == '\0',
          "nothing is known");
    const std::string report = net.report();
    check(has(report, "\"ready\":true") && has(report, "\"lan_ip\":\"127.0.0.2\"") &&
              report.find('\0') == std::string::npos,
          report.c_str());
    net.stop();
    poll_until(net, none, [&] { return !net.wait(0); });
    check(!net.network_changed(f) && f.code() == P2P_ERR_CLOSED, "stopped");
    check(has(net.report(), "\"steps\":["), "the report after the end");
    close(server);
}

#ifdef __cpp_exceptions
static void exceptions()
{
    p2p::Config cfg;
    check(code_of([&] { cfg.set(P2P_OPT_PASSIVE_PORT, -1); }) == P2P_ERR_RANGE, "set throws");
    check(code_of([&] { cfg.set(P2P_OPT_PASSIVE_BIND, "nonsense"); }) == P2P_ERR_INVALID,
          "set of a text throws");
    cfg.set(P2P_OPT_PASSIVE_BIND, "127.0.0.2").set(P2P_OPT_PASSIVE_PORT, 0);
    p2p::Net a(cfg), b(p2p::Config().set(P2P_OPT_PASSIVE_BIND, "127.0.0.3"));
    check(code_of([&] { a.bootstrap(); }) != P2P_OK, "bootstrap before the start throws");
    check(code_of([&] { a.network_changed(); }) == P2P_ERR_STATE,
          "network_changed() before the start throws");
    a.start(), b.start();
    a.network_changed();
    check(code_of([] { p2p::Config().add_server(P2P_SERVER_NTP, "a b"); }) == P2P_ERR_INVALID,
          "add_server throws");
    check(code_of([&] { a.start(); }) == P2P_ERR_STATE, "a second start throws");
    check(code_of([&] { a.connect("nonsense"); }) == P2P_ERR_INVALID, "connect throws");
    int seen = 0, thrown = 0, rest = 0;
    a.on_event([&](const p2p::Event &ev) {
        if (ev.kind() == P2P_EVENT_LINE)
            seen++;
        if (ev.kind() == P2P_EVENT_LINE && seen % 10 == 0)
            throw seen;
    });
    p2p_conn to = 0;
    b.on_event([](const p2p::Event &) {});
    b.connect(address(a, "127.0.0.2"), [&](const p2p::Event &ev) {
        to = ev.conn();
        throw std::string("from a request's handler");
    });
    for (const Watch watch; !watch.over() && to == 0;) {
        b.wait(1);
        try {
            b.poll();
        } catch (const std::string &text) {
            rest += text == "from a request's handler";
        }
    }
    check(rest == 1, "an exception of a request's handler comes out of poll()");
    for (int i = 0; i < 100; i++)
        check(b.send_line(to, "line") == P2P_OK, "send");
    for (const Watch watch; !watch.over() && seen < 100;) {
        a.wait(1);
        try {
            a.poll();
        } catch (int at) {
            thrown++;
            check(at == seen && at == thrown * 10, "no handler runs between the throw and the catch");
        }
    }
    check(seen == 100 && thrown == 10, "no event is lost by an exception");

    a.on_event([&](const p2p::Event &) {
        a.reset();
        throw 1;
    });
    b.send_line(to, "end");
    rest = 0;
    for (const Watch watch; !watch.over() && a;) {
        a.wait(1);
        try {
            a.poll();
        } catch (int) {
            rest = 2;
        }
    }
    check(rest == 2, "a handler that frees its net and throws");
}
#endif

static void locators()
{
    p2p::Failure f;
    const auto secure = [&] {
        p2p::Config cfg;
        check(!cfg.allow_peer("nobody", f) && f.code() == P2P_ERR_INVALID, "neither a key nor a locator");
        check(cfg.set(P2P_OPT_PASSIVE_BIND, "127.0.0.1", f) && cfg.set(P2P_OPT_PASSIVE_PORT, 0, f),
              f.message());
        p2p::Net net = p2p::Net::make(cfg, f);
        check(static_cast<bool>(net), f.message());
        return net;
    };
    p2p::Net a = secure(), b = secure();
    std::string unl;
    check(!a.unl(unl, f) && f.code() == P2P_ERR_STATE && unl.empty(), "no locator before the start");
    check(a.start(f) && b.start(f), f.message());
    a.on_event([](const p2p::Event &) {});
    b.on_event([](const p2p::Event &) {});
    poll_until(a, b, [&] { return a.unl(unl, f); });
    p2p_unl_info info;
    check(p2p::unl_check(unl, f) && p2p::unl_info(unl, info, f) && info.version == 3, f.message());
    check(!p2p::unl_check(unl + "x", f) && f.code() == P2P_ERR_INVALID, "a locator with a letter too many");
    int done = 0;
    p2p_request request = 0;
    check(b.unl_connect(
              unl,
              [&](const p2p::Event &ev) {
                  done++;
                  check(ev.ok() && ev.conn() != 0, "connected by locator");
              },
              request, f),
          f.message());
    poll_until(a, b, [&] { return done == 1; });
    check(b.explain(request).find("\"attempts\"") != std::string::npos, "the story has attempts");
    check(b.explain(request + 1000).empty(), "no story of a request that was never made");
    check(!b.unl_connect("p2p3", {}, request, f) && f.code() == P2P_ERR_INVALID, "not a locator");
}

// Two nets whose messages the program carries itself; what it carries them with may throw.
static void messages()
{
    p2p::Failure f;
    p2p::Net a, b, none;
    int arrived = 0, done = 0, refused = 0;
    const auto make = [&](p2p::DhtSend send) {
        p2p::Config cfg;
        check(cfg.set(P2P_OPT_PASSIVE_BIND, "127.0.0.2", f) &&
                  cfg.set(P2P_OPT_DIALECT, P2P_DIALECT_CLASSIC, f) && cfg.set_dht("", std::move(send), f),
              f.message());
        return p2p::Net::make(cfg, f); // the options go, the function stays
    };
    a = make([&](std::string_view to, std::string_view message) {
        if (message.find("refuse") != message.npos)
            return P2P_ERR_LIMIT;
#ifdef __cpp_exceptions
        if (message.find("throw") != message.npos)
            throw 1;
#else
        if (message.find("throw") != message.npos)
            return P2P_ERR_IO;
#endif
        check(to == b.dht_id(), "whom it is for");
        return b.dht_deliver(a.dht_id(), message);
    });
    b = make({});
    check(a.dht_id().size() == 40 && none.dht_id().empty(), "names");
    check(a.start(f) && b.start(f), f.message());
    a.on_event([&](const p2p::Event &ev) {
        done += ev.kind() == P2P_EVENT_DONE && ev.ok();
        refused += ev.kind() == P2P_EVENT_DONE && (ev.result() == P2P_ERR_LIMIT || ev.result() == P2P_ERR_IO);
    });
    b.on_event(
        [&](const p2p::Event &ev) { arrived += ev.kind() == P2P_EVENT_DHT_MESSAGE && ev.data() == "hi"; });
    p2p_request request = 0;
    check(!a.dht_put("nobody", "hi", request, f) && f.code() == P2P_ERR_INVALID, "not a name");
    check(a.dht_put(b.dht_id(), std::string_view("hi there").substr(0, 2), request, f), f.message());
    poll_until(a, b, [&] { return arrived == 1 && done == 1; });
    check(a.dht_put(b.dht_id(), "refuse this", request, f) &&
              a.dht_put(b.dht_id(), "throw at this", request, f),
          f.message());
    poll_until(a, b, [&] { return refused == 2; });
    check(none.dht_deliver("", "x") == P2P_ERR_INVALID, "an empty net takes no messages");
}

// A text may be part of another one, and a NUL inside is an error, not the end.
static void texts()
{
    p2p::Failure f;
    p2p::Config cfg;
    const std::string_view two = "127.0.0.2127.0.0.3";
    check(cfg.set(P2P_OPT_PASSIVE_BIND, two.substr(0, 9), f), f.message());
    check(!cfg.set(P2P_OPT_PASSIVE_BIND, std::string_view("127.0.0.2\0x", 11), f) &&
              f.code() == P2P_ERR_INVALID && has(f.message(), "NUL"),
          f.message());
    check(!cfg.add_server(P2P_SERVER_RENDEZVOUS, std::string_view("127.0.0.2:1\0", 12), f), "a server");
    check(!p2p::unl_check(std::string_view("\0", 1), f) && f.code() == P2P_ERR_INVALID, "a locator");
    std::int64_t value = 0;
    check(cfg.set(P2P_OPT_PASSIVE_PORT, 4711, f) && cfg.get(P2P_OPT_PASSIVE_PORT, value, f) && value == 4711,
          "an option read back");
    check(!cfg.get(P2P_OPT_PASSIVE_BIND, value, f) && f.code() == P2P_ERR_UNSUPPORTED, "not a number");
    check(p2p::version() == P2P_VERSION_NUMBER, "the library's version is the header's");
}

// What only the classic dialect has: the socket of a connection, locators with other facts, connection ids.
static void classic()
{
    p2p::Failure f;
    const auto make = [&](const char *bind) {
        p2p::Config cfg;
        check(cfg.set(P2P_OPT_PASSIVE_BIND, bind, f) && cfg.set(P2P_OPT_DIALECT, P2P_DIALECT_CLASSIC, f) &&
                  cfg.set(P2P_OPT_NET_TYPE, P2P_NET_DIRECT, f) && cfg.set(P2P_OPT_WAN_IP, bind, f),
              f.message());
        p2p::Net net = p2p::Net::make(cfg, f);
        check(net.start(f), f.message());
        return net;
    };
    p2p::Net a = make("127.0.0.2"), b = make("127.0.0.3"), none;
    p2p_conn to = 0, from = 0;
    a.on_event([&](const p2p::Event &ev) { from = ev.kind() == P2P_EVENT_OPENED ? ev.conn() : from; });
    b.on_event([](const p2p::Event &) {});
    std::string unl;
    check(a.unl_construct({"wan_ip=203.0.113.7", "listen_port=6881"}, unl, f), f.message());
    p2p_unl_info info;
    check(p2p::unl_info(unl, info, f) && info.version == 2 && has(info.candidates[0].address, ":6881"),
          unl.c_str());
    check(!a.unl_construct({"colour=green"}, unl, f) && f.code() == P2P_ERR_INVALID && *f.message(),
          "no such fact");
    p2p_request request = 0;
    check(a.unl(unl, f) && !b.unl_connect_classic(unl, "short", 0, {}, request, f) &&
              f.code() == P2P_ERR_INVALID && *f.message(),
          f.message());
    const auto opened = [&](const p2p::Event &ev) { to = ev.conn(); };
    check(b.connect(address(a, "127.0.0.2"), opened, request, f), f.message());
    poll_until(a, b, [&] { return to != 0 && from != 0; });
    std::int32_t fd = -1;
    std::string rest = "x";
    check(none.take_fd(to, fd, rest) == P2P_ERR_INVALID && fd == -1 && rest.empty(), "of an empty net");
    check(b.take_fd(to, fd, rest) == P2P_OK && fd >= 0 && rest.empty(), "the socket of a connection");
    int lines = 0;
    a.on_event([&](const p2p::Event &ev) { lines += ev.kind() == P2P_EVENT_LINE && ev.data() == "by hand"; });
    check(write(fd, "by hand\r\n", 9) == 9, "written by hand");
    poll_until(a, b, [&] { return lines == 1; });
    close(fd);
}

int main()
{
    failures();
    texts();
    messages();
    classic();
    lines_and_moving();
    locators();
    handlers_that_meddle();
    situation();
#ifdef __cpp_exceptions
    exceptions();
#endif
    return told();
}

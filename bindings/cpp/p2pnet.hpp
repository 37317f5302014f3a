// p2pnet.hpp - p2pnet for C++17 and later, in one header over the C API. It needs the standard library only.
//
//   p2p::Net net(p2p::Config().set(P2P_OPT_NODE_TYPE, P2P_NODE_PASSIVE).set(P2P_OPT_PASSIVE_PORT, 44444));
//   net.on_event([&](const p2p::Event &ev) {
//       if (ev.kind() == P2P_EVENT_LINE)
//           net.send_line(ev.conn(), ev.data());
//   });
//   net.start();
//   while (net.wait()) // until the net has stopped
//       net.poll();
//
// Nets speak the secure dialect: links are encrypted, nodes are known by keys. For PyP2P's nodes say
// .set(P2P_OPT_DIALECT, P2P_DIALECT_CLASSIC).
//
// Constants are the C header's (P2P_OPT_*, P2P_EVENT_*, P2P_ERR_*). Its contract about threads, memory and
// callbacks holds here, and what a function does stands there. What C++ adds:
//
// Failure    What can fail because of how the program is written or set up comes in two forms, as in
//            std::filesystem. One throws p2p::Error; the other takes a p2p::Failure to fill, does not throw
//            and returns whether it went well. What fails in the course of things (sending to a peer that has
//            just left) returns a p2p_result to look at. With -fno-exceptions only the second forms exist.
// Handlers   are any callable, kept in the net. They may throw: the exception ends poll() and comes out of it
//            on its caller's side; none passes through C. The events after it stay queued for the next
//            poll(). A handler may destroy its own Net; poll() then returns. The price: poll() asks the
//            library for one event at a time, about 0.1 us more for each. With -fno-exceptions it does not,
//            and nothing stops a program from using p2p_on_event() and p2p_poll() on raw().
// Texts      are std::string_views: no NUL has to follow them. One inside a text for which C takes a string is
//            P2P_ERR_INVALID; lines and messages may have any.
// Moving     a Net leaves an empty one behind, good for assigning to and destroying. A handler that captured
//            the old object by reference has to be given anew.
// Threads    A Net may be used by several threads as the C contract says. Moving and destroying it are no
//            such uses.
#ifndef P2PNET_HPP
#define P2PNET_HPP

#include <p2pnet.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#ifdef __cpp_exceptions
#include <exception>
#include <stdexcept>
#endif

namespace p2p
{

/// The story of a failure, for the functions that take one.
class Failure
{
  public:
    Failure() noexcept { raw_.struct_size = sizeof raw_; }
    /// P2P_OK if nothing has failed.
    p2p_result code() const noexcept { return raw_.code; }
    /// The operating system's error number, 0 if none was involved.
    int os_error() const noexcept { return raw_.os_error; }
    /// What failed, on what, why, what to do.
    const char *message() const noexcept { return raw_.message; }
    /// For the C functions; it is made anew.
    p2p_error *raw() noexcept
    {
        *this = Failure();
        return &raw_;
    }
    /// Sets code and message when the C function told no story.
    bool set(p2p_result code) noexcept { return set(code, p2p_strerror(code)); }
    bool set(p2p_result code, std::string_view words) noexcept
    {
        raw_.code = code;
        raw_.message[words.copy(raw_.message, sizeof raw_.message - 1)] = '\0';
        return code == P2P_OK;
    }

  private:
    p2p_error raw_{};
};

namespace detail
{
/// A text for a C function, with the NUL that a string_view lacks. A NUL inside would cut it short: it is refused.
class Text
{
  public:
    explicit Text(std::string_view text) : whole_(text.find('\0') == text.npos), text_(text) {}
    /// Calls function with the text, or sets f.
    template <class Function>
    bool with(Failure &f, Function function) const
    {
        return whole_ ? function(text_.c_str()) == P2P_OK
                      : f.set(P2P_ERR_INVALID, "a text has a NUL inside; expected one without");
    }

  private:
    bool whole_;
    std::string text_;
};
} // namespace detail

#ifdef __cpp_exceptions
/// What the throwing forms throw.
class Error : public std::runtime_error
{
  public:
    explicit Error(const Failure &f)
        : std::runtime_error(f.message()), code_(f.code()), os_error_(f.os_error())
    {
    }
    p2p_result code() const noexcept { return code_; }
    int os_error() const noexcept { return os_error_; }

  private:
    p2p_result code_;
    int os_error_;
};

namespace detail
{
template <class Attempt>
void check(Attempt attempt)
{
    Failure f;
    if (!attempt(f))
        throw Error(f);
}
} // namespace detail
#endif

/// One event, as a view: in a handler it dies when the handler returns. Copy what is to stay.
class Event
{
  public:
    explicit Event(const p2p_event &raw) noexcept : raw_(&raw) {}
    p2p_kind kind() const noexcept { return raw_->kind; }
    p2p_conn conn() const noexcept { return raw_->conn; }
    p2p_request request() const noexcept { return raw_->request; }
    p2p_result result() const noexcept { return raw_->result; }
    bool ok() const noexcept { return raw_->result == P2P_OK; }
    int os_error() const noexcept { return raw_->os_error; }
    int code() const noexcept { return raw_->code; }
    /// The line, the bytes, or a text for people. A NUL follows it.
    std::string_view data() const noexcept { return {raw_->data, raw_->len}; }
    std::string_view peer() const noexcept { return raw_->peer; }
    /// What set_user() stored for the connection.
    void *user() const noexcept { return raw_->conn_user; }
    std::uint64_t time_ms() const noexcept { return raw_->time_ms; }
    const p2p_event &raw() const noexcept { return *raw_; }

  private:
    const p2p_event *raw_;
};

/// An event that is the program's own, on any thread and also after the net's end.
class OwnedEvent
{
  public:
    OwnedEvent() noexcept = default;
    explicit OwnedEvent(const p2p_event *raw) noexcept : raw_(raw) {}
    explicit operator bool() const noexcept { return raw_ != nullptr; }
    Event operator*() const noexcept { return Event(*raw_); }

  private:
    struct Free {
        void operator()(const p2p_event *ev) const noexcept { p2p_event_free(ev); }
    };
    std::unique_ptr<const p2p_event, Free> raw_;
};

using Handler = std::function<void(const Event &)>;

/// Carries a message to the node `to` over a DHT of the program's; for Config::set_dht(). What it returns, if it
/// is not P2P_OK, becomes the result of the dht_put(); an exception of it becomes P2P_ERR_IO.
using DhtSend = std::function<p2p_result(std::string_view to, std::string_view message)>;

/// The version of the library that is loaded, as P2P_VERSION_NUMBER writes it.
inline std::uint32_t version() noexcept
{
    return p2p_version();
}

/// What the library can do: P2P_FWD_* bits of the port mapping protocols that are built in, and 1 << 16 if it
/// can ask servers whether its port is open, 1 << 17 if it can take part in BitTorrent's DHT, 1 << 18 if it can relay.
inline std::uint64_t features() noexcept
{
    return p2p_features();
}

/// Whether a locator can be used: whole, signed by its key, not expired by this machine's clock.
inline bool unl_check(std::string_view unl, Failure &f)
{
    return detail::Text(unl).with(f, [&](const char *text) { return p2p_unl_check(text, f.raw()); });
}
/// What a locator says, expired or not.
inline bool unl_info(std::string_view unl, p2p_unl_info &info, Failure &f)
{
    info = p2p_unl_info{};
    info.struct_size = sizeof info;
    return detail::Text(unl).with(f,
                                  [&](const char *text) { return p2p_unl_get_info(text, &info, f.raw()); });
}

/// The options of a net. Copied when the net is made.
class Config
{
  public:
    Config() noexcept : raw_(p2p_config_new()) {}
    bool set(p2p_opt option, std::int64_t value, Failure &f) noexcept
    {
        return p2p_config_set_int(raw_.get(), option, value, f.raw()) == P2P_OK;
    }
    bool set(p2p_opt option, std::string_view value, Failure &f)
    {
        return detail::Text(value).with(
            f, [&](const char *text) { return p2p_config_set_str(raw_.get(), option, text, f.raw()); });
    }
    bool get(p2p_opt option, std::int64_t &value, Failure &f) const noexcept
    {
        return p2p_config_get_int(raw_.get(), option, &value, f.raw()) == P2P_OK;
    }
    /// "host:port" for P2P_SERVER_RENDEZVOUS. P2P_SERVER_REACHABILITY takes the URL of a script as well, and
    /// P2P_SERVER_NTP a host alone.
    bool add_server(p2p_server kind, std::string_view address, Failure &f)
    {
        return detail::Text(address).with(
            f, [&](const char *text) { return p2p_config_add_server(raw_.get(), kind, text, f.raw()); });
    }
    /// Lets a node in (secure dialect), by its key or a locator of it; all that are not named are turned away.
    bool allow_peer(std::string_view who, Failure &f)
    {
        return detail::Text(who).with(
            f, [&](const char *text) { return p2p_config_allow_peer(raw_.get(), text, f.raw()); });
    }
    /// Messages between nodes are carried by the program: by send, called inside poll(), or without one by
    /// P2P_EVENT_DHT_SEND events. An empty node_id is a random one. The nets keep send.
    bool set_dht(std::string_view node_id, DhtSend send, Failure &f)
    {
        auto kept = send ? std::make_shared<const DhtSend>(std::move(send)) : nullptr;
        p2p_dht dht{};
        dht.struct_size = sizeof dht;
        dht.send = kept ? &Config::send_by_dht : nullptr;
        dht.user = const_cast<DhtSend *>(kept.get());
        const bool done = detail::Text(node_id).with(f, [&](const char *text) {
            dht.node_id = node_id.empty() ? nullptr : text;
            return p2p_config_set_dht(raw_.get(), &dht, f.raw());
        });
        if (done)
            send_.swap(kept);
        return done;
    }
#ifdef __cpp_exceptions
    Config &set(p2p_opt option, std::int64_t value)
    {
        detail::check([&](Failure &f) { return set(option, value, f); });
        return *this;
    }
    Config &set(p2p_opt option, std::string_view value)
    {
        detail::check([&](Failure &f) { return set(option, value, f); });
        return *this;
    }
    std::int64_t get(p2p_opt option) const
    {
        std::int64_t value = 0;
        detail::check([&](Failure &f) { return get(option, value, f); });
        return value;
    }
    Config &add_server(p2p_server kind, std::string_view address)
    {
        detail::check([&](Failure &f) { return add_server(kind, address, f); });
        return *this;
    }
    Config &allow_peer(std::string_view who)
    {
        detail::check([&](Failure &f) { return allow_peer(who, f); });
        return *this;
    }
    Config &set_dht(std::string_view node_id, DhtSend send)
    {
        detail::check([&](Failure &f) { return set_dht(node_id, std::move(send), f); });
        return *this;
    }
#endif
    const p2p_config *raw() const noexcept
    {
        return raw_.get();
    }

  private:
    friend class Net;
    struct Free {
        void operator()(p2p_config *cfg) const noexcept { p2p_config_free(cfg); }
    };
    static p2p_result send_by_dht(void *user, const char *to, const char *msg, std::size_t len) noexcept
    {
        const DhtSend &send = *static_cast<const DhtSend *>(user);
#ifdef __cpp_exceptions
        try {
            return send(to, std::string_view(msg, len));
        } catch (...) {
            return P2P_ERR_IO;
        }
#else
        return send(to, std::string_view(msg, len));
#endif
    }

    std::unique_ptr<p2p_config, Free> raw_;
    std::shared_ptr<const DhtSend> send_; // what raw_ points at
};

/// One node. Made by make() or, with exceptions, by the constructor; freed with the object.
class Net
{
  public:
    /// An empty one, to be assigned to.
    Net() noexcept = default;
    ~Net() { reset(); }
    Net(Net &&) noexcept = default;
    Net &operator=(Net &&other) noexcept
    {
        if (this != &other) {
            reset();
            state_ = std::move(other.state_);
        }
        return *this;
    }

    /// A new net, or an empty one with the reason in f.
    static Net make(const Config &cfg, Failure &f)
    {
        Net net;
        auto state = std::make_shared<State>();
        state->send = cfg.send_;
        if (p2p_net_new(cfg.raw(), &state->net, f.raw()) == P2P_OK)
            net.state_ = std::move(state);
        return net;
    }
    explicit operator bool() const noexcept { return state_ != nullptr; }

    /// Stops it if need be, and frees it; bounded in time.
    void reset() noexcept
    {
        // The state itself lives on while a poll() further up needs it.
        if (std::shared_ptr<State> old = std::move(state_))
            p2p_net_free(std::exchange(old->net, nullptr));
    }

    bool start(Failure &f) noexcept { return p2p_net_start(raw(), f.raw()) == P2P_OK; }
    void stop() noexcept { p2p_net_stop(raw()); }
    bool bootstrap(p2p_request &out, Failure &f) noexcept
    {
        return p2p_net_bootstrap(raw(), &out, f.raw()) == P2P_OK;
    }
    /// DONE waits until it is known whether others reach this node.
    bool advertise(p2p_request &out, Failure &f) noexcept
    {
        return p2p_net_advertise(raw(), &out, f.raw()) == P2P_OK;
    }
    /// handler gets the DONE event; without one it goes to on_event()'s.
    bool connect(std::string_view host_port, Handler handler, p2p_request &out, Failure &f)
    {
        return ask(&p2p_connect, host_port, std::move(handler), out, f);
    }
    /// Connects to the node with this locator by whatever way works. handler as for connect().
    bool unl_connect(std::string_view unl, Handler handler, p2p_request &out, Failure &f)
    {
        return ask(&p2p_unl_connect, unl, std::move(handler), out, f);
    }
    /// The same in the classic dialect, with PyP2P's choices. An empty nonce is a random one.
    bool unl_connect_classic(std::string_view unl, std::string_view nonce, std::int32_t flags,
                             Handler handler, p2p_request &out, Failure &f)
    {
        const auto function = [&](p2p_net *net, const char *to, p2p_event_fn cb, void *user, p2p_request *req,
                                  p2p_error *err) {
            p2p_result result = P2P_ERR_INVALID;
            detail::Text(nonce).with(f, [&](const char *text) {
                const char *given = nonce.empty() ? nullptr : text;
                return result = p2p_unl_connect_classic(net, to, given, flags, cb, user, req, err);
            });
            return result;
        };
        return ask(function, unl, std::move(handler), out, f);
    }
    /// This node's locator, for others to connect to it by.
    bool unl(std::string &out, Failure &f) { return f.set(text(out, &p2p_unl_get, raw())); }
    /// The same with some facts replaced, each change "name=value".
    bool unl_construct(const std::vector<std::string> &changes, std::string &out, Failure &f)
    {
        std::vector<const char *> given;
        for (const std::string &change : changes)
            given.push_back(change.c_str());
        const auto function = [&](p2p_net *net, char *buf, std::size_t cap, std::size_t *need) {
            return p2p_unl_construct(net, given.data(), given.size(), buf, cap, need, f.raw());
        };
        const p2p_result result = text(out, function, raw());
        return result == P2P_OK ? f.set(P2P_OK) : *f.message() != '\0' ? false : f.set(result);
    }
    /// The story of an unl_connect(), one JSON object (docs/explain.md has its members); empty if it is not
    /// known (any more).
    std::string explain(p2p_request request)
    {
        std::string out;
        text(out, &p2p_explain, raw(), request);
        return out;
    }
    p2p_result cancel(p2p_request request) noexcept { return p2p_cancel(raw(), request); }
    /// The machine's network is another one now: what info() tells of it is found out anew.
    bool network_changed(Failure &f) noexcept { return p2p_network_changed(raw(), f.raw()) == P2P_OK; }

#ifdef __cpp_exceptions
    explicit Net(const Config &cfg)
    {
        detail::check([&](Failure &f) { return static_cast<bool>(*this = make(cfg, f)); });
    }
    void start()
    {
        detail::check([&](Failure &f) { return start(f); });
    }
    p2p_request bootstrap()
    {
        p2p_request out = 0;
        detail::check([&](Failure &f) { return bootstrap(out, f); });
        return out;
    }
    p2p_request advertise()
    {
        p2p_request out = 0;
        detail::check([&](Failure &f) { return advertise(out, f); });
        return out;
    }
    p2p_request connect(std::string_view host_port, Handler handler = {})
    {
        p2p_request out = 0;
        detail::check([&](Failure &f) { return connect(host_port, std::move(handler), out, f); });
        return out;
    }
    p2p_request unl_connect(std::string_view unl, Handler handler = {})
    {
        p2p_request out = 0;
        detail::check([&](Failure &f) { return unl_connect(unl, std::move(handler), out, f); });
        return out;
    }
    p2p_request unl_connect_classic(std::string_view unl, std::string_view nonce = {}, std::int32_t flags = 0,
                                    Handler handler = {})
    {
        p2p_request out = 0;
        detail::check(
            [&](Failure &f) { return unl_connect_classic(unl, nonce, flags, std::move(handler), out, f); });
        return out;
    }
    std::string unl_construct(const std::vector<std::string> &changes)
    {
        std::string out;
        detail::check([&](Failure &f) { return unl_construct(changes, out, f); });
        return out;
    }
    p2p_request dht_put(std::string_view to, std::string_view message)
    {
        p2p_request out = 0;
        detail::check([&](Failure &f) { return dht_put(to, message, out, f); });
        return out;
    }
    std::string unl()
    {
        std::string out;
        detail::check([&](Failure &f) { return unl(out, f); });
        return out;
    }
    void network_changed()
    {
        detail::check([&](Failure &f) { return network_changed(f); });
    }
#endif

    /// Sets the function for events; an empty one takes it away. Safe from inside a handler.
    void on_event(Handler handler)
    {
        if (!state_)
            return;
        auto fresh = handler ? std::make_shared<const Handler>(std::move(handler)) : nullptr;
        const std::lock_guard<std::mutex> lock(state_->mutex);
        state_->handler.swap(fresh);
        p2p_on_event(raw(), state_->handler ? &Net::on_any : nullptr, state_.get());
    }

    /// Runs handlers for what has come, at most max events, and returns how many there were. Never blocks.
    /// Failures: P2P_ERR_STATE without a handler, P2P_ERR_BUSY, P2P_ERR_REENTRANT.
    bool poll(std::uint32_t max, std::uint32_t &count, Failure &f)
    {
        count = 0;
        if (!state_)
            return f.set(P2P_ERR_INVALID);
        const std::shared_ptr<State> keep = state_; // a handler may destroy this very object
#ifdef __cpp_exceptions
        // One at a time: after a handler has thrown, the next one must not run.
        for (int n = 1; n > 0 && count < max && keep->net;) {
            n = p2p_poll(keep->net, 1);
            if (n < 0)
                return f.set(static_cast<p2p_result>(n));
            if (n > 0 && keep->thrown)
                std::rethrow_exception(std::exchange(keep->thrown, nullptr));
            count += static_cast<std::uint32_t>(n);
        }
#else
        const std::int32_t n = max > 0 ? p2p_poll(keep->net, max) : 0;
        if (n < 0)
            return f.set(static_cast<p2p_result>(n));
        count = static_cast<std::uint32_t>(n);
#endif
        return f.set(P2P_OK);
    }
#ifdef __cpp_exceptions
    std::uint32_t poll(std::uint32_t max = 1024)
    {
        std::uint32_t count = 0;
        detail::check([&](Failure &f) { return poll(max, count, f); });
        return count;
    }
#endif
    /// Takes the next event instead of having a handler run for it; empty if there is none.
    OwnedEvent next() noexcept
    {
        const p2p_event *ev = nullptr;
        if (p2p_next_event(raw(), &ev) != 1)
            return {};
        if (ev->kind == P2P_EVENT_DONE)
            (void)state_->take(ev->request);
        return OwnedEvent(ev);
    }
    /// Fills events[0] to events[cap - 1] with the next events and returns how many there were, 0 if none: many in one call,
    /// and nothing is copied. Event(events[i]) reads one. All stay until the next call of this, next() or poll(); until it
    /// has given none, wait() does not sleep.
    std::uint32_t next(p2p_event *events, std::uint32_t cap) noexcept
    {
        if (events && cap > 0)
            events->struct_size = sizeof *events;
        const std::int32_t n = p2p_next_events(raw(), events, cap);
        for (std::int32_t i = 0; i < n; i++)
            if (events[i].kind == P2P_EVENT_DONE)
                (void)state_->take(events[i].request);
        return n > 0 ? static_cast<std::uint32_t>(n) : 0;
    }
    /// Sleeps until there are events, for so many milliseconds (-1 = for ever) or until wake(). False once
    /// the net has stopped and every event has been taken (and for an empty net, or inside a handler).
    bool wait(std::int32_t timeout_ms = -1) noexcept
    {
        return p2p_wait(raw(), timeout_ms) >= 0;
    }
    void wake() noexcept
    {
        p2p_wake(raw());
    }
    /// The descriptor for an event loop, -1 if there is none.
    std::ptrdiff_t fd() noexcept
    {
        std::ptrdiff_t out = -1;
        p2p_fd(raw(), &out);
        return out;
    }

    /// P2P_OK, or why not: P2P_ERR_WOULD_BLOCK (again after WRITABLE), P2P_ERR_NOT_FOUND, P2P_ERR_CLOSED, ...
    p2p_result send_line(p2p_conn conn, std::string_view line) noexcept
    {
        return p2p_send_line(raw(), conn, data_of(line), line.size());
    }
    /// Sends many lines in one call, in their order; how many were taken is stored in sent. What is returned is about the
    /// line behind those, if not all were.
    p2p_result send_lines(p2p_conn conn, const p2p_line *lines, std::size_t count, std::size_t &sent) noexcept
    {
        sent = 0;
        return p2p_send_lines(raw(), conn, lines, count, &sent);
    }
    p2p_result send(p2p_conn conn, std::string_view bytes) noexcept
    {
        return p2p_send(raw(), conn, data_of(bytes), bytes.size());
    }
    p2p_result broadcast_line(std::string_view line, p2p_conn except = 0,
                              std::uint32_t *sent = nullptr) noexcept
    {
        return p2p_broadcast_line(raw(), data_of(line), line.size(), except, sent);
    }
    p2p_result close(p2p_conn conn) noexcept
    {
        return p2p_conn_close(raw(), conn);
    }
    /// Stops reading from a connection, or goes on.
    p2p_result pause(p2p_conn conn, bool on) noexcept
    {
        return p2p_conn_pause(raw(), conn, on ? 1 : 0);
    }

    /// Classic dialect: takes the socket of a connection over. fd is the caller's then; rest is what had been read of
    /// an unfinished line.
    p2p_result take_fd(p2p_conn conn, std::int32_t &fd, std::string &rest)
    {
        p2p_result result;
        std::size_t len = 0;
        rest.resize(4096);
        // Again if it is more: the connection goes on until then.
        while ((result = p2p_conn_take_fd(raw(), conn, &fd, rest.data(), rest.size(), &len)) ==
               P2P_ERR_TOO_SMALL)
            rest.resize(len);
        rest.resize(result == P2P_OK ? len : 0);
        return result;
    }
    p2p_result set_user(p2p_conn conn, void *user) noexcept
    {
        return p2p_conn_set_user(raw(), conn, user);
    }
    void *user(p2p_conn conn) noexcept
    {
        return p2p_conn_get_user(raw(), conn);
    }

    /// Leaves a message for the node `to`, at a mailbox or by the program's DHT. DONE tells that it is there, not that
    /// it has arrived.
    bool dht_put(std::string_view to, std::string_view message, p2p_request &out, Failure &f)
    {
        return detail::Text(to).with(f, [&](const char *text) {
            return p2p_dht_put(raw(), text, data_of(message), message.size(), &out, f.raw());
        });
    }
    /// Hands in what has come for this node over the program's DHT.
    p2p_result dht_deliver(std::string_view from, std::string_view message)
    {
        Failure f;
        p2p_result result = P2P_ERR_INVALID;
        detail::Text(from).with(f, [&](const char *text) {
            return result = p2p_dht_deliver(raw(), text, data_of(message), message.size());
        });
        return result;
    }
    /// This node's name for messages; empty if the net has no DHT.
    std::string dht_id()
    {
        std::string out;
        text(out, &p2p_dht_get_id, raw());
        return out;
    }

    /// The open connections, oldest first.
    std::vector<p2p_conn> conns()
    {
        std::vector<p2p_conn> ids;
        std::size_t count = 0;
        while (p2p_conn_list(raw(), ids.data(), ids.size(), &count) == P2P_ERR_TOO_SMALL)
            ids.resize(count);
        ids.resize(count);
        return ids;
    }
    /// The node's situation: what type it is, how others reach it, what NAT is in front of it. INFO events tell
    /// when it has changed. All zero, and empty, for an empty net.
    p2p_net_info info() noexcept
    {
        return filled<p2p_net_info>(&p2p_net_get_info, raw());
    }
    /// The story behind info(), one JSON object (docs/doctor.md has its members). Empty for an empty net.
    std::string report()
    {
        std::string out;
        text(out, &p2p_net_report, raw());
        return out;
    }
    p2p_stats stats() noexcept
    {
        return filled<p2p_stats>(&p2p_net_get_stats, raw());
    }
    /// All zero if there is no such connection.
    p2p_conn_info conn_info(p2p_conn conn) noexcept
    {
        return filled<p2p_conn_info>(&p2p_conn_get_info, raw(), conn);
    }
    /// The relay by which a connection goes, "host:port"; empty if by none.
    std::string relayed_by(p2p_conn conn)
    {
        return conn_info(conn).relay;
    }
    /// For C functions that are not wrapped here.
    p2p_net *raw() const noexcept
    {
        return state_ ? state_->net : nullptr;
    }

  private:
    struct State;
    struct Pending {
        p2p_request request;
        Handler handler;
        State *state;
    };
    /// What C holds pointers to: it stays where it is when the Net moves.
    struct State {
        p2p_net *net = nullptr;
        std::mutex mutex; // for handler and pending; never held while a handler runs
        std::shared_ptr<const Handler> handler;
        std::shared_ptr<const DhtSend> send; // what net points at
        std::list<Pending> pending;
#ifdef __cpp_exceptions
        std::exception_ptr thrown; // of the handler that has just run; only the polling thread touches it
#endif
        std::list<Pending> take(p2p_request request)
        {
            std::list<Pending> taken;
            const std::lock_guard<std::mutex> lock(mutex);
            for (auto it = pending.begin(); it != pending.end(); ++it)
                if (it->request == request) {
                    taken.splice(taken.begin(), pending, it);
                    break;
                }
            return taken;
        }
    };

    static void call(State &state, const Handler &handler, const p2p_event &ev) noexcept
    {
#ifdef __cpp_exceptions
        try {
            handler(Event(ev));
        } catch (...) {
            state.thrown = std::current_exception();
        }
#else
        (void)state;
        handler(Event(ev));
#endif
    }
    static void on_any(p2p_net *, const p2p_event *ev, void *user) noexcept
    {
        State &state = *static_cast<State *>(user);
        std::shared_ptr<const Handler> handler; // a handler may replace itself
        {
            const std::lock_guard<std::mutex> lock(state.mutex);
            handler = state.handler;
        }
        if (handler)
            call(state, *handler, *ev);
    }
    static void on_done(p2p_net *, const p2p_event *ev, void *user) noexcept
    {
        State &state = *static_cast<Pending *>(user)->state;
        const std::list<Pending> mine = state.take(ev->request);
        if (!mine.empty())
            call(state, mine.front().handler, *ev);
    }

    template <class Function>
    bool ask(Function function, std::string_view who, Handler handler, p2p_request &out, Failure &f)
    {
        return detail::Text(who).with(
            f, [&](const char *whom) { return ask_text(function, whom, std::move(handler), out, f); });
    }
    template <class Function>
    p2p_result ask_text(Function function, const char *whom, Handler handler, p2p_request &out, Failure &f)
    {
        if (!handler || !state_)
            return function(raw(), whom, nullptr, nullptr, &out, f.raw());
        // Locked until the request's number is noted: another thread may be taking its DONE already.
        const std::lock_guard<std::mutex> lock(state_->mutex);
        state_->pending.push_back({0, std::move(handler), state_.get()});
        Pending &mine = state_->pending.back();
        const p2p_result result = function(raw(), whom, &Net::on_done, &mine, &out, f.raw());
        if (result == P2P_OK)
            mine.request = out;
        else
            state_->pending.pop_back();
        return result;
    }
    template <class Function, class... Args>
    static p2p_result text(std::string &out, Function function, p2p_net *net, Args... args)
    {
        p2p_result result;
        std::size_t need = 0;
        out.clear();
        // Once for the size, and again if it has grown in between.
        while ((result = function(net, args..., out.data(), out.size(), &need)) == P2P_ERR_TOO_SMALL)
            out.resize(need);
        out.resize(result == P2P_OK && need > 0 ? need - 1 : 0);
        return result;
    }
    static const char *data_of(std::string_view text) noexcept
    {
        return text.data() ? text.data() : "";
    }
    template <class Info, class Function, class... Args>
    static Info filled(Function function, p2p_net *net, Args... args) noexcept
    {
        Info info{};
        info.struct_size = sizeof info;
        function(net, args..., &info);
        return info;
    }

    std::shared_ptr<State> state_;
};

} // namespace p2p

#endif

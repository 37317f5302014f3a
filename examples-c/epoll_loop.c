/* epoll_loop.c - p2pnet in a program with its own event loop: epoll, with stdin, a timer and signals.
 *
 * A little chat: every line of stdin goes to all connections. The net is one more descriptor (p2p_fd) in the
 * loop; when it is readable, p2p_poll() runs our function for what came. The same goes for poll(), libuv,
 * GLib and the like. (epoll, timerfd and signalfd are Linux.)
 *
 *   cc epoll_loop.c -o epoll_loop $(pkg-config --cflags --libs p2pnet)
 * or, in the source tree,
 *   cc examples-c/epoll_loop.c -o epoll_loop -Iinclude target/release/libp2pnet.a -lgcc_s -lm -lpthread -ldl
 *
 * In two terminals; type in either:
 *   ./epoll_loop --port 5000
 *   ./epoll_loop --bind 127.0.0.2 --connect 127.0.0.1:5000
 * By itself; it ends when one line has come:
 *   ./epoll_loop --bind 127.0.0.3 --connect 127.0.0.1:5000 --say hello --exit-after 1
 *
 * --server HOST:PORT finds the others through a rendezvous server instead; --status N tells the situation
 * every N seconds.
 */
#define _POSIX_C_SOURCE 200809L
#include "example.h"
#include <errno.h>
#include <p2pnet.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct chat {
    const char *bind, *server, *connect, *say;
    long port, exit_after, status;
    p2p_net *net;
    long received;
    bool failed;
    char typed[4096]; /* of stdin, up to its next newline */
    size_t typed_len;
};

static void say(struct chat *me, const char *text, size_t len)
{
    uint32_t sent = 0;
    if (len == 0) /* the library refuses an empty line */
        return;
    p2p_result result = p2p_broadcast_line(me->net, text, len, 0, &sent);
    if (result == P2P_ERR_WOULD_BLOCK) /* to wait for WRITABLE and say it again would be the careful way */
        fprintf(stderr, "epoll_loop: somebody reads too slowly and misses that line\n");
    else if (result != P2P_OK)
        fprintf(stderr, "epoll_loop: not sent: %s\n", p2p_strerror(result));
    else if (sent == 0)
        printf("(nobody is here yet)\n");
}

static void on_event(p2p_net *net, const p2p_event *ev, void *user)
{
    struct chat *me = user;
    switch (ev->kind) {
    case P2P_EVENT_READY: {
        p2p_net_info info = {.struct_size = sizeof info};
        p2p_net_get_info(net, &info);
        printf("listening on %s:%u\n", me->bind, (unsigned)info.passive_port);
        break;
    }
    case P2P_EVENT_OPENED:
        printf("* %s is here\n", ev->peer);
        if (me->say)
            p2p_send_line(net, ev->conn, me->say, P2P_AUTO_LEN);
        break;
    case P2P_EVENT_LINE:
        printf("%s ", ev->peer);
        example_print("< ", ev->data, ev->len);
        me->received++;
        break;
    case P2P_EVENT_CLOSED:
        printf("* %s has left (%s)\n", ev->peer, ev->data);
        break;
    case P2P_EVENT_DONE:
        if (ev->result != P2P_OK) {
            fprintf(stderr, "epoll_loop: %s\n", ev->data);
            me->failed = true;
        }
        break;
    default:
        break;
    }
}

static bool start(struct chat *me)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_config *cfg = p2p_config_new();
    bool ok =
        p2p_config_set_int(cfg, P2P_OPT_NODE_TYPE, P2P_NODE_PASSIVE, &err) == P2P_OK &&
        p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, me->bind, &err) == P2P_OK &&
        p2p_config_set_int(cfg, P2P_OPT_PASSIVE_PORT, me->port, &err) == P2P_OK &&
        (!me->server || p2p_config_add_server(cfg, P2P_SERVER_RENDEZVOUS, me->server, &err) == P2P_OK) &&
        p2p_net_new(cfg, &me->net, &err) == P2P_OK && p2p_net_start(me->net, &err) == P2P_OK;
    p2p_config_free(cfg);
    if (ok && me->server)
        ok = p2p_net_bootstrap(me->net, NULL, &err) == P2P_OK &&
             p2p_net_advertise(me->net, NULL, &err) == P2P_OK;
    if (ok && me->connect)
        ok = p2p_connect(me->net, me->connect, NULL, NULL, NULL, &err) == P2P_OK;
    if (!ok)
        fprintf(stderr, "epoll_loop: %s\n", err.message);
    return ok && p2p_on_event(me->net, on_event, me) == P2P_OK;
}

/* Takes what stdin has and says its whole lines. False at its end. */
static bool read_stdin(struct chat *me)
{
    ssize_t n = read(STDIN_FILENO, me->typed + me->typed_len, sizeof me->typed - me->typed_len);
    if (n <= 0)
        return n < 0 && errno == EINTR;
    me->typed_len += (size_t)n;
    char *newline;
    while ((newline = memchr(me->typed, '\n', me->typed_len)) || me->typed_len == sizeof me->typed) {
        size_t len = newline ? (size_t)(newline - me->typed) : me->typed_len, used = newline ? len + 1 : len;
        say(me, me->typed, len);
        me->typed_len -= used;
        memmove(me->typed, me->typed + used, me->typed_len);
    }
    return true;
}

static void tell_status(struct chat *me)
{
    p2p_net_info info = {.struct_size = sizeof info};
    if (p2p_net_get_info(me->net, &info) == P2P_OK)
        printf("* %u came to us, we went to %u, %ld lines received\n", (unsigned)info.inbound,
               (unsigned)info.outbound, me->received);
}

static bool watch(int loop, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &ev) == 0;
}

static bool run(struct chat *me, const sigset_t *signals)
{
    struct epoll_event events[8];
    ptrdiff_t net_fd = -1;
    uint64_t ticks;
    bool running = p2p_fd(me->net, &net_fd) == P2P_OK;
    int loop = epoll_create1(EPOLL_CLOEXEC),
        timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int signal_fd = signalfd(-1, signals, SFD_NONBLOCK | SFD_CLOEXEC);
    struct itimerspec every = {.it_interval.tv_sec = me->status,
                               .it_value.tv_sec = me->status}; /* 0 = never */
    timerfd_settime(timer, 0, &every, NULL);
    if (!running || !watch(loop, (int)net_fd) || !watch(loop, timer) || !watch(loop, signal_fd)) {
        perror("epoll_loop: setting up the loop");
        running = false;
        me->failed = true;
    } else if (!watch(loop, STDIN_FILENO)) /* EPERM: epoll watches no files and no /dev/null */
        fprintf(stderr, "epoll_loop: stdin is no terminal and no pipe; it is not read\n");
    while (running && !me->failed && (me->exit_after == 0 || me->received < me->exit_after)) {
        int count = epoll_wait(loop, events, 8, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == net_fd)
                p2p_poll(me->net, 0); /* level triggered: what is left over wakes us again */
            else if (fd == STDIN_FILENO && !read_stdin(me))
                epoll_ctl(loop, EPOLL_CTL_DEL, fd, NULL); /* its end is no reason to leave */
            else if (fd == timer && read(timer, &ticks, sizeof ticks) > 0)
                tell_status(me);
            else if (fd == signal_fd)
                running = false;
        }
    }
    close(signal_fd);
    close(timer);
    close(loop); /* but not net_fd: it is the net's */
    return !me->failed && me->received >= me->exit_after;
}

int main(int argc, char **argv)
{
    static struct chat me = {.bind = "127.0.0.1"};
    const struct example_option options[] = {
        {"--bind", &me.bind, NULL, NULL},     {"--port", NULL, &me.port, NULL},
        {"--server", &me.server, NULL, NULL}, {"--connect", &me.connect, NULL, NULL},
        {"--say", &me.say, NULL, NULL},       {"--exit-after", NULL, &me.exit_after, NULL},
        {"--status", NULL, &me.status, NULL}, {NULL, NULL, NULL, NULL}};
    example_options(argc, argv, options,
                    "epoll_loop [--bind ADDR] [--port N] [--server HOST:PORT] [--connect HOST:PORT]\n"
                    "                  [--say TEXT] [--exit-after LINES] [--status SECONDS]");
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    /* Ctrl-C comes as an event of the loop, too. The library's thread blocks all signals: they are ours. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    bool ok = start(&me) && run(&me, &signals);
    p2p_net_free(me.net); /* what was said and is still queued goes out first */
    return ok ? 0 : 1;
}

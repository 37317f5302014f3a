/* check.h - what the C tests have in common: checks that name file, line and what; nodes on loopback; waiting for a
 * condition under a watchdog that says "hung"; plain sockets for peers that are not ours.
 *
 * A test is a function; main() lists them with RUN. CHECK notes a failure and goes on, REQUIRE ends the program (where
 * going on makes no sense). Nothing sleeps instead of waiting for a condition, and no test fails because it was slow:
 * only the watchdog, with minutes to spare, ends one that hangs.
 *
 * argv[1] is the load in per cent (100 without it): valgrind is slow, so its runs are smaller. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "p2pnet.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

/* ---- checks ---- */

static int check_scale = 100, check_passed, check_failed, check_skipped, check_bad;
static const char *check_name = "", *check_waits = "";
static unsigned check_watchdog = 300;

UNUSED static int check_fail(const char *file, int line, const char *what, const char *format, ...)
{
    char more[600] = "";
    va_list list;
    va_start(list, format);
    vsnprintf(more, sizeof more, format, list);
    va_end(list);
    printf("# %s:%d: %s: %s%s%s\n", file, line, check_name, what, more[0] ? ": " : "", more);
    fflush(stdout);
    check_bad++;
    return 0;
}

/* Notes a failure; the rest of the arguments is a printf of what was found instead. */
#define CHECK(cond, ...) (void)((cond) ? 1 : check_fail(__FILE__, __LINE__, #cond, "" __VA_ARGS__))
#define CHECK_INT(got, want)                                                                  \
    do {                                                                                      \
        long long got_ = (long long)(got), want_ = (long long)(want);                         \
        if (got_ != want_)                                                                    \
            check_fail(__FILE__, __LINE__, #got " == " #want, "%lld, not %lld", got_, want_); \
    } while (0)
/* The result of a call, in words. */
#define CHECK_IS(call, want)                                                    \
    do {                                                                        \
        int got_ = (int)(call), want_ = (int)(want);                            \
        if (got_ != want_)                                                      \
            check_fail(__FILE__, __LINE__, #call " is " #want, "%d (%s)", got_, \
                       p2p_strerror((p2p_result)got_));                         \
    } while (0)
#define CHECK_OK(call) CHECK_IS(call, P2P_OK)
#define CHECK_HAS(text, part)                                                       \
    do {                                                                            \
        const char *text_ = (text);                                                 \
        if (!strstr(text_, part))                                                   \
            check_fail(__FILE__, __LINE__, #text " holds " #part, "\"%s\"", text_); \
    } while (0)
#define REQUIRE(cond, ...)                                         \
    do {                                                           \
        if (!(cond)) {                                             \
            check_fail(__FILE__, __LINE__, #cond, "" __VA_ARGS__); \
            printf("not ok %s\n", check_name);                     \
            exit(1);                                               \
        }                                                          \
    } while (0)

/* Says why a part cannot be tested here; the runner counts and repeats it. */
UNUSED static void skip(const char *why)
{
    printf("# SKIP %s: %s\n", check_name, why);
    check_skipped++;
}

static void check_hung(int sig)
{
    (void)sig;
    char text[700];
    int n = snprintf(text, sizeof text, "# hung: %s waits for %s\nnot ok %s\n", check_name, check_waits,
                     check_name);
    if (write(1, text, (size_t)n) < 0)
        _exit(3);
    _exit(2);
}

UNUSED static void check_begin(int argc, char **argv)
{
    if (argc > 1)
        check_scale = atoi(argv[1]);
    const char *seconds = getenv("CHECK_WATCHDOG");
    if (seconds)
        check_watchdog = (unsigned)atoi(seconds);
    signal(SIGALRM, check_hung);
    setvbuf(stdout, NULL, _IOLBF, 0);
}

#define RUN(test)                                                          \
    do {                                                                   \
        if (argc > 2 && strcmp(argv[2], #test) != 0)                       \
            break; /* argv[2]: only this one */                            \
        check_name = #test, check_waits = "the test's end", check_bad = 0; \
        alarm(check_watchdog);                                             \
        test();                                                            \
        alarm(0);                                                          \
        check_bad ? check_failed++ : check_passed++;                       \
        printf("%s %s\n", check_bad ? "not ok" : "ok", #test);             \
    } while (0)

UNUSED static int check_end(void)
{
    printf("%d passed, %d failed, %d skipped\n", check_passed, check_failed, check_skipped);
    return check_failed ? 1 : 0;
}

/* A share of a full load, at least `least`. */
UNUSED static long scaled(long full, long least)
{
    long n = full * check_scale / 100;
    return n < least ? least : n;
}

#define STR2(x) #x
#define STR(x) STR2(x)
/* Does `step` (an expression) again and again until the condition holds. */
#define UNTIL(cond, step)                                    \
    do {                                                     \
        const char *outer_ = check_waits;                    \
        check_waits = __FILE__ ":" STR(__LINE__) ": " #cond; \
        while ((void)(step), !(cond))                        \
            check_nap();                                     \
        check_waits = outer_;                                \
    } while (0)

/* Between two looks at a condition. */
UNUSED static void check_nap(void)
{
    nanosleep(&(struct timespec){0, 200000}, NULL);
}

UNUSED static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

UNUSED static int entries(const char *folder)
{
    int n = 0;
    DIR *d = opendir(folder);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

/* Resident memory in KiB. */
UNUSED static long rss_kib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*s %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- nodes ---- */

struct seen {
    int kind, result, code;
    p2p_conn conn;
    p2p_request request;
    void *user;
    size_t len;
    char data[200], peer[P2P_ADDR_LEN];
};

/* A net with what came out of it. */
struct node {
    p2p_net *net;
    struct seen *log;
    size_t n, room;
    char at[P2P_ADDR_LEN]; /* "ip:port" */
    /* Called for every event after it was noted, if set. */
    void (*also)(struct node *, const p2p_event *);
    void *data;
};

UNUSED static void node_event(p2p_net *net, const p2p_event *ev, void *user)
{
    struct node *node = user;
    (void)net;
    if (node->n == node->room) {
        node->room = node->room ? node->room * 2 : 64;
        node->log = realloc(node->log, node->room * sizeof *node->log);
    }
    struct seen *s = &node->log[node->n++];
    s->kind = ev->kind, s->result = ev->result, s->code = ev->code, s->conn = ev->conn,
    s->request = ev->request;
    s->user = ev->conn_user, s->len = ev->len;
    snprintf(s->data, sizeof s->data, "%s", ev->data);
    snprintf(s->peer, sizeof s->peer, "%s", ev->peer);
    if (node->also)
        node->also(node, ev);
}

struct set {
    int key;
    long long value;
};

struct server {
    int kind;
    const char *at;
};

#define OPTIONS(...) ((const struct set[]){__VA_ARGS__, {0, 0}})
/* Without either, a net speaks the dialect that is the library's default; run.py has the other one tested as well, by
 * CHECK_DIALECT. Peers that are plain sockets speak the classic one. */
#define CLASSIC                              \
    {                                        \
        P2P_OPT_DIALECT, P2P_DIALECT_CLASSIC \
    }
#define SECURE                              \
    {                                       \
        P2P_OPT_DIALECT, P2P_DIALECT_SECURE \
    }
/* Asks no router for its port and no system for changes: what a node has to be told that is not on loopback alone. */
#define ON_EVERY_ADDRESS                \
    {P2P_OPT_FORWARDING, P2P_FWD_NONE}, \
    {                                   \
        P2P_OPT_NETWORK_MONITOR, 0      \
    }
#define SERVERS(...) ((const struct server[]){__VA_ARGS__, {0, NULL}})

/* The dialect of nets that are not told one. */
UNUSED static int usual_dialect(void)
{
    const char *told = getenv("CHECK_DIALECT");
    return told && strcmp(told, "classic") == 0 ? P2P_DIALECT_CLASSIC : P2P_DIALECT_SECURE;
}

/* How long a net's end may take where no option says so. p2p_net_free() waits twice as long and a second: by default 3 s, and a
 * thread that does not get the CPU for so long would look like one that hangs. */
#define PATIENT_END_MS 10000

/* A net that listens on `ip` (any free port), with the options up to {0, 0} and the servers up to {0, NULL}, both of which
 * may be NULL; not started. */
UNUSED static p2p_net *net_with(const char *ip, const struct set *options, const struct server *servers)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_config *cfg = p2p_config_new();
    int quiet = strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0;
    REQUIRE(cfg != NULL);
    REQUIRE(p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, ip, &err) == P2P_OK, "%s", err.message);
    REQUIRE(p2p_config_set_int(cfg, P2P_OPT_DIALECT, usual_dialect(), &err) == P2P_OK, "%s", err.message);
    REQUIRE(p2p_config_set_int(cfg, P2P_OPT_CLOSE_TIMEOUT_MS, PATIENT_END_MS, &err) == P2P_OK, "%s",
            err.message);
    for (; options && options->key; options++) {
        quiet |= options->key == P2P_OPT_FORWARDING && options->value == P2P_FWD_NONE;
        REQUIRE(p2p_config_set_int(cfg, options->key, options->value, &err) == P2P_OK, "%s", err.message);
    }
    REQUIRE(quiet, "%s is not on loopback: ON_EVERY_ADDRESS", ip);
    for (; servers && servers->kind; servers++)
        REQUIRE(p2p_config_add_server(cfg, servers->kind, servers->at, &err) == P2P_OK, "%s", err.message);
    p2p_net *net = NULL;
    REQUIRE(p2p_net_new(cfg, &net, &err) == P2P_OK, "%s", err.message);
    p2p_config_free(cfg);
    return net;
}

UNUSED static p2p_net *net_new(const char *ip, const struct set *options)
{
    return net_with(ip, options, NULL);
}

UNUSED static p2p_net_info net_info(p2p_net *net)
{
    p2p_net_info info = {.struct_size = sizeof info};
    CHECK_OK(p2p_net_get_info(net, &info));
    return info;
}

UNUSED static p2p_stats net_stats(p2p_net *net)
{
    p2p_stats stats = {.struct_size = sizeof stats};
    CHECK_OK(p2p_net_get_stats(net, &stats));
    return stats;
}

/* Bytes of a connection's lines that have arrived and were not taken. */
UNUSED static unsigned long long net_unread(p2p_net *net, p2p_conn conn)
{
    p2p_conn_info info = {.struct_size = sizeof info};
    CHECK_OK(p2p_conn_get_info(net, conn, &info));
    return info.unread_bytes;
}

/* The net's report, to be freed. */
UNUSED static char *net_report(p2p_net *net)
{
    char *text = NULL;
    size_t cap = 0, need = 0;
    /* It may grow in between. */
    while (p2p_net_report(net, text, cap, &need) == P2P_ERR_TOO_SMALL) {
        text = realloc(text, need);
        cap = need;
    }
    REQUIRE(text && need > 0 && need <= cap && strlen(text) == need - 1);
    return text;
}

/* Starts a net of net_new as a node that notes its events. */
UNUSED static void node_start(struct node *node, p2p_net *net, const char *ip)
{
    p2p_error err = {.struct_size = sizeof err};
    memset(node, 0, sizeof *node);
    node->net = net;
    CHECK_OK(p2p_on_event(net, node_event, node));
    REQUIRE(p2p_net_start(net, &err) == P2P_OK, "%s", err.message);
    const char *format = strchr(ip, ':') ? "[%s]:%u" : "%s:%u";
    snprintf(node->at, sizeof node->at, format, ip, (unsigned)net_info(net).passive_port);
}

UNUSED static void node_open(struct node *node, const char *ip, const struct set *options)
{
    node_start(node, net_new(ip, options), ip);
}

UNUSED static void node_free(struct node *node)
{
    CHECK_OK(p2p_net_free(node->net));
    free(node->log);
    memset(node, 0, sizeof *node);
}

/* Takes what there is; polling must never fail here. */
UNUSED static int pump(struct node *node)
{
    int n = p2p_poll(node->net, 0);
    CHECK(n >= 0, "%d (%s)", n, p2p_strerror((p2p_result)n));
    return n;
}

UNUSED static int pump2(struct node *a, struct node *b)
{
    return pump(a) + pump(b);
}

/* The first event noted of this kind from `from` on, or NULL. */
UNUSED static struct seen *seen_from(struct node *node, int kind, size_t from)
{
    for (size_t i = from; i < node->n; i++)
        if (node->log[i].kind == kind)
            return &node->log[i];
    return NULL;
}
UNUSED static struct seen *seen(struct node *node, int kind)
{
    return seen_from(node, kind, 0);
}
UNUSED static int count_of(struct node *node, int kind)
{
    int n = 0;
    for (size_t i = 0; i < node->n; i++)
        n += node->log[i].kind == kind;
    return n;
}
UNUSED static void forget(struct node *node)
{
    node->n = 0;
}

/* Stops a node and takes all it has to say. */
UNUSED static void node_stop(struct node *node)
{
    CHECK_OK(p2p_net_stop(node->net));
    UNTIL(seen(node, P2P_EVENT_STOPPED), pump(node));
    CHECK_INT(node->log[node->n - 1].kind, P2P_EVENT_STOPPED);
    CHECK_INT(count_of(node, P2P_EVENT_STOPPED), 1);
}

UNUSED static struct seen *done_of(struct node *node, p2p_request request)
{
    for (size_t i = 0; i < node->n; i++)
        if (node->log[i].kind == P2P_EVENT_DONE && node->log[i].request == request)
            return &node->log[i];
    return NULL;
}

/* Connects a to b; both see OPENED. Returns a's id, and b's in *theirs. */
UNUSED static p2p_conn join_nodes(struct node *a, struct node *b, p2p_conn *theirs)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_request request = 0;
    size_t from = b->n;
    REQUIRE(p2p_connect(a->net, b->at, NULL, NULL, &request, &err) == P2P_OK, "%s", err.message);
    UNTIL(done_of(a, request), pump2(a, b));
    struct seen *done = done_of(a, request);
    REQUIRE(done->result == P2P_OK, "%s", done->data);
    p2p_conn conn = done->conn;
    UNTIL(seen_from(b, P2P_EVENT_OPENED, from), pump2(a, b));
    if (theirs)
        *theirs = seen_from(b, P2P_EVENT_OPENED, from)->conn;
    return conn;
}

/* ---- peers that are plain sockets ---- */

UNUSED static struct sockaddr_in address_of(const char *at)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    char ip[64];
    unsigned port = 0;
    REQUIRE(sscanf(at, "%63[^:]:%u", ip, &port) == 2, "%s", at);
    a.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, ip, &a.sin_addr);
    return a;
}

/* A blocking connection to "ip:port" from `from` ("" = any); -1 if it is refused. */
UNUSED static int raw_connect(const char *at, const char *from)
{
    struct sockaddr_in to = address_of(at), me = {.sin_family = AF_INET};
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (from[0]) {
        inet_pton(AF_INET, from, &me.sin_addr);
        REQUIRE(bind(s, (struct sockaddr *)&me, sizeof me) == 0);
    }
    if (connect(s, (struct sockaddr *)&to, sizeof to) != 0) {
        close(s);
        return -1;
    }
    int on = 1;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return s;
}

/* A listening socket on `ip`; its "ip:port" in `at`. */
UNUSED static int raw_listen(const char *ip, int backlog, char at[P2P_ADDR_LEN])
{
    struct sockaddr_in me = {.sin_family = AF_INET};
    socklen_t len = sizeof me;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, ip, &me.sin_addr);
    REQUIRE(bind(s, (struct sockaddr *)&me, sizeof me) == 0 && listen(s, backlog) == 0);
    REQUIRE(getsockname(s, (struct sockaddr *)&me, &len) == 0);
    snprintf(at, P2P_ADDR_LEN, "%s:%u", ip, (unsigned)ntohs(me.sin_port));
    return s;
}

/* Sends all; false if the other side is gone. */
UNUSED static int raw_send(int s, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = send(s, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return 0;
        p += n, len -= (size_t)n;
    }
    return 1;
}
#define RAW_SAY(s, text) raw_send(s, text, sizeof text - 1)

/* Reads until `len` bytes are there or the end; how many. */
UNUSED static size_t raw_read(int s, void *data, size_t len)
{
    size_t have = 0;
    while (have < len) {
        ssize_t n = recv(s, (char *)data + have, len - have, 0);
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    return have;
}

/* Closes by RST instead of FIN. */
UNUSED static void raw_reset(int s)
{
    struct linger l = {1, 0};
    setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    close(s);
}

#endif

/* peer.c - one node of the lab: lines on stdin tell it what to do, lines of JSON on stdout tell what happens.
 *
 *   peer [--server HOST:PORT]... [--OPTION VALUE]... [--clock SECONDS]
 *
 *   unl                the node's locator                   -> unl
 *   construct A=B|...  p2p_unl_construct() with changes     -> unl
 *   connect LOCATOR    p2p_unl_connect()                    -> connected or failed, once
 *   dial HOST:PORT     p2p_connect()                        -> connected or failed, once
 *   cancel             p2p_cancel() for all under way       -> failed for each
 *   close              closes all connections               -> closed for each
 *   connections        which are open                       -> connections
 *   report             p2p_net_report()                     -> report
 *   stream SALT        numbered lines without end, on the connection there is; stream.c has the rest
 *   until NUMBER       when so many of the peer's have come  -> reached
 *   rest               sends no more; when the peer has all  -> rested
 *   quit               stops the net and ends; so does the end of stdin
 *
 * It answers every line "ping X" by "pong X". A connection counts as usable when a line has gone both ways: `connected`
 * tells the time from the call to OPENED and to the pong. Times are of CLOCK_MONOTONIC, which all peers of a machine
 * share. One thread, one poll(): no waiting for time to pass. The table below has the options. */
#define _GNU_SOURCE
#include "clock.h"
#include "stream.h"
#include <errno.h>
#include <p2pnet.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MANY 64
#define LONGEST 8192

/* An attempt to connect. */
struct attempt {
    bool used;
    bool by_locator;
    bool done; /* the callback has run, the pong is missing */
    unsigned number;
    p2p_request request;
    p2p_conn conn;
    double begun_ms, opened_ms;
    char *story;
};

static struct {
    p2p_net *net;
    bool ready, stopped, quitting;
    unsigned attempts_so_far;
    struct attempt attempts[MANY];
    const char *changes[MANY];
    size_t change_count;
    char typed[LONGEST];
    size_t typed_len;
} me;

/* The options by name: p2p_opt, and whether it is a text. */
static const struct option {
    const char *name;
    int key;
    bool text;
} OPTIONS[] = {{"--node-type", P2P_OPT_NODE_TYPE, false},
               {"--net-type", P2P_OPT_NET_TYPE, false},
               {"--port", P2P_OPT_PASSIVE_PORT, false},
               {"--bind", P2P_OPT_PASSIVE_BIND, true},
               {"--forwarding", P2P_OPT_FORWARDING, false},
               {"--seed", P2P_OPT_SEED, false},
               {"--log-level", P2P_OPT_LOG_LEVEL, false},
               {"--log-fd", P2P_OPT_LOG_FD, false},
               {"--simultaneous", P2P_OPT_SIMULTANEOUS, false},
               {"--dialect", P2P_OPT_DIALECT, false},
               {"--connect-timeout", P2P_OPT_UNL_CONNECT_TIMEOUT_MS, false},
               {"--unl-lifetime", P2P_OPT_UNL_LIFETIME_MS, false},
               {"--punch-half-open", P2P_OPT_PUNCH_HALF_OPEN, false},
               {"--punch-per-minute", P2P_OPT_PUNCH_PER_MINUTE, false},
               {"--local-peers", P2P_OPT_LOCAL_PEERS, false},
               {"--relay", P2P_OPT_RELAY, false},
               {"--relay-sessions", P2P_OPT_RELAY_SESSIONS, false},
               {"--wan-ip", P2P_OPT_WAN_IP, true},
               {"--network", P2P_OPT_NETWORK, true},
               {"--key", P2P_OPT_KEY, true}};

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A JSON string. */
static void quoted(const char *text, size_t len)
{
    putchar('"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < ' ' || c == 127)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

/* One line: {"event": ..., "at_ms": ..., and what the format says, in pairs of a name and a value of the kind
 * s (text), d (number), f (milliseconds), j (JSON as it is; may be NULL). */
void tell(const char *event, const char *kinds, ...)
{
    va_list values;
    va_start(values, kinds);
    printf("{\"event\":\"%s\",\"at_ms\":%.3f", event, now_ms());
    for (const char *k = kinds; *k; k++) {
        printf(",\"%s\":", va_arg(values, const char *));
        if (*k == 'd')
            printf("%lld", va_arg(values, long long));
        else if (*k == 'f')
            printf("%.3f", va_arg(values, double));
        else {
            const char *text = va_arg(values, const char *);
            if (*k == 's')
                quoted(text, strlen(text));
            else
                fputs(text ? text : "null", stdout);
        }
    }
    puts("}");
    fflush(stdout);
    va_end(values);
}

static const char *via_name(p2p_via via)
{
    static const char *const NAMES[] = {"?", "accept", "direct", "lan", "punch", "reverse", "relay"};
    return via > 0 && via < 7 ? NAMES[via] : "?";
}

/* What a function that fills a buffer has to say; free() it. NULL: it failed, and how. */
typedef p2p_result (*filler)(p2p_net *net, p2p_request about, char *buf, size_t cap, size_t *need);

static char *whole(filler fill, p2p_request about, p2p_result *result)
{
    char *text = NULL;
    size_t cap = 0, need = 0;
    /* What is told may grow between two calls. */
    while ((*result = fill(me.net, about, text, cap, &need)) == P2P_ERR_TOO_SMALL) {
        free(text);
        text = malloc(cap = need + 256);
        if (!text)
            abort();
    }
    if (*result != P2P_OK) {
        free(text);
        return NULL;
    }
    /* One line each: JSON has no line ends but between its parts. */
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    return text;
}

static p2p_result fill_report(p2p_net *net, p2p_request about, char *buf, size_t cap, size_t *need)
{
    (void)about;
    return p2p_net_report(net, buf, cap, need);
}

/* The locator with what me.changes holds in place of the facts. */
static p2p_result fill_unl(p2p_net *net, p2p_request about, char *buf, size_t cap, size_t *need)
{
    (void)about;
    return me.change_count == 0 ? p2p_unl_get(net, buf, cap, need)
                                : p2p_unl_construct(net, me.changes, me.change_count, buf, cap, need, NULL);
}

static void tell_unl(char *changes)
{
    p2p_result result;
    for (me.change_count = 0; changes && me.change_count < MANY; me.change_count++)
        me.changes[me.change_count] = strsep(&changes, "|");
    char *unl = whole(fill_unl, 0, &result);
    tell("unl", "dss", "result", (long long)result, "what", p2p_strerror(result), "unl", unl ? unl : "");
    free(unl);
}

static void tell_report(const char *event)
{
    p2p_result result;
    char *report = whole(fill_report, 0, &result);
    tell(event, "dj", "result", (long long)result, "report", report);
    free(report);
}

static void connection(p2p_conn conn, p2p_conn_info *info)
{
    memset(info, 0, sizeof *info);
    info->struct_size = sizeof *info;
    if (p2p_conn_get_info(me.net, conn, info) != P2P_OK)
        info->via = 0;
}

static void over(struct attempt *a)
{
    free(a->story);
    memset(a, 0, sizeof *a);
}

static void failed(struct attempt *a, p2p_result result, int os_error, const char *text)
{
    tell("failed", "ddsdsfj", "number", (long long)a->number, "result", (long long)result, "what",
         p2p_strerror(result), "os_error", (long long)os_error, "text", text, "took_ms",
         now_ms() - a->begun_ms, "explain", a->story);
    over(a);
}

/* The callback of an attempt: it has succeeded or failed. */
static void on_done(p2p_net *net, const p2p_event *ev, void *user)
{
    struct attempt *a = user;
    char ping[32];
    p2p_result sent = P2P_OK, told;
    if (a->opened_ms == 0)
        a->opened_ms = now_ms();
    if (ev->result == P2P_OK) {
        snprintf(ping, sizeof ping, "ping %u", a->number);
        sent = p2p_send_line(net, ev->conn, ping, P2P_AUTO_LEN);
    }
    a->conn = ev->conn;
    a->done = true;
    if (a->by_locator)
        a->story = whole(p2p_explain, ev->request, &told);
    if (ev->result != P2P_OK)
        failed(a, ev->result, ev->os_error, ev->data);
    else if (sent != P2P_OK)
        failed(a, sent, 0, "the first line could not be sent");
}

static void usable(struct attempt *a, const p2p_event *ev)
{
    p2p_conn_info info;
    double now = now_ms();
    connection(ev->conn, &info);
    tell("connected", "ddssfff", "number", (long long)a->number, "conn", (long long)ev->conn, "via",
         via_name(info.via), "peer", ev->peer, "begun_ms", a->begun_ms, "opened_ms",
         a->opened_ms - a->begun_ms, "usable_ms", now - a->begun_ms);
    /* After the measurement, as it is long. */
    tell("explain", "dj", "number", (long long)a->number, "explain", a->story);
    over(a);
}

static void on_line(const p2p_event *ev)
{
    char pong[64];
    unsigned number;
    if (ev->len > 1 && ev->data[0] == '#') {
        stream_line(me.net, ev);
        return;
    }
    if (ev->len < 32 && sscanf(ev->data, "ping %u", &number) == 1) {
        snprintf(pong, sizeof pong, "pong %u", number);
        p2p_send_line(me.net, ev->conn, pong, P2P_AUTO_LEN);
        return;
    }
    if (ev->len < 32 && sscanf(ev->data, "pong %u", &number) == 1)
        for (int i = 0; i < MANY; i++)
            if (me.attempts[i].done && me.attempts[i].number == number && me.attempts[i].conn == ev->conn) {
                usable(&me.attempts[i], ev);
                return;
            }
    tell("line", "ds", "conn", (long long)ev->conn, "text", ev->data);
}

static void on_event(p2p_net *net, const p2p_event *ev, void *user)
{
    (void)user;
    p2p_conn_info info;
    switch (ev->kind) {
    case P2P_EVENT_READY:
        me.ready = true;
        tell_report("ready");
        break;
    case P2P_EVENT_OPENED:
        for (int i = 0; i < MANY && ev->request; i++)
            if (me.attempts[i].used && me.attempts[i].request == ev->request && !me.attempts[i].done)
                me.attempts[i].opened_ms = now_ms();
        connection(ev->conn, &info);
        tell("opened", "dddss", "conn", (long long)ev->conn, "request", (long long)ev->request, "inbound",
             (long long)info.inbound, "via", via_name(info.via), "peer", ev->peer);
        break;
    case P2P_EVENT_LINE:
        on_line(ev);
        break;
    case P2P_EVENT_CLOSED:
        for (int i = 0; i < MANY; i++)
            if (me.attempts[i].done && me.attempts[i].conn == ev->conn)
                failed(&me.attempts[i], ev->result, ev->os_error, "closed before a line had come back");
        tell("closed", "dds", "conn", (long long)ev->conn, "result", (long long)ev->result, "text", ev->data);
        break;
    case P2P_EVENT_PATH:
        connection(ev->conn, &info);
        tell("path", "ddsss", "conn", (long long)ev->conn, "code", (long long)ev->code, "via",
             via_name(info.via), "peer", ev->peer, "text", ev->data);
        break;
    case P2P_EVENT_WRITABLE:
        stream_writable(net);
        break;
    case P2P_EVENT_INFO:
        tell_report("info");
        break;
    case P2P_EVENT_LOG:
        tell("log", "ds", "level", (long long)ev->code, "text", ev->data);
        break;
    case P2P_EVENT_STOPPED:
        me.stopped = true;
        tell("stopped", "ds", "result", (long long)ev->result, "text", ev->data);
        break;
    default:
        break;
    }
}

static void begin(const char *to, bool by_locator)
{
    struct attempt *a = me.attempts;
    p2p_error err = {.struct_size = sizeof err};
    p2p_result result;
    while (a < me.attempts + MANY && a->used)
        a++;
    if (a == me.attempts + MANY) {
        tell("refused", "s", "text", "too many attempts at once");
        return;
    }
    a->used = true;
    a->by_locator = by_locator;
    a->number = ++me.attempts_so_far;
    a->begun_ms = now_ms();
    result = by_locator ? p2p_unl_connect(me.net, to, on_done, a, &a->request, &err)
                        : p2p_connect(me.net, to, on_done, a, &a->request, &err);
    if (result != P2P_OK)
        failed(a, result, err.os_error, err.message);
}

static void connections(bool close)
{
    p2p_conn ids[MANY];
    size_t count = 0;
    p2p_conn_list(me.net, ids, MANY, &count);
    for (size_t i = 0; close && i < count && i < MANY; i++)
        p2p_conn_close(me.net, ids[i]);
    tell("connections", "d", "count", (long long)count);
}

static void obey(char *line)
{
    char *value = strchr(line, ' ');
    if (value)
        *value++ = '\0';
    if (strcmp(line, "unl") == 0)
        tell_unl(NULL);
    else if (strcmp(line, "construct") == 0 && value)
        tell_unl(value);
    else if (strcmp(line, "connect") == 0 && value)
        begin(value, true);
    else if (strcmp(line, "dial") == 0 && value)
        begin(value, false);
    else if (strcmp(line, "cancel") == 0) {
        for (int i = 0; i < MANY; i++)
            if (me.attempts[i].used)
                p2p_cancel(me.net, me.attempts[i].request);
    } else if (strcmp(line, "close") == 0)
        connections(true);
    else if (strcmp(line, "connections") == 0)
        connections(false);
    else if (strcmp(line, "report") == 0)
        tell_report("report");
    else if (strcmp(line, "stream") == 0 && value)
        stream_begin(me.net, value);
    else if (strcmp(line, "until") == 0 && value)
        stream_until(me.net, value);
    else if (strcmp(line, "rest") == 0)
        stream_rest(me.net);
    else if (strcmp(line, "quit") == 0) {
        me.quitting = true;
        p2p_net_stop(me.net);
    } else
        tell("refused", "s", "text", line);
}

/* Takes what stdin has. False at its end. */
static bool read_commands(void)
{
    ssize_t n = read(STDIN_FILENO, me.typed + me.typed_len, sizeof me.typed - me.typed_len - 1);
    if (n <= 0)
        return n < 0 && errno == EINTR;
    me.typed_len += (size_t)n;
    char *newline;
    while ((newline = memchr(me.typed, '\n', me.typed_len))) {
        size_t used = (size_t)(newline - me.typed) + 1;
        *newline = '\0';
        obey(me.typed);
        me.typed_len -= used;
        memmove(me.typed, me.typed + used, me.typed_len);
    }
    return me.typed_len < sizeof me.typed - 1;
}

static bool set(p2p_config *cfg, const char *name, const char *value, p2p_error *err)
{
    if (strcmp(name, "--server") == 0)
        return p2p_config_add_server(cfg, P2P_SERVER_RENDEZVOUS, value, err) == P2P_OK;
    if (strcmp(name, "--clock") == 0) {
        lab_clock_offset_s = strtoll(value, NULL, 10);
        return true;
    }
    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++)
        if (strcmp(name, OPTIONS[i].name) == 0)
            return (OPTIONS[i].text
                        ? p2p_config_set_str(cfg, OPTIONS[i].key, value, err)
                        : p2p_config_set_int(cfg, OPTIONS[i].key, strtoll(value, NULL, 10), err)) == P2P_OK;
    snprintf(err->message, sizeof err->message, "unknown option %s", name);
    return false;
}

int main(int argc, char **argv)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_config *cfg = p2p_config_new();
    ptrdiff_t net_fd = -1;
    bool ok = p2p_config_set_int(cfg, P2P_OPT_NET_TYPE, P2P_NET_DIRECT, &err) == P2P_OK &&
              p2p_config_set_int(cfg, P2P_OPT_LOG_LEVEL, P2P_LOG_OFF, &err) == P2P_OK;
    for (int i = 1; ok && i < argc; i += 2)
        ok = i + 1 < argc && set(cfg, argv[i], argv[i + 1], &err);
    ok = ok && p2p_net_new(cfg, &me.net, &err) == P2P_OK && p2p_net_start(me.net, &err) == P2P_OK &&
         p2p_on_event(me.net, on_event, NULL) == P2P_OK && p2p_fd(me.net, &net_fd) == P2P_OK;
    p2p_config_free(cfg);
    if (!ok) {
        tell("cannot", "s", "text", err.message);
        return 2;
    }
    while (!me.stopped) {
        struct pollfd files[2] = {{.fd = (int)net_fd, .events = POLLIN},
                                  {.fd = me.quitting ? -1 : STDIN_FILENO, .events = POLLIN}};
        if (poll(files, 2, -1) < 0 && errno != EINTR)
            return 3;
        if (files[0].revents)
            p2p_poll(me.net, 0);
        if (files[1].revents && !read_commands()) {
            me.quitting = true;
            p2p_net_stop(me.net);
        }
    }
    return p2p_net_free(me.net) == P2P_OK ? 0 : 4;
}

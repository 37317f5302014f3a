/* stub.h - a server for the tests on 127.0.0.9, in a thread: the lines of a rendezvous server, the HTTP side that looks
 * whether a port is open (and connects back, if it says so), and a time server whose clock is 100 s ahead.
 *
 * It is silent while `answers` is 0: it takes what is said and keeps it. stub_set() lets it go on. What it was asked
 * is counted, so that tests can wait for a question and need no clock. It knows no signalling, by which secure nodes want to be
 * called: they hear nothing, and that is not counted. */
#ifndef STUB_H
#define STUB_H

#include "check.h"

#include <sys/eventfd.h>

#define STUB_IP "127.0.0.9"
#define STUB_AHEAD_S 100

struct stub_conn {
    int fd, is_http;
    size_t len;
    char buf[2048];
};

struct stub {
    char at[P2P_ADDR_LEN], http_at[P2P_ADDR_LEN], ntp_at[P2P_ADDR_LEN];
    atomic_int answers; /* 0: silent */
    atomic_int open;    /* whether it says that a node's port is open */
    atomic_int asked;   /* connections that have said something */
    atomic_int listed, listed_port, cleared, knocked;
    int lines, http, ntp, wake;
    atomic_int over;
    pthread_t thread;
    struct stub_conn conns[64];
    int n;
};

UNUSED static void stub_say(int fd, const char *format, ...)
{
    char text[400];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    raw_send(fd, text, (size_t)n);
}

UNUSED static void stub_line(struct stub *s, int fd, const char *ip, unsigned port, const char *line)
{
    unsigned listed;
    if (strcmp(line, "OBSERVE") == 0) {
        stub_say(fd, "OBSERVED %s %u http=%s\r\n", ip, port, strchr(s->http_at, ':') + 1);
    } else if (strncmp(line, "SOURCE TCP", 10) == 0) {
        stub_say(fd, "REMOTE TCP %u\r\n", port);
    } else if (sscanf(line, "PASSIVE READY %u", &listed) == 1) {
        atomic_store(&s->listed_port, (int)listed);
        atomic_fetch_add(&s->listed, 1);
    } else if (strcmp(line, "CLEAR") == 0) {
        atomic_fetch_add(&s->cleared, 1);
    } else if (strncmp(line, "BOOTSTRAP", 9) == 0) {
        stub_say(fd, "NODES EMPTY\r\n");
    }
}

UNUSED static void stub_request(struct stub *s, int fd, const char *ip, const char *head)
{
    char body[100], at[P2P_ADDR_LEN];
    unsigned port;
    if (sscanf(head, "GET /v1/port-check?port=%u ", &port) == 1) {
        int open = atomic_load(&s->open);
        if (open) {
            snprintf(at, sizeof at, "%s:%u", ip, port);
            int knock = raw_connect(at, STUB_IP);
            if (knock >= 0)
                close(knock);
        }
        atomic_fetch_add(&s->knocked, 1);
        snprintf(body, sizeof body, "{\"reachable\":%s,\"answer\":\"%s\"}", open ? "true" : "false",
                 open ? "open" : "refused");
    } else {
        snprintf(body, sizeof body, "{\"ip\":\"%s\"}", ip);
    }
    stub_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
}

/* Answers what has come in on a connection, as far as it is whole. */
UNUSED static void stub_answer(struct stub *s, struct stub_conn *c)
{
    char ip[INET_ADDRSTRLEN] = "", *end;
    struct sockaddr_in from = {0};
    socklen_t size = sizeof from;
    getpeername(c->fd, (struct sockaddr *)&from, &size);
    inet_ntop(AF_INET, &from.sin_addr, ip, sizeof ip);
    const char *stop = c->is_http ? "\r\n\r\n" : "\r\n";
    while (atomic_load(&s->answers) && (end = strstr(c->buf, stop))) {
        *end = 0;
        c->is_http ? stub_request(s, c->fd, ip, c->buf)
                   : stub_line(s, c->fd, ip, ntohs(from.sin_port), c->buf);
        end += strlen(stop);
        c->len -= (size_t)(end - c->buf);
        memmove(c->buf, end, c->len + 1);
    }
}

/* Reads on; false when the connection is over. */
UNUSED static int stub_read(struct stub *s, struct stub_conn *c)
{
    ssize_t n = recv(c->fd, c->buf + c->len, sizeof c->buf - 1 - c->len, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    if (c->len == 0 && strncmp(c->buf, "ENTER", (size_t)n < 5 ? (size_t)n : 5) != 0)
        atomic_fetch_add(&s->asked, 1);
    c->len += (size_t)n;
    c->buf[c->len] = 0;
    stub_answer(s, c);
    return c->len < sizeof c->buf - 1;
}

/* One answer of a server of stratum 1 (RFC 5905). */
UNUSED static void stub_time(struct stub *s)
{
    unsigned char in[128], out[48] = {0x24, 1, 4, 0xEC};
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    if (recvfrom(s->ntp, in, sizeof in, MSG_DONTWAIT, (struct sockaddr *)&from, &size) < 48)
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint32_t time[2] = {htonl((uint32_t)(now.tv_sec + STUB_AHEAD_S + 2208988800)),
                        htonl((uint32_t)(((uint64_t)now.tv_nsec << 32) / 1000000000))};
    memcpy(out + 24, in + 40, 8);
    for (int at = 16; at < 48; at += at == 16 ? 16 : 8)
        memcpy(out + at, time, 8);
    sendto(s->ntp, out, sizeof out, 0, (struct sockaddr *)&from, size);
}

UNUSED static void *stub_main(void *arg)
{
    struct stub *s = arg;
    enum { MOST = sizeof s->conns / sizeof *s->conns };
    struct pollfd fds[MOST + 4];
    while (!atomic_load(&s->over)) {
        int room = s->n < MOST, n = s->n;
        fds[0] = (struct pollfd){.fd = s->wake, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = room ? s->lines : -1, .events = POLLIN};
        fds[2] = (struct pollfd){.fd = room ? s->http : -1, .events = POLLIN};
        fds[3] = (struct pollfd){.fd = s->ntp, .events = POLLIN};
        for (int i = 0; i < n; i++)
            fds[4 + i] = (struct pollfd){.fd = s->conns[i].fd, .events = POLLIN};
        if (poll(fds, (nfds_t)(n + 4), -1) < 0)
            continue;
        uint64_t woken;
        if (fds[0].revents && read(s->wake, &woken, sizeof woken) > 0)
            for (int i = 0; i < n; i++)
                stub_answer(s, &s->conns[i]);
        for (int i = n - 1; i >= 0; i--)
            if (fds[4 + i].revents && !stub_read(s, &s->conns[i])) {
                close(s->conns[i].fd);
                s->conns[i] = s->conns[--s->n];
            }
        for (int k = 1; k <= 2; k++)
            if (fds[k].revents && s->n < MOST) {
                int fd = accept4(fds[k].fd, NULL, NULL, SOCK_CLOEXEC);
                if (fd >= 0)
                    s->conns[s->n++] = (struct stub_conn){.fd = fd, .is_http = k == 2};
            }
        if (fds[3].revents)
            stub_time(s);
    }
    return NULL;
}

UNUSED static void stub_open(struct stub *s, int answers)
{
    memset(s, 0, sizeof *s);
    s->lines = raw_listen(STUB_IP, 64, s->at);
    s->http = raw_listen(STUB_IP, 64, s->http_at);
    struct sockaddr_in me = address_of(STUB_IP ":0");
    socklen_t size = sizeof me;
    s->ntp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(bind(s->ntp, (struct sockaddr *)&me, size) == 0);
    REQUIRE(getsockname(s->ntp, (struct sockaddr *)&me, &size) == 0);
    snprintf(s->ntp_at, sizeof s->ntp_at, STUB_IP ":%u", (unsigned)ntohs(me.sin_port));
    s->wake = eventfd(0, EFD_CLOEXEC);
    atomic_store(&s->answers, answers);
    atomic_store(&s->open, 1);
    REQUIRE(pthread_create(&s->thread, NULL, stub_main, s) == 0);
}

UNUSED static void stub_set(struct stub *s, int answers, int open)
{
    uint64_t one = 1;
    atomic_store(&s->open, open);
    atomic_store(&s->answers, answers);
    REQUIRE(write(s->wake, &one, sizeof one) == sizeof one);
}

UNUSED static void stub_close(struct stub *s)
{
    atomic_store(&s->over, 1);
    stub_set(s, 0, 0);
    pthread_join(s->thread, NULL);
    for (int i = 0; i < s->n; i++)
        close(s->conns[i].fd);
    close(s->lines), close(s->http), close(s->ntp), close(s->wake);
}

#define STUB_OF(stub) SERVERS({P2P_SERVER_RENDEZVOUS, (stub).at})
/* Options of a node for which nothing is decided by the time that passes. */
#define PATIENT                           \
    {P2P_OPT_START_TIMEOUT_MS, 600000},   \
    {                                     \
        P2P_OPT_SERVER_TIMEOUT_MS, 600000 \
    }

/* What the options do not reach: the library listens 2.5 s to who looks whether its port is open, and 3 s to who tells the time. A
 * stub that did not get the CPU for so long was asked in vain, and is asked once more. */

/* The port could have been looked at, and nobody knows whether it is open. The test begins anew. */
UNUSED static int asked_in_vain(p2p_net *net)
{
    return (p2p_features() & 1 << 16) && net_info(net).reachable == -1;
}
/* Whether the time is known; `failed` counts in vain questions, and each is repeated. */
UNUSED static int knows_the_time(p2p_net *net, int *failed)
{
    if (net_info(net).clock_known)
        return 1;
    char *report = net_report(net);
    int steps = 0;
    for (const char *at = report; (at = strstr(at, "\"topic\":\"clock\"")); at++)
        steps++;
    free(report);
    if (steps > *failed)
        CHECK_OK(p2p_network_changed(net, NULL));
    *failed = steps;
    return 0;
}

/* Whether this build can ask if a port is open; without it no node is found out to be passive. */
UNUSED static int can_ask(void)
{
    if (p2p_features() & 1 << 16)
        return 1;
    skip("this build of the library cannot ask whether a port is open");
    return 0;
}

#endif

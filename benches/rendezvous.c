/* Work: many clients of one rendezvous server, which runs already and knows some nodes.
 *
 *   register   so many nodes, each at an address of its own: connect, PASSIVE READY, SOURCE TCP, the answer, close; 64 at a time
 *   bootstrap  BOOTSTRAP 20 on connections that stay, each of which has `depth` of them under way: all are answered before it
 *              says the next
 *   source     the same with SOURCE TCP
 *   meet       connect, BOOTSTRAP 20, the answer, close; 64 at a time
 *   idle       so many connections that have asked once and then say nothing: what one costs in RAM
 *   signal     so many nodes that enter under their keys and stay: entering, what one costs in RAM, a message to the next one
 *              and its confirmation, and BOOTSTRAP meanwhile
 *
 * Each answer is looked at; every 16th NODES is counted out. */

#define _GNU_SOURCE
#include "cipher.h"
#include "work.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const contender_ways[] = {"ask", NULL};

#define AT_A_TIME 64
#define BUFFER (256 * 1024)
#define BOOTSTRAP "BOOTSTRAP 20\r\n"
#define SOURCE "SOURCE TCP\r\n"
#define NODES 20
#define NODES_LINE "NODES p:"

struct client {
    int fd;
    size_t held;
    char *partial;
};

static char input[2 * BUFFER], request[BUFFER];
static uint64_t answers;
/* How every answer begins. */
static const char *expected = "REMOTE TCP ";
/* The last one. */
static char last[1024];

void on_open(int connection)
{
    (void)connection;
}

void on_line(int connection, const char *line, size_t len)
{
    (void)connection, (void)line, (void)len;
}

void work_server(const struct args *a)
{
    (void)a;
    die("the server is another program");
}

/* A connection to the server, from a loopback address of its own unless `number` is negative. */
static struct client client(int number, int port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct client c = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    int on = 1;
    need(c.fd >= 0);
    need(setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    if (number >= 0) {
        struct sockaddr_in from = {.sin_family = AF_INET};
        unsigned n = (unsigned)number;
        from.sin_addr.s_addr = htonl(127u << 24 | (1 + n / 62500) << 16 | n / 250 % 250 << 8 | (1 + n % 250));
        need(bind(c.fd, (struct sockaddr *)&from, sizeof from) == 0);
    }
    need(connect(c.fd, (struct sockaddr *)&to, sizeof to) == 0);
    return c;
}

static void say(const struct client *c, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);
        need(n > 0);
        text += n, len -= (size_t)n;
    }
}

static void check_answer(const char *line, size_t len)
{
    size_t begin = strlen(expected);
    need(len >= begin && memcmp(line, expected, begin) == 0);
    if (answers++ % 16 == 0 && strcmp(expected, NODES_LINE) == 0) {
        size_t spaces = 0;
        for (size_t i = 0; i < len; i++)
            spaces += line[i] == ' ';
        need(spaces == NODES + 1);
    }
}

/* Waits for so many answers, and checks them. */
static void hear(struct client *c, size_t count)
{
    while (count > 0) {
        if (c->held > 0)
            memcpy(input, c->partial, c->held);
        ssize_t n = recv(c->fd, input + c->held, BUFFER, 0);
        need(n > 0);
        char *at = input, *from = input + c->held, *end = from + n, *lf;
        while ((lf = memchr(from, '\n', (size_t)(end - from)))) {
            need(count > 0 && lf > at && lf[-1] == '\r');
            check_answer(at, (size_t)(lf - 1 - at));
            if (--count == 0)
                snprintf(last, sizeof last, "%.*s", (int)(lf - 1 - at), at);
            at = from = lf + 1;
        }
        c->held = (size_t)(end - at);
        need(c->held < BUFFER);
        if (c->held > 0) {
            if (!c->partial)
                need(c->partial = malloc(BUFFER));
            memcpy(c->partial, at, c->held);
        }
    }
}

static void leave(struct client *c)
{
    close(c->fd);
    free(c->partial);
}

static double since(uint64_t start)
{
    return (double)(now_ns() - start) / 1e9;
}

/* A connection for each; `text` is said on it. */
static void visit(const struct args *a, int numbered_from, const char *text)
{
    struct client clients[AT_A_TIME];
    for (int done = 0; done < a->connections;) {
        int n = a->connections - done < AT_A_TIME ? a->connections - done : AT_A_TIME;
        for (int i = 0; i < n; i++) {
            clients[i] = client(numbered_from < 0 ? -1 : numbered_from + done + i, a->port);
            say(&clients[i], text, strlen(text));
        }
        for (int i = 0; i < n; i++) {
            hear(&clients[i], 1);
            leave(&clients[i]);
        }
        done += n;
    }
}

static void work_register(const struct args *a)
{
    wait_idle(a->pid);
    long rss = rss_bytes_of(a->pid);
    uint64_t cpu = cpu_ns_of(a->pid), start = now_ns();
    visit(a, a->first, "PASSIVE READY 50500 10\r\n" SOURCE);
    double seconds = since(start);
    wait_idle(a->pid);
    cpu = cpu_ns_of(a->pid) - cpu;
    result("registers_per_s", a->connections / seconds);
    result("register_cpu_us", (double)cpu / 1e3 / a->connections);
    if (a->connections >= 1000 && a->depth == 0)
        result("node_bytes", (double)(rss_bytes_of(a->pid) - rss) / a->connections);
}

static void work_meet(const struct args *a)
{
    uint64_t cpu = cpu_ns_of(a->pid), start = now_ns();
    visit(a, -1, BOOTSTRAP);
    double seconds = since(start);
    wait_idle(a->pid);
    cpu = cpu_ns_of(a->pid) - cpu;
    result("asks_per_s", a->connections / seconds);
    result("ask_cpu_us", (double)cpu / 1e3 / a->connections);
}

static void work_ask(const struct args *a, const char *text)
{
    size_t depth = (size_t)a->depth, len = strlen(text);
    struct client *clients = calloc((size_t)a->connections, sizeof *clients);
    need(clients && depth > 0 && depth * len <= sizeof request);
    for (size_t i = 0; i < depth; i++)
        memcpy(request + i * len, text, len);
    for (int i = 0; i < a->connections; i++) {
        clients[i] = client(-1, a->port);
        say(&clients[i], request, depth * len);
    }
    uint64_t before = 0, cpu = 0, start = 0, span = (uint64_t)(a->seconds * 1e9), begun = now_ns(), now;
    bool warm = false;
    do {
        for (int i = 0; i < a->connections; i++) {
            hear(&clients[i], depth);
            say(&clients[i], request, depth * len);
        }
        now = now_ns();
        if (!warm && now - begun > span / 5)
            warm = true, before = answers, cpu = cpu_ns_of(a->pid), start = now;
    } while (!warm || now - start < span);
    uint64_t count = answers - before;
    cpu = cpu_ns_of(a->pid) - cpu;
    double seconds = since(start);
    for (int i = 0; i < a->connections; i++) {
        hear(&clients[i], depth);
        leave(&clients[i]);
    }
    free(clients);
    result("asks_per_s", (double)count / seconds);
    result("ask_cpu_us", (double)cpu / 1e3 / (double)count);
}

static void work_idle(const struct args *a)
{
    struct client *clients = calloc((size_t)a->connections, sizeof *clients);
    need(clients);
    wait_idle(a->pid);
    long rss = rss_bytes_of(a->pid);
    for (int i = 0; i < a->connections; i++) {
        clients[i] = client(i, a->port);
        say(&clients[i], SOURCE, strlen(SOURCE));
        hear(&clients[i], 1);
    }
    wait_idle(a->pid);
    result("idle_conn_bytes", (double)(rss_bytes_of(a->pid) - rss) / a->connections);
    for (int i = 0; i < a->connections; i++)
        leave(&clients[i]);
    wait_idle(a->pid);
}

/* base64url without padding; the text's end. */
static char *encode(const unsigned char *bytes, size_t len, char *to)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned held = 0, bits = 0;
    for (size_t i = 0; i < len; i++)
        for (held = held << 8 | bytes[i], bits += 8; bits >= 6; bits -= 6)
            *to++ = letters[held >> (bits - 6) & 63];
    if (bits > 0)
        *to++ = letters[held << (6 - bits) & 63];
    *to = '\0';
    return to;
}

static void decode(const char *text, unsigned char *to, size_t len)
{
    unsigned held = 0, bits = 0;
    for (size_t n = 0; n < len; text++) {
        char c = *text;
        need(c != '\0');
        unsigned value = c >= 'a'   ? c - 'a' + 26u
                         : c == '_' ? 63u
                         : c >= 'A' ? c - 'A' + 0u
                         : c == '-' ? 62u
                                    : c - '0' + 52u;
        held = held << 6 | value, bits += 6;
        if (bits >= 8)
            to[n++] = (unsigned char)(held >> (bits -= 8));
    }
}

/* Says a line and hears one that begins so. */
static void say_line(struct client *c, const char *line)
{
    say(c, line, strlen(line));
}
static void hear_one(struct client *c, const char *begin)
{
    expected = begin;
    hear(c, 1);
}

static void say_enter(struct client *c, uint32_t number)
{
    unsigned char id[32];
    char line[128] = "ENTER ";
    sign(number, NULL, 0, id, NULL);
    strcpy(encode(id, sizeof id, line + 6), " -\r\n");
    say_line(c, line);
}

/* What NONCE has brought, signed. */
static void say_proof(struct client *c, uint32_t number, int port)
{
    static const char domain[] = "p2pnet rendezvous: enter, version 1"; /* and its zero byte */
    unsigned char id[32], nonce[32], signature[64];
    char server[32], text[256], line[256], *at = text;
    decode(last + strlen("NONCE "), nonce, sizeof nonce);
    sign(number, NULL, 0, id, NULL);
    snprintf(server, sizeof server, "127.0.0.1:%d", port);
    memcpy(at, domain, sizeof domain), at += sizeof domain;
    memcpy(at, nonce, 32), at += 32;
    memcpy(at, id, 32), at += 32;
    *at++ = (char)strlen(server);
    memcpy(at, server, strlen(server)), at += strlen(server);
    *at++ = '-';
    sign(number, text, (size_t)(at - text), id, signature);
    int n = snprintf(line, sizeof line, "PROVE %s ", server);
    strcpy(encode(signature, sizeof signature, line + n), "\r\n");
    say_line(c, line);
}

static void work_signal(const struct args *a)
{
    struct client *clients = calloc((size_t)a->connections, sizeof *clients);
    need(clients);
    wait_idle(a->pid);
    long rss = rss_bytes_of(a->pid);
    uint64_t cpu = cpu_ns_of(a->pid), start = now_ns();
    for (int done = 0; done < a->connections; done += AT_A_TIME) {
        int end = done + AT_A_TIME < a->connections ? done + AT_A_TIME : a->connections;
        for (int i = done; i < end; i++) {
            clients[i] = client(i, a->port);
            say_enter(&clients[i], (uint32_t)i);
        }
        for (int i = done; i < end; i++) {
            hear_one(&clients[i], "NONCE ");
            say_proof(&clients[i], (uint32_t)i, a->port);
        }
        for (int i = done; i < end; i++)
            hear_one(&clients[i], "ENTERED ");
    }
    double seconds = since(start);
    wait_idle(a->pid);
    result("enters_per_s", a->connections / seconds);
    result("enter_cpu_us", (double)(cpu_ns_of(a->pid) - cpu) / 1e3 / a->connections);
    result("signal_bytes", (double)(rss_bytes_of(a->pid) - rss) / a->connections);
    cpu = cpu_ns_of(a->pid);
    usleep(1000000);
    result("idle_cpu_ms", (double)(cpu_ns_of(a->pid) - cpu) / 1e6);

    cpu = cpu_ns_of(a->pid), start = now_ns();
    for (int done = 0; done < a->connections; done += AT_A_TIME) {
        int end = done + AT_A_TIME < a->connections ? done + AT_A_TIME : a->connections;
        for (int i = done; i < end; i++) {
            unsigned char id[32];
            char line[128] = "TELL 7 ";
            sign((uint32_t)((i + a->connections / 2) % a->connections), NULL, 0, id, NULL);
            strcpy(encode(id, sizeof id, line + 7), " AAAA\r\n");
            say_line(&clients[i], line);
        }
        for (int i = done; i < end; i++) {
            struct client *to = &clients[(i + a->connections / 2) % a->connections];
            hear_one(&clients[i], "TOLD 7");
            hear_one(to, "MESSAGE 1 ");
            say_line(to, "HEARD 1\r\n");
        }
        for (int i = done; i < end; i++)
            hear_one(&clients[i], "HEARD 7");
    }
    seconds = since(start);
    result("tells_per_s", a->connections / seconds);
    result("tell_cpu_us", (double)(cpu_ns_of(a->pid) - cpu) / 1e3 / a->connections);

    expected = NODES_LINE;
    struct args asks = *a;
    asks.connections = 8;
    work_ask(&asks, BOOTSTRAP);
    for (int i = 0; i < a->connections; i++)
        leave(&clients[i]);
    wait_idle(a->pid);
    free(clients);
}

void work_client(const struct args *a)
{
    if (strcmp(a->what, "bootstrap") == 0 || strcmp(a->what, "meet") == 0)
        expected = NODES_LINE;
    if (strcmp(a->what, "register") == 0)
        work_register(a);
    else if (strcmp(a->what, "bootstrap") == 0)
        work_ask(a, BOOTSTRAP);
    else if (strcmp(a->what, "source") == 0)
        work_ask(a, SOURCE);
    else if (strcmp(a->what, "meet") == 0)
        work_meet(a);
    else if (strcmp(a->what, "idle") == 0)
        work_idle(a);
    else if (strcmp(a->what, "signal") == 0)
        work_signal(a);
    else
        die("what is %s?", a->what);
}

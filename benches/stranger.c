/* Work: strangers who connect to a node of the secure dialect and do not finish the handshake. What one costs the node:
 *
 *   accept   not a node at all: a program that accepts and closes, for comparison
 *   silent   says nothing
 *   half     says the first bytes of a greeting
 *   wrong    a greeting for somebody else: the node sees it by a hash
 *   xx, ik   a greeting that was recorded, as good as the true one: the node computes on the curve and answers
 *
 * All come from addresses of their own, keep their connection open as long as they are let, and go when all have come. */

#define _GNU_SOURCE
#include "nodes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const contender_ways[] = {"accept", "silent", "half", "wrong", "xx", "ik", NULL};

#define RECORDED_AT "127.0.250.1"
#define WARM_UP 50
#define HEAD 2

static unsigned char greeting[512];
static size_t greeting_len;
static bool answers;

static struct sockaddr_in at(const char *ip, int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    need(inet_pton(AF_INET, ip, &a.sin_addr) == 1);
    return a;
}

static int listening(const char *ip, int port, int *chosen)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in a = at(ip, port);
    socklen_t size = sizeof a;
    need(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    need(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 1024) == 0);
    need(getsockname(fd, (struct sockaddr *)&a, &size) == 0);
    *chosen = ntohs(a.sin_port);
    return fd;
}

void work_server(const struct args *a)
{
    if (strcmp(a->way, "accept") == 0) {
        int port, fd = listening("127.0.0.1", 0, &port);
        end_by_sigterm();
        result("port", port);
        for (;;)
            close(accept(fd, NULL, NULL));
    }
    struct node server;
    node_open(&server, "127.0.0.1", true, SERVER_KEY, 10);
    result("port", node_port(&server));
    node_serve(&server);
}

static void read_all(int fd, unsigned char *to, size_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, to, len);
        need(n > 0);
        to += n, len -= (size_t)n;
    }
}

/* What a node says first that connects to the server's key, or to whoever is there. */
static void record(bool by_locator)
{
    struct node decoy, node;
    int port = 0;
    char *locator = NULL, address[64];
    if (by_locator) {
        /* The locator of a node with the server's key, in whose place somebody else listens. */
        node_open(&decoy, RECORDED_AT, true, SERVER_KEY, 10);
        locator = node_locator(&decoy);
        port = node_port(&decoy);
        node_free(&decoy);
    }
    int fd = listening(RECORDED_AT, port, &port);
    snprintf(address, sizeof address, RECORDED_AT ":%d", port);
    node_open(&node, "127.0.250.2", true, NULL, 10);
    node_connect(&node, address, locator);
    int conn = accept(fd, NULL, NULL);
    need(conn >= 0);
    read_all(conn, greeting, HEAD);
    greeting_len = HEAD + ((size_t)greeting[0] << 8 | greeting[1]);
    need(greeting_len <= sizeof greeting);
    read_all(conn, greeting + HEAD, greeting_len - HEAD);
    close(conn);
    close(fd);
    node_free(&node);
    free(locator);
}

static int stranger(int number, int port)
{
    char ip[32], byte;
    snprintf(ip, sizeof ip, "127.%d.%d.%d", 1 + number / 40000, number / 200 % 200, 2 + number % 200);
    struct sockaddr_in from = at(ip, 0), to = at("127.0.0.1", port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(fd >= 0 && bind(fd, (struct sockaddr *)&from, sizeof from) == 0);
    need(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    if (greeting_len > 0)
        need(send(fd, greeting, greeting_len, MSG_NOSIGNAL) == (ssize_t)greeting_len);
    if (answers)
        need(read(fd, &byte, 1) == 1);
    return fd;
}

/* Whether the node has computed for it: an answer that is no refusal. */
static bool was_answered(int fd)
{
    char rest[64];
    return answers && recv(fd, rest, sizeof rest, MSG_DONTWAIT) > 10;
}

void work_client(const struct args *a)
{
    int *fds = calloc((size_t)a->connections, sizeof *fds), answered = 0;
    need(fds);
    if (strcmp(a->way, "xx") == 0 || strcmp(a->way, "wrong") == 0)
        record(false);
    else if (strcmp(a->way, "ik") == 0 || strcmp(a->way, "half") == 0)
        record(true);
    answers = strcmp(a->way, "xx") == 0 || strcmp(a->way, "ik") == 0 || strcmp(a->way, "wrong") == 0;
    if (strcmp(a->way, "half") == 0)
        greeting_len /= 2;
    if (strcmp(a->way, "wrong") == 0)
        greeting[greeting_len - 1] ^= 1;

    for (int i = 0; i < WARM_UP; i++)
        close(stranger(a->connections + i, a->port));
    wait_idle(a->pid);
    long rss = rss_bytes_of(a->pid);
    uint64_t cpu = cpu_ns_of(a->pid);
    for (int i = 0; i < a->connections; i++)
        fds[i] = stranger(i, a->port);
    wait_idle(a->pid);
    rss = rss_bytes_of(a->pid) - rss;
    for (int i = 0; i < a->connections; i++) {
        answered += was_answered(fds[i]);
        close(fds[i]);
    }
    wait_idle(a->pid);
    cpu = cpu_ns_of(a->pid) - cpu;
    need(kill(a->pid, SIGTERM) == 0);
    free(fds);
    bool whole = strcmp(a->way, "xx") == 0 || strcmp(a->way, "ik") == 0;
    if (whole && a->connections <= 400)
        need(answered == a->connections);
    need(whole || answered == 0);
    result("stranger_cpu_us", (double)cpu / 1e3 / a->connections);
    result("stranger_answered", (double)answered);
    result("stranger_rss", (double)rss);
}

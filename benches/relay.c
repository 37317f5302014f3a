/* Work: bytes that go through a third process. The ways:
 *
 *   copy     the simplest relay there is: for each direction a thread, read() into 64 KiB and write()
 *   splice   the same by splice(2) through a pipe, so that no byte comes to user space
 *   server   p2p-rendezvous, which a client tells RELAY and a token (docs/protocol-rendezvous.md, section 9)
 *   direct   no relay: what the two ends alone can do
 *
 * The client is both ends. What the relay costs is the CPU time of its process. */

#define _GNU_SOURCE
#include "relays.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const contender_ways[] = {"copy", "splice", "server", "direct", NULL};

#define MOST 2000000

struct pair {
    int a, b;
};

static void read_line(int fd, const char *expected)
{
    char line[300];
    size_t n = 0;
    do
        need(n < sizeof line - 1 && read(fd, line + n, 1) == 1);
    while (line[n++] != '\n');
    line[n] = '\0';
    if (strncmp(line, expected, strlen(expected)) != 0)
        die("expected %s, got %s", expected, line);
}

static struct pair join(const struct args *args, int token)
{
    struct pair p;
    if (strcmp(args->way, "direct") == 0) {
        int port, fd = listening(&port);
        p.a = connected(port);
        p.b = accept(fd, NULL, NULL);
        no_delay(p.b);
        close(fd);
        return p;
    }
    p.a = connected(args->port);
    if (strcmp(args->way, "server") == 0) {
        char request[64];
        int n = snprintf(request, sizeof request, "RELAY %032x\r\n", token + 1);
        need(write_all(p.a, request, (size_t)n));
        read_line(p.a, "RELAY WAIT");
        p.b = connected(args->port);
        need(write_all(p.b, request, (size_t)n));
        read_line(p.a, "RELAY GO");
        read_line(p.b, "RELAY GO");
    } else {
        p.b = connected(args->port);
    }
    return p;
}

static void read_whole(int fd, char *to, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, to, len, 0);
        need(n > 0);
        to += n, len -= (size_t)n;
    }
}

static struct lines block; /* its text is what is sent */
static int source;
static size_t each;
static uint64_t until, sent;

static void *send_stream(void *unused)
{
    for (size_t at = 0; now_ns() < until; at = at + each < block.bytes ? at + each : 0) {
        size_t n = at + each < block.bytes ? each : block.bytes - at;
        need(write_all(source, block.text + at, n));
        sent += n;
    }
    need(shutdown(source, SHUT_WR) == 0);
    return unused;
}

/* As many bytes as get through in some time, in writes of `len`. */
static void stream(const struct args *a)
{
    struct pair p = join(a, 0);
    pthread_t writer;
    char *in = malloc(4 * PIECE);
    uint64_t got = 0, start = now_ns(), cpu = cpu_ns_of(a->pid);
    ssize_t n;
    need(in);
    source = p.a, each = a->len, until = start + (uint64_t)(a->seconds * 1e9);
    need(pthread_create(&writer, NULL, send_stream, NULL) == 0);
    while ((n = recv(p.b, in, 4 * PIECE, 0)) > 0) {
        /* Each piece begins and ends with what belongs there. */
        need(in[0] == block.text[got % block.bytes]);
        got += (uint64_t)n;
        need(in[n - 1] == block.text[(got - 1) % block.bytes]);
    }
    double seconds = (double)(now_ns() - start) / 1e9;
    double cpu_seconds = (double)(cpu_ns_of(a->pid) - cpu) / 1e9;
    need(n == 0 && pthread_join(writer, NULL) == 0);
    need(got == sent);
    free(in);
    close(p.a), close(p.b);
    double gb = (double)got / 1e9;
    result("relay_gb_per_s", gb / seconds);
    if (strcmp(a->way, "direct") != 0) {
        result("relay_cpu_s_per_gb", cpu_seconds / gb);
        result("relay_gb_per_core", gb / cpu_seconds);
    }
}

/* `len` bytes there and back, the next only then. */
static void ping_pong(const struct args *a)
{
    struct pair p = join(a, 0);
    uint64_t *times = malloc(MOST * sizeof *times), p50, p99, before, cpu = 0;
    size_t count = 0;
    char in[1024];
    need(times && a->len <= sizeof in);
    uint64_t span = (uint64_t)(a->seconds * 1e9), start = now_ns();
    for (bool warm = false; count < MOST && (before = now_ns()) < start + span;) {
        if (!warm && before > start + span / 10)
            warm = true, count = 0, cpu = cpu_ns_of(a->pid);
        need(write_all(p.a, block.text, a->len));
        read_whole(p.b, in, a->len);
        need(write_all(p.b, in, a->len));
        read_whole(p.a, in, a->len);
        times[count++] = now_ns() - before;
    }
    cpu = cpu_ns_of(a->pid) - cpu;
    need(memcmp(in, block.text, a->len) == 0);
    close(p.a), close(p.b);
    double n = (double)count;
    quantiles(times, count, &p50, &p99);
    free(times);
    result("p50_us", (double)p50 / 1e3);
    result("p99_us", (double)p99 / 1e3);
    if (strcmp(a->way, "direct") != 0)
        result("relay_cpu_us", (double)cpu / 1e3 / n);
}

/* Fills what is between the two ends, of which one does not read. */
static void stall(struct pair p)
{
    need(fcntl(p.a, F_SETFL, O_NONBLOCK) == 0);
    for (int vain = 0; vain < 3;) {
        if (send(p.a, block.text, PIECE, MSG_NOSIGNAL) > 0) {
            vain = 0;
        } else {
            need(errno == EAGAIN);
            vain++;
            usleep(2000);
        }
    }
}

/* The relay's memory for each of many pairs: that say nothing after one line each way, and with one end that does not read. */
static void memory(const struct args *a)
{
    int count = a->connections, stalled = count < 50 ? count : 50;
    struct pair *pairs = calloc((size_t)count, sizeof *pairs);
    char in[64];
    need(pairs);
    /* What the first one brings along is not the thousandth's. */
    struct pair first = join(a, 0);
    need(write_all(first.a, block.text, 64));
    read_whole(first.b, in, 64);
    wait_idle(a->pid);
    long before = rss_bytes_of(a->pid);
    for (int i = 0; i < count; i++) {
        pairs[i] = join(a, i + 1);
        need(write_all(pairs[i].a, block.text, 64));
        read_whole(pairs[i].b, in, 64);
        need(write_all(pairs[i].b, block.text, 64));
        read_whole(pairs[i].a, in, 64);
    }
    wait_idle(a->pid);
    long with = rss_bytes_of(a->pid);
    for (int i = 0; i < stalled; i++)
        stall(pairs[i]);
    wait_idle(a->pid);
    result("relay_bytes", (double)(with - before) / count);
    result("relay_stalled_bytes", (double)(rss_bytes_of(a->pid) - with) / stalled);
    free(pairs);
}

void work_client(const struct args *a)
{
    block = lines_make(1000);
    if (strcmp(a->what, "stream") == 0)
        stream(a);
    else if (strcmp(a->what, "pingpong") == 0)
        ping_pong(a);
    else if (strcmp(a->what, "memory") == 0)
        memory(a);
    else
        die("unknown what=%s", a->what);
    need(kill(a->pid, SIGTERM) == 0);
}

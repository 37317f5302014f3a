/* Work: what lines take on the wire, by the system's own counters of the connection (TCP_INFO). In a stream, or one at a
 * time with a pause between two, so that nothing can be joined, and all acknowledgements of a library are seen, too. */

#define _GNU_SOURCE
#include "work.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

/* Longer than any library here waits before it acknowledges. */
#define SETTLED_US 250000

static bool serving, finished;
static struct lines block;
static struct check check;
static int open_count;
static unsigned long long server_count, server_wrong;

/* Bytes in TCP without headers and repetitions, and packets both ways. */
struct counters {
    uint64_t out, back, packets;
};

void on_open(int connection)
{
    (void)connection;
    open_count++;
}

void on_line(int connection, const char *line, size_t len)
{
    char text[128];
    if (!serving) {
        need(len < sizeof text);
        memcpy(text, line, len), text[len] = '\0';
        need(sscanf(text, "GOT %llu %llu", &server_count, &server_wrong) == 2);
        finished = true;
    } else if (len == 3 && memcmp(line, "END", 3) == 0) {
        int n = snprintf(text, sizeof text, "GOT %llu %llu", (unsigned long long)check.count,
                         (unsigned long long)check.wrong);
        contender_send(connection, text, (size_t)n);
    } else if (len == 3 && memcmp(line, BYE, 3) == 0) {
        finished = true;
    } else {
        check_line(&check, line, len);
    }
}

void work_server(const struct args *a)
{
    serving = true;
    block = lines_make(a->len);
    check.expected = &block;
    contender_open(a->way, true, 1);
    result("port", contender_port());
    pump_until(finished);
    contender_close();
}

/* The counters of this process's connection to `port`. Its descriptor is the contender's secret, so it is searched for. */
static struct counters look(int port)
{
    struct tcp_info info;
    int found = 0;
    for (int fd = 0; fd < 1024; fd++) {
        struct sockaddr_in at;
        socklen_t size = sizeof at;
        if (getpeername(fd, (struct sockaddr *)&at, &size) != 0 || at.sin_family != AF_INET ||
            ntohs(at.sin_port) != port)
            continue;
        found++;
        size = sizeof info;
        memset(&info, 0, sizeof info);
        need(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
        need(size >= offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof info.tcpi_bytes_retrans);
    }
    need(found == 1);
    return (struct counters){.out = info.tcpi_bytes_sent - info.tcpi_bytes_retrans,
                             .back = info.tcpi_bytes_received,
                             .packets = (uint64_t)info.tcpi_segs_out + info.tcpi_segs_in};
}

static void rest(double ms)
{
    usleep((useconds_t)(ms * 1e3));
    contender_poll();
}

void work_client(const struct args *a)
{
    block = lines_make(a->len);
    contender_open(a->way, false, 1);
    contender_connect(a->port, 1);
    pump_until(open_count == 1);
    /* What a library says at the beginning is not the lines'. */
    rest(SETTLED_US / 1e3);

    struct counters before = look(a->port), after;
    uint64_t lines = 0, until = now_ns() + (uint64_t)(a->seconds * 1e9);
    while (now_ns() < until) {
        if (a->gap_ms > 0) {
            contender_send(0, block.text + lines % block.count * block.stride, block.len);
            lines++;
            rest(a->gap_ms);
        } else {
            contender_send_block(0, &block);
            lines += block.count;
        }
    }
    contender_flush(0);
    if (a->gap_ms > 0) {
        rest(SETTLED_US / 1e3);
        after = look(a->port);
    }
    contender_send(0, "END", 3);
    pump_until(finished);
    if (a->gap_ms == 0)
        after = look(a->port); /* with one line and its answer too many, of many thousands */
    contender_send(0, BYE, 3);
    contender_close();
    if (server_count != lines || server_wrong != 0)
        die("sent %llu lines; the server got %llu, of which %llu were wrong", (unsigned long long)lines,
            server_count, server_wrong);
    double n = (double)lines;
    result("wire_out", (double)(after.out - before.out) / n - (double)a->len);
    result("wire_back", (double)(after.back - before.back) / n);
    result("wire_packets", (double)(after.packets - before.packets) / n);
}

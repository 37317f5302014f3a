/* Work: what lines take on the wire, by the system's own counters of the connection (TCP_INFO). In a stream, or one at a
 * time with a pause between two, so that nothing can be joined, and all acknowledgements of a library are seen, too. */

#define _GNU_SOURCE
#include "oneway.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

/* Longer than any library here waits before it acknowledges. */
#define SETTLED_US 250000

/* Bytes in TCP without headers and repetitions, and packets both ways. */
struct counters {
    uint64_t out, back, packets;
};

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
    oneway_connect(a);
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
    oneway_ask();
    if (a->gap_ms == 0)
        after = look(a->port); /* with one line and its answer too many, of many thousands */
    oneway_close(lines);
    double n = (double)lines;
    result("wire_out", (double)(after.out - before.out) / n - (double)a->len);
    result("wire_back", (double)(after.back - before.back) / n);
    result("wire_packets", (double)(after.packets - before.packets) / n);
}

/* Work: from nothing to ready, what that adds to an idle process, and back. One process only. */

#include "work.h"

#define TIMES 51

void on_open(int connection)
{
    (void)connection;
    die("nobody should connect");
}

void on_line(int connection, const char *line, size_t len)
{
    (void)connection, (void)line, (void)len;
}

void work_server(const struct args *a)
{
    (void)a;
    die("this work has no server");
}

void work_client(const struct args *a)
{
    uint64_t ready[TIMES], gone[TIMES], ready_p50, gone_p50, p99;
    for (int i = 0; i < TIMES; i++) {
        long before = rss_bytes();
        uint64_t start = now_ns();
        contender_open(a->way, true, 1);
        ready[i] = now_ns() - start;
        if (i == 0) {
            /* The first time only: later the allocator has memory from before. */
            result("idle_bytes", (double)(rss_bytes() - before));
            result("threads", (double)thread_count() - 1);
        }
        start = now_ns();
        contender_close();
        gone[i] = now_ns() - start;
    }
    quantiles(ready, TIMES, &ready_p50, &p99);
    quantiles(gone, TIMES, &gone_p50, &p99);
    result("ready_us", (double)ready_p50 / 1e3);
    result("close_us", (double)gone_p50 / 1e3);
}

/* What all benchmark programs share: clocks, counters of the system, the lines that are sent, and their check. */

#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Ends the program with a message: a benchmark that went wrong must not print a figure. */
#define die(...)                                        \
    do {                                                \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
        fprintf(stderr, __VA_ARGS__);                   \
        fputc('\n', stderr);                            \
        exit(1);                                        \
    } while (0)

/* A condition that has to hold for the figures to mean anything. */
#define need(condition)                                                       \
    do {                                                                      \
        if (!(condition))                                                     \
            die("%s does not hold (errno: %s)", #condition, strerror(errno)); \
    } while (0)

/* Nanoseconds of a clock that only goes forward. */
static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* CPU nanoseconds of this process so far, all its threads, user and system. */
uint64_t cpu_ns(void);
/* The same of another process. */
uint64_t cpu_ns_of(int pid);
/* Bytes of this process in RAM. */
long rss_bytes(void);
/* The same of another process. */
long rss_bytes_of(int pid);
/* From now on SIGTERM ends this process as if all were well. */
void end_by_sigterm(void);
/* Waits until a process does nothing any more. */
void wait_idle(int pid);
/* Threads of this process. */
long thread_count(void);
/* How often the threads of this process but the calling one have gone to sleep, and so been woken, so far. */
uint64_t wakeups_of_others(void);
/* The middle, and the value that 99 of 100 do not exceed. `values` is sorted by it. */
void quantiles(uint64_t *values, size_t count, uint64_t *p50, uint64_t *p99);

/* ---- the lines ---- */

/* A block of different lines, one behind the other with their CR LF, sent again and again. */
struct lines {
    char *text;
    size_t bytes;  /* of text */
    size_t count;  /* of lines */
    size_t len;    /* of one line without CR LF; 16 or more */
    size_t stride; /* from one line to the next */
};

/* As many lines of `len` bytes as fill 256 KiB, at least four. */
struct lines lines_make(size_t len);

/* The first eight bytes of line `i`; the last eight are their complement. Never a CR, LF or NUL. */
static inline uint64_t line_mark(size_t i)
{
    uint64_t n = i;
    return 0x3030303030303030u + (n & 63) + ((n >> 6 & 63) << 8) + ((n >> 12 & 63) << 16);
}

/* Follows the lines that arrive. Every line's length, number and both ends are checked, and all bytes of every 61st:
 * 61 shares no factor with the number of lines, so in the long run each line of the block is compared. */
struct check {
    const struct lines *expected;
    size_t next;
    uint64_t count;
    uint64_t wrong;
    unsigned until_whole;
};

static inline void check_line(struct check *c, const char *data, size_t len)
{
    const struct lines *e = c->expected;
    uint64_t head, tail, mark = line_mark(c->next);
    if (len == e->len) {
        memcpy(&head, data, 8);
        memcpy(&tail, data + len - 8, 8);
        c->wrong += (head != mark) | (tail != ~mark);
    } else {
        c->wrong++;
    }
    if (c->until_whole-- == 0) {
        c->until_whole = 60;
        c->wrong += len == e->len && memcmp(data, e->text + c->next * e->stride, len) != 0;
    }
    c->count++;
    c->next = c->next + 1 == e->count ? 0 : c->next + 1;
}

#endif

/* The parts of bench.h that are not hot. */

#define _GNU_SOURCE
#include "bench.h"

#include <dirent.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t cpu_ns_of(int pid)
{
    struct timespec t;
    clockid_t clock;
    need(clock_getcpuclockid(pid, &clock) == 0);
    need(clock_gettime(clock, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void wait_idle(int pid)
{
    uint64_t last, now = cpu_ns_of(pid);
    do {
        last = now;
        usleep(50000);
        now = cpu_ns_of(pid);
    } while (now - last > 300000);
}

static void end(int signal)
{
    (void)signal;
    _exit(0);
}

void end_by_sigterm(void)
{
    signal(SIGTERM, end);
}

/* The number behind `key` in a "Key:  number" file of /proc. */
static long proc_field(const char *path, const char *key)
{
    char line[256];
    long value = -1;
    FILE *f = fopen(path, "r");
    if (!f)
        return -1; /* a thread that has ended meanwhile */
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtol(line + strlen(key), NULL, 10);
    fclose(f);
    return value;
}

long rss_bytes(void)
{
    long kib = proc_field("/proc/self/status", "VmRSS:");
    need(kib > 0);
    return kib * 1024;
}

long rss_bytes_of(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    long kib = proc_field(path, "VmRSS:");
    need(kib > 0);
    return kib * 1024;
}

long thread_count(void)
{
    return proc_field("/proc/self/status", "Threads:");
}

uint64_t wakeups_of_others(void)
{
    uint64_t sum = 0;
    char path[300];
    long self = syscall(SYS_gettid);
    DIR *tasks = opendir("/proc/self/task");
    need(tasks);
    for (struct dirent *d; (d = readdir(tasks));) {
        if (d->d_name[0] == '.' || strtol(d->d_name, NULL, 10) == self)
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", d->d_name);
        long n = proc_field(path, "voluntary_ctxt_switches:");
        sum += n > 0 ? (uint64_t)n : 0;
    }
    closedir(tasks);
    return sum;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void quantiles(uint64_t *values, size_t count, uint64_t *p50, uint64_t *p99)
{
    need(count > 0);
    qsort(values, count, sizeof *values, by_value);
    *p50 = values[count / 2];
    *p99 = values[count * 99 / 100];
}

struct lines lines_make(size_t len)
{
    struct lines l = {.len = len, .stride = len + 2};
    need(len >= 16);
    l.count = (256 * 1024 + l.stride - 1) / l.stride;
    if (l.count < 4)
        l.count = 4;
    if (l.count % 61 == 0)
        l.count++; /* see struct check */
    l.bytes = l.count * l.stride;
    l.text = malloc(l.bytes);
    need(l.text);
    uint64_t random = 88172645463325252u; /* xorshift64: the same bytes in every process */
    for (size_t i = 0; i < l.count; i++) {
        char *line = l.text + i * l.stride;
        for (size_t k = 0; k < len; k++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            line[k] = (char)(0x30 + (random & 63));
        }
        uint64_t mark = line_mark(i), tail = ~mark;
        memcpy(line, &mark, 8);
        memcpy(line + len - 8, &tail, 8);
        memcpy(line + len, "\r\n", 2);
    }
    return l;
}

/* Work: one line there and back, the next only then. The time of each round trip, as the program sees it. */

#include "work.h"

#define MOST 2000000

static bool serving, finished;
static struct lines block;
static struct check check;
static int open_count;
static uint64_t returned;

void on_open(int connection)
{
    (void)connection;
    open_count++;
}

void on_line(int connection, const char *line, size_t len)
{
    if (serving && len == 3) {
        finished = true;
    } else if (serving) {
        contender_send(connection, line, len);
    } else {
        check_line(&check, line, len);
        returned++;
    }
}

void work_server(const struct args *a)
{
    serving = true;
    contender_open(a->way, true, 1);
    result("port", contender_port());
    pump_until(finished);
    contender_close();
}

static void round_trip(uint64_t number)
{
    contender_send(0, block.text + number % block.count * block.stride, block.len);
    pump_until(returned > number);
}

void work_client(const struct args *a)
{
    block = lines_make(a->len);
    check.expected = &block;
    uint64_t *times = malloc(MOST * sizeof *times), *warm = times, count = 0, n = 0, p50, p99;
    need(warm);
    contender_open(a->way, false, 1);
    contender_connect(a->port, 1);
    pump_until(open_count == 1);

    uint64_t span = (uint64_t)(a->seconds * 1e9), start = now_ns(), before = start;
    while (now_ns() < start + span / 10) /* to warm up */
        round_trip(n++);
    uint64_t cpu = cpu_ns();
    start = before = now_ns();
    while (count < MOST && before < start + span) {
        round_trip(n++);
        uint64_t after = now_ns();
        times[count++] = after - before;
        before = after;
    }
    cpu = cpu_ns() - cpu;
    contender_send(0, BYE, 3);
    contender_close();
    need(check.count == n && check.wrong == 0);
    quantiles(times, count, &p50, &p99);
    result("p50_us", (double)p50 / 1e3);
    result("p99_us", (double)p99 / 1e3);
    result("cpu_us", (double)cpu / 1e3 / (double)count);
}

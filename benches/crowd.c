/* Work: many connections between two processes. How fast they are set up, what each costs in RAM when idle, what a look
 * for events costs that finds none, how often an idle process is woken, and one line to all of them. In RAM counts also the
 * whole process, that of the two which is greater. */

#include "work.h"

#include <unistd.h>

#define BROADCASTS 20
#define LINE "A line to everybody: sixty-four bytes, like the others, or about."

static bool serving, finished;
static int wanted, open_count, told_all;
static long rss_before;
static uint64_t lines_in, sent_at, took[BROADCASTS];
static int broadcast_count;
static char answer[128];
/* Where orders come from; the two sides need not count connections in the same order. */
static int asker;

static void tell(const char *text)
{
    contender_send(asker, text, strlen(text));
}

void on_open(int connection)
{
    (void)connection;
    if (++open_count == wanted && serving)
        tell("ALL");
}

static void broadcast(void)
{
    sent_at = now_ns();
    contender_broadcast(LINE, sizeof LINE - 1);
}

static void serve(const char *order)
{
    char text[128];
    if (strcmp(order, "RSS") == 0) {
        snprintf(text, sizeof text, "%ld %ld", rss_bytes() - rss_before, rss_bytes());
        tell(text);
    } else if (strcmp(order, "SHOUT") == 0) {
        broadcast();
    } else if (strcmp(order, "HEARD") == 0) {
        took[broadcast_count++] = now_ns() - sent_at;
        if (broadcast_count < BROADCASTS)
            return broadcast();
        uint64_t p50, p99;
        quantiles(took, BROADCASTS, &p50, &p99);
        snprintf(text, sizeof text, "%llu", (unsigned long long)p50);
        tell(text);
    } else {
        need(strcmp(order, BYE) == 0);
        finished = true;
    }
}

void on_line(int connection, const char *line, size_t len)
{
    char text[128];
    need(len < sizeof text);
    memcpy(text, line, len), text[len] = '\0';
    if (serving) {
        asker = connection;
        serve(text);
    } else if (strcmp(text, LINE) == 0) {
        lines_in++;
        if (lines_in % (uint64_t)wanted == 0)
            tell("HEARD");
    } else if (strcmp(text, "ALL") == 0) {
        told_all = 1;
    } else {
        need(connection == asker);
        memcpy(answer, text, len + 1);
    }
}

void work_server(const struct args *a)
{
    serving = true;
    wanted = a->connections;
    contender_open(a->way, true, wanted);
    rss_before = rss_bytes();
    result("port", contender_port());
    pump_until(finished);
    contender_close();
}

static double ask(const char *order)
{
    answer[0] = '\0';
    tell(order);
    pump_until(answer[0] != '\0');
    return atof(answer);
}

void work_client(const struct args *a)
{
    wanted = a->connections;
    double n = wanted;
    contender_open(a->way, false, wanted);
    rss_before = rss_bytes();
    uint64_t start = now_ns();
    contender_connect(a->port, wanted);
    pump_until(open_count == wanted && told_all);
    result("setup_ms", (double)(now_ns() - start) / 1e6);

    usleep(20000); /* what set-up has set going comes to rest */
    contender_poll();
    result("client_bytes", (double)(rss_bytes() - rss_before) / n);
    double whole = (double)rss_bytes();
    result("server_bytes", ask("RSS") / n);
    double theirs = atof(strchr(answer, ' '));
    result("crowd_rss", whole > theirs ? whole : theirs);

    /* The best of several short runs: an idle look has no noise of its own. */
    double best = 1e9;
    for (int run = 0; run < 10; run++) {
        start = now_ns();
        for (int i = 0; i < 2000; i++)
            contender_poll();
        double each = (double)(now_ns() - start) / 2000;
        best = each < best ? each : best;
    }
    result("poll_ns", best);

    if (a->seconds >= 1) {
        usleep(50000); /* who has just delivered the last answer has not gone to sleep yet */
        uint64_t before = wakeups_of_others();
        usleep((useconds_t)(a->seconds * 1e6));
        result("wakeups_per_s", (double)(wakeups_of_others() - before) / a->seconds);
    }

    /* The server shouts; each of its lines comes in here, and the last is answered. */
    result("broadcast_us", ask("SHOUT") / 1e3);
    need(lines_in == (uint64_t)wanted * BROADCASTS);
    tell(BYE);
    contender_close();
}

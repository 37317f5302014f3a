#include "oneway.h"

struct lines block;

static bool serving, finished;
static struct check check;
static uint64_t cpu_at_start;
static int open_count;
static unsigned long long server_count, server_wrong, server_cpu_ns;

void on_open(int connection)
{
    (void)connection;
    open_count++;
    cpu_at_start = cpu_ns();
}

void on_line(int connection, const char *line, size_t len)
{
    char text[128];
    if (!serving) {
        need(len < sizeof text);
        memcpy(text, line, len), text[len] = '\0';
        need(sscanf(text, "GOT %llu %llu %llu", &server_count, &server_wrong, &server_cpu_ns) == 3);
        finished = true;
    } else if (len == 3 && memcmp(line, "END", 3) == 0) {
        int n = snprintf(text, sizeof text, "GOT %llu %llu %llu", (unsigned long long)check.count,
                         (unsigned long long)check.wrong, (unsigned long long)(cpu_ns() - cpu_at_start));
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

void oneway_connect(const struct args *a)
{
    block = lines_make(a->len);
    contender_open(a->way, false, 1);
    contender_connect(a->port, 1);
    pump_until(open_count == 1);
}

uint64_t oneway_ask(void)
{
    contender_send(0, "END", 3);
    pump_until(finished);
    return server_cpu_ns;
}

void oneway_close(uint64_t lines)
{
    contender_send(0, BYE, 3);
    contender_close();
    if (server_count != lines || server_wrong != 0)
        die("sent %llu lines; the server got %llu, of which %llu were wrong", (unsigned long long)lines,
            server_count, server_wrong);
}

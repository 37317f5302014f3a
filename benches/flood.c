/* Work: lines one way, as fast as they go. The client sends for some time; the clock stops when the server has said
 * how many lines it got, and that all were right. */

#include "work.h"

static bool serving, finished;
static struct lines block;
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
    if (!serving) {
        char text[128];
        need(len < sizeof text);
        memcpy(text, line, len), text[len] = '\0';
        need(sscanf(text, "GOT %llu %llu %llu", &server_count, &server_wrong, &server_cpu_ns) == 3);
        finished = true;
    } else if (len == 3 && memcmp(line, "END", 3) == 0) {
        char text[128];
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

/* A copy of the block with something wrong in it. */
static struct lines spoilt(const char *how)
{
    struct lines s = lines_make(block.len);
    char *second = s.text + s.stride;
    if (strcmp(how, "drop") == 0)
        s.count--, s.bytes -= s.stride;
    else if (strcmp(how, "swap") == 0)
        memcpy(s.text, block.text + s.stride, s.stride), memcpy(second, block.text, s.stride);
    else if (strcmp(how, "flip") == 0)
        second[s.len / 2] ^= 1;
    else if (strcmp(how, "cut") == 0)
        memcpy(second + s.len / 2, "\r\n", 2);
    else
        die("unknown sabotage %s", how);
    return s;
}

void work_client(const struct args *a)
{
    block = lines_make(a->len);
    contender_open(a->way, false, 1);
    contender_connect(a->port, 1);
    pump_until(open_count == 1);
    struct lines wrong = *a->sabotage ? spoilt(a->sabotage) : block;
    /* A flipped bit is found when its line is one of those compared whole: after 61 blocks at the latest. */
    uint64_t wrong_from = 3, wrong_until = strcmp(a->sabotage, "flip") == 0 ? UINT64_MAX : 4;

    uint64_t blocks = 0, cpu = cpu_ns(), start = now_ns(), until = start + (uint64_t)(a->seconds * 1e9);
    while (now_ns() < until || (*a->sabotage && blocks < 200)) {
        bool spoil = *a->sabotage && blocks >= wrong_from && blocks < wrong_until;
        contender_send_block(0, spoil ? &wrong : &block);
        blocks++;
    }
    contender_flush(0);
    contender_send(0, "END", 3);
    pump_until(finished);
    double seconds = (double)(now_ns() - start) / 1e9;
    double cpu_seconds = (double)(cpu_ns() - cpu + server_cpu_ns) / 1e9;

    contender_send(0, BYE, 3);
    contender_close();
    uint64_t lines = blocks * block.count;
    if (server_count != lines || server_wrong != 0)
        die("sent %llu lines; the server got %llu, of which %llu were wrong", (unsigned long long)lines,
            server_count, server_wrong);
    result("lines_per_s", (double)lines / seconds);
    result("cpu_s_per_million", cpu_seconds / (double)lines * 1e6);
}

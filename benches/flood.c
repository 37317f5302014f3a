/* Work: lines one way, as fast as they go. The client sends for some time; the clock stops when the server has said
 * how many lines it got, and that all were right. */

#include "oneway.h"

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
    oneway_connect(a);
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
    uint64_t server_cpu = oneway_ask();
    double seconds = (double)(now_ns() - start) / 1e9;
    double cpu_seconds = (double)(cpu_ns() - cpu + server_cpu) / 1e9;

    uint64_t lines = blocks * block.count;
    oneway_close(lines);
    result("lines_per_s", (double)lines / seconds);
    result("cpu_s_per_million", cpu_seconds / (double)lines * 1e6);
}

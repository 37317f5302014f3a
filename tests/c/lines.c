/* Lines of every size and with every content arrive as they were sent, or are refused before anything is sent. */
#include "check.h"

static struct node a, b;
static p2p_conn at_a;

/* What the receiver expects next. */
static unsigned char *want;
static size_t want_len;
static long got;
static void compare(struct node *node, const p2p_event *ev)
{
    (void)node;
    if (ev->kind != P2P_EVENT_LINE)
        return;
    got++;
    CHECK(ev->len == want_len, "%zu bytes, not %zu", ev->len, want_len);
    if (ev->len == want_len)
        CHECK(memcmp(ev->data, want, want_len) == 0, "other bytes, %zu of them", want_len);
    CHECK(ev->data[ev->len] == 0, "no NUL behind it");
}

static void pair(const struct set *options)
{
    node_open(&a, "127.0.0.2", options);
    node_open(&b, "127.0.0.3", options);
    at_a = join_nodes(&a, &b, NULL);
    b.also = compare;
    got = 0;
}
static void end_pair(void)
{
    node_free(&a);
    node_free(&b);
}

static void send_and_compare(const void *line, size_t len)
{
    want = (unsigned char *)(uintptr_t)line, want_len = len;
    long before = got;
    /* The line before has arrived, but the thread that wrote it may not be back from the system: then it still counts as queued. */
    int r;
    UNTIL(r != P2P_ERR_WOULD_BLOCK, (pump(&b), r = p2p_send_line(a.net, at_a, line, len)));
    CHECK(r == P2P_OK, "%zu bytes: %s", len, p2p_strerror(r));
    if (r == P2P_OK)
        UNTIL(got > before, pump(&b));
    forget(&b);
}

static unsigned char *pattern(size_t len)
{
    unsigned char *p = malloc(len);
    uint32_t x = 12345;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        p[i] = (unsigned char)(x >> 24);
        if (i && p[i] == '\n' && p[i - 1] == '\r')
            p[i] = 'n';
    }
    return p;
}

static void every_size_around_the_buffers(void)
{
    /* Encryption is slow in a library that is not optimised, and very slow where that is watched. */
    const int whole = check_scale >= 100 || usual_dialect() == P2P_DIALECT_CLASSIC;
    const size_t max = whole ? 1 << 20 : 1 << 17;
    unsigned char *p = pattern(max + 2);
    pair(OPTIONS({P2P_OPT_MAX_LINE, (long)max}));
    for (size_t n = 1; n < 300; n++)
        send_and_compare(p, n);
    static const size_t around[] = {512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144, 524288};
    for (size_t i = 0; i < sizeof around / sizeof *around && around[i] < max; i++)
        for (size_t n = around[i] - 4; n <= around[i] + 4; n++)
            send_and_compare(p, n);
    for (size_t n = 301; n <= 70000; n += check_scale >= 100 ? 97 : 1997)
        send_and_compare(p, n);
    send_and_compare(p, max - 1);
    send_and_compare(p, max);
    CHECK_IS(p2p_send_line(a.net, at_a, (char *)p, max + 1), P2P_ERR_TOO_LARGE);
    send_and_compare("still fine", 10);
    free(p);
    end_pair();
}

static void the_smallest_limit(void)
{
    pair(OPTIONS({P2P_OPT_MAX_LINE, 16}, {P2P_OPT_SEND_BUFFER, 1024}, {P2P_OPT_RECV_BUFFER, 1024}));
    send_and_compare("1234567890123456", 16);
    CHECK_IS(p2p_send_line(a.net, at_a, "12345678901234567", 17), P2P_ERR_TOO_LARGE);
    send_and_compare("\r", 1);
    end_pair();
}

static void every_content(void)
{
    pair(NULL);
    static const struct {
        const char *bytes;
        size_t len;
    } good[] = {{"a\0b", 3}, {"\0", 1},           {"\0\0\0", 3},  {"\r", 1},  {"\n", 1},
                {"\n\r", 2}, {"\r\r", 2},         {"x\r", 2},     {"\nx", 2}, {"a\rb\nc", 5},
                {" ", 1},    {"\xff\xfe\x80", 3}, {"tail\n\r", 6}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        send_and_compare(good[i].bytes, good[i].len);
    for (int c = 0; c < 256; c++) {
        char line[3] = {(char)c, 'x', (char)c};
        send_and_compare(line, 3);
    }
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {{"", 0}, {"\r\n", 2}, {"a\r\n", 3}, {"\r\nb", 3}, {"a\r\nb", 4}, {"\0\r\n", 3}, {"\r\r\n", 3}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_IS(p2p_send_line(a.net, at_a, bad[i].bytes, bad[i].len), P2P_ERR_INVALID);
        CHECK_IS(p2p_broadcast_line(a.net, bad[i].bytes, bad[i].len, 0, NULL), P2P_ERR_INVALID);
    }
    CHECK_INT(net_stats(a.net).lines_out, got);
    /* AUTO_LEN stops at the NUL. */
    want = (unsigned char *)"cut", want_len = 3;
    long before = got;
    CHECK_OK(p2p_send_line(a.net, at_a, "cut\0off", P2P_AUTO_LEN));
    UNTIL(got > before, pump(&b));
    end_pair();
}

/* A line longer than the send buffer goes through when nothing else is queued. */
static void a_line_larger_than_the_send_buffer(void)
{
    unsigned char *p = pattern(300000);
    pair(OPTIONS({P2P_OPT_SEND_BUFFER, 1024}, {P2P_OPT_RECV_BUFFER, 1024}));
    want = p, want_len = 300000;
    for (int i = 0; i < 3; i++) {
        int r = P2P_ERR_WOULD_BLOCK;
        UNTIL(r == P2P_OK, (pump2(&a, &b), r = p2p_send_line(a.net, at_a, (char *)p, 300000)));
    }
    UNTIL(got == 3, pump2(&a, &b));
    free(p);
    end_pair();
}

/* A program whose limit is smaller than its peer's closes with the reason. */
static void limits_that_differ(void)
{
    node_open(&a, "127.0.0.2", NULL);
    node_open(&b, "127.0.0.3", OPTIONS({P2P_OPT_MAX_LINE, 100}));
    at_a = join_nodes(&a, &b, NULL);
    char line[101];
    memset(line, 'x', sizeof line);
    CHECK_OK(p2p_send_line(a.net, at_a, line, 100));
    CHECK_OK(p2p_send_line(a.net, at_a, line, 101));
    UNTIL(seen(&b, P2P_EVENT_CLOSED) && seen(&a, P2P_EVENT_CLOSED), pump2(&a, &b));
    CHECK_INT(count_of(&b, P2P_EVENT_LINE), 1);
    CHECK_IS(seen(&b, P2P_EVENT_CLOSED)->result, P2P_ERR_PROTOCOL);
    CHECK_HAS(seen(&b, P2P_EVENT_CLOSED)->data, "max_line");
    end_pair();
}

/* Many lines in one call, and what is said of those that are not taken. */
static char texts[3000][24];
static void in_order(struct node *node, const p2p_event *ev)
{
    (void)node;
    if (ev->kind != P2P_EVENT_LINE)
        return;
    CHECK(got < 3000 && strcmp(ev->data, texts[got]) == 0, "line %ld is %s", got, ev->data);
    got++;
}

/* Sends as many as there is room for; how many. */
static size_t some_of(const p2p_line *lines, size_t count)
{
    size_t sent = 77;
    int r = p2p_send_lines(a.net, at_a, lines, count, &sent);
    CHECK(r == P2P_OK || r == P2P_ERR_WOULD_BLOCK, "%s", p2p_strerror(r));
    CHECK(sent <= count && (r == P2P_OK) == (sent == count), "%zu, %s", sent, p2p_strerror(r));
    return sent;
}

static void many_in_one_call(void)
{
    static p2p_line lines[3000];
    for (int i = 0; i < 3000; i++) {
        snprintf(texts[i], sizeof texts[i], "line %d", i);
        lines[i] = (p2p_line){texts[i], i % 2 ? P2P_AUTO_LEN : strlen(texts[i])};
    }
    pair(OPTIONS({P2P_OPT_SEND_BUFFER, 2000}));
    b.also = in_order;
    size_t sent = 77;
    CHECK_OK(p2p_send_lines(a.net, at_a, NULL, 0, &sent));
    CHECK_INT(sent, 0);
    size_t all = 0;
    UNTIL(all == 3000, (all += some_of(lines + all, 3000 - all), pump2(&a, &b)));
    UNTIL(got == 3000, pump2(&a, &b));
    CHECK_INT(net_stats(a.net).lines_out, 3000);
    /* The first that cannot be sent ends it. */
    snprintf(texts[1], sizeof texts[1], "line 2");
    const p2p_line some[] = {{"line 0", 6}, {"line 2", 6}, {"a\r\nb", 4}, {"never", 5}};
    got = 0;
    int r = P2P_ERR_WOULD_BLOCK;
    UNTIL(r != P2P_ERR_WOULD_BLOCK, (pump2(&a, &b), r = p2p_send_lines(a.net, at_a, some, 4, &sent)));
    CHECK_IS(r, P2P_ERR_INVALID);
    CHECK_INT(sent, 2);
    CHECK_IS(p2p_send_lines(a.net, at_a, some + 2, 2, &sent), P2P_ERR_INVALID);
    CHECK_INT(sent, 0);
    UNTIL(got == 2, pump2(&a, &b));
    CHECK_IS(p2p_send_lines(a.net, at_a, (p2p_line[]){{NULL, 1}}, 1, &sent), P2P_ERR_INVALID);
    CHECK_IS(p2p_send_lines(a.net, at_a, NULL, 1, &sent), P2P_ERR_INVALID);
    CHECK_IS(p2p_send_lines(NULL, at_a, some, 1, &sent), P2P_ERR_INVALID);
    CHECK_IS(p2p_send_lines(a.net, at_a + 1000, some, 1, NULL), P2P_ERR_NOT_FOUND);
    CHECK_INT(net_stats(a.net).lines_out, 3002);
    end_pair();
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(every_size_around_the_buffers);
    RUN(the_smallest_limit);
    RUN(every_content);
    RUN(a_line_larger_than_the_send_buffer);
    RUN(limits_that_differ);
    RUN(many_in_one_call);
    return check_end();
}

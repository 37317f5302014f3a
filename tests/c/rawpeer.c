/* Peers that are not ours: garbage, half lines, resets, one byte at a time, and never an end. Of the classic dialect; in the
 * secure one a peer that has not shown who it is does not get that far. */
#include "check.h"

static struct node a;

/* A raw peer of a fresh node; the node's connection id in *conn. */
static int peer_of(const struct set *options, p2p_conn *conn)
{
    node_open(&a, "127.0.0.2", options ? options : OPTIONS(CLASSIC));
    int s = raw_connect(a.at, "127.0.0.7");
    REQUIRE(s >= 0);
    UNTIL(seen(&a, P2P_EVENT_OPENED), pump(&a));
    if (conn)
        *conn = seen(&a, P2P_EVENT_OPENED)->conn;
    CHECK_HAS(seen(&a, P2P_EVENT_OPENED)->peer, "127.0.0.7:");
    return s;
}

static struct seen *wait_closed(void)
{
    UNTIL(seen(&a, P2P_EVENT_CLOSED), pump(&a));
    CHECK_INT(a.log[a.n - 1].kind, P2P_EVENT_CLOSED);
    return seen(&a, P2P_EVENT_CLOSED);
}

static void an_over_long_line(void)
{
    int s = peer_of(OPTIONS(CLASSIC, {P2P_OPT_MAX_LINE, 1000}), NULL);
    char *line = malloc(100000);
    memset(line, 'x', 100000);
    CHECK(RAW_SAY(s, "before\r\n"));
    raw_send(s, line, 100000); /* no end in sight */
    struct seen *closed = wait_closed();
    CHECK_IS(closed->result, P2P_ERR_PROTOCOL);
    CHECK_HAS(closed->data, "1000");
    CHECK_HAS(closed->data, "max_line");
    CHECK_INT(count_of(&a, P2P_EVENT_LINE), 1);
    close(s);
    node_free(&a);
    /* Exactly the limit is fine; one more, with its end, is not, and what came before is delivered. */
    s = peer_of(OPTIONS(CLASSIC, {P2P_OPT_MAX_LINE, 1000}), NULL);
    raw_send(s, line, 1000);
    CHECK(RAW_SAY(s, "\r\n"));
    raw_send(s, line, 1001);
    CHECK(RAW_SAY(s, "\r\nafter\r\n"));
    CHECK_IS(wait_closed()->result, P2P_ERR_PROTOCOL);
    CHECK_INT(count_of(&a, P2P_EVENT_LINE), 1);
    CHECK_INT(seen(&a, P2P_EVENT_LINE)->len, 1000);
    close(s);
    node_free(&a);
    free(line);
}

static void endless_bytes_use_little_memory(void)
{
    int s = peer_of(OPTIONS(CLASSIC, {P2P_OPT_MAX_LINE, 1 << 24}), NULL);
    long before = rss_kib();
    char *zeros = calloc(1, 1 << 20);
    for (int i = 0; i < 24 && raw_send(s, zeros, 1 << 20); i++)
        pump(&a);
    CHECK_IS(wait_closed()->result, P2P_ERR_PROTOCOL);
    if (check_scale >= 100)
        CHECK(rss_kib() - before < 80 * 1024, "%ld KiB more", rss_kib() - before);
    free(zeros);
    close(s);
    node_free(&a);
}

static void garbage_is_lines_like_any_other(void)
{
    int s = peer_of(NULL, NULL);
    uint32_t x = 42;
    unsigned char bytes[65536];
    size_t want = 0, start = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = "\r\n\0aGET / HTTP/1.1\xff"[(x >> 16) % 20];
    }
    memcpy(bytes + sizeof bytes - 2, "\r\n", 2);
    for (size_t i = 1; i < sizeof bytes; i++)
        if (bytes[i] == '\n' && bytes[i - 1] == '\r' && i - 1 >= start)
            want += i - 1 > start, start = i + 1;
    CHECK(raw_send(s, bytes, sizeof bytes));
    UNTIL(count_of(&a, P2P_EVENT_LINE) == (int)want, pump(&a));
    close(s);
    CHECK_IS(wait_closed()->result, P2P_ERR_CLOSED);
    CHECK_INT(count_of(&a, P2P_EVENT_LINE), want);
    node_free(&a);
}

static void half_a_line_and_the_end(void)
{
    int s = peer_of(NULL, NULL);
    CHECK(RAW_SAY(s, "whole\r\nhalf"));
    close(s);
    struct seen *closed = wait_closed();
    CHECK_IS(closed->result, P2P_ERR_CLOSED);
    CHECK_HAS(closed->data, "4 bytes");
    CHECK_INT(count_of(&a, P2P_EVENT_LINE), 1);
    node_free(&a);
    s = peer_of(NULL, NULL);
    CHECK(RAW_SAY(s, "line without its LF\r"));
    close(s);
    CHECK_IS(wait_closed()->result, P2P_ERR_CLOSED);
    CHECK_INT(count_of(&a, P2P_EVENT_LINE), 0);
    node_free(&a);
}

static void a_reset(void)
{
    int s = peer_of(NULL, NULL);
    CHECK(RAW_SAY(s, "hello\r\n"));
    UNTIL(seen(&a, P2P_EVENT_LINE), pump(&a));
    raw_reset(s);
    struct seen *closed = wait_closed();
    CHECK_IS(closed->result, P2P_ERR_RESET);
    CHECK_HAS(closed->data, "127.0.0.7:");
    node_free(&a);
}

static void one_byte_at_a_time(void)
{
    int s = peer_of(NULL, NULL);
    static const char text[] = "first\r\n\r\nsecond\r\n\r\r\nthird\n\r\n";
    for (size_t i = 0; i < sizeof text - 1; i++) {
        CHECK(raw_send(s, text + i, 1));
        /* Received before the next is sent, so that it really is a read of its own. */
        UNTIL(net_stats(a.net).bytes_in == i + 1, pump(&a));
    }
    UNTIL(count_of(&a, P2P_EVENT_LINE) == 4, pump(&a));
    static const char *const want[] = {"first", "second", "\r", "third\n"};
    for (size_t i = 0, n = 0; i < a.n; i++)
        if (a.log[i].kind == P2P_EVENT_LINE)
            CHECK(strcmp(a.log[i].data, want[n]) == 0, "\"%s\"", a.log[i].data), n++;
    close(s);
    wait_closed();
    node_free(&a);
}

static void thousands_of_line_ends(void)
{
    int s = peer_of(NULL, NULL);
    for (int i = 0; i < 5000; i++)
        CHECK(RAW_SAY(s, "\r\n"));
    CHECK(RAW_SAY(s, "at last\r\n"));
    UNTIL(seen(&a, P2P_EVENT_LINE), pump(&a));
    CHECK_INT(count_of(&a, P2P_EVENT_LINE), 1);
    CHECK(strcmp(seen(&a, P2P_EVENT_LINE)->data, "at last") == 0);
    CHECK_INT(net_stats(a.net).lines_in, 1);
    close(s);
    wait_closed();
    node_free(&a);
}

static void connects_and_leaves_at_once(void)
{
    node_open(&a, "127.0.0.2", OPTIONS(CLASSIC));
    for (int i = 0; i < 200; i++) {
        int s = raw_connect(a.at, "127.0.0.7");
        REQUIRE(s >= 0);
        i % 2 ? raw_reset(s) : (void)close(s);
        pump(&a);
    }
    int s = raw_connect(a.at, "127.0.0.8");
    CHECK(RAW_SAY(s, "still there?\r\n"));
    UNTIL(seen(&a, P2P_EVENT_LINE), pump(&a));
    UNTIL(count_of(&a, P2P_EVENT_OPENED) == count_of(&a, P2P_EVENT_CLOSED) + 1, pump(&a));
    close(s);
    node_free(&a);
}

/* Lines that a peer had sent before it broke the connection are delivered, also if our own sending meets the break first. */
static void what_arrived_before_a_reset_is_delivered(void)
{
    p2p_conn conn;
    int s = peer_of(OPTIONS(CLASSIC, {P2P_OPT_RECV_BUFFER, 1024}), &conn);
    const int n = 3000;
    for (int i = 0; i < n; i++) {
        char line[20];
        int len = snprintf(line, sizeof line, "line %d\r\n", i);
        CHECK(raw_send(s, line, (size_t)len));
    }
    /* Not polled: some of it is with us, the rest waits in the system. The peer closes with our line unread: RST. */
    UNTIL(p2p_wait(a.net, 0) == 1, 0);
    CHECK_OK(p2p_send_line(a.net, conn, "never read", P2P_AUTO_LEN));
    struct pollfd p = {.fd = s, .events = POLLIN};
    UNTIL(poll(&p, 1, 0) == 1, 0);
    close(s);
    /* The system knows of the break once it refuses to send. */
    p2p_conn_info info = {.struct_size = sizeof info};
    for (int i = 0; i < 50; i++) {
        p2p_send_line(a.net, conn, "into the void", P2P_AUTO_LEN);
        if (p2p_conn_get_info(a.net, conn, &info) != P2P_OK)
            break;
        check_nap();
    }
    struct seen *closed = wait_closed();
    CHECK_IS(closed->result, P2P_ERR_RESET);
    CHECK_INT(count_of(&a, P2P_EVENT_LINE), n);
    node_free(&a);
}

/* The same, and the program stops instead of taking the rest: bounded all the same. */
static void stopping_does_not_wait_for_what_nobody_takes(void)
{
    p2p_conn conn;
    int s = peer_of(OPTIONS(CLASSIC, {P2P_OPT_RECV_BUFFER, 1024}, {P2P_OPT_CLOSE_TIMEOUT_MS, 3000}), &conn);
    char bulk[40000];
    for (size_t i = 0; i < sizeof bulk; i++)
        bulk[i] = "abcdefg\r\n "[i % 10];
    CHECK(raw_send(s, bulk, sizeof bulk));
    UNTIL(p2p_wait(a.net, 0) == 1, 0);
    CHECK_OK(p2p_send_line(a.net, conn, "never read", P2P_AUTO_LEN));
    raw_reset(s);
    for (int i = 0; i < 50; i++) {
        p2p_send_line(a.net, conn, "into the void", P2P_AUTO_LEN);
        check_nap();
    }
    CHECK_OK(p2p_net_stop(a.net));
    node_free(&a);
}

static void last_words_arrive_after_close(void)
{
    p2p_conn conn;
    int s = peer_of(NULL, &conn);
    char *line = malloc(100000);
    memset(line, 'y', 100000);
    for (int i = 0; i < 10; i++)
        CHECK_OK(p2p_send_line(a.net, conn, line, 100000));
    CHECK_OK(p2p_send_line(a.net, conn, "goodbye", P2P_AUTO_LEN));
    CHECK(RAW_SAY(s, "unread by the program\r\n"));
    CHECK_OK(p2p_conn_close(a.net, conn));
    char *all = malloc(1100000);
    size_t want = 10 * 100002 + 9;
    CHECK_INT(raw_read(s, all, 1100000), want);
    CHECK(memcmp(all + want - 9, "goodbye\r\n", 9) == 0);
    free(all);
    free(line);
    close(s);
    CHECK_OK(wait_closed()->result);
    node_free(&a);
}

static void close_does_not_wait_for_ever(void)
{
    p2p_conn conn;
    int s =
        peer_of(OPTIONS(CLASSIC, {P2P_OPT_CLOSE_TIMEOUT_MS, 1500}, {P2P_OPT_SEND_BUFFER, 1 << 26}), &conn);
    char *line = malloc(60000);
    memset(line, 'y', 60000);
    /* More than the system's buffers on both sides can grow to: some of it stays with us. */
    while (p2p_send_line(a.net, conn, line, 60000) == P2P_OK) {
    }
    free(line);
    CHECK_OK(p2p_conn_close(a.net, conn));
    struct seen *closed = wait_closed();
    CHECK_IS(closed->result, P2P_ERR_TIMEOUT);
    CHECK_HAS(closed->data, "1500 ms");
    CHECK_HAS(closed->data, "bytes were not sent");
    close(s);
    node_free(&a);
}

/* What is no handshake shows nothing to the program but one warning, and is sent away with three bytes. */
static void a_secure_node_talks_to_no_stranger(void)
{
    static const char *const said[] = {"hello\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\xff\xff\xff",
                                       "\x01\x01"};
    node_open(&a, "127.0.0.2", OPTIONS(SECURE));
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        char answer[4];
        int s = raw_connect(a.at, "127.0.0.7");
        CHECK(raw_send(s, said[i], strlen(said[i])));
        CHECK_INT(raw_read(s, answer, sizeof answer), 3);
        CHECK(memcmp(answer, "\0\1\3", 3) == 0);
        close(s);
        pump(&a);
    }
    UNTIL(seen(&a, P2P_EVENT_LOG), pump(&a));
    CHECK_INT(seen(&a, P2P_EVENT_LOG)->code, P2P_LOG_WARN);
    CHECK_HAS(seen(&a, P2P_EVENT_LOG)->data, "127.0.0.7:");
    node_stop(&a);
    CHECK_INT(count_of(&a, P2P_EVENT_LOG), 1);
    CHECK_INT(count_of(&a, P2P_EVENT_OPENED), 0);
    node_free(&a);
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(a_secure_node_talks_to_no_stranger);
    RUN(an_over_long_line);
    RUN(endless_bytes_use_little_memory);
    RUN(garbage_is_lines_like_any_other);
    RUN(half_a_line_and_the_end);
    RUN(a_reset);
    RUN(one_byte_at_a_time);
    RUN(thousands_of_line_ends);
    RUN(connects_and_leaves_at_once);
    RUN(what_arrived_before_a_reset_is_delivered);
    RUN(stopping_does_not_wait_for_what_nobody_takes);
    RUN(last_words_arrive_after_close);
    RUN(close_does_not_wait_for_ever);
    return check_end();
}

/* Load: nothing is lost, doubled or reordered under it, nothing grows without bound, and nobody is starved. */
#include "check.h"

static struct node a, b;
static p2p_conn at_a, at_b;

/* ---- lines both ways at once, through small buffers ---- */

struct side {
    struct node *node;
    p2p_conn conn;
    long sent, got, n;
    int blocked, writables;
};
static void in_order(struct node *node, const p2p_event *ev)
{
    struct side *s = node->data;
    if (ev->kind == P2P_EVENT_LINE) {
        REQUIRE(atol(ev->data) == s->got, "line %ld came as \"%s\"", s->got, ev->data);
        s->got++;
    } else if (ev->kind == P2P_EVENT_WRITABLE) {
        s->blocked = 0, s->writables++;
    } else {
        REQUIRE(ev->kind != P2P_EVENT_CLOSED, "%s", ev->data);
    }
    node->n = 0;
}
static void *one_side(void *arg)
{
    struct side *s = arg;
    char line[24];
    while (s->sent < s->n || s->got < s->n) {
        while (s->sent < s->n && !s->blocked) {
            int len = snprintf(line, sizeof line, "%ld", s->sent);
            int r = p2p_send_line(s->node->net, s->conn, line, (size_t)len);
            REQUIRE(r == P2P_OK || r == P2P_ERR_WOULD_BLOCK, "%s", p2p_strerror(r));
            r == P2P_OK ? (void)s->sent++ : (void)(s->blocked = 1);
        }
        /* Only events can make it go on: a WRITABLE that does not come would hang here. */
        if (s->sent < s->n || s->got < s->n) {
            p2p_wait(s->node->net, s->blocked || s->sent == s->n ? -1 : 0);
            pump(s->node);
        }
    }
    return NULL;
}
static void both_ways(int dialect, long n)
{
    const struct set *small = OPTIONS({P2P_OPT_DIALECT, dialect}, {P2P_OPT_EVENT_QUEUE, 16},
                                      {P2P_OPT_RECV_BUFFER, 8192}, {P2P_OPT_SEND_BUFFER, 8192});
    node_open(&a, "127.0.0.2", small);
    node_open(&b, "127.0.0.3", small);
    at_a = join_nodes(&a, &b, &at_b);
    long before = rss_kib();
    struct side sides[2] = {{&a, at_a, 0, 0, n, 0, 0}, {&b, at_b, 0, 0, n, 0, 0}};
    a.also = b.also = in_order, a.data = &sides[0], b.data = &sides[1];
    pthread_t threads[2];
    check_waits = "all lines";
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, one_side, &sides[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(net_stats(a.net).lines_in, n);
    CHECK_INT(net_stats(b.net).lines_in, n);
    CHECK_INT(net_stats(a.net).lines_out, n);
    /* What the library's thread has written is counted when it comes back from the system. */
    UNTIL(net_stats(a.net).bytes_out == net_stats(b.net).bytes_in, (void)0);
    CHECK(n < 100000 || sides[0].writables > 0, "the buffers were never full: no test of WRITABLE");
    if (check_scale >= 100)
        CHECK(rss_kib() - before < 16 * 1024, "%ld KiB more", rss_kib() - before);
    node_free(&a);
    node_free(&b);
}

static void a_million_lines_both_ways(void)
{
    both_ways(P2P_DIALECT_CLASSIC, scaled(1000000, 5000));
}

/* Fewer: a library that is not optimised takes a hundred times as long to encrypt. */
static void twenty_thousand_encrypted_lines_both_ways(void)
{
    both_ways(P2P_DIALECT_SECURE, scaled(20000, 1000));
}

/* ---- a peer that does not poll ---- */

static void back_pressure(void)
{
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_SEND_BUFFER, 65536}));
    node_open(&b, "127.0.0.3", OPTIONS({P2P_OPT_RECV_BUFFER, 65536}));
    at_a = join_nodes(&a, &b, &at_b);
    forget(&a), forget(&b);
    long before = rss_kib(), sent = 0;
    char line[1000];
    memset(line, 'x', sizeof line);
    /* b is not polled: what the two kernels' buffers and ours hold is all that can be sent, however long we try. */
    int quiet = 0;
    for (long last = -1; quiet < 100 || net_unread(b.net, at_b) < 65536; last = sent) {
        int r;
        while ((r = p2p_send_line(a.net, at_a, line, sizeof line)) == P2P_OK)
            sent++;
        CHECK_IS(r, P2P_ERR_WOULD_BLOCK);
        pump(&a);
        quiet = sent == last ? quiet + 1 : 0;
        check_nap();
    }
    p2p_conn_info info = {.struct_size = sizeof info};
    CHECK_OK(p2p_conn_get_info(b.net, at_b, &info));
    CHECK(info.unread_bytes < 65536 + 262144, "%llu", (unsigned long long)info.unread_bytes);
    CHECK_OK(p2p_conn_get_info(a.net, at_a, &info));
    CHECK(info.queued_bytes <= 65536, "%llu", (unsigned long long)info.queued_bytes);
    /* Sanitizers and valgrind keep freed memory back. */
    if (check_scale >= 100)
        CHECK(rss_kib() - before < 8 * 1024, "%ld KiB more", rss_kib() - before);
    while (p2p_send_line(a.net, at_a, line, sizeof line) == P2P_OK)
        sent++;
    /* The first WRITABLE may be the answer to an earlier refusal: then one more is due. */
    int r;
    do {
        forget(&a);
        UNTIL(seen(&a, P2P_EVENT_WRITABLE), pump2(&a, &b));
        CHECK_INT(seen(&a, P2P_EVENT_WRITABLE)->conn, at_a);
    } while ((r = p2p_send_line(a.net, at_a, line, sizeof line)) == P2P_ERR_WOULD_BLOCK);
    CHECK_OK(r);
    UNTIL(count_of(&b, P2P_EVENT_LINE) == sent + 1, pump2(&a, &b));
    node_free(&a);
    node_free(&b);
}

/* ---- a connection that the program does not want to hear at the moment ---- */

static int has_line(struct node *node, const char *text)
{
    for (size_t i = 0; i < node->n; i++)
        if (node->log[i].kind == P2P_EVENT_LINE && strcmp(node->log[i].data, text) == 0)
            return 1;
    return 0;
}

static void a_paused_connection_is_not_read_and_others_are(const struct set *options)
{
    struct node c;
    node_open(&a, "127.0.0.2", options);
    node_open(&b, "127.0.0.3", options);
    node_open(&c, "127.0.0.4", options);
    at_a = join_nodes(&a, &b, &at_b);
    p2p_conn c_at_b, at_c = join_nodes(&c, &b, &c_at_b);
    forget(&b);
    CHECK_OK(p2p_conn_pause(b.net, at_b, 1));
    CHECK_OK(p2p_conn_pause(b.net, at_b, 1));
    long sent = 0;
    char line[1000];
    memset(line, 'x', sizeof line);
    /* b takes its events all the time; all the same there is an end to what a can send. */
    int quiet = 0;
    for (long last = -1; quiet < 100; last = sent) {
        while (p2p_send_line(a.net, at_a, line, sizeof line) == P2P_OK)
            sent++;
        pump2(&a, &b);
        quiet = sent == last ? quiet + 1 : 0;
        check_nap();
    }
    int before = count_of(&b, P2P_EVENT_LINE);
    CHECK(before < sent, "%d of %ld lines came", before, sent);
    CHECK_OK(p2p_send_line(c.net, at_c, "and I?", P2P_AUTO_LEN));
    /* A read that it was about to do when it was told may come at any time, and no other: 4 KiB, on a fresh connection. */
    UNTIL(has_line(&b, "and I?"), pump2(&b, &c));
    CHECK(count_of(&b, P2P_EVENT_LINE) <= 1 + 4096 / (int)sizeof line, "%d lines came",
          count_of(&b, P2P_EVENT_LINE));
    CHECK_OK(p2p_conn_pause(b.net, at_b, 0));
    UNTIL(count_of(&b, P2P_EVENT_LINE) == sent + 1, pump2(&a, &b));
    /* Closing works as ever. */
    CHECK_OK(p2p_conn_pause(b.net, at_b, 1));
    CHECK_OK(p2p_conn_close(b.net, at_b));
    UNTIL(seen(&b, P2P_EVENT_CLOSED), pump2(&a, &b));
    CHECK_IS(p2p_conn_pause(b.net, at_b, 0), P2P_ERR_NOT_FOUND);
    CHECK_IS(p2p_conn_pause(NULL, at_b, 0), P2P_ERR_INVALID);
    node_free(&c);
    node_free(&b);
    node_free(&a);
}

static void a_paused_classic_connection(void)
{
    a_paused_connection_is_not_read_and_others_are(OPTIONS(
        {P2P_OPT_DIALECT, P2P_DIALECT_CLASSIC}, {P2P_OPT_SEND_BUFFER, 65536}, {P2P_OPT_RECV_BUFFER, 65536}));
}

static void a_paused_secure_connection(void)
{
    a_paused_connection_is_not_read_and_others_are(
        OPTIONS({P2P_OPT_DIALECT, P2P_DIALECT_SECURE}, {P2P_OPT_SEND_BUFFER, 65536},
                {P2P_OPT_RECV_BUFFER, 65536}, {P2P_OPT_RESEND_WINDOW, 65536}));
}

/* ---- a program that takes events and keeps them: the peer is slowed until it frees them ---- */

static void events_kept_hold_the_peer_back(void)
{
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_SEND_BUFFER, 65536}));
    node_open(&b, "127.0.0.3", OPTIONS({P2P_OPT_RECV_BUFFER, 65536}));
    at_a = join_nodes(&a, &b, &at_b);
    UNTIL(seen(&b, P2P_EVENT_READY), pump(&b));
    static const p2p_event *kept[100000];
    char line[100];
    memset(line, 'x', sizeof line);
    long n = 0, sent = 0;
    int quiet = 0;
    for (long last = -1; quiet < 100 || net_unread(b.net, at_b) < 65536; last = sent) {
        while (p2p_send_line(a.net, at_a, line, sizeof line) == P2P_OK)
            sent++;
        while (p2p_next_event(b.net, &kept[n]) == 1) {
            CHECK_INT(kept[n]->kind, P2P_EVENT_LINE);
            REQUIRE(++n < 99999, "nothing holds the peer back");
        }
        quiet = sent == last ? quiet + 1 : 0;
        check_nap();
    }
    p2p_conn_info info = {.struct_size = sizeof info};
    CHECK_OK(p2p_conn_get_info(b.net, at_b, &info));
    CHECK(info.unread_bytes >= 65536, "%llu", (unsigned long long)info.unread_bytes);
    for (long i = 0; i < n; i++)
        p2p_event_free(kept[i]);
    for (long i = n; i < sent; i++) {
        UNTIL(p2p_next_event(b.net, &kept[0]) == 1, 0);
        CHECK_INT(kept[0]->kind, P2P_EVENT_LINE);
        p2p_event_free(kept[0]);
    }
    CHECK_OK(p2p_conn_get_info(b.net, at_b, &info));
    CHECK_INT(info.unread_bytes, 0);
    node_free(&a);
    node_free(&b);
}

/* ---- a program that sends, and never takes its events ---- */

static char sink[1 << 16];
static void until_full(void)
{
    static char line[60000];
    memset(line, 'x', sizeof line);
    int r;
    while ((r = p2p_send_line(a.net, at_a, line, sizeof line)) == P2P_OK) {
    }
    CHECK_IS(r, P2P_ERR_WOULD_BLOCK);
}
static long long queued(void)
{
    p2p_conn_info info = {.struct_size = sizeof info};
    CHECK_OK(p2p_conn_get_info(a.net, at_a, &info));
    return (long long)info.queued_bytes;
}
static void writable_events_do_not_pile_up(void)
{
    char at[P2P_ADDR_LEN];
    int listener = raw_listen("127.0.0.7", 4, at);
    node_open(&a, "127.0.0.2", OPTIONS(CLASSIC, {P2P_OPT_SEND_BUFFER, 1024}, {P2P_OPT_EVENT_QUEUE, 16}));
    p2p_request request = 0;
    CHECK_OK(p2p_connect(a.net, at, NULL, NULL, &request, NULL));
    int peer = accept(listener, NULL, NULL);
    UNTIL(done_of(&a, request), pump(&a));
    at_a = done_of(&a, request)->conn;
    for (long round = scaled(30, 10); round > 0; round--) {
        until_full();
        UNTIL(queued() == 0, recv(peer, sink, sizeof sink, MSG_DONTWAIT));
    }
    long most = (long)net_stats(a.net).events_queued;
    CHECK(most <= 2, "%ld events of one connection that nobody takes", most);
    /* And they come all the same, again and again. */
    for (long round = scaled(20, 3); round > 0; round--) {
        forget(&a);
        until_full();
        UNTIL(seen(&a, P2P_EVENT_WRITABLE), (recv(peer, sink, sizeof sink, MSG_DONTWAIT), pump(&a)));
    }
    close(peer);
    close(listener);
    node_free(&a);
}

/* ---- many threads send, one polls ---- */

#define THREADS 8
struct sender {
    pthread_t thread;
    int number;
    long n;
    p2p_conn conns[2];
};
static void *sender_main(void *arg)
{
    struct sender *s = arg;
    char line[64];
    for (long i = 0; i < s->n; i++) {
        int len = snprintf(line, sizeof line, "%d %ld %0*d", s->number, i, (int)(i % 30) + 1, 0), r;
        while ((r = p2p_send_line(a.net, s->conns[i % 2], line, (size_t)len)) == P2P_ERR_WOULD_BLOCK)
            check_nap();
        CHECK_OK(r);
    }
    return NULL;
}
static long next_of[2][THREADS], total;
static void whole_lines(struct node *node, const p2p_event *ev)
{
    if (ev->kind != P2P_EVENT_LINE)
        return;
    int from = -1, zeros = 0;
    long i = -1;
    char rest[64] = "";
    int which = node == &b ? 0 : 1;
    CHECK(sscanf(ev->data, "%d %ld %63s", &from, &i, rest) == 3, "\"%s\"", ev->data);
    for (; rest[zeros] == '0'; zeros++) {
    }
    REQUIRE(from >= 0 && from < THREADS && i == next_of[which][from] && zeros == i % 30 + 1 && !rest[zeros],
            "\"%s\"", ev->data);
    next_of[which][from] += 2;
    total++;
    node->n = 0;
}
static void eight_threads_send(void)
{
    struct node c;
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_SEND_BUFFER, 16384}));
    node_open(&b, "127.0.0.3", NULL);
    node_open(&c, "127.0.0.4", NULL);
    struct sender s[THREADS];
    at_a = join_nodes(&a, &b, NULL);
    p2p_conn other = join_nodes(&a, &c, NULL);
    b.also = c.also = whole_lines;
    total = 0;
    long n = scaled(usual_dialect() == P2P_DIALECT_CLASSIC ? 50000 : 5000, 500);
    for (int i = 0; i < THREADS; i++) {
        s[i] = (struct sender){.number = i, .n = n, .conns = {at_a, other}};
        next_of[0][i] = 0, next_of[1][i] = 1;
        pthread_create(&s[i].thread, NULL, sender_main, &s[i]);
    }
    UNTIL(total == n * THREADS, (pump(&a), forget(&a), pump2(&b, &c)));
    for (int i = 0; i < THREADS; i++)
        pthread_join(s[i].thread, NULL);
    CHECK_INT(net_stats(a.net).lines_out, n * THREADS);
    node_free(&a);
    node_free(&b);
    node_free(&c);
}

/* ---- who sends at full speed still hears ---- */

static atomic_int heard;
static void *never_stops(void *arg)
{
    (void)arg;
    while (!atomic_load(&heard))
        p2p_send_line(a.net, at_a, "noise", 5);
    return NULL;
}
static void a_sender_at_full_speed_still_receives(void)
{
    node_open(&a, "127.0.0.2", NULL);
    node_open(&b, "127.0.0.3", NULL);
    at_a = join_nodes(&a, &b, &at_b);
    atomic_store(&heard, 0);
    pthread_t thread;
    pthread_create(&thread, NULL, never_stops, NULL);
    UNTIL(count_of(&b, P2P_EVENT_LINE) > 1000, pump(&b));
    CHECK_OK(p2p_send_line(b.net, at_b, "be quiet", P2P_AUTO_LEN));
    UNTIL(seen(&a, P2P_EVENT_LINE), (pump(&a), pump(&b), forget(&b)));
    atomic_store(&heard, 1);
    pthread_join(thread, NULL);
    /* What is queued still goes out, so b goes on taking it. */
    CHECK_OK(p2p_net_stop(a.net));
    UNTIL(seen(&a, P2P_EVENT_STOPPED), (pump(&a), pump(&b), forget(&b)));
    node_free(&a);
    node_free(&b);
}

/* ---- a peer that sends nothing but line ends ---- */

static int flood_socket;
static void *only_line_ends(void *arg)
{
    static char ends[65536];
    (void)arg;
    for (size_t i = 0; i < sizeof ends; i++)
        ends[i] = i % 2 ? '\n' : '\r';
    while (!atomic_load(&heard) && raw_send(flood_socket, ends, sizeof ends)) {
    }
    return NULL;
}
static void taking_one_event_returns_under_a_flood_of_empty_lines(void)
{
    node_open(&a, "127.0.0.2", OPTIONS(CLASSIC, {P2P_OPT_RECV_BUFFER, 1 << 18}));
    atomic_store(&heard, 0);
    flood_socket = raw_connect(a.at, "127.0.0.7");
    REQUIRE(flood_socket >= 0);
    UNTIL(seen(&a, P2P_EVENT_OPENED), pump(&a));
    pthread_t thread;
    pthread_create(&thread, NULL, only_line_ends, NULL);
    check_waits = "p2p_next_event to return";
    const p2p_event *ev = NULL;
    for (long i = scaled(20, 3); i > 0; i--) {
        UNTIL(p2p_wait(a.net, -1) == 1, 0);
        CHECK_INT(p2p_next_event(a.net, &ev), 0);
        CHECK_INT(p2p_poll(a.net, 1), 0);
    }
    atomic_store(&heard, 1);
    shutdown(flood_socket, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(flood_socket);
    node_free(&a);
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(a_million_lines_both_ways);
    RUN(twenty_thousand_encrypted_lines_both_ways);
    RUN(back_pressure);
    RUN(events_kept_hold_the_peer_back);
    RUN(a_paused_classic_connection);
    RUN(a_paused_secure_connection);
    RUN(writable_events_do_not_pile_up);
    RUN(eight_threads_send);
    RUN(a_sender_at_full_speed_still_receives);
    RUN(taking_one_event_returns_under_a_flood_of_empty_lines);
    return check_end();
}

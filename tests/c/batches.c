/* p2p_next_events(): many events at a time, in memory of the program's, with what they say where it was read. */
#include "check.h"

static struct node a, b;
static p2p_conn at_a, at_b;

static void pair(const struct set *options)
{
    node_open(&a, "127.0.0.2", options);
    node_open(&b, "127.0.0.3", options);
    at_a = join_nodes(&a, &b, &at_b);
    CHECK_OK(p2p_conn_set_user(b.net, at_b, &at_b));
    UNTIL(seen(&a, P2P_EVENT_READY) && seen(&b, P2P_EVENT_READY), pump2(&a, &b));
    UNTIL(p2p_wait(b.net, 0) == 0, pump(&b));
    forget(&b);
}
static void end_pair(void)
{
    node_free(&a);
    node_free(&b);
}
static uint64_t unread(void)
{
    p2p_conn_info info = {.struct_size = sizeof info};
    CHECK_OK(p2p_conn_get_info(b.net, at_b, &info));
    return info.unread_bytes;
}
static void send_line(const char *line)
{
    int r;
    while ((r = p2p_send_line(a.net, at_a, line, P2P_AUTO_LEN)) == P2P_ERR_WOULD_BLOCK)
        check_nap();
    CHECK_OK(r);
}

/* ---- all that one call gave is good until the next ---- */

#define MOST 300
static void a_call_fills_the_array_and_all_of_it_stays(void)
{
    static p2p_event events[MOST];
    pair(NULL);
    events[0].struct_size = sizeof *events;
    long n = scaled(5000, 1000), sent = 0, got = 0;
    const uint32_t caps[] = {1, 2, 7, 64, MOST};
    for (int round = 0; got < n; round++) {
        char line[200];
        for (int i = 0; i < 500 && sent < n; i++, sent++) {
            snprintf(line, sizeof line, "%ld %0*d", sent, (int)(sent % 150) + 1, 0);
            send_line(line);
        }
        UNTIL(p2p_wait(b.net, -1) == 1, 0);
        const uint32_t cap = caps[round % 5];
        const int32_t taken = p2p_next_events(b.net, events, cap);
        REQUIRE(taken >= 0 && (uint32_t)taken <= cap, "%d of %u", taken, cap);
        /* Looked at when all are there, the last one first: none has been overwritten by another. */
        for (int32_t i = taken - 1; i >= 0; i--) {
            const p2p_event *ev = &events[i];
            const long number = got + i;
            CHECK_INT(ev->struct_size, sizeof *ev);
            CHECK_INT(ev->kind, P2P_EVENT_LINE);
            CHECK_INT(ev->conn, at_b);
            CHECK(ev->conn_user == &at_b);
            CHECK_HAS(ev->peer, "127.0.0.2:");
            snprintf(line, sizeof line, "%ld %0*d", number, (int)(number % 150) + 1, 0);
            CHECK(ev->len == strlen(line) && strcmp(ev->data, line) == 0, "\"%s\", not \"%s\"", ev->data,
                  line);
        }
        got += taken;
    }
    CHECK_INT(p2p_next_events(b.net, events, MOST), 0);
    CHECK_INT(net_stats(b.net).lines_in, n);
    end_pair();
}

/* ---- what is kept counts, and is given back by the next call, whichever that is ---- */

static void a_next_call_gives_back_what_the_last_one_gave(void)
{
    p2p_event events[4] = {{.struct_size = sizeof *events}};
    pair(NULL);
    for (int how = 0; how < 4; how++) {
        send_line("kept");
        UNTIL(p2p_next_events(b.net, events, 4) == 1, 0);
        CHECK_INT(unread(), 6);
        CHECK_INT(p2p_wait(b.net, -1), 1); /* there is something to do */
        CHECK_INT(net_stats(b.net).events_queued, 0);
        const p2p_event *ev = NULL;
        if (how == 0)
            CHECK_INT(p2p_next_events(b.net, events, 4), 0);
        else if (how == 1)
            CHECK_INT(p2p_next_events(b.net, NULL, 0), 0);
        else if (how == 2)
            CHECK_INT(p2p_poll(b.net, 0), 0);
        else
            CHECK_INT(p2p_next_event(b.net, &ev), 0);
        CHECK_INT(unread(), 0);
        CHECK_INT(p2p_wait(b.net, 0), 0);
    }
    /* All three ways take from one queue, in its order. (Bytes count as unread a moment before they are events.) */
    send_line("one"), send_line("two"), send_line("three"), send_line("four");
    UNTIL(unread() == 5 + 5 + 7 + 6, 0);
    int n = 0;
    UNTIL((n = p2p_next_events(b.net, events, 1)) != 0, 0);
    CHECK_INT(n, 1);
    CHECK_HAS(events[0].data, "one");
    const p2p_event *ev = NULL;
    UNTIL((n = p2p_next_event(b.net, &ev)) != 0, 0);
    CHECK_INT(n, 1);
    CHECK_HAS(ev->data, "two");
    p2p_event_free(ev);
    UNTIL((n = p2p_poll(b.net, 1)) != 0, 0);
    CHECK_INT(n, 1);
    CHECK_HAS(seen(&b, P2P_EVENT_LINE)->data, "three");
    UNTIL((n = p2p_next_events(b.net, events, 4)) != 0, 0);
    CHECK_INT(n, 1);
    CHECK_HAS(events[0].data, "four");
    end_pair();
}

/* A program that waits, takes as much as it can, and waits again, while its receive buffer is full of what it has in its
 * hands: it must not sleep on that for ever. */
static void who_keeps_and_waits_does_not_hang(void)
{
    static p2p_event events[1000] = {{.struct_size = sizeof *events}};
    static char line[900];
    pair(OPTIONS({P2P_OPT_RECV_BUFFER, 4096}));
    memset(line, 'x', sizeof line - 1);
    long n = scaled(800, 200), sent = 0, got = 0;
    check_waits = "p2p_wait";
    while (got < n) {
        while (sent < n && p2p_send_line(a.net, at_a, line, sizeof line - 1) == P2P_OK)
            sent++;
        pump(&a);
        CHECK_INT(p2p_wait(b.net, -1), 1);
        const int32_t taken = p2p_next_events(b.net, events, 1000);
        REQUIRE(taken >= 0, "%d", taken);
        for (int32_t i = 0; i < taken; i++)
            got += events[i].kind == P2P_EVENT_LINE && events[i].len == sizeof line - 1;
    }
    CHECK_INT(got, n);
    CHECK_INT(p2p_next_events(b.net, NULL, 0), 0); /* or its end would wait for what is in our hands */
    end_pair();
}

/* ---- other events among them ---- */

static int called;
static void on_done(p2p_net *net, const p2p_event *ev, void *user)
{
    (void)net, (void)ev, (void)user;
    called++;
}
static void other_events_come_in_their_order_and_run_no_callback(void)
{
    static p2p_event events[64] = {{.struct_size = sizeof *events}};
    node_open(&a, "127.0.0.2", NULL);
    node_open(&b, "127.0.0.3", NULL);
    p2p_request request = 0;
    CHECK_OK(p2p_connect(a.net, b.at, on_done, NULL, &request, NULL));
    int opened = 0, done = 0, closed = 0, lines = 0;
    while (!closed) {
        check_waits = "CLOSED";
        pump(&b);
        const struct seen *there = seen(&b, P2P_EVENT_OPENED);
        if (there && lines == 0 && opened) {
            lines = -1;
            CHECK_OK(p2p_send_line(b.net, there->conn, "hello", 5));
            CHECK_OK(p2p_conn_close(b.net, there->conn));
        }
        const int32_t n = p2p_next_events(a.net, events, 64);
        REQUIRE(n >= 0, "%d", n);
        for (int32_t i = 0; i < n; i++) {
            const p2p_event *ev = &events[i];
            switch (ev->kind) {
            case P2P_EVENT_OPENED:
                CHECK_INT(done, 0);
                CHECK_INT(ev->request, request);
                CHECK_OK(p2p_conn_set_user(a.net, ev->conn, &opened));
                opened++;
                break;
            case P2P_EVENT_DONE:
                CHECK_INT(ev->request, request);
                CHECK_OK(ev->result);
                done++;
                break;
            case P2P_EVENT_LINE:
                CHECK_INT(closed, 0);
                CHECK_HAS(ev->data, "hello");
                CHECK(ev->conn_user == &opened);
                lines = 1;
                break;
            case P2P_EVENT_CLOSED:
                CHECK_IS(ev->result, P2P_ERR_CLOSED);
                CHECK(strlen(ev->data) == ev->len && ev->len > 0);
                /* As in a callback: it is known until the event is done with. */
                CHECK(p2p_conn_get_user(a.net, ev->conn) == &opened);
                at_a = ev->conn;
                closed++;
                break;
            default:
                break;
            }
        }
    }
    CHECK_INT(opened, 1);
    CHECK_INT(done, 1);
    CHECK_INT(lines, 1);
    CHECK_INT(called, 0);
    CHECK_INT(p2p_next_events(a.net, events, 0), 0);
    CHECK(p2p_conn_get_user(a.net, at_a) == NULL);
    end_pair();
}

static void messages_and_lines_come_in_their_order(void)
{
    static p2p_event events[50] = {{.struct_size = sizeof *events}};
    pair(OPTIONS({P2P_OPT_DIALECT, P2P_DIALECT_SECURE}));
    long n = scaled(3000, 200), got = 0;
    char text[40];
    for (long i = 0; i < n; i++) {
        const int len = snprintf(text, sizeof text, "number %ld", i);
        int r;
        while ((r = i % 3 ? p2p_send_line(a.net, at_a, text, (size_t)len)
                          : p2p_send(a.net, at_a, text, (size_t)len)) == P2P_ERR_WOULD_BLOCK)
            check_nap();
        CHECK_OK(r);
    }
    while (got < n) {
        check_waits = "the messages";
        const int32_t taken = p2p_next_events(b.net, events, 50);
        REQUIRE(taken >= 0, "%d", taken);
        for (int32_t i = 0; i < taken; i++) {
            snprintf(text, sizeof text, "number %ld", got + i);
            CHECK(strcmp(events[i].data, text) == 0, "\"%s\", not \"%s\"", events[i].data, text);
            CHECK_INT(events[i].kind, (got + i) % 3 ? P2P_EVENT_LINE : P2P_EVENT_MESSAGE);
        }
        got += taken;
    }
    end_pair();
}

/* ---- a program of a later version, whose events are larger; and wrong calls ---- */

static void a_larger_event_keeps_its_distance_and_its_rest_is_zero(void)
{
    struct later {
        p2p_event event;
        uint64_t fields[3];
    } events[4];
    pair(NULL);
    memset(events, 0xAA, sizeof events);
    events[0].event.struct_size = sizeof *events;
    /* In one call, so that they come by one read: what arrives one by one may also be taken one by one. */
    const p2p_line lines[] = {{"one", 3}, {"two", 3}, {"three", 5}};
    CHECK_OK(p2p_send_lines(a.net, at_a, lines, 3, NULL));
    CHECK_INT(p2p_wait(b.net, -1), 1);
    CHECK_INT(unread(), 5 + 5 + 7);
    CHECK_INT(p2p_next_events(b.net, &events[0].event, 4), 3);
    const char *want[] = {"one", "two", "three"};
    for (int i = 0; i < 3; i++) {
        CHECK_INT(events[i].event.struct_size, sizeof *events);
        CHECK(strcmp(events[i].event.data, want[i]) == 0, "\"%s\"", events[i].event.data);
        CHECK(events[i].fields[0] == 0 && events[i].fields[1] == 0 && events[i].fields[2] == 0);
    }
    unsigned char *untouched = (unsigned char *)&events[3];
    for (size_t i = 0; i < sizeof *events; i++)
        CHECK_INT(untouched[i], 0xAA);
    end_pair();
}

static p2p_event inside[2] = {{.struct_size = sizeof *inside}};
static int inside_result;
static void call_it(struct node *node, const p2p_event *ev)
{
    if (ev->kind == P2P_EVENT_LINE)
        inside_result = p2p_next_events(node->net, inside, 2);
}
static void wrong_calls_are_refused(void)
{
    p2p_event events[2] = {{.struct_size = sizeof *events}};
    pair(NULL);
    CHECK_IS(p2p_next_events(NULL, events, 2), P2P_ERR_INVALID);
    CHECK_IS(p2p_next_events(b.net, NULL, 2), P2P_ERR_INVALID);
    const uint32_t sizes[] = {0, 4, sizeof *events - 8, sizeof *events + 1, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        events[0].struct_size = sizes[i];
        CHECK_IS(p2p_next_events(b.net, events, 2), P2P_ERR_INVALID);
    }
    b.also = call_it;
    send_line("x");
    UNTIL(seen(&b, P2P_EVENT_LINE), pump(&b));
    CHECK_IS(inside_result, P2P_ERR_REENTRANT);
    b.also = NULL;
    /* Events in the program's hands end with their net. */
    send_line("y");
    events[0].struct_size = sizeof *events;
    UNTIL(p2p_next_events(b.net, events, 2) == 1, 0);
    end_pair();
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(a_call_fills_the_array_and_all_of_it_stays);
    RUN(a_next_call_gives_back_what_the_last_one_gave);
    RUN(who_keeps_and_waits_does_not_hang);
    RUN(other_events_come_in_their_order_and_run_no_callback);
    RUN(messages_and_lines_come_in_their_order);
    RUN(a_larger_event_keeps_its_distance_and_its_rest_is_zero);
    RUN(wrong_calls_are_refused);
    return check_end();
}

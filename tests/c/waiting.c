/* Sleeping until something happens: p2p_wait, p2p_wake, and the descriptor of p2p_fd in epoll. */
#include "check.h"

#include <sys/epoll.h>

static struct node a, b;
static p2p_conn at_a, at_b;

static void pair(void)
{
    node_open(&a, "127.0.0.2", NULL);
    node_open(&b, "127.0.0.3", NULL);
    at_a = join_nodes(&a, &b, &at_b);
    UNTIL(seen(&a, P2P_EVENT_READY) && seen(&b, P2P_EVENT_READY), pump2(&a, &b));
    CHECK_INT(p2p_wait(a.net, 0), 0);
    CHECK_INT(p2p_wait(b.net, 0), 0);
}
static void end_pair(void)
{
    node_free(&a);
    node_free(&b);
}

static void wait_only_looks_with_zero(void)
{
    pair();
    for (int i = 0; i < 100; i++)
        CHECK_INT(p2p_wait(b.net, 0), 0);
    CHECK_OK(p2p_send_line(a.net, at_a, "x", 1));
    UNTIL(p2p_wait(b.net, 0) == 1, 0);
    CHECK_INT(p2p_wait(b.net, 0), 1);
    CHECK_INT(p2p_wait(b.net, -1), 1);
    pump(&b);
    CHECK_INT(p2p_wait(b.net, 0), 0);
    end_pair();
}

static void wait_passes_its_time(void)
{
    pair();
    double begin = now_s();
    CHECK_INT(p2p_wait(b.net, 50), 0);
    CHECK(now_s() - begin >= 0.049, "%f s", now_s() - begin);
    end_pair();
}

static void a_wake_before_the_wait_ends_one_wait(void)
{
    pair();
    CHECK_OK(p2p_wake(b.net));
    CHECK_OK(p2p_wake(b.net));
    CHECK_INT(p2p_wait(b.net, -1), 0);
    CHECK_INT(p2p_wait(b.net, 0), 0);
    double begin = now_s();
    CHECK_INT(p2p_wait(b.net, 30), 0);
    CHECK(now_s() - begin >= 0.029, "the second wake had ended nothing yet");
    end_pair();
}

struct sleeper {
    pthread_t thread;
    p2p_net *net;
    int timeout, result;
    atomic_int done;
};
static atomic_int asleep;
static void *sleeper_main(void *arg)
{
    struct sleeper *s = arg;
    atomic_fetch_add(&asleep, 1);
    s->result = p2p_wait(s->net, s->timeout);
    atomic_store(&s->done, 1);
    return NULL;
}
static void sleep_in(struct sleeper *s, p2p_net *net, int timeout)
{
    s->net = net, s->timeout = timeout, s->result = -99;
    atomic_store(&s->done, 0);
    REQUIRE(pthread_create(&s->thread, NULL, sleeper_main, s) == 0);
}

static void a_wake_ends_a_wait_and_only_one(void)
{
    pair();
    struct sleeper s[4];
    atomic_store(&asleep, 0);
    for (int i = 0; i < 4; i++)
        sleep_in(&s[i], b.net, -1);
    UNTIL(atomic_load(&asleep) == 4, 0);
    for (int woken = 1; woken <= 4; woken++) {
        CHECK_OK(p2p_wake(b.net));
        int n = 0;
        UNTIL(n >= woken, (n = 0, n += s[0].done + s[1].done + s[2].done + s[3].done));
        CHECK_INT(n, woken);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(s[i].thread, NULL);
        CHECK_INT(s[i].result, 0);
    }
    end_pair();
}

static void an_event_ends_every_wait(void)
{
    pair();
    struct sleeper s[4];
    atomic_store(&asleep, 0);
    for (int i = 0; i < 4; i++)
        sleep_in(&s[i], b.net, i % 2 ? -1 : 600000);
    UNTIL(atomic_load(&asleep) == 4, 0);
    CHECK_OK(p2p_send_line(a.net, at_a, "x", 1));
    for (int i = 0; i < 4; i++) {
        pthread_join(s[i].thread, NULL);
        CHECK_INT(s[i].result, 1);
    }
    end_pair();
}

static void the_end_ends_every_wait(void)
{
    pair();
    CHECK_OK(p2p_net_stop(b.net));
    UNTIL(seen(&b, P2P_EVENT_STOPPED), (p2p_wait(b.net, -1), pump(&b)));
    struct sleeper s[3];
    for (int i = 0; i < 3; i++)
        sleep_in(&s[i], b.net, -1);
    for (int i = 0; i < 3; i++) {
        pthread_join(s[i].thread, NULL);
        CHECK_IS(s[i].result, P2P_ERR_CLOSED);
    }
    end_pair();
}

/* One line per wait and back again: no wake-up may be lost in thousands of turns from empty to not empty. */
static void *echo_main(void *arg)
{
    struct node *node = arg;
    while (!seen(node, P2P_EVENT_CLOSED)) {
        p2p_wait(node->net, -1);
        pump(node);
        forget(node);
        if (atomic_load((atomic_int *)node->data))
            break;
    }
    return NULL;
}
static void echo_line(struct node *node, const p2p_event *ev)
{
    if (ev->kind == P2P_EVENT_LINE)
        CHECK_OK(p2p_send_line(node->net, ev->conn, ev->data, ev->len));
}
static void no_wake_up_is_lost_in_a_ping_pong(void)
{
    pair();
    atomic_int stop = 0;
    b.also = echo_line, b.data = &stop;
    pthread_t thread;
    pthread_create(&thread, NULL, echo_main, &b);
    check_waits = "an echo";
    for (long i = scaled(20000, 500); i > 0; i--) {
        CHECK_OK(p2p_send_line(a.net, at_a, "ping", 4));
        forget(&a);
        while (!seen(&a, P2P_EVENT_LINE)) {
            CHECK_INT(p2p_wait(a.net, -1), 1);
            pump(&a);
        }
    }
    atomic_store(&stop, 1);
    CHECK_OK(p2p_wake(b.net));
    CHECK_OK(p2p_send_line(a.net, at_a, "ping", 4));
    pthread_join(thread, NULL);
    end_pair();
}

/* ---- the descriptor ---- */

static int readable(int epoll, int timeout)
{
    struct epoll_event got;
    return epoll_wait(epoll, &got, 1, timeout);
}
static int watch(p2p_net *net, ptrdiff_t *fd)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK_OK(p2p_fd(net, fd));
    struct epoll_event want = {.events = EPOLLIN};
    REQUIRE(epoll_ctl(epoll, EPOLL_CTL_ADD, (int)*fd, &want) == 0);
    return epoll;
}

static void the_descriptor_follows_the_events(void)
{
    pair();
    ptrdiff_t fd = -1, again = -1;
    int epoll = watch(b.net, &fd);
    CHECK_OK(p2p_fd(b.net, &again));
    CHECK_INT(again, fd);
    CHECK_INT(readable(epoll, 0), 0);
    for (int round = 0; round < 50; round++) {
        /* By one read, so that both are there when one is; or one by one, when the second may come later. */
        const int by_one_read = round % 2;
        const p2p_line lines[] = {{"one", 3}, {"two", 3}};
        forget(&b);
        if (by_one_read) {
            CHECK_OK(p2p_send_lines(a.net, at_a, lines, 2, NULL));
        } else {
            CHECK_OK(p2p_send_line(a.net, at_a, "one", 3));
            CHECK_OK(p2p_send_line(a.net, at_a, "two", 3));
        }
        CHECK_INT(readable(epoll, -1), 1);
        CHECK_INT(readable(epoll, 0), 1);
        CHECK_INT(p2p_poll(b.net, 1), 1);
        CHECK_INT(readable(epoll, by_one_read ? 0 : -1), 1);
        CHECK_INT(p2p_poll(b.net, 1), 1);
        CHECK_INT(readable(epoll, 0), 0);
    }
    /* Pulling takes it down as polling does. */
    CHECK_OK(p2p_send_line(a.net, at_a, "one", 3));
    CHECK_INT(readable(epoll, -1), 1);
    const p2p_event *ev = NULL;
    CHECK_INT(p2p_next_event(b.net, &ev), 1);
    CHECK_INT(readable(epoll, 0), 0);
    p2p_event_free(ev);
    close(epoll);
    end_pair();
}

static void the_descriptor_may_be_asked_for_late(void)
{
    pair();
    CHECK_OK(p2p_send_line(a.net, at_a, "x", 1));
    UNTIL(p2p_wait(b.net, -1) == 1, 0);
    ptrdiff_t fd = -1;
    int epoll = watch(b.net, &fd);
    CHECK_INT(readable(epoll, 0), 1);
    pump(&b);
    CHECK_INT(readable(epoll, 0), 0);
    close(epoll);
    end_pair();
}

static void the_descriptor_stays_readable_after_the_end(void)
{
    pair();
    ptrdiff_t fd = -1;
    int epoll = watch(b.net, &fd);
    CHECK_OK(p2p_net_stop(b.net));
    UNTIL(seen(&b, P2P_EVENT_STOPPED), (readable(epoll, -1), pump(&b)));
    UNTIL(p2p_wait(b.net, 0) == P2P_ERR_CLOSED, 0);
    for (int i = 0; i < 10; i++) {
        CHECK_INT(readable(epoll, 0), 1);
        CHECK_INT(p2p_poll(b.net, 0), 0);
    }
    close(epoll);
    end_pair();
    /* Also of a net that never ran. */
    p2p_net *net = net_new("127.0.0.2", NULL);
    CHECK_OK(p2p_net_stop(net));
    epoll = watch(net, &fd);
    CHECK_INT(readable(epoll, 0), 1);
    const p2p_event *ev = NULL;
    CHECK_INT(p2p_next_event(net, &ev), 1);
    p2p_event_free(ev);
    CHECK_INT(readable(epoll, 0), 1);
    close(epoll);
    CHECK_OK(p2p_net_free(net));
}

/* An event loop that only ever looks at the descriptor gets everything. */
static void no_event_is_lost_behind_the_descriptor(void)
{
    pair();
    ptrdiff_t fd = -1;
    int epoll = watch(b.net, &fd);
    long n = scaled(20000, 500), sent = 0, got = 0;
    check_waits = "the descriptor";
    while (got < n) {
        for (int i = 0; i < 3 && sent < n; i++, sent++)
            CHECK_OK(p2p_send_line(a.net, at_a, "x", 1));
        CHECK_INT(readable(epoll, -1), 1);
        pump(&b);
        got += count_of(&b, P2P_EVENT_LINE);
        forget(&b);
        if (sent < n && got < sent)
            continue;
    }
    CHECK_INT(got, n);
    close(epoll);
    end_pair();
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(wait_only_looks_with_zero);
    RUN(wait_passes_its_time);
    RUN(a_wake_before_the_wait_ends_one_wait);
    RUN(a_wake_ends_a_wait_and_only_one);
    RUN(an_event_ends_every_wait);
    RUN(the_end_ends_every_wait);
    RUN(no_wake_up_is_lost_in_a_ping_pong);
    RUN(the_descriptor_follows_the_events);
    RUN(the_descriptor_may_be_asked_for_late);
    RUN(the_descriptor_stays_readable_after_the_end);
    RUN(no_event_is_lost_behind_the_descriptor);
    return check_end();
}

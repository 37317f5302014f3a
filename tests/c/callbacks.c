/* What a callback may do: everything but take events of its own net. And who else may take events meanwhile. */
#include "check.h"

static struct node a, b;
static p2p_conn at_a, at_b;

static void pair(void)
{
    node_open(&a, "127.0.0.2", NULL);
    node_open(&b, "127.0.0.3", NULL);
    at_a = join_nodes(&a, &b, &at_b);
}

static int frees_in, freed;
static void free_in_event(struct node *node, const p2p_event *ev)
{
    if (ev->kind != frees_in || freed)
        return;
    char copy[64];
    snprintf(copy, sizeof copy, "%s", ev->data);
    CHECK_OK(p2p_net_free(node->net));
    freed = 1;
    /* The event lives until this function returns, also now. */
    CHECK(strcmp(copy, ev->data) == 0);
    CHECK(ev->peer != NULL);
}

static void free_inside_a_line(void)
{
    pair();
    b.also = free_in_event, frees_in = P2P_EVENT_LINE, freed = 0;
    for (int i = 0; i < 50; i++)
        CHECK_OK(p2p_send_line(a.net, at_a, "line", P2P_AUTO_LEN));
    UNTIL(freed, (pump(&a), freed ? 0 : p2p_poll(b.net, 0)));
    CHECK_INT(count_of(&b, P2P_EVENT_LINE), 1);
    free(b.log);
    UNTIL(seen(&a, P2P_EVENT_CLOSED), pump(&a));
    node_free(&a);
}

static void free_inside_closed(void)
{
    pair();
    b.also = free_in_event, frees_in = P2P_EVENT_CLOSED, freed = 0;
    node_free(&a);
    UNTIL(freed, p2p_poll(b.net, 0));
    free(b.log);
}

static void free_inside_stopped(void)
{
    pair();
    b.also = free_in_event, frees_in = P2P_EVENT_STOPPED, freed = 0;
    CHECK_OK(p2p_net_stop(b.net));
    UNTIL(freed, p2p_poll(b.net, 0));
    free(b.log);
    node_free(&a);
}

static void free_inside_ready(void)
{
    node_open(&b, "127.0.0.3", NULL);
    b.also = free_in_event, frees_in = P2P_EVENT_READY, freed = 0;
    UNTIL(freed, p2p_poll(b.net, 0));
    free(b.log);
}

static int done_calls;
static void done_and_free(p2p_net *net, const p2p_event *ev, void *user)
{
    CHECK(user == &done_calls);
    CHECK_INT(ev->kind, P2P_EVENT_DONE);
    CHECK_OK(ev->result);
    done_calls++;
    CHECK_OK(p2p_net_free(net));
    freed = 1;
}

static void free_inside_a_connect_callback(void)
{
    node_open(&a, "127.0.0.2", NULL);
    node_open(&b, "127.0.0.3", NULL);
    freed = done_calls = 0;
    CHECK_OK(p2p_connect(a.net, b.at, done_and_free, &done_calls, NULL, NULL));
    UNTIL(freed, (pump(&b), freed ? 0 : p2p_poll(a.net, 0)));
    CHECK_INT(done_calls, 1);
    CHECK_INT(count_of(&a, P2P_EVENT_DONE), 0);
    free(a.log);
    node_free(&b);
}

/* The other net may be freed too: the rules are per net. */
static void free_the_other(struct node *node, const p2p_event *ev)
{
    if (ev->kind != P2P_EVENT_LINE || freed)
        return;
    freed = 1;
    CHECK_OK(p2p_net_free(((struct node *)node->data)->net));
}
static void free_of_another_net_inside_a_line(void)
{
    pair();
    b.also = free_the_other, b.data = &a, freed = 0;
    CHECK_OK(p2p_send_line(a.net, at_a, "x", 1));
    UNTIL(freed, pump(&b));
    free(a.log);
    UNTIL(seen(&b, P2P_EVENT_CLOSED), pump(&b));
    node_free(&b);
}

static void cannot_take(struct node *node, const p2p_event *ev)
{
    const p2p_event *other = NULL;
    (void)ev;
    CHECK_IS(p2p_poll(node->net, 0), P2P_ERR_REENTRANT);
    CHECK_IS(p2p_poll(node->net, 1), P2P_ERR_REENTRANT);
    CHECK_IS(p2p_next_event(node->net, &other), P2P_ERR_REENTRANT);
    CHECK_IS(p2p_wait(node->net, 0), P2P_ERR_REENTRANT);
    CHECK_IS(p2p_wait(node->net, -1), P2P_ERR_REENTRANT);
    CHECK(other == NULL);
    /* Those of another net are no problem. */
    struct node *friend = node->data;
    if (friend)
        CHECK(p2p_poll(friend->net, 0) >= 0);
}
static void taking_events_inside_a_callback_is_refused(void)
{
    pair();
    a.also = b.also = cannot_take;
    b.data = &a;
    CHECK_OK(p2p_send_line(a.net, at_a, "x", 1));
    UNTIL(seen(&b, P2P_EVENT_LINE), pump(&b));
    CHECK_OK(p2p_conn_close(b.net, at_b));
    UNTIL(seen(&a, P2P_EVENT_CLOSED) && seen(&b, P2P_EVENT_CLOSED), pump2(&a, &b));
    a.also = b.also = NULL;
    node_free(&a);
    node_free(&b);
}

static void do_everything(struct node *node, const p2p_event *ev)
{
    if (ev->kind != P2P_EVENT_LINE || strcmp(ev->data, "go") != 0)
        return;
    ptrdiff_t fd = -1;
    p2p_conn ids[4];
    size_t count = 0;
    uint32_t sent = 0;
    p2p_conn_info info = {.struct_size = sizeof info};
    p2p_request request = 0;
    CHECK_OK(p2p_send_line(node->net, ev->conn, "from inside", P2P_AUTO_LEN));
    CHECK_OK(p2p_broadcast_line(node->net, "to all", P2P_AUTO_LEN, 0, &sent));
    CHECK_INT(sent, 1);
    CHECK_OK(p2p_conn_set_user(node->net, ev->conn, node));
    CHECK(p2p_conn_get_user(node->net, ev->conn) == node);
    CHECK_OK(p2p_conn_list(node->net, ids, 4, &count));
    CHECK_INT(count, 1);
    CHECK_OK(p2p_conn_get_info(node->net, ev->conn, &info));
    CHECK_OK(p2p_fd(node->net, &fd));
    CHECK(fd >= 0);
    CHECK_OK(p2p_wake(node->net));
    CHECK(net_info(node->net).inbound == 1);
    CHECK(net_stats(node->net).opened == 1);
    CHECK_OK(p2p_on_event(node->net, node_event, node));
    CHECK_IS(p2p_net_start(node->net, NULL), P2P_ERR_STATE);
    CHECK_OK(p2p_connect(node->net, "127.0.0.9:1", NULL, NULL, &request, NULL));
    CHECK(request != 0);
    p2p_cancel(node->net, request);
    CHECK_OK(p2p_conn_close(node->net, ev->conn));
    CHECK_OK(p2p_net_stop(node->net));
}
static void everything_else_works_inside_a_callback(void)
{
    pair();
    b.also = do_everything;
    CHECK_OK(p2p_send_line(a.net, at_a, "go", 2));
    UNTIL(seen(&b, P2P_EVENT_STOPPED) && seen(&a, P2P_EVENT_CLOSED), pump2(&a, &b));
    CHECK_INT(count_of(&a, P2P_EVENT_LINE), 2);
    CHECK(seen(&b, P2P_EVENT_CLOSED)->user == &b);
    CHECK_INT(count_of(&b, P2P_EVENT_DONE), 1);
    node_free(&a);
    node_free(&b);
}

/* A callback that takes the handler away gets no more events, and none is lost. */
static void take_handler_away(struct node *node, const p2p_event *ev)
{
    if (ev->kind == P2P_EVENT_LINE)
        CHECK_OK(p2p_on_event(node->net, NULL, NULL));
}
static void no_event_is_lost_when_the_handler_is_taken_away(void)
{
    pair();
    b.also = take_handler_away;
    const int n = 10;
    for (int i = 0; i < n; i++)
        CHECK_OK(p2p_send_line(a.net, at_a, "line", 4));
    UNTIL(seen(&b, P2P_EVENT_LINE), pump(&b));
    CHECK_INT(count_of(&b, P2P_EVENT_LINE), 1);
    UNTIL(p2p_wait(b.net, 0) == 1, 0);
    CHECK_IS(p2p_poll(b.net, 0), P2P_ERR_STATE);
    b.also = NULL;
    CHECK_OK(p2p_on_event(b.net, node_event, &b));
    CHECK_OK(p2p_send_line(a.net, at_a, "last", 4));
    UNTIL(b.n && strcmp(b.log[b.n - 1].data, "last") == 0, pump(&b));
    CHECK_INT(count_of(&b, P2P_EVENT_LINE), n + 1);
    node_free(&a);
    node_free(&b);
}

static void poll_without_a_handler(void)
{
    p2p_net *net = net_new("127.0.0.2", NULL);
    CHECK_INT(p2p_poll(net, 0), 0);
    CHECK_OK(p2p_net_start(net, NULL));
    UNTIL(p2p_wait(net, -1) == 1, 0);
    CHECK_IS(p2p_poll(net, 0), P2P_ERR_STATE);
    const p2p_event *ev = NULL;
    CHECK_INT(p2p_next_event(net, &ev), 1);
    CHECK_INT(ev->kind, P2P_EVENT_READY);
    p2p_event_free(ev);
    CHECK_OK(p2p_net_free(net));
}

static void poll_takes_at_most_max(void)
{
    pair();
    for (int i = 0; i < 7; i++)
        CHECK_OK(p2p_send_line(a.net, at_a, "x", 1));
    UNTIL(net_unread(b.net, at_b) == 21, 0);
    int got = 0, n;
    UNTIL(got == 7, (n = p2p_poll(b.net, 2), CHECK(n >= 0 && n <= 2), got = count_of(&b, P2P_EVENT_LINE)));
    node_free(&a);
    node_free(&b);
}

/* A pulled DONE does not run its callback, then or ever. */
static void pulled_done_runs_no_callback(void)
{
    node_open(&a, "127.0.0.2", NULL);
    done_calls = 0;
    p2p_request request = 0;
    char at[P2P_ADDR_LEN];
    close(raw_listen("127.0.0.9", 1, at));
    CHECK_OK(p2p_connect(a.net, at, done_and_free, &done_calls, &request, NULL));
    const p2p_event *ev = NULL;
    UNTIL(ev && ev->kind == P2P_EVENT_DONE, (p2p_event_free(ev), ev = NULL, p2p_next_event(a.net, &ev)));
    CHECK_INT(ev->request, request);
    CHECK_IS(ev->result, P2P_ERR_REFUSED);
    CHECK_INT(ev->os_error, ECONNREFUSED);
    CHECK_HAS(ev->data, at);
    p2p_event_free(ev);
    pump(&a);
    CHECK_INT(done_calls, 0);
    node_free(&a);
}

/* ---- two threads that take events ---- */

static pthread_barrier_t inside, looked;
static void hold_the_poll(struct node *node, const p2p_event *ev)
{
    (void)node;
    if (ev->kind != P2P_EVENT_READY)
        return;
    pthread_barrier_wait(&inside);
    pthread_barrier_wait(&looked);
}
static void *poll_until_ready(void *arg)
{
    struct node *node = arg;
    while (!seen(node, P2P_EVENT_READY))
        p2p_poll(node->net, 0);
    return NULL;
}
static void a_second_thread_is_busy(void)
{
    pthread_barrier_init(&inside, NULL, 2);
    pthread_barrier_init(&looked, NULL, 2);
    p2p_net *net = net_new("127.0.0.2", NULL);
    node_start(&a, net, "127.0.0.2");
    a.also = hold_the_poll;
    pthread_t thread;
    pthread_create(&thread, NULL, poll_until_ready, &a);
    pthread_barrier_wait(&inside);
    const p2p_event *ev = NULL;
    CHECK_IS(p2p_poll(net, 0), P2P_ERR_BUSY);
    CHECK_IS(p2p_poll(net, 1), P2P_ERR_BUSY);
    CHECK_IS(p2p_next_event(net, &ev), P2P_ERR_BUSY);
    CHECK(ev == NULL);
    /* The rest is free to all. */
    CHECK(p2p_wait(net, 0) >= 0);
    CHECK(net_info(net).passive_port > 0);
    CHECK_OK(p2p_wake(net));
    pthread_barrier_wait(&looked);
    pthread_join(thread, NULL);
    CHECK(p2p_poll(net, 0) >= 0);
    node_free(&a);
    pthread_barrier_destroy(&inside);
    pthread_barrier_destroy(&looked);
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(free_inside_a_line);
    RUN(free_inside_closed);
    RUN(free_inside_stopped);
    RUN(free_inside_ready);
    RUN(free_inside_a_connect_callback);
    RUN(free_of_another_net_inside_a_line);
    RUN(taking_events_inside_a_callback_is_refused);
    RUN(everything_else_works_inside_a_callback);
    RUN(no_event_is_lost_when_the_handler_is_taken_away);
    RUN(poll_without_a_handler);
    RUN(poll_takes_at_most_max);
    RUN(pulled_done_runs_no_callback);
    RUN(a_second_thread_is_busy);
    return check_end();
}

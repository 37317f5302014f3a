/* p2p_network_changed(): from any thread, at any time, as often as a program likes; and what comes of it. */
#include "stub.h"

static struct node a, b;
static struct stub stub;

/* A node that asks the stub. */
static void begin(int answers, const struct set *options)
{
    stub_open(&stub, answers);
    node_start(&a, net_with("127.0.0.2", options, STUB_OF(stub)), "127.0.0.2");
}
static void end(void)
{
    node_free(&a);
    stub_close(&stub);
}

static void network_changed_is_for_a_net_that_runs(void)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_net *net = net_new("127.0.0.2", NULL);
    CHECK_IS(p2p_network_changed(net, &err), P2P_ERR_STATE);
    CHECK_IS(err.code, P2P_ERR_STATE);
    CHECK_HAS(err.message, "not started");
    CHECK_IS(p2p_network_changed(net, NULL), P2P_ERR_STATE);
    CHECK_IS(p2p_network_changed(NULL, &err), P2P_ERR_INVALID);
    CHECK_HAS(err.message, "net is NULL");
    node_start(&a, net, "127.0.0.2");
    CHECK_OK(p2p_network_changed(net, &err));
    CHECK_OK(p2p_network_changed(net, NULL));
    node_stop(&a);
    CHECK_IS(p2p_network_changed(net, &err), P2P_ERR_CLOSED);
    CHECK_HAS(err.message, "stopped");
    node_free(&a);
    net = net_new("127.0.0.2", NULL);
    CHECK_OK(p2p_net_stop(net));
    CHECK_IS(p2p_network_changed(net, &err), P2P_ERR_CLOSED);
    CHECK_OK(p2p_net_free(net));
}

static void look_again(void)
{
    pump(&a);
    if (asked_in_vain(a.net))
        CHECK_OK(p2p_network_changed(a.net, NULL));
}
static void a_change_is_looked_at_and_told(void)
{
    if (!can_ask())
        return;
    begin(1, OPTIONS(PATIENT, {P2P_OPT_RETRY_INTERVAL_MS, 50}));
    node_open(&b, "127.0.0.3", NULL);
    join_nodes(&b, &a, NULL);
    p2p_request request = 0;
    CHECK_OK(p2p_net_advertise(a.net, &request, NULL));
    UNTIL(done_of(&a, request), pump(&a));
    CHECK_OK(done_of(&a, request)->result);
    for (int round = 1; round <= 3; round++) {
        stub_set(&stub, 1, 0);
        forget(&a);
        int cleared = atomic_load(&stub.cleared);
        CHECK_OK(p2p_network_changed(a.net, NULL));
        UNTIL(net_info(a.net).reachable == 0 && seen(&a, P2P_EVENT_INFO), look_again());
        CHECK_INT(net_info(a.net).node_type, P2P_NODE_ACTIVE);
        UNTIL(atomic_load(&stub.cleared) > cleared, pump(&a));
        stub_set(&stub, 1, 1);
        forget(&a);
        int listed = atomic_load(&stub.listed);
        CHECK_OK(p2p_network_changed(a.net, NULL));
        UNTIL(net_info(a.net).reachable == 1 && seen(&a, P2P_EVENT_INFO), look_again());
        CHECK_INT(net_info(a.net).node_type, P2P_NODE_PASSIVE);
        UNTIL(atomic_load(&stub.listed) > listed, pump(&a));
        CHECK_INT(count_of(&a, P2P_EVENT_READY), 0);
        CHECK_INT(count_of(&a, P2P_EVENT_CLOSED), 0);
    }
    node_free(&b);
    end();
}

static void changes_do_not_put_ready_off(void)
{
    begin(0, OPTIONS({P2P_OPT_START_TIMEOUT_MS, 1500}, {P2P_OPT_SERVER_TIMEOUT_MS, 600000}));
    UNTIL(seen(&a, P2P_EVENT_READY), (p2p_network_changed(a.net, NULL), pump(&a)));
    node_stop(&a);
    CHECK_INT(count_of(&a, P2P_EVENT_READY), 1);
    end();
}

static void ten_thousand_changes_cost_nothing_that_stays(void)
{
    /* Classic: a plain socket is a connection as soon as it is accepted. */
    begin(0, OPTIONS(PATIENT, CLASSIC));
    UNTIL(atomic_load(&stub.asked) > 0, 0);
    int fds = entries("/proc/self/fd"), most = fds;
    long memory = rss_kib();
    for (long i = scaled(10000, 500); i > 0; i--) {
        CHECK_OK(p2p_network_changed(a.net, NULL));
        int now = i % 100 ? 0 : entries("/proc/self/fd");
        most = now > most ? now : most;
    }
    /* Orders are taken before connections: who is in comes after all of them. */
    int s = raw_connect(a.at, "127.0.0.7");
    UNTIL(net_info(a.net).inbound == 1, 0);
    CHECK(net_stats(a.net).events_queued <= 4, "%d", (int)net_stats(a.net).events_queued);
    most = entries("/proc/self/fd") > most ? entries("/proc/self/fd") : most;
    /* The stub's side of the connections that were given up is among them. */
    CHECK(most - fds <= 100, "%d descriptors more", most - fds);
    if (check_scale >= 100)
        CHECK(rss_kib() - memory < 8192, "%ld KiB more", rss_kib() - memory);
    char *report = net_report(a.net);
    int steps = 0;
    for (const char *at = report; (at = strstr(at, "\"topic\":")); at++)
        steps++;
    CHECK(steps > 0 && steps <= 100, "%d steps", steps);
    free(report);
    /* And it still finds out where it is. */
    stub_set(&stub, 1, 1);
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    CHECK_INT(net_info(a.net).nat, P2P_NAT_NONE);
    close(s);
    end();
}

static int calls;
static void change_from_inside(struct node *node, const p2p_event *ev)
{
    if (ev->kind != P2P_EVENT_READY && ev->kind != P2P_EVENT_INFO)
        return;
    if (calls++ < 50)
        CHECK_OK(p2p_network_changed(node->net, NULL));
    free(net_report(node->net));
    CHECK(net_info(node->net).passive_port > 0);
}
static void a_callback_may_say_so(void)
{
    begin(1, OPTIONS(PATIENT));
    a.also = change_from_inside, calls = 0;
    UNTIL(seen(&a, P2P_EVENT_READY) && calls > 1, pump(&a));
    UNTIL(net_info(a.net).nat == P2P_NAT_NONE, pump(&a));
    a.also = NULL;
    node_stop(&a);
    end();
}

static atomic_long said;
static void *change_main(void *arg)
{
    (void)arg;
    p2p_result r;
    while ((r = p2p_network_changed(a.net, NULL)) == P2P_OK)
        atomic_fetch_add(&said, 1);
    CHECK_IS(r, P2P_ERR_CLOSED);
    return NULL;
}
static void *report_main(void *arg)
{
    (void)arg;
    while (p2p_wait(a.net, 0) != P2P_ERR_CLOSED)
        free(net_report(a.net));
    return NULL;
}
static void threads_may_say_so_while_the_net_stops(void)
{
    for (int round = 0; round < 3; round++) {
        pthread_t threads[4];
        begin(round != 1, OPTIONS(PATIENT));
        atomic_store(&said, 0);
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, i ? change_main : report_main, NULL);
        UNTIL(atomic_load(&said) > scaled(20000, 500), pump(&a));
        node_stop(&a);
        check_waits = "the threads' end";
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        end();
    }
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(network_changed_is_for_a_net_that_runs);
    RUN(a_change_is_looked_at_and_told);
    RUN(changes_do_not_put_ready_off);
    RUN(ten_thousand_changes_cost_nothing_that_stays);
    RUN(a_callback_may_say_so);
    RUN(threads_may_say_so_while_the_net_stops);
    return check_end();
}

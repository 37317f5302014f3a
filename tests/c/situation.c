/* How a node finds out how it stands in its network, and what the program sees of it: READY, INFO, the type, the advertise
 * that waits for it. Who is asked is the stub of stub.h, which answers when the test wants it. */
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

static int dones_of(p2p_request request)
{
    int n = 0;
    for (size_t i = 0; i < a.n; i++)
        n += a.log[i].kind == P2P_EVENT_DONE && a.log[i].request == request;
    return n;
}

/* ---- READY ---- */

static void ready_comes_at_once_if_nobody_can_be_asked(void)
{
    node_open(&a, "127.0.0.2", NULL);
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    CHECK_INT(a.n, 1);
    CHECK_INT(net_info(a.net).node_type, P2P_NODE_ACTIVE);
    node_free(&a);
}

static void ready_does_not_wait_for_silent_servers(void)
{
    static const int timeouts[] = {0, 1, 300};
    for (size_t i = 0; i < 3; i++) {
        stub_open(&stub, 0);
        const struct server *silent =
            SERVERS({P2P_SERVER_RENDEZVOUS, stub.at}, {P2P_SERVER_REACHABILITY, stub.http_at},
                    {P2P_SERVER_NTP, stub.ntp_at});
        const struct set *options = OPTIONS({P2P_OPT_START_TIMEOUT_MS, timeouts[i]});
        node_start(&a, net_with("127.0.0.2", options, silent), "127.0.0.2");
        UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
        CHECK(a.n <= 4, "%zu events before READY", a.n - 1);
        CHECK_INT(net_info(a.net).node_type, P2P_NODE_ACTIVE);
        CHECK_INT(net_info(a.net).reachable, -1);
        node_stop(&a);
        CHECK_INT(count_of(&a, P2P_EVENT_READY), 1);
        end();
    }
}

static void a_node_works_before_ready(void)
{
    begin(0, OPTIONS(PATIENT));
    node_open(&b, "127.0.0.3", NULL);
    p2p_conn to_a, to_b;
    to_a = join_nodes(&b, &a, &to_b);
    CHECK_OK(p2p_send_line(b.net, to_a, "early", 5));
    UNTIL(seen(&a, P2P_EVENT_LINE), pump(&a));
    CHECK_OK(p2p_send_line(a.net, to_b, "bird", 4));
    UNTIL(seen(&b, P2P_EVENT_LINE), pump(&b));
    node_free(&b);
    UNTIL(seen(&a, P2P_EVENT_CLOSED), pump(&a));
    node_open(&b, "127.0.0.4", NULL);
    join_nodes(&a, &b, NULL);
    CHECK(!seen(&a, P2P_EVENT_READY), "nobody has answered, and nothing has timed out");
    CHECK_INT(net_info(a.net).node_type, P2P_NODE_UNKNOWN);
    char *report = net_report(a.net);
    CHECK_HAS(report, "\"ready\":false");
    free(report);
    node_stop(&a);
    CHECK_INT(count_of(&a, P2P_EVENT_READY), 0);
    node_free(&b);
    end();
}

static void a_node_that_is_told_to_be_passive_is_ready_at_once(void)
{
    begin(0, OPTIONS(PATIENT, {P2P_OPT_NODE_TYPE, P2P_NODE_PASSIVE}));
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    CHECK_INT(a.n, 1);
    p2p_net_info info = net_info(a.net);
    CHECK_INT(info.node_type, P2P_NODE_PASSIVE);
    CHECK_INT(info.forwarding, P2P_FWD_MANUAL);
    CHECK_INT(info.external_port, info.passive_port);
    CHECK_INT(info.reachable, -1);
    CHECK_INT(atomic_load(&stub.asked), 0);
    p2p_request request = 0;
    CHECK_OK(p2p_net_advertise(a.net, &request, NULL));
    UNTIL(atomic_load(&stub.asked) == 1, pump(&a));
    CHECK(!done_of(&a, request));
    stub_set(&stub, 1, 1);
    UNTIL(done_of(&a, request), pump(&a));
    CHECK_OK(done_of(&a, request)->result);
    CHECK_INT(atomic_load(&stub.listed_port), info.passive_port);
    end();
}

static void what_is_found_out_is_told_before_ready(void)
{
    for (;; end()) {
        begin(1, OPTIONS(PATIENT));
        UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
        if (!asked_in_vain(a.net))
            break;
    }
    CHECK_INT(count_of(&a, P2P_EVENT_READY), 1);
    CHECK_INT(a.log[0].kind, P2P_EVENT_INFO);
    CHECK_INT(a.log[a.n - 1].kind, P2P_EVENT_READY);
    p2p_net_info info = net_info(a.net);
    CHECK_INT(info.nat, P2P_NAT_NONE);
    CHECK_INT(info.allocation, P2P_ALLOCATION_PRESERVING);
    CHECK(strcmp(info.wan_ip, "127.0.0.2") == 0, "%s", info.wan_ip);
    char *report = net_report(a.net);
    CHECK_HAS(report, "\"ready\":true");
    CHECK_HAS(report, "\"nat\":\"none\"");
    CHECK_HAS(report, "\"topic\":\"nat\"");
    if (can_ask()) {
        CHECK_INT(info.node_type, P2P_NODE_PASSIVE);
        CHECK_INT(info.reachable, 1);
        CHECK_INT(info.external_port, info.passive_port);
        CHECK_INT(info.forwarding, P2P_FWD_NONE);
        CHECK_HAS(report, "\"topic\":\"reachability\"");
        CHECK_HAS(seen(&a, P2P_EVENT_READY)->data, "passive");
        /* The server that knocked is no connection of the program's. */
        CHECK_INT(count_of(&a, P2P_EVENT_OPENED), 0);
    }
    free(report);
    end();
}

static void a_closed_port_makes_an_active_node(void)
{
    if (!can_ask())
        return;
    for (;; end()) {
        stub_open(&stub, 1);
        stub_set(&stub, 1, 0);
        /* Found by its own option, not by the rendezvous server. */
        const struct server *servers = SERVERS({P2P_SERVER_REACHABILITY, stub.http_at});
        node_start(&a, net_with("127.0.0.2", OPTIONS(PATIENT), servers), "127.0.0.2");
        UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
        if (!asked_in_vain(a.net))
            break;
    }
    p2p_net_info info = net_info(a.net);
    CHECK_INT(info.node_type, P2P_NODE_ACTIVE);
    CHECK_INT(info.reachable, 0);
    CHECK_INT(info.unsolicited, P2P_UNSOLICITED_RESET);
    CHECK_INT(info.external_port, 0);
    end();
}

static void the_clock_is_compared(void)
{
    stub_open(&stub, 1);
    node_start(&a, net_with("127.0.0.2", NULL, SERVERS({P2P_SERVER_NTP, stub.ntp_at})), "127.0.0.2");
    int failed = 0;
    UNTIL(knows_the_time(a.net, &failed), pump(&a));
    long long off = net_info(a.net).clock_offset_us / 1000000;
    CHECK(off > STUB_AHEAD_S - 20 && off < STUB_AHEAD_S + 20, "%lld s", off);
    UNTIL(seen(&a, P2P_EVENT_INFO), pump(&a));
    end();
}

/* ---- being listed ---- */

static void advertise_waits_until_the_type_is_known(void)
{
    if (!can_ask())
        return;
    enum { N = 20 };
    p2p_request requests[N];
    begin(0, OPTIONS(PATIENT));
    for (int i = 0; i < N; i++)
        CHECK_OK(p2p_net_advertise(a.net, &requests[i], NULL));
    for (int i = 1; i < N; i += 2) {
        CHECK_OK(p2p_cancel(a.net, requests[i]));
        UNTIL(done_of(&a, requests[i]), pump(&a));
        CHECK_IS(done_of(&a, requests[i])->result, P2P_ERR_CANCELED);
        CHECK_IS(p2p_cancel(a.net, requests[i]), P2P_ERR_NOT_FOUND);
    }
    /* A line there and back: the node is at work, and does not know more. */
    node_open(&b, "127.0.0.3", NULL);
    join_nodes(&b, &a, NULL);
    CHECK_INT(count_of(&a, P2P_EVENT_DONE), N / 2);
    CHECK_INT(atomic_load(&stub.listed), 0);
    stub_set(&stub, 1, 1);
    for (int i = 0; i < N; i += 2) {
        UNTIL(done_of(&a, requests[i]), pump(&a));
        CHECK_OK(done_of(&a, requests[i])->result);
    }
    node_stop(&a);
    for (int i = 0; i < N; i++)
        CHECK_INT(dones_of(requests[i]), 1);
    /* What was given up before it began never begins. */
    CHECK_INT(atomic_load(&stub.listed), N / 2);
    CHECK_INT(atomic_load(&stub.listed_port), net_info(a.net).passive_port);
    CHECK_INT(atomic_load(&stub.cleared), 1);
    node_free(&b);
    end();
}

static void an_advertise_that_was_cancelled_lists_nobody(void)
{
    if (!can_ask())
        return;
    p2p_request request = 0;
    for (;; end()) {
        begin(0, OPTIONS(PATIENT));
        CHECK_OK(p2p_net_advertise(a.net, &request, NULL));
        CHECK_OK(p2p_cancel(a.net, request));
        UNTIL(done_of(&a, request), pump(&a));
        stub_set(&stub, 1, 1);
        UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
        if (!asked_in_vain(a.net))
            break;
    }
    CHECK_INT(net_info(a.net).node_type, P2P_NODE_PASSIVE);
    node_stop(&a);
    CHECK_INT(atomic_load(&stub.listed), 0);
    CHECK_INT(atomic_load(&stub.cleared), 0);
    CHECK_INT(dones_of(request), 1);
    end();
}

static void stop_ends_an_advertise_that_waits(void)
{
    begin(0, OPTIONS(PATIENT));
    p2p_request before = 0, after = 0;
    CHECK_OK(p2p_net_advertise(a.net, &before, NULL));
    UNTIL(atomic_load(&stub.asked) > 0, pump(&a));
    CHECK_INT(dones_of(before), 0);
    /* This one perhaps meets the stop. */
    CHECK_OK(p2p_net_advertise(a.net, &after, NULL));
    node_stop(&a);
    CHECK_INT(dones_of(before), 1);
    CHECK_INT(dones_of(after), 1);
    CHECK_IS(done_of(&a, before)->result, P2P_ERR_CANCELED);
    CHECK_IS(done_of(&a, after)->result, P2P_ERR_CANCELED);
    CHECK_INT(atomic_load(&stub.listed), 0);
    end();
    /* Freeing does as well, without a word. */
    begin(0, OPTIONS(PATIENT));
    CHECK_OK(p2p_net_advertise(a.net, NULL, NULL));
    end();
}

static void only_a_passive_node_is_listed(void)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_request request = 0;
    static const int told[] = {P2P_NODE_ACTIVE, P2P_NODE_SIMULTANEOUS};
    for (int i = 0; i < 2; i++) {
        begin(1, OPTIONS({P2P_OPT_NODE_TYPE, told[i]}));
        CHECK_IS(p2p_net_advertise(a.net, &request, &err), P2P_ERR_STATE);
        CHECK_HAS(err.message, "P2P_NODE_PASSIVE");
        end();
    }
    stub_open(&stub, 1);
    stub_set(&stub, 1, 0);
    node_start(&a, net_with("127.0.0.2", OPTIONS(PATIENT), STUB_OF(stub)), "127.0.0.2");
    CHECK_OK(p2p_net_advertise(a.net, &request, &err));
    UNTIL(done_of(&a, request), pump(&a));
    CHECK_IS(done_of(&a, request)->result, P2P_ERR_STATE);
    CHECK_HAS(done_of(&a, request)->data, "passive");
    node_stop(&a);
    CHECK_INT(dones_of(request), 1);
    CHECK_INT(atomic_load(&stub.listed), 0);
    end();
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(ready_comes_at_once_if_nobody_can_be_asked);
    RUN(ready_does_not_wait_for_silent_servers);
    RUN(a_node_works_before_ready);
    RUN(a_node_that_is_told_to_be_passive_is_ready_at_once);
    RUN(what_is_found_out_is_told_before_ready);
    RUN(a_closed_port_makes_an_active_node);
    RUN(the_clock_is_compared);
    RUN(advertise_waits_until_the_type_is_known);
    RUN(an_advertise_that_was_cancelled_lists_nobody);
    RUN(stop_ends_an_advertise_that_waits);
    RUN(only_a_passive_node_is_listed);
    return check_end();
}

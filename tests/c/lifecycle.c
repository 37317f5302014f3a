/* The life of a net: made, started, stopped, freed, in every order a program may think of. */
#include "check.h"

static void new_and_free_without_start(void)
{
    p2p_net *net = NULL;
    CHECK_OK(p2p_net_new(NULL, &net, NULL));
    REQUIRE(net != NULL);
    CHECK_INT(net_info(net).passive_port, 0);
    CHECK_INT(p2p_poll(net, 0), 0);
    const p2p_event *ev = NULL;
    CHECK_INT(p2p_next_event(net, &ev), 0);
    CHECK_IS(p2p_wait(net, 0), 0);
    p2p_error err = {.struct_size = sizeof err};
    CHECK_IS(p2p_connect(net, "127.0.0.1:1", NULL, NULL, NULL, &err), P2P_ERR_STATE);
    CHECK_HAS(err.message, "not started");
    CHECK_OK(p2p_net_free(net));
}

static void free_of_nothing_is_fine(void)
{
    CHECK_OK(p2p_net_free(NULL));
    p2p_config_free(NULL);
    p2p_event_free(NULL);
}

static void start_ready_stop_stopped_closed(void)
{
    struct node a;
    node_open(&a, "127.0.0.2", NULL);
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    CHECK_INT(a.log[0].kind, P2P_EVENT_READY);
    CHECK(net_info(a.net).passive_port > 0);
    CHECK(strcmp(net_info(a.net).lan_ip, "127.0.0.2") == 0, "%s", net_info(a.net).lan_ip);
    CHECK_OK(p2p_net_stop(a.net));
    CHECK_OK(p2p_net_stop(a.net));
    UNTIL(seen(&a, P2P_EVENT_STOPPED), pump(&a));
    CHECK_OK(seen(&a, P2P_EVENT_STOPPED)->result);
    CHECK_INT(a.log[a.n - 1].kind, P2P_EVENT_STOPPED);
    CHECK_IS(p2p_wait(a.net, -1), P2P_ERR_CLOSED);
    CHECK_INT(p2p_poll(a.net, 0), 0);
    CHECK_IS(p2p_connect(a.net, "127.0.0.9:1", NULL, NULL, NULL, NULL), P2P_ERR_CLOSED);
    p2p_error err = {.struct_size = sizeof err};
    CHECK_IS(p2p_net_start(a.net, &err), P2P_ERR_STATE);
    CHECK_OK(p2p_net_stop(a.net));
    CHECK_INT(count_of(&a, P2P_EVENT_STOPPED), 1);
    node_free(&a);
}

static void start_twice(void)
{
    struct node a;
    node_open(&a, "127.0.0.2", NULL);
    p2p_error err = {.struct_size = sizeof err};
    unsigned port = net_info(a.net).passive_port;
    CHECK_IS(p2p_net_start(a.net, &err), P2P_ERR_STATE);
    CHECK_IS(err.code, P2P_ERR_STATE);
    CHECK_HAS(err.message, "started before");
    CHECK_INT(net_info(a.net).passive_port, port);
    node_free(&a);
}

static void a_used_port_is_named_and_start_may_be_tried_again(void)
{
    char at[P2P_ADDR_LEN];
    int other = raw_listen("127.0.0.3", 1, at);
    p2p_net *net = net_new("127.0.0.3", OPTIONS({P2P_OPT_PASSIVE_PORT, ntohs(address_of(at).sin_port)}));
    p2p_error err = {.struct_size = sizeof err};
    for (int i = 0; i < 3; i++) {
        CHECK_IS(p2p_net_start(net, &err), P2P_ERR_IO);
        CHECK_IS(err.code, P2P_ERR_IO);
        CHECK_INT(err.os_error, EADDRINUSE);
        CHECK_HAS(err.message, at);
        CHECK_HAS(err.message, "passive_port");
    }
    close(other);
    struct node a;
    node_start(&a, net, "127.0.0.3");
    CHECK(strcmp(a.at, at) == 0, "%s", a.at);
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    node_free(&a);
}

static void an_address_that_is_not_ours_is_named(void)
{
    p2p_net *net = net_new("192.0.2.7", OPTIONS(ON_EVERY_ADDRESS));
    p2p_error err = {.struct_size = sizeof err};
    CHECK_IS(p2p_net_start(net, &err), P2P_ERR_IO);
    CHECK_INT(err.os_error, EADDRNOTAVAIL);
    CHECK_HAS(err.message, "192.0.2.7");
    CHECK_OK(p2p_net_free(net));
}

static void stop_before_start(void)
{
    p2p_net *net = net_new("127.0.0.2", NULL);
    CHECK_OK(p2p_net_stop(net));
    CHECK_OK(p2p_net_stop(net));
    CHECK_INT(p2p_wait(net, -1), 1);
    const p2p_event *ev = NULL;
    CHECK_INT(p2p_next_event(net, &ev), 1);
    CHECK_INT(ev->kind, P2P_EVENT_STOPPED);
    CHECK_OK(ev->result);
    p2p_event_free(ev);
    CHECK_INT(p2p_next_event(net, &ev), 0);
    CHECK_IS(p2p_wait(net, 0), P2P_ERR_CLOSED);
    CHECK_IS(p2p_wait(net, -1), P2P_ERR_CLOSED);
    CHECK_IS(p2p_net_start(net, NULL), P2P_ERR_STATE);
    CHECK_OK(p2p_net_free(net));
}

static void options_are_copied(void)
{
    p2p_config *cfg = p2p_config_new();
    CHECK_OK(p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, "127.0.0.4", NULL));
    p2p_net *one = NULL, *two = NULL, *three = NULL;
    CHECK_OK(p2p_net_new(cfg, &one, NULL));
    CHECK_OK(p2p_net_new(cfg, &two, NULL));
    CHECK_OK(p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, "127.0.0.5", NULL));
    CHECK_OK(p2p_net_new(cfg, &three, NULL));
    p2p_config_free(cfg);
    CHECK_OK(p2p_net_start(one, NULL));
    CHECK_OK(p2p_net_start(two, NULL));
    CHECK_OK(p2p_net_start(three, NULL));
    CHECK_HAS(net_info(one).lan_ip, "127.0.0.4");
    CHECK_HAS(net_info(two).lan_ip, "127.0.0.4");
    CHECK_HAS(net_info(three).lan_ip, "127.0.0.5");
    CHECK(net_info(one).passive_port != net_info(two).passive_port);
    CHECK_OK(p2p_net_free(one));
    CHECK_OK(p2p_net_free(two));
    CHECK_OK(p2p_net_free(three));
}

static void a_pulled_event_outlives_its_net(void)
{
    struct node a, b;
    node_open(&a, "127.0.0.2", NULL);
    node_open(&b, "127.0.0.3", NULL);
    p2p_conn conn = join_nodes(&a, &b, NULL);
    CHECK_OK(p2p_send_line(a.net, conn, "for later", P2P_AUTO_LEN));
    const p2p_event *line = NULL;
    UNTIL(line && line->kind == P2P_EVENT_LINE,
          (p2p_event_free(line), line = NULL, p2p_next_event(b.net, &line)));
    node_free(&a);
    node_free(&b);
    CHECK_INT(line->kind, P2P_EVENT_LINE);
    CHECK_INT(line->len, 9);
    CHECK(memcmp(line->data, "for later", 10) == 0);
    CHECK_HAS(line->peer, "127.0.0.2:");
    p2p_event_free(line);
}

static void free_with_events_not_taken(void)
{
    struct node a, b;
    node_open(&a, "127.0.0.2", NULL);
    node_open(&b, "127.0.0.3", NULL);
    p2p_conn conn = join_nodes(&a, &b, NULL);
    for (int i = 0; i < 100; i++)
        CHECK_OK(p2p_send_line(a.net, conn, "nobody takes this", P2P_AUTO_LEN));
    UNTIL(p2p_wait(b.net, 0) == 1, 0);
    node_free(&b);
    node_free(&a);
}

/* A listener that never accepts and has no place left: a connect to it gets no answer at all. */
static int full_backlog(char at[P2P_ADDR_LEN], int fill[8])
{
    int listener = raw_listen("127.0.0.7", 0, at);
    struct sockaddr_in to = address_of(at);
    for (int i = 0; i < 8; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fill[i], (struct sockaddr *)&to, sizeof to);
    }
    return listener;
}

static void free_while_connecting(void)
{
    char at[P2P_ADDR_LEN];
    int fill[8], listener = full_backlog(at, fill);
    struct node a;
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_CONNECT_TIMEOUT_MS, 600000}));
    p2p_request request = 0;
    CHECK_OK(p2p_connect(a.net, at, NULL, NULL, &request, NULL));
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    CHECK(!done_of(&a, request), "the connection must hang for this test");
    node_free(&a);
    for (int i = 0; i < 8; i++)
        close(fill[i]);
    close(listener);
}

static void stop_and_cancel_while_connecting(void)
{
    char at[P2P_ADDR_LEN];
    int fill[8], listener = full_backlog(at, fill);
    struct node a;
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_CONNECT_TIMEOUT_MS, 600000}, {P2P_OPT_DUPLICATE_IP, 1}));
    p2p_request one = 0, two = 0;
    CHECK_OK(p2p_connect(a.net, at, NULL, NULL, &one, NULL));
    CHECK_OK(p2p_connect(a.net, at, NULL, NULL, &two, NULL));
    CHECK_OK(p2p_cancel(a.net, one));
    UNTIL(done_of(&a, one), pump(&a));
    CHECK_IS(done_of(&a, one)->result, P2P_ERR_CANCELED);
    CHECK_IS(p2p_cancel(a.net, one), P2P_ERR_NOT_FOUND);
    CHECK(!done_of(&a, two));
    CHECK_OK(p2p_net_stop(a.net));
    UNTIL(seen(&a, P2P_EVENT_STOPPED), pump(&a));
    REQUIRE(done_of(&a, two));
    CHECK_IS(done_of(&a, two)->result, P2P_ERR_CANCELED);
    node_free(&a);
    for (int i = 0; i < 8; i++)
        close(fill[i]);
    close(listener);
}

static void a_connect_times_out(void)
{
    char at[P2P_ADDR_LEN];
    int fill[8], listener = full_backlog(at, fill);
    struct node a;
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_CONNECT_TIMEOUT_MS, 50}));
    p2p_request request = 0;
    CHECK_OK(p2p_connect(a.net, at, NULL, NULL, &request, NULL));
    UNTIL(done_of(&a, request), pump(&a));
    CHECK_IS(done_of(&a, request)->result, P2P_ERR_TIMEOUT);
    CHECK_HAS(done_of(&a, request)->data, at);
    CHECK_HAS(done_of(&a, request)->data, "connect_timeout_ms");
    node_free(&a);
    for (int i = 0; i < 8; i++)
        close(fill[i]);
    close(listener);
}

/* A rendezvous server that takes the connection and never says a word. */
static void a_bootstrap_can_be_cancelled(void)
{
    char at[P2P_ADDR_LEN];
    int silent = raw_listen("127.0.0.7", 8, at);
    p2p_config *cfg = p2p_config_new();
    CHECK_OK(p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, "127.0.0.2", NULL));
    CHECK_OK(p2p_config_set_int(cfg, P2P_OPT_SERVER_TIMEOUT_MS, 600000, NULL));
    CHECK_OK(p2p_config_add_server(cfg, P2P_SERVER_RENDEZVOUS, at, NULL));
    p2p_net *net = NULL;
    CHECK_OK(p2p_net_new(cfg, &net, NULL));
    p2p_config_free(cfg);
    struct node a;
    node_start(&a, net, "127.0.0.2");
    p2p_request cancelled = 0, stopped = 0;
    CHECK_OK(p2p_net_bootstrap(net, &cancelled, NULL));
    CHECK_OK(p2p_net_bootstrap(net, &stopped, NULL));
    CHECK_OK(p2p_cancel(net, cancelled));
    UNTIL(done_of(&a, cancelled), pump(&a));
    CHECK_IS(done_of(&a, cancelled)->result, P2P_ERR_CANCELED);
    CHECK(!done_of(&a, stopped));
    CHECK_OK(p2p_net_stop(net));
    UNTIL(seen(&a, P2P_EVENT_STOPPED), pump(&a));
    REQUIRE(done_of(&a, stopped));
    CHECK_IS(done_of(&a, stopped)->result, P2P_ERR_CANCELED);
    node_free(&a);
    close(silent);
}

/* A label of more than 63 characters is no name, so the look-up ends on this machine: no test asks a name server. One that
 * does not answer is for tests/namespace.py. */
#define NO_NAME \
    "this-label-is-longer-than-the-sixty-three-characters-that-any-label-of-a-name-may-have.invalid"

static void free_while_looking_up_a_name(void)
{
    struct node a;
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_CONNECT_TIMEOUT_MS, 2000}));
    for (int i = 0; i < 20; i++)
        CHECK_OK(p2p_connect(a.net, NO_NAME ":7", NULL, NULL, NULL, NULL));
    node_free(&a);
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_CONNECT_TIMEOUT_MS, 2000}));
    p2p_request request = 0;
    CHECK_OK(p2p_connect(a.net, NO_NAME ":7", NULL, NULL, &request, NULL));
    UNTIL(done_of(&a, request), pump(&a));
    CHECK(done_of(&a, request)->result == P2P_ERR_IO || done_of(&a, request)->result == P2P_ERR_TIMEOUT);
    CHECK_HAS(done_of(&a, request)->data, NO_NAME);
    node_free(&a);
}

static void free_with_unsent_data(void)
{
    struct node a;
    char at[P2P_ADDR_LEN];
    int listener = raw_listen("127.0.0.7", 4, at);
    node_open(&a, "127.0.0.2",
              OPTIONS(CLASSIC, {P2P_OPT_CLOSE_TIMEOUT_MS, 3000}, {P2P_OPT_SEND_BUFFER, 1 << 22}));
    p2p_request request = 0;
    CHECK_OK(p2p_connect(a.net, at, NULL, NULL, &request, NULL));
    int peer = accept(listener, NULL, NULL);
    UNTIL(done_of(&a, request), pump(&a));
    p2p_conn conn = done_of(&a, request)->conn;
    char *line = malloc(60000);
    memset(line, 'x', 60000);
    p2p_result r;
    while ((r = p2p_send_line(a.net, conn, line, 60000)) == P2P_OK) {
    }
    CHECK_IS(r, P2P_ERR_WOULD_BLOCK);
    free(line);
    node_free(&a);
    close(peer);
    close(listener);
}

/* What is queued when the net stops still goes out, and CLOSED and STOPPED follow. */
static void stop_sends_what_is_queued(void)
{
    struct node a, b;
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_CLOSE_TIMEOUT_MS, 60000}));
    node_open(&b, "127.0.0.3", NULL);
    p2p_conn conn = join_nodes(&a, &b, NULL);
    int n = 5000;
    for (int i = 0; i < n; i++) {
        char line[20];
        snprintf(line, sizeof line, "%d", i);
        CHECK_OK(p2p_send_line(a.net, conn, line, P2P_AUTO_LEN));
    }
    CHECK_OK(p2p_net_stop(a.net));
    UNTIL(seen(&a, P2P_EVENT_STOPPED) && seen(&b, P2P_EVENT_CLOSED), pump2(&a, &b));
    CHECK_INT(count_of(&b, P2P_EVENT_LINE), n);
    struct seen *closed = seen(&a, P2P_EVENT_CLOSED);
    REQUIRE(closed);
    CHECK(closed < seen(&a, P2P_EVENT_STOPPED));
    CHECK_OK(closed->result);
    CHECK_IS(seen(&b, P2P_EVENT_CLOSED)->result, P2P_ERR_CLOSED);
    node_free(&a);
    node_free(&b);
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(new_and_free_without_start);
    RUN(free_of_nothing_is_fine);
    RUN(start_ready_stop_stopped_closed);
    RUN(start_twice);
    RUN(a_used_port_is_named_and_start_may_be_tried_again);
    RUN(an_address_that_is_not_ours_is_named);
    RUN(stop_before_start);
    RUN(options_are_copied);
    RUN(a_pulled_event_outlives_its_net);
    RUN(free_with_events_not_taken);
    RUN(free_while_connecting);
    RUN(stop_and_cancel_while_connecting);
    RUN(a_connect_times_out);
    RUN(a_bootstrap_can_be_cancelled);
    RUN(free_while_looking_up_a_name);
    RUN(free_with_unsent_data);
    RUN(stop_sends_what_is_queued);
    return check_end();
}

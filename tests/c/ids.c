/* Ids: never used twice, and a stale one is an error, never somebody else's connection. */
#include "check.h"

static void ids_after_the_end(void)
{
    struct node a, b;
    node_open(&a, "127.0.0.2", NULL);
    node_open(&b, "127.0.0.3", NULL);
    p2p_request request = 0;
    CHECK_OK(p2p_connect(a.net, b.at, NULL, NULL, &request, NULL));
    CHECK(request > 0);
    UNTIL(done_of(&a, request), pump2(&a, &b));
    CHECK_IS(p2p_cancel(a.net, request), P2P_ERR_NOT_FOUND);
    p2p_conn conn = done_of(&a, request)->conn;
    CHECK(conn > 0 && conn != request);
    struct seen *opened = seen(&a, P2P_EVENT_OPENED);
    CHECK(opened && opened->request == request && opened->conn == conn && opened < done_of(&a, request));
    int mark = 0;
    CHECK_OK(p2p_conn_set_user(a.net, conn, &mark));
    CHECK(p2p_conn_get_user(a.net, conn) == &mark);
    CHECK_OK(p2p_conn_close(a.net, conn));
    CHECK_IS(p2p_send_line(a.net, conn, "too late", P2P_AUTO_LEN), P2P_ERR_CLOSED);
    CHECK_OK(p2p_conn_close(a.net, conn));
    p2p_conn_info info = {.struct_size = sizeof info};
    CHECK_OK(p2p_conn_get_info(a.net, conn, &info));
    CHECK(strcmp(info.peer, b.at) == 0, "%s", info.peer);
    CHECK_INT(info.via, usual_dialect() == P2P_DIALECT_CLASSIC ? P2P_VIA_DIRECT : P2P_VIA_LAN);
    CHECK_INT(strlen(info.peer_id), usual_dialect() == P2P_DIALECT_CLASSIC ? 0 : 43);
    UNTIL(seen(&a, P2P_EVENT_CLOSED), pump2(&a, &b));
    CHECK(seen(&a, P2P_EVENT_CLOSED)->user == &mark);
    CHECK_OK(seen(&a, P2P_EVENT_CLOSED)->result);
    CHECK_IS(p2p_send_line(a.net, conn, "x", 1), P2P_ERR_NOT_FOUND);
    CHECK_IS(p2p_conn_close(a.net, conn), P2P_ERR_NOT_FOUND);
    CHECK_IS(p2p_conn_get_info(a.net, conn, &info), P2P_ERR_NOT_FOUND);
    CHECK_IS(p2p_conn_set_user(a.net, conn, &mark), P2P_ERR_NOT_FOUND);
    CHECK(p2p_conn_get_user(a.net, conn) == NULL);
    size_t count = 9;
    CHECK_OK(p2p_conn_list(a.net, NULL, 0, &count));
    CHECK_INT(count, 0);
    node_free(&a);
    node_free(&b);
}

/* In the CLOSED callback the connection can still be looked at; sending says "closed". */
static void look_in_closed(struct node *node, const p2p_event *ev)
{
    if (ev->kind != P2P_EVENT_CLOSED)
        return;
    p2p_conn_info info = {.struct_size = sizeof info};
    CHECK_OK(p2p_conn_get_info(node->net, ev->conn, &info));
    CHECK_IS(p2p_send_line(node->net, ev->conn, "x", 1), P2P_ERR_CLOSED);
    size_t count = 9;
    CHECK_OK(p2p_conn_list(node->net, NULL, 0, &count));
    CHECK_INT(count, 0);
}
static void the_closed_event_still_has_its_connection(void)
{
    struct node a, b;
    node_open(&a, "127.0.0.2", NULL);
    node_open(&b, "127.0.0.3", NULL);
    join_nodes(&a, &b, NULL);
    b.also = look_in_closed;
    node_free(&a);
    UNTIL(seen(&b, P2P_EVENT_CLOSED), pump(&b));
    node_free(&b);
}

/* CLOSED is the last event of a connection: then its place and its address are free again, at once. */
static void a_connection_can_be_made_again_as_soon_as_it_is_closed(void)
{
    char at[P2P_ADDR_LEN];
    int listener = raw_listen("127.0.0.7", 64, at);
    struct node a;
    node_open(&a, "127.0.0.2", OPTIONS(CLASSIC, {P2P_OPT_MAX_OUTBOUND, 1}, {P2P_OPT_CLOSE_TIMEOUT_MS, 2000}));
    for (int i = 0; i < 5; i++) {
        p2p_request request = 0;
        forget(&a);
        CHECK_OK(p2p_connect(a.net, at, NULL, NULL, &request, NULL));
        UNTIL(done_of(&a, request), pump(&a));
        CHECK(done_of(&a, request)->result == P2P_OK, "%s", done_of(&a, request)->data);
        if (done_of(&a, request)->result != P2P_OK)
            break;
        p2p_conn conn = done_of(&a, request)->conn;
        CHECK_OK(p2p_conn_close(a.net, conn));
        /* The peer never closes its end. */
        UNTIL(seen(&a, P2P_EVENT_CLOSED), pump(&a));
        UNTIL(net_info(a.net).outbound == 0, 0);
    }
    close(listener);
    node_free(&a);
}

static void many_connections_have_as_many_ids(void)
{
    struct node a, b;
    node_open(&a, "127.0.0.2", NULL);
    node_open(&b, "127.0.0.3", NULL);
    /* A secure node shakes hands with one address fifty times a second at most. */
    long n = usual_dialect() == P2P_DIALECT_CLASSIC ? scaled(5000, 50) : 40;
    p2p_conn last_a = 0, last_b = 0;
    for (long i = 0; i < n; i++) {
        forget(&a), forget(&b);
        p2p_conn theirs = 0, ours = join_nodes(&a, &b, &theirs);
        CHECK(ours > last_a && theirs > last_b, "%llu after %llu", (unsigned long long)ours,
              (unsigned long long)last_a);
        if (last_a)
            CHECK_IS(p2p_send_line(a.net, last_a, "x", 1), P2P_ERR_NOT_FOUND);
        last_a = ours, last_b = theirs;
        if (i % 2)
            CHECK_OK(p2p_conn_close(a.net, ours));
        else
            CHECK_OK(p2p_conn_close(b.net, theirs));
        UNTIL(seen(&a, P2P_EVENT_CLOSED) && seen(&b, P2P_EVENT_CLOSED), pump2(&a, &b));
    }
    CHECK_INT(net_stats(a.net).opened, n);
    CHECK_INT(net_stats(a.net).closed, n);
    node_free(&a);
    node_free(&b);
}

static void the_list_says_how_much_room_it_needs(void)
{
    struct node a, b[4];
    p2p_conn ids[5], conns[4];
    node_open(&a, "127.0.0.2", NULL);
    for (int i = 0; i < 4; i++) {
        char ip[32];
        snprintf(ip, sizeof ip, "127.0.0.%d", 10 + i);
        node_open(&b[i], ip, NULL);
        conns[i] = join_nodes(&a, &b[i], NULL);
    }
    for (size_t cap = 0; cap <= 5; cap++) {
        size_t count = 77;
        memset(ids, 0, sizeof ids);
        CHECK_IS(p2p_conn_list(a.net, ids, cap, &count), cap < 4 ? P2P_ERR_TOO_SMALL : P2P_OK);
        CHECK_INT(count, 4);
        for (size_t i = 0; i < 5; i++)
            CHECK_INT(ids[i], i < cap && i < 4 ? conns[i] : 0);
    }
    for (int i = 0; i < 4; i++)
        node_free(&b[i]);
    node_free(&a);
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(ids_after_the_end);
    RUN(the_closed_event_still_has_its_connection);
    RUN(a_connection_can_be_made_again_as_soon_as_it_is_closed);
    RUN(many_connections_have_as_many_ids);
    RUN(the_list_says_how_much_room_it_needs);
    return check_end();
}

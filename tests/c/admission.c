/* Who may connect: not oneself, not twice, not more than the limits; and who connects at the same moment as its peer. */
#include "check.h"

static struct node a, b;

static struct seen *connect_to(struct node *node, const char *to)
{
    p2p_request request = 0;
    CHECK_OK(p2p_connect(node->net, to, NULL, NULL, &request, NULL));
    UNTIL(done_of(node, request), pump(node));
    return done_of(node, request);
}

static void oneself(void)
{
    node_open(&a, "127.0.0.2", NULL);
    struct seen *done = connect_to(&a, a.at);
    CHECK_IS(done->result, P2P_ERR_SELF);
    CHECK_HAS(done->data, a.at);
    node_free(&a);
    /* A classic p2p net goes by the address alone; a secure one knows that another may be behind another port. */
    node_open(&a, "127.0.0.2", OPTIONS(CLASSIC));
    CHECK_IS(connect_to(&a, "127.0.0.2:1")->result, P2P_ERR_SELF);
    node_free(&a);
    node_open(&a, "127.0.0.2", OPTIONS(SECURE));
    CHECK_IS(connect_to(&a, "127.0.0.2:1")->result, P2P_ERR_REFUSED);
    node_free(&a);
    /* On every address: by any of its names. */
    char to[P2P_ADDR_LEN];
    node_open(&a, "0.0.0.0", OPTIONS(ON_EVERY_ADDRESS));
    snprintf(to, sizeof to, "127.0.0.1:%u", (unsigned)net_info(a.net).passive_port);
    CHECK_IS(connect_to(&a, to)->result, P2P_ERR_SELF);
    node_free(&a);
}

/* A direct net tells itself by address and port, also by an address it was not told is its own. */
static void oneself_on_a_direct_net(void)
{
    for (int round = 0; round < 5; round++) {
        char to[P2P_ADDR_LEN];
        node_open(&a, "0.0.0.0", OPTIONS(ON_EVERY_ADDRESS, {P2P_OPT_NET_TYPE, P2P_NET_DIRECT}));
        snprintf(to, sizeof to, "127.0.0.1:%u", (unsigned)net_info(a.net).passive_port);
        CHECK_IS(connect_to(&a, to)->result, P2P_ERR_SELF);
        snprintf(to, sizeof to, "127.0.0.99:%u", (unsigned)net_info(a.net).passive_port);
        CHECK_IS(connect_to(&a, to)->result, P2P_ERR_SELF);
        UNTIL(count_of(&a, P2P_EVENT_OPENED) == count_of(&a, P2P_EVENT_CLOSED), pump(&a));
        node_free(&a);
    }
}

static void addresses_no_peer_can_have(void)
{
    node_open(&a, "127.0.0.2", NULL);
    CHECK_IS(connect_to(&a, "0.0.0.0:80")->result, P2P_ERR_INVALID);
    CHECK_IS(connect_to(&a, "255.255.255.255:80")->result, P2P_ERR_INVALID);
    CHECK_IS(connect_to(&a, "224.0.0.1:80")->result, P2P_ERR_INVALID);
    node_free(&a);
}

static void nobody_there(void)
{
    char at[P2P_ADDR_LEN];
    close(raw_listen("127.0.0.9", 1, at));
    node_open(&a, "127.0.0.2", NULL);
    struct seen *done = connect_to(&a, at);
    CHECK_IS(done->result, P2P_ERR_REFUSED);
    CHECK_HAS(done->data, at);
    CHECK_INT(count_of(&a, P2P_EVENT_OPENED), 0);
    node_free(&a);
}

static void the_same_node_twice(void)
{
    node_open(&a, "127.0.0.2", NULL);
    node_open(&b, "127.0.0.3", NULL);
    join_nodes(&a, &b, NULL);
    CHECK_IS(connect_to(&a, b.at)->result, P2P_ERR_DUPLICATE);
    CHECK_IS(connect_to(&b, a.at)->result, P2P_ERR_DUPLICATE);
    CHECK_INT(count_of(&a, P2P_EVENT_OPENED), 1);
    CHECK_INT(count_of(&a, P2P_EVENT_CLOSED), 0);
    node_free(&a);
    node_free(&b);
}

/* Two secure nodes at one address are two; one that is connected is known by its key at any address. */
static void nodes_are_known_by_their_keys(void)
{
    struct node c;
    char also[P2P_ADDR_LEN];
    node_open(&a, "127.0.0.2", OPTIONS(SECURE));
    node_open(&b, "0.0.0.0", OPTIONS(SECURE, ON_EVERY_ADDRESS));
    node_open(&c, "127.0.0.2", OPTIONS(SECURE));
    unsigned port = net_info(b.net).passive_port;
    snprintf(b.at, sizeof b.at, "127.0.0.3:%u", port);
    snprintf(also, sizeof also, "127.0.0.4:%u", port);
    join_nodes(&a, &b, NULL);
    join_nodes(&c, &b, NULL);
    join_nodes(&a, &c, NULL);
    p2p_request request = 0;
    CHECK_OK(p2p_connect(a.net, also, NULL, NULL, &request, NULL));
    UNTIL(done_of(&a, request), pump2(&a, &b));
    CHECK_IS(done_of(&a, request)->result, P2P_ERR_DUPLICATE);
    node_free(&a);
    node_free(&b);
    node_free(&c);
}

static void the_same_address_twice(void)
{
    node_open(&a, "127.0.0.2", OPTIONS(CLASSIC));
    node_open(&b, "127.0.0.3", OPTIONS(CLASSIC));
    join_nodes(&a, &b, NULL);
    CHECK_IS(connect_to(&a, b.at)->result, P2P_ERR_DUPLICATE);
    CHECK_IS(connect_to(&b, a.at)->result, P2P_ERR_DUPLICATE);
    /* Somebody else from that address is turned away. */
    int s = raw_connect(b.at, "127.0.0.2");
    char byte;
    CHECK_INT(raw_read(s, &byte, 1), 0);
    close(s);
    UNTIL(net_stats(b.net).rejected == 1, pump(&b));
    CHECK_INT(count_of(&b, P2P_EVENT_OPENED), 1);
    node_free(&a);
    node_free(&b);
}

static void as_many_as_one_likes(void)
{
    node_open(&a, "127.0.0.2", OPTIONS(CLASSIC, {P2P_OPT_DUPLICATE_IP, 1}));
    node_open(&b, "127.0.0.3", OPTIONS(CLASSIC, {P2P_OPT_DUPLICATE_IP, 1}));
    for (int i = 0; i < 5; i++)
        join_nodes(&a, &b, NULL);
    UNTIL(net_info(b.net).inbound == 5, pump2(&a, &b));
    CHECK_INT(net_info(a.net).outbound, 5);
    node_free(&a);
    node_free(&b);
}

static void inbound_beyond_the_limit_waits_for_a_place(void)
{
    node_open(&a, "127.0.0.2", OPTIONS(CLASSIC, {P2P_OPT_MAX_INBOUND, 2}));
    int s[4];
    for (int i = 0; i < 4; i++) {
        char ip[32], hello[32];
        snprintf(ip, sizeof ip, "127.0.0.%d", 20 + i);
        s[i] = raw_connect(a.at, ip);
        REQUIRE(s[i] >= 0);
        int n = snprintf(hello, sizeof hello, "I am %d\r\n", i);
        CHECK(raw_send(s[i], hello, (size_t)n));
    }
    for (int i = 0; i < 4; i++) {
        int places = i < 2 ? 2 + i : 4; /* the first two, and one for each that has left */
        UNTIL(count_of(&a, P2P_EVENT_LINE) >= places, pump(&a));
        CHECK_INT(count_of(&a, P2P_EVENT_OPENED), places);
        CHECK(net_info(a.net).inbound <= 2);
        close(s[i]);
        UNTIL(count_of(&a, P2P_EVENT_CLOSED) == i + 1, pump(&a));
    }
    CHECK_INT(net_stats(a.net).rejected, 0);
    node_free(&a);
}

static void outbound_beyond_the_limit_is_refused(void)
{
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_MAX_OUTBOUND, 1}));
    node_open(&b, "127.0.0.3", NULL);
    p2p_conn conn = join_nodes(&a, &b, NULL);
    struct seen *done = connect_to(&a, "127.0.0.9:1");
    CHECK_IS(done->result, P2P_ERR_LIMIT);
    CHECK_HAS(done->data, "max_outbound");
    CHECK_OK(p2p_conn_close(a.net, conn));
    UNTIL(seen(&a, P2P_EVENT_CLOSED) && seen(&b, P2P_EVENT_CLOSED), pump2(&a, &b));
    CHECK_OK(connect_to(&a, b.at)->result);
    node_free(&a);
    node_free(&b);
}

static void requests_beyond_the_limit_are_refused(void)
{
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_MAX_REQUESTS, 4}));
    p2p_error err = {.struct_size = sizeof err};
    p2p_request request = 0;
    for (int i = 0; i < 4; i++)
        CHECK_OK(p2p_connect(a.net, "127.0.0.9:1", NULL, NULL, NULL, NULL));
    CHECK_IS(p2p_connect(a.net, "127.0.0.9:1", NULL, NULL, &request, &err), P2P_ERR_LIMIT);
    CHECK_HAS(err.message, "max_requests");
    CHECK_INT(request, 0);
    UNTIL(count_of(&a, P2P_EVENT_DONE) == 4, pump(&a));
    CHECK_OK(p2p_connect(a.net, "127.0.0.9:1", NULL, NULL, NULL, NULL));
    node_free(&a);
}

static void ipv6(void)
{
    int s = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 me = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int there = s >= 0 && bind(s, (struct sockaddr *)&me, sizeof me) == 0;
    if (s >= 0)
        close(s);
    if (!there)
        return skip("this machine has no ::1");
    /* The peer of an IPv6 loopback connection has the node's own address: allowed where one address may hold several. */
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_DUPLICATE_IP, 1}));
    node_open(&b, "::1", OPTIONS({P2P_OPT_DUPLICATE_IP, 1}));
    p2p_conn theirs, ours = join_nodes(&a, &b, &theirs);
    CHECK_OK(p2p_send_line(a.net, ours, "over IPv6", P2P_AUTO_LEN));
    CHECK_OK(p2p_send_line(b.net, theirs, "and back", P2P_AUTO_LEN));
    UNTIL(seen(&a, P2P_EVENT_LINE) && seen(&b, P2P_EVENT_LINE), pump2(&a, &b));
    CHECK_HAS(seen(&b, P2P_EVENT_LINE)->peer, "[::1]:");
    CHECK(strcmp(seen(&a, P2P_EVENT_LINE)->peer, b.at) == 0, "%s", seen(&a, P2P_EVENT_LINE)->peer);
    CHECK_IS(connect_to(&b, b.at)->result, P2P_ERR_SELF);
    node_free(&a);
    node_free(&b);
}

/* Both dial at once: whatever the order of what happens then, one connection is left, and it works. */
static void both_dial_at_once(void)
{
    for (long round = scaled(300, 20); round > 0; round--) {
        node_open(&a, "127.0.0.2", NULL);
        node_open(&b, "127.0.0.3", NULL);
        p2p_request from_a = 0, from_b = 0;
        CHECK_OK(p2p_connect(a.net, b.at, NULL, NULL, &from_a, NULL));
        CHECK_OK(p2p_connect(b.net, a.at, NULL, NULL, &from_b, NULL));
        UNTIL(done_of(&a, from_a) && done_of(&b, from_b), pump2(&a, &b));
        size_t na = 0, nb = 0;
        p2p_conn ca[4] = {0}, cb[4] = {0};
#define LEFT(n) (count_of(&n, P2P_EVENT_OPENED) - count_of(&n, P2P_EVENT_CLOSED))
        UNTIL(LEFT(a) == 1 && LEFT(b) == 1 && p2p_conn_list(a.net, ca, 4, &na) == P2P_OK &&
                  p2p_conn_list(b.net, cb, 4, &nb) == P2P_OK && na == 1 && nb == 1,
              pump2(&a, &b));
        /* It may still be the one that is going; then another line is needed, until one arrives. */
        UNTIL(seen(&b, P2P_EVENT_LINE),
              (pump2(&a, &b), p2p_conn_list(a.net, ca, 4, &na), p2p_send_line(a.net, ca[0], "one", 3)));
        CHECK_OK(p2p_conn_list(a.net, ca, 4, &na));
        CHECK_INT(na, 1);
        CHECK_OK(p2p_conn_list(b.net, cb, 4, &nb));
        CHECK_INT(nb, 1);
        node_free(&a);
        node_free(&b);
    }
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(oneself);
    RUN(oneself_on_a_direct_net);
    RUN(addresses_no_peer_can_have);
    RUN(nobody_there);
    RUN(the_same_node_twice);
    RUN(nodes_are_known_by_their_keys);
    RUN(the_same_address_twice);
    RUN(as_many_as_one_likes);
    RUN(inbound_beyond_the_limit_waits_for_a_place);
    RUN(outbound_beyond_the_limit_is_refused);
    RUN(requests_beyond_the_limit_are_refused);
    RUN(ipv6);
    RUN(both_dial_at_once);
    return check_end();
}

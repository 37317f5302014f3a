/* What options make of a net: broadcast and dedup in a flooding one, raw bytes, the nonce of direct nets, log events. */
#include "check.h"

static struct node a, b, c;

static void broadcast_goes_to_all_but_one(void)
{
    node_open(&a, "127.0.0.2", NULL);
    node_open(&b, "127.0.0.3", NULL);
    node_open(&c, "127.0.0.4", NULL);
    uint32_t sent = 77;
    CHECK_OK(p2p_broadcast_line(a.net, "nobody here", P2P_AUTO_LEN, 0, &sent));
    CHECK_INT(sent, 0);
    p2p_conn to_b = join_nodes(&a, &b, NULL), to_c = join_nodes(&a, &c, NULL);
    CHECK_OK(p2p_broadcast_line(a.net, "both", P2P_AUTO_LEN, 0, &sent));
    CHECK_INT(sent, 2);
    CHECK_OK(p2p_broadcast_line(a.net, "not b", P2P_AUTO_LEN, to_b, &sent));
    CHECK_INT(sent, 1);
    CHECK_OK(p2p_broadcast_line(a.net, "not c", P2P_AUTO_LEN, to_c, NULL));
    CHECK_OK(p2p_broadcast_line(a.net, "end", P2P_AUTO_LEN, UINT64_MAX, &sent));
    CHECK_INT(sent, 2);
    UNTIL(count_of(&b, P2P_EVENT_LINE) == 3 && count_of(&c, P2P_EVENT_LINE) == 3, pump2(&b, &c));
    static const char *const want[2][3] = {{"both", "not c", "end"}, {"both", "not b", "end"}};
    for (int n = 0; n < 2; n++)
        for (size_t i = 0, k = 0; i < (n ? c : b).n; i++)
            if ((n ? c : b).log[i].kind == P2P_EVENT_LINE)
                CHECK(strcmp((n ? c : b).log[i].data, want[n][k++]) == 0);
    node_free(&a);
    node_free(&b);
    node_free(&c);
}

static uint64_t queued_on(p2p_conn conn)
{
    p2p_conn_info info = {.struct_size = sizeof info};
    CHECK_OK(p2p_conn_get_info(a.net, conn, &info));
    return info.queued_bytes;
}
static void broadcast_says_who_had_no_room(void)
{
    char at[P2P_ADDR_LEN];
    int listener = raw_listen("127.0.0.7", 1, at);
    node_open(&a, "127.0.0.2", OPTIONS(CLASSIC, {P2P_OPT_SEND_BUFFER, 1024}));
    node_open(&b, "127.0.0.3", OPTIONS(CLASSIC));
    p2p_request request = 0;
    CHECK_OK(p2p_connect(a.net, at, NULL, NULL, &request, NULL));
    UNTIL(done_of(&a, request), pump(&a));
    p2p_conn stuck = done_of(&a, request)->conn;
    int peer = accept(listener, NULL, NULL);
    char line[1000];
    memset(line, 'x', sizeof line);
    p2p_conn to_b = join_nodes(&a, &b, NULL);
    /* While the system's buffers fill there may be room again between the two calls; once they are full there is none. */
    uint32_t sent = 77;
    int r = P2P_OK;
    while (r == P2P_OK) {
        UNTIL(queued_on(to_b) == 0, pump(&b));
        while (p2p_send_line(a.net, stuck, line, sizeof line) == P2P_OK) {
        }
        r = p2p_broadcast_line(a.net, line, sizeof line, 0, &sent);
        if (r == P2P_OK)
            CHECK_INT(sent, 2);
        pump(&b);
    }
    CHECK_IS(r, P2P_ERR_WOULD_BLOCK);
    CHECK_INT(sent, 1);
    forget(&a);
    UNTIL(seen(&b, P2P_EVENT_LINE), pump2(&a, &b));
    char sink[65536];
    UNTIL(seen(&a, P2P_EVENT_WRITABLE), (recv(peer, sink, sizeof sink, MSG_DONTWAIT), pump(&a)));
    CHECK_INT(seen(&a, P2P_EVENT_WRITABLE)->conn, stuck);
    close(peer);
    close(listener);
    node_free(&a);
    node_free(&b);
}

/* Three nodes that pass on what they hear, in a ring: every line is delivered once, and the flood ends. */
static void pass_on(struct node *node, const p2p_event *ev)
{
    if (ev->kind == P2P_EVENT_LINE)
        p2p_broadcast_line(node->net, ev->data, ev->len, ev->conn, NULL);
}
static void dedup_ends_a_flood(void)
{
    const struct set *dedup = OPTIONS({P2P_OPT_DEDUP, 1});
    node_open(&a, "127.0.0.2", dedup);
    node_open(&b, "127.0.0.3", dedup);
    node_open(&c, "127.0.0.4", dedup);
    join_nodes(&a, &b, NULL), join_nodes(&b, &c, NULL), join_nodes(&c, &a, NULL);
    a.also = b.also = c.also = pass_on;
    const int n = 50;
    for (int i = 0; i < n; i++) {
        char line[32];
        snprintf(line, sizeof line, "news %d", i);
        CHECK_OK(p2p_broadcast_line(a.net, line, P2P_AUTO_LEN, 0, NULL));
    }
    /* Each of b and c hears it from a and from the other, and tells the other. */
    UNTIL(net_stats(b.net).duplicates + net_stats(c.net).duplicates >= (uint64_t)n,
          (pump2(&a, &b), pump(&c)));
    UNTIL(count_of(&b, P2P_EVENT_LINE) == n && count_of(&c, P2P_EVENT_LINE) == n, (pump2(&a, &b), pump(&c)));
    CHECK_INT(count_of(&a, P2P_EVENT_LINE), 0);
    node_free(&a);
    node_free(&b);
    node_free(&c);
}

/* ---- raw framing ---- */

static unsigned char bytes[100000];
static size_t have;
static void collect(struct node *node, const p2p_event *ev)
{
    (void)node;
    if (ev->kind != P2P_EVENT_DATA)
        return;
    CHECK(ev->len > 0 && ev->data[ev->len] == 0);
    REQUIRE(have + ev->len <= sizeof bytes);
    memcpy(bytes + have, ev->data, ev->len);
    have += ev->len;
}
static void raw_bytes_arrive_as_they_are(void)
{
    const struct set *raw =
        OPTIONS({P2P_OPT_FRAMING, P2P_FRAMING_RAW}, {P2P_OPT_SEND_BUFFER, 4096}, {P2P_OPT_RECV_BUFFER, 4096});
    static unsigned char out[sizeof bytes];
    node_open(&a, "127.0.0.2", raw);
    node_open(&b, "127.0.0.3", raw);
    p2p_conn conn = join_nodes(&a, &b, NULL);
    b.also = collect, have = 0;
    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (unsigned char)(i * 7 + i / 251);
    memcpy(out + 1000, "\r\n\0\r\n", 5);
    CHECK_IS(p2p_send_line(a.net, conn, "x", 1), P2P_ERR_UNSUPPORTED);
    CHECK_IS(p2p_broadcast_line(a.net, "x", 1, 0, NULL), P2P_ERR_UNSUPPORTED);
    CHECK_IS(p2p_send(a.net, conn, out, 0), P2P_ERR_INVALID);
    CHECK_IS(p2p_send(a.net, conn, NULL, 1), P2P_ERR_INVALID);
    size_t at = 0, step = 1;
    while (at < sizeof out) {
        size_t n = step < sizeof out - at ? step : sizeof out - at;
        int r = p2p_send(a.net, conn, out + at, n);
        if (r == P2P_OK) {
            at += n, step = step % 5000 + 37;
        } else {
            CHECK_IS(r, P2P_ERR_WOULD_BLOCK);
            pump2(&a, &b);
        }
    }
    UNTIL(have == sizeof out, pump2(&a, &b));
    CHECK(memcmp(bytes, out, sizeof out) == 0);
    uint64_t in = net_stats(b.net).bytes_in;
    if (usual_dialect() == P2P_DIALECT_CLASSIC)
        CHECK_INT(in, sizeof out);
    else
        CHECK(in > sizeof out, "%llu", (unsigned long long)in); /* frames */
    node_free(&a);
    node_free(&b);
}

/* ---- direct nets ---- */

#define DIRECT                           \
    {                                    \
        P2P_OPT_NET_TYPE, P2P_NET_DIRECT \
    }
#define CLASSIC_DIRECT CLASSIC, DIRECT
static char zeros[64];

static void the_connector_of_a_direct_net_sends_a_nonce(void)
{
    char at[P2P_ADDR_LEN], got[64 + 7];
    int listener = raw_listen("127.0.0.7", 1, at);
    node_open(&a, "127.0.0.2", OPTIONS(CLASSIC_DIRECT));
    p2p_request request = 0;
    CHECK_OK(p2p_connect(a.net, at, NULL, NULL, &request, NULL));
    int peer = accept(listener, NULL, NULL);
    UNTIL(done_of(&a, request), pump(&a));
    CHECK_OK(p2p_send_line(a.net, done_of(&a, request)->conn, "hello", 5));
    CHECK_INT(raw_read(peer, got, sizeof got), sizeof got);
    CHECK(memcmp(got, zeros, 64) == 0 && memcmp(got + 64, "hello\r\n", 7) == 0);
    CHECK(RAW_SAY(peer, "no nonce from here\r\n"));
    UNTIL(seen(&a, P2P_EVENT_LINE), pump(&a));
    CHECK(strcmp(seen(&a, P2P_EVENT_LINE)->data, "no nonce from here") == 0);
    close(peer);
    close(listener);
    node_free(&a);
}

static void the_acceptor_takes_exactly_the_nonce(void)
{
    static const size_t first[] = {64, 1, 63};
    for (size_t i = 0; i < 3; i++) {
        node_open(&a, "127.0.0.2", OPTIONS(CLASSIC_DIRECT));
        int s = raw_connect(a.at, "127.0.0.7");
        raw_send(s, zeros, first[i]);
        if (first[i] < 64) {
            UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
            CHECK_INT(count_of(&a, P2P_EVENT_OPENED), 0);
            raw_send(s, zeros, 64 - first[i]);
        }
        CHECK(RAW_SAY(s, "line\r\n"));
        UNTIL(seen(&a, P2P_EVENT_LINE), pump(&a));
        CHECK(strcmp(seen(&a, P2P_EVENT_LINE)->data, "line") == 0, "%s", seen(&a, P2P_EVENT_LINE)->data);
        close(s);
        node_free(&a);
    }
}

static void a_peer_without_a_nonce_is_dropped(void)
{
    char byte;
    node_open(&a, "127.0.0.2", OPTIONS(CLASSIC_DIRECT, {P2P_OPT_HANDSHAKE_TIMEOUT_MS, 50}));
    int s = raw_connect(a.at, "127.0.0.7");
    raw_send(s, zeros, 63);
    CHECK_INT(raw_read(s, &byte, 1), 0);
    close(s);
    s = raw_connect(a.at, "127.0.0.7");
    raw_send(s, zeros, 30);
    close(s);
    pump(&a);
    CHECK_INT(count_of(&a, P2P_EVENT_OPENED), 0);
    node_free(&a);
}

static void two_direct_nets_talk(void)
{
    node_open(&a, "127.0.0.2", OPTIONS(DIRECT));
    node_open(&b, "127.0.0.3", OPTIONS(DIRECT));
    /* Several classic ones at one address may be several nodes; a secure one is known by its key. */
    for (int i = 0; i < (usual_dialect() == P2P_DIALECT_CLASSIC ? 3 : 1); i++) {
        p2p_conn theirs, ours = join_nodes(&a, &b, &theirs);
        forget(&a), forget(&b);
        CHECK_OK(p2p_send_line(a.net, ours, "there", 5));
        CHECK_OK(p2p_send_line(b.net, theirs, "and back", 8));
        UNTIL(seen(&a, P2P_EVENT_LINE) && seen(&b, P2P_EVENT_LINE), pump2(&a, &b));
        CHECK_INT(seen(&a, P2P_EVENT_LINE)->conn, ours);
    }
    p2p_error err = {.struct_size = sizeof err};
    CHECK_IS(p2p_net_bootstrap(a.net, NULL, &err), P2P_ERR_UNSUPPORTED);
    CHECK_IS(p2p_net_advertise(a.net, NULL, &err), P2P_ERR_UNSUPPORTED);
    node_free(&a);
    node_free(&b);
}

/* ---- servers and logs ---- */

static void servers_that_are_not_there(void)
{
    char at[P2P_ADDR_LEN];
    p2p_error err = {.struct_size = sizeof err};
    node_open(&a, "127.0.0.2", NULL);
    CHECK_IS(p2p_net_bootstrap(a.net, NULL, &err), P2P_ERR_NO_SERVER);
    CHECK_HAS(err.message, "p2p_config_add_server");
    CHECK_IS(p2p_net_advertise(a.net, NULL, &err), P2P_ERR_NO_SERVER);
    node_free(&a);
    close(raw_listen("127.0.0.9", 1, at));
    p2p_config *cfg = p2p_config_new();
    CHECK_OK(p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, "127.0.0.2", NULL));
    CHECK_OK(p2p_config_add_server(cfg, P2P_SERVER_RENDEZVOUS, at, NULL));
    p2p_net *net = NULL;
    CHECK_OK(p2p_net_new(cfg, &net, NULL));
    p2p_config_free(cfg);
    node_start(&a, net, "127.0.0.2");
    p2p_request request = 0;
    /* Whether others can reach this node is found out first. Nobody could be asked, so it cannot be listed. */
    CHECK_OK(p2p_net_advertise(net, &request, &err));
    UNTIL(done_of(&a, request), pump(&a));
    CHECK_IS(done_of(&a, request)->result, P2P_ERR_STATE);
    CHECK_HAS(done_of(&a, request)->data, "passive");
    CHECK_OK(p2p_net_bootstrap(net, &request, &err));
    UNTIL(done_of(&a, request), pump(&a));
    CHECK_IS(done_of(&a, request)->result, P2P_ERR_NO_SERVER);
    CHECK_HAS(done_of(&a, request)->data, at);
    /* What somebody should look into is a LOG event by default. */
    UNTIL(seen(&a, P2P_EVENT_LOG), pump(&a));
    CHECK_INT(seen(&a, P2P_EVENT_LOG)->code, P2P_LOG_WARN);
    node_free(&a);
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    memset(zeros, '0', sizeof zeros);
    RUN(broadcast_goes_to_all_but_one);
    RUN(broadcast_says_who_had_no_room);
    RUN(dedup_ends_a_flood);
    RUN(raw_bytes_arrive_as_they_are);
    RUN(the_connector_of_a_direct_net_sends_a_nonce);
    RUN(the_acceptor_takes_exactly_the_nonce);
    RUN(a_peer_without_a_nonce_is_dropped);
    RUN(two_direct_nets_talk);
    RUN(servers_that_are_not_there);
    return check_end();
}

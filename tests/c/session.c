/* Connections of the secure dialect: messages, links that break, what is told of them. And the socket of a classic one. */
#include "check.h"

#include <poll.h>

static struct node a, b;
static p2p_conn at_a, at_b;

/* A proxy of one connection, moved along by the test itself. */
static struct proxy {
    int listener, client, server;
    char at[P2P_ADDR_LEN], to[P2P_ADDR_LEN];
    int refuses;
} proxy;

static void proxy_close(void)
{
    if (proxy.client >= 0)
        raw_reset(proxy.client), raw_reset(proxy.server);
    proxy.client = proxy.server = -1;
}
static int proxy_carry(int from, int to)
{
    char buf[65536];
    ssize_t n = recv(from, buf, sizeof buf, MSG_DONTWAIT);
    return n > 0 ? raw_send(to, buf, (size_t)n) : n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}
static void proxy_step(void)
{
    struct pollfd comes = {.fd = proxy.listener, .events = POLLIN};
    if (poll(&comes, 1, 0) == 1) {
        int client = accept(proxy.listener, NULL, NULL);
        if (proxy.refuses) {
            raw_reset(client);
        } else {
            proxy_close();
            proxy.client = client;
            proxy.server = raw_connect(proxy.to, "");
        }
    }
    if (proxy.client >= 0 &&
        (!proxy_carry(proxy.client, proxy.server) || !proxy_carry(proxy.server, proxy.client)))
        proxy_close();
}
static void step(void)
{
    proxy_step();
    pump2(&a, &b);
}

static void pair(const struct set *options)
{
    node_open(&a, "127.0.0.2", options);
    node_open(&b, "127.0.0.3", options);
    memset(&proxy, 0, sizeof proxy);
    proxy.client = proxy.server = -1;
    proxy.listener = raw_listen("127.0.0.8", 8, proxy.at);
    memcpy(proxy.to, b.at, sizeof proxy.to);
    p2p_request request = 0;
    CHECK_OK(p2p_connect(a.net, proxy.at, NULL, NULL, &request, NULL));
    UNTIL(done_of(&a, request) && seen(&b, P2P_EVENT_OPENED), step());
    at_a = done_of(&a, request)->conn;
    at_b = seen(&b, P2P_EVENT_OPENED)->conn;
}
static void end_pair(void)
{
    proxy_close();
    close(proxy.listener);
    node_free(&a);
    node_free(&b);
}

static p2p_conn_info info_of(struct node *node, p2p_conn conn)
{
    p2p_conn_info info = {.struct_size = sizeof info};
    CHECK_OK(p2p_conn_get_info(node->net, conn, &info));
    return info;
}

/* What the receiver expects next. */
static unsigned char *want;
static size_t want_len;
static long got;
static void compare(struct node *node, const p2p_event *ev)
{
    (void)node;
    if (ev->kind != P2P_EVENT_MESSAGE)
        return;
    got++;
    CHECK(ev->conn == at_b && ev->len == want_len, "%zu bytes, not %zu", ev->len, want_len);
    if (ev->len == want_len && want_len)
        CHECK(memcmp(ev->data, want, want_len) == 0);
    CHECK(ev->data[ev->len] == 0, "no NUL behind it");
}

static void messages(void)
{
    pair(OPTIONS(SECURE, {P2P_OPT_MAX_MESSAGE, 100000}));
    b.also = compare;
    want = malloc(100001);
    for (size_t i = 0; i <= 100000; i++)
        want[i] = (unsigned char)(i * 7 + i / 256);
    static const size_t sizes[] = {0, 1, 2, 100, 16382, 16383, 16384, 65536, 99999, 100000};
    got = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        want_len = sizes[i];
        long before = got;
        CHECK_OK(p2p_send(a.net, at_a, want, want_len));
        UNTIL(got > before, step());
    }
    CHECK_IS(p2p_send(a.net, at_a, want, 100001), P2P_ERR_TOO_LARGE);
    CHECK_IS(p2p_send(a.net, at_a, NULL, 5), P2P_ERR_INVALID);
    CHECK_IS(p2p_send(a.net, at_a, want, P2P_AUTO_LEN), P2P_ERR_INVALID);
    CHECK_IS(p2p_send(a.net, at_a + 100, want, 5), P2P_ERR_NOT_FOUND);
    want_len = 0;
    long before = got;
    CHECK_OK(p2p_send(a.net, at_a, NULL, 0));
    UNTIL(got > before, step());
    /* Lines and messages stay in order. */
    b.also = NULL;
    forget(&b);
    CHECK_OK(p2p_send_line(a.net, at_a, "one", P2P_AUTO_LEN));
    CHECK_OK(p2p_send(a.net, at_a, "t\r\nwo", 6));
    CHECK_OK(p2p_send_line(a.net, at_a, "three", P2P_AUTO_LEN));
    UNTIL(count_of(&b, P2P_EVENT_LINE) == 2, step());
    CHECK_INT(b.log[0].kind, P2P_EVENT_LINE);
    CHECK_INT(b.log[1].kind, P2P_EVENT_MESSAGE);
    CHECK(b.log[1].len == 6 && memcmp(b.log[1].data, "t\r\nwo", 6) == 0);
    CHECK(strcmp(b.log[2].data, "three") == 0);
    free(want);
    end_pair();
    /* A classic net has none. */
    node_open(&a, "127.0.0.2", OPTIONS(CLASSIC));
    node_open(&b, "127.0.0.3", OPTIONS(CLASSIC));
    at_a = join_nodes(&a, &b, NULL);
    CHECK_IS(p2p_send(a.net, at_a, "x", 1), P2P_ERR_UNSUPPORTED);
    node_free(&a);
    node_free(&b);
}

static void a_link_breaks(void)
{
    int mark;
    pair(OPTIONS(SECURE));
    CHECK_OK(p2p_conn_set_user(a.net, at_a, &mark));
    CHECK_INT(info_of(&a, at_a).path, P2P_PATH_FIRST);
    UNTIL(info_of(&a, at_a).rtt_us > 0, step());
    proxy.refuses = 1;
    proxy_close();
    UNTIL(seen(&a, P2P_EVENT_PATH) && seen(&b, P2P_EVENT_PATH), step());
    CHECK_INT(seen(&a, P2P_EVENT_PATH)->code, P2P_PATH_LOST);
    CHECK(seen(&a, P2P_EVENT_PATH)->user == &mark);
    CHECK_INT(info_of(&a, at_a).path, P2P_PATH_LOST);
    CHECK_OK(p2p_send_line(a.net, at_a, "waits", P2P_AUTO_LEN));
    forget(&a);
    proxy.refuses = 0;
    UNTIL(seen(&a, P2P_EVENT_PATH) && seen(&b, P2P_EVENT_LINE), step());
    CHECK_INT(seen(&a, P2P_EVENT_PATH)->code, P2P_PATH_RESUMED);
    CHECK(strcmp(seen(&a, P2P_EVENT_PATH)->peer, proxy.at) == 0);
    CHECK(strcmp(seen(&b, P2P_EVENT_LINE)->data, "waits") == 0);
    p2p_conn_info info = info_of(&a, at_a);
    CHECK_INT(info.resumptions, 1);
    CHECK_INT(info.path, P2P_PATH_RESUMED);
    CHECK(strcmp(info.peer, proxy.at) == 0);
    CHECK(strcmp(info.relay, "") == 0);
    void *user = p2p_conn_get_user(a.net, at_a);
    CHECK(user == &mark);
    /* An orderly end: everything was acknowledged. */
    CHECK_OK(p2p_conn_close(a.net, at_a));
    UNTIL(seen(&a, P2P_EVENT_CLOSED) && seen(&b, P2P_EVENT_CLOSED), step());
    CHECK_IS(seen(&a, P2P_EVENT_CLOSED)->result, P2P_OK);
    CHECK_INT(seen(&a, P2P_EVENT_CLOSED)->code, 0);
    CHECK_IS(seen(&b, P2P_EVENT_CLOSED)->result, P2P_ERR_CLOSED);
    end_pair();
}

/* Breaks the link for good and sends both before the time is up in which another one might come; false if that was too late. */
static int both_sent_in_vain(long long grace_ms)
{
    pair(OPTIONS(SECURE, {P2P_OPT_RESUME_GRACE_MS, grace_ms}));
    proxy.refuses = 1;
    proxy_close();
    UNTIL(seen(&a, P2P_EVENT_PATH), step());
    int line = p2p_send_line(a.net, at_a, "lost", P2P_AUTO_LEN),
        message = p2p_send(a.net, at_a, "lost too", 8);
    const int results[] = {line, message};
    for (int i = 0; i < 2; i++)
        CHECK(results[i] == P2P_OK || results[i] == P2P_ERR_CLOSED || results[i] == P2P_ERR_NOT_FOUND, "%s",
              p2p_strerror(results[i]));
    return line == P2P_OK && message == P2P_OK;
}
static void a_link_that_stays_away(void)
{
    /* Where this thread does not get the CPU for so long, once more, with more time. */
    for (long long grace_ms = 300; !both_sent_in_vain(grace_ms); grace_ms *= 4)
        end_pair();
    UNTIL(seen(&a, P2P_EVENT_CLOSED) && seen(&b, P2P_EVENT_CLOSED), step());
    CHECK(seen(&a, P2P_EVENT_CLOSED)->result != P2P_OK);
    CHECK_INT(seen(&a, P2P_EVENT_CLOSED)->code, 2);
    CHECK_HAS(seen(&a, P2P_EVENT_CLOSED)->data, "resume_grace_ms");
    CHECK_INT(seen(&b, P2P_EVENT_CLOSED)->code, 0);
    end_pair();
}

/* A classic connection whose other end is a plain socket. */
static int peer;
static p2p_conn to_peer(const struct set *options)
{
    char at[P2P_ADDR_LEN];
    int listener = raw_listen("127.0.0.7", 1, at);
    node_open(&a, "127.0.0.2", options);
    p2p_request request = 0;
    CHECK_OK(p2p_connect(a.net, at, NULL, NULL, &request, NULL));
    UNTIL(done_of(&a, request), pump(&a));
    peer = accept(listener, NULL, NULL);
    close(listener);
    return done_of(&a, request)->conn;
}

static void the_socket_is_taken_over(void)
{
    p2p_conn conn = to_peer(OPTIONS(CLASSIC));
    char buf[100], text[100];
    int fd = -1;
    size_t len = 77;
    CHECK_OK(p2p_send_line(a.net, conn, "sent before", P2P_AUTO_LEN));
    RAW_SAY(peer, "a line\r\nand the begi");
    UNTIL(seen(&a, P2P_EVENT_LINE), pump(&a));
    CHECK_IS(p2p_conn_take_fd(a.net, conn, NULL, buf, sizeof buf, &len), P2P_ERR_INVALID);
    CHECK_IS(p2p_conn_take_fd(a.net, conn, &fd, NULL, 5, &len), P2P_ERR_INVALID);
    CHECK_IS(p2p_conn_take_fd(a.net, conn + 9, &fd, buf, sizeof buf, &len), P2P_ERR_NOT_FOUND);
    /* No room for what was read: nothing has happened. */
    CHECK_IS(p2p_conn_take_fd(a.net, conn, &fd, buf, 3, &len), P2P_ERR_TOO_SMALL);
    CHECK_INT(len, 12);
    CHECK_OK(p2p_send_line(a.net, conn, "still works", P2P_AUTO_LEN));
    CHECK_OK(p2p_conn_take_fd(a.net, conn, &fd, buf, sizeof buf, &len));
    CHECK(fd >= 0 && len == 12 && memcmp(buf, "and the begi", 12) == 0, "%zu", len);
    CHECK(p2p_send_line(a.net, conn, "x", 1) != P2P_OK);
    UNTIL(seen(&a, P2P_EVENT_CLOSED), pump(&a));
    CHECK_IS(seen(&a, P2P_EVENT_CLOSED)->result, P2P_OK);
    CHECK_HAS(seen(&a, P2P_EVENT_CLOSED)->data, "taken over");
    /* It outlives the net. */
    node_free(&a);
    CHECK_INT(raw_read(peer, text, 26), 26);
    CHECK(memcmp(text, "sent before\r\nstill works\r\n", 26) == 0);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    RAW_SAY(peer, "nning");
    CHECK(raw_read(fd, text, 5) == 5 && memcmp(text, "nning", 5) == 0);
    RAW_SAY(fd, "ours");
    CHECK(raw_read(peer, text, 4) == 4 && memcmp(text, "ours", 4) == 0);
    close(fd);
    CHECK_INT(raw_read(peer, text, 1), 0);
    close(peer);
}

/* From inside the OPENED event, as a program does that wants nothing but the hole. */
static int taken = -1;
static size_t rest = 77;
static void take_at_once(struct node *node, const p2p_event *ev)
{
    if (ev->kind == P2P_EVENT_OPENED)
        CHECK_OK(p2p_conn_take_fd(node->net, ev->conn, &taken, NULL, 0, &rest));
}
static void taken_over_in_a_callback(void)
{
    char at[P2P_ADDR_LEN], text[10];
    int listener = raw_listen("127.0.0.7", 1, at);
    node_open(&a, "127.0.0.2", OPTIONS(CLASSIC, {P2P_OPT_FRAMING, P2P_FRAMING_RAW}));
    a.also = take_at_once;
    CHECK_OK(p2p_connect(a.net, at, NULL, NULL, NULL, NULL));
    peer = accept(listener, NULL, NULL);
    UNTIL(seen(&a, P2P_EVENT_CLOSED), pump(&a));
    CHECK(taken >= 0 && rest == 0);
    RAW_SAY(taken, "raw");
    CHECK(raw_read(peer, text, 3) == 3 && memcmp(text, "raw", 3) == 0);
    close(taken);
    close(peer);
    close(listener);
    node_free(&a);
}

static void not_taken_over(void)
{
    /* What was sent does not get away: the buffer holds more than the system takes for a peer that does not read (4 MiB to send
       and 32 MiB received, by Linux' defaults at most). */
    p2p_conn conn =
        to_peer(OPTIONS(CLASSIC, {P2P_OPT_CLOSE_TIMEOUT_MS, 1500}, {P2P_OPT_SEND_BUFFER, 64 << 20}));
    char line[10000], buf[10];
    int fd = -1;
    size_t len = 0;
    memset(line, 'x', sizeof line);
    while (p2p_send_line(a.net, conn, line, sizeof line) == P2P_OK) {
    }
    CHECK_IS(p2p_conn_take_fd(a.net, conn, &fd, buf, sizeof buf, &len), P2P_ERR_TIMEOUT);
    CHECK_INT(fd, -1);
    /* It goes on: what the system had still taken makes room for more, and then there is none again. */
    p2p_result sent;
    while ((sent = p2p_send_line(a.net, conn, line, sizeof line)) == P2P_OK) {
    }
    CHECK_IS(sent, P2P_ERR_WOULD_BLOCK);
    close(peer);
    UNTIL(seen(&a, P2P_EVENT_CLOSED), pump(&a));
    node_free(&a);
    pair(OPTIONS(SECURE));
    CHECK_IS(p2p_conn_take_fd(a.net, at_a, &fd, buf, sizeof buf, &len), P2P_ERR_UNSUPPORTED);
    end_pair();
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(messages);
    RUN(a_link_breaks);
    RUN(a_link_that_stays_away);
    RUN(the_socket_is_taken_over);
    RUN(taken_over_in_a_callback);
    RUN(not_taken_over);
    return check_end();
}

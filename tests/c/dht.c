/* dht.c - a DHT of the program's own: messages go out by its function or by events, and come in by p2p_dht_deliver(). */
#include "check.h"

#define A_ID "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
#define B_ID "0B0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"
#define B_ID_BACK "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"

static struct node a, b;

/* What the function below was called with, and what it says. */
static struct sent {
    int count, says, inside;
    pthread_t by;
    size_t len;
    char to[64], msg[200];
    p2p_net *receiver, *sender;
} sent;

static p2p_result carry(void *user, const char *to, const char *msg, size_t len)
{
    struct sent *s = user;
    s->count++;
    s->by = pthread_self();
    s->len = len;
    snprintf(s->to, sizeof s->to, "%s", to);
    snprintf(s->msg, sizeof s->msg, "%s", msg);
    CHECK_INT(msg[len], 0);
    if (s->sender)
        s->inside = p2p_poll(s->sender, 0);
    if (s->receiver)
        CHECK_OK(p2p_dht_deliver(s->receiver, A_ID, msg, len));
    return (p2p_result)s->says;
}

static p2p_config *config(const char *ip, const char *id, p2p_dht_send_fn send)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_dht dht = {sizeof dht, id, send, &sent};
    p2p_config *cfg = p2p_config_new();
    CHECK_OK(p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, ip, NULL));
    REQUIRE(p2p_config_set_dht(cfg, &dht, &err) == P2P_OK, "%s", err.message);
    return cfg;
}

static void open_node(struct node *node, const char *ip, const char *id, p2p_dht_send_fn send)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_config *cfg = config(ip, id, send);
    p2p_net *net = NULL;
    REQUIRE(p2p_net_new(cfg, &net, &err) == P2P_OK, "%s", err.message);
    p2p_config_free(cfg);
    node_start(node, net, ip);
}

static void begin(p2p_dht_send_fn send)
{
    memset(&sent, 0, sizeof sent);
    open_node(&a, "127.0.0.2", A_ID, send);
    open_node(&b, "127.0.0.3", B_ID, NULL);
}

static void end(void)
{
    node_free(&a);
    node_free(&b);
}

/* The function is called in p2p_poll(), on its thread, and what it says is the result. */
static void by_a_function(void)
{
    begin(carry);
    sent.receiver = b.net, sent.sender = a.net;
    p2p_request r = 0;
    CHECK_OK(p2p_dht_put(a.net, B_ID, "hello", P2P_AUTO_LEN, &r, NULL));
    UNTIL(p2p_wait(a.net, 0) == 1, check_nap());
    CHECK_INT(sent.count, 0);
    UNTIL(done_of(&a, r), pump(&a));
    CHECK_IS(done_of(&a, r)->result, P2P_OK);
    CHECK_INT(sent.count, 1);
    CHECK(pthread_equal(sent.by, pthread_self()));
    CHECK(strcmp(sent.to, B_ID_BACK) == 0 && strcmp(sent.msg, "hello") == 0 && sent.len == 5, "%s %s",
          sent.to, sent.msg);
    CHECK_IS(sent.inside, P2P_ERR_REENTRANT);
    CHECK_INT(count_of(&a, P2P_EVENT_DHT_SEND), 0);
    UNTIL(seen(&b, P2P_EVENT_DHT_MESSAGE), pump(&b));
    CHECK(strcmp(seen(&b, P2P_EVENT_DHT_MESSAGE)->data, "hello") == 0);
    CHECK(strcmp(seen(&b, P2P_EVENT_DHT_MESSAGE)->peer, A_ID) == 0);
    sent.sender = NULL;
    /* It refuses: with a code of ours, and with a number that means nothing. */
    int says[] = {P2P_ERR_TOO_LARGE, -12345}, becomes[] = {P2P_ERR_TOO_LARGE, P2P_ERR_IO};
    for (int i = 0; i < 2; i++) {
        sent.says = says[i];
        CHECK_OK(p2p_dht_put(a.net, B_ID, "x", 1, &r, NULL));
        UNTIL(done_of(&a, r), pump(&a));
        CHECK_IS(done_of(&a, r)->result, becomes[i]);
    }
    end();
}

/* Without a function each message is an event, polled or pulled. */
static void by_events(void)
{
    begin(NULL);
    p2p_request r = 0;
    CHECK_OK(p2p_dht_put(a.net, B_ID, "one", P2P_AUTO_LEN, &r, NULL));
    UNTIL(done_of(&a, r), pump(&a));
    struct seen *event = seen(&a, P2P_EVENT_DHT_SEND);
    REQUIRE(event != NULL);
    CHECK(strcmp(event->peer, B_ID_BACK) == 0 && strcmp(event->data, "one") == 0 && event->len == 3);
    CHECK(event->request == r && event->conn == 0);
    CHECK_OK(p2p_dht_put(a.net, B_ID, "two", P2P_AUTO_LEN, &r, NULL));
    int sends = 0, dones = 0;
    const p2p_event *ev = NULL;
    while (!dones) {
        UNTIL(p2p_next_event(a.net, &ev) == 1, check_nap());
        if (ev->kind == P2P_EVENT_DHT_SEND) {
            sends++;
            CHECK(strcmp(ev->peer, B_ID_BACK) == 0 && strcmp(ev->data, "two") == 0);
            CHECK_OK(p2p_dht_deliver(b.net, NULL, ev->data, ev->len));
        }
        dones += ev->kind == P2P_EVENT_DONE;
        p2p_event_free(ev);
    }
    CHECK_INT(sends, 1);
    UNTIL(seen(&b, P2P_EVENT_DHT_MESSAGE), pump(&b));
    CHECK(strcmp(seen(&b, P2P_EVENT_DHT_MESSAGE)->data, "two") == 0);
    CHECK(strcmp(seen(&b, P2P_EVENT_DHT_MESSAGE)->peer, "") == 0);
    end();
}

/* With a function, pulling makes them events all the same: it is called in p2p_poll() only. */
static void a_function_and_pulled_events(void)
{
    begin(carry);
    CHECK_OK(p2p_dht_put(a.net, B_ID, "x", 1, NULL, NULL));
    const p2p_event *ev = NULL;
    int sends = 0, dones = 0;
    while (!dones) {
        UNTIL(p2p_next_event(a.net, &ev) == 1, check_nap());
        sends += ev->kind == P2P_EVENT_DHT_SEND;
        dones += ev->kind == P2P_EVENT_DONE;
        p2p_event_free(ev);
    }
    CHECK_INT(sends, 1);
    CHECK_INT(sent.count, 0);
    end();
}

static void *deliver_many(void *arg)
{
    p2p_net *net = arg;
    for (long i = 0, n = scaled(20000, 200); i < n;) {
        p2p_result r = p2p_dht_deliver(net, "", "a message", P2P_AUTO_LEN);
        CHECK(r == P2P_OK || r == P2P_ERR_WOULD_BLOCK, "%s", p2p_strerror(r));
        if (r == P2P_OK)
            i++;
        else
            check_nap();
    }
    return NULL;
}

/* Several threads hand in more than there is room for; nothing is lost. */
static void from_many_threads(void)
{
    begin(NULL);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        REQUIRE(pthread_create(&threads[i], NULL, deliver_many, b.net) == 0);
    long want = 3 * scaled(20000, 200), got = 0;
    UNTIL(got >= want, (pump(&b), got += count_of(&b, P2P_EVENT_DHT_MESSAGE), forget(&b)));
    CHECK_INT(got, want);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    end();
}

static void names(void)
{
    begin(NULL);
    char id[64];
    size_t need = 0;
    CHECK_IS(p2p_dht_get_id(b.net, id, 40, &need), P2P_ERR_TOO_SMALL);
    CHECK_INT(need, 41);
    CHECK_IS(p2p_dht_get_id(b.net, NULL, 0, NULL), P2P_ERR_TOO_SMALL);
    CHECK_IS(p2p_dht_get_id(b.net, NULL, 41, NULL), P2P_ERR_INVALID);
    CHECK_OK(p2p_dht_get_id(b.net, id, 41, NULL));
    CHECK(strcmp(id, B_ID_BACK) == 0, "%s", id);
    end();
    open_node(&a, "127.0.0.2", NULL, NULL);
    CHECK_OK(p2p_dht_get_id(a.net, id, sizeof id, NULL));
    CHECK_INT(strspn(id, "0123456789abcdef"), 40);
    node_free(&a);
    node_open(&a, "127.0.0.2", NULL);
    CHECK_IS(p2p_dht_get_id(a.net, id, sizeof id, NULL), P2P_ERR_UNSUPPORTED);
    CHECK_IS(p2p_dht_put(a.net, B_ID, "x", 1, NULL, NULL), P2P_ERR_UNSUPPORTED);
    CHECK_IS(p2p_dht_deliver(a.net, "", "x", 1), P2P_ERR_UNSUPPORTED);
    node_free(&a);
}

static void bad_input(void)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_config *cfg = p2p_config_new();
    const char *bad[] = {"",
                         "0a",
                         B_ID "0",
                         "0000000000000000000000000000000000000000",
                         B_ID_BACK " ",
                         "xa0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
                         "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        p2p_dht dht = {sizeof dht, bad[i], NULL, NULL};
        CHECK_IS(p2p_config_set_dht(cfg, &dht, &err), P2P_ERR_INVALID);
        CHECK_HAS(err.message, "node_id");
    }
    for (uint32_t size = 0; size < 32; size += 4) {
        p2p_dht dht = {size, NULL, NULL, NULL};
        CHECK_IS(p2p_config_set_dht(cfg, &dht, &err), size < sizeof dht ? P2P_ERR_INVALID : P2P_OK);
    }
    /* A later version's struct. */
    struct {
        p2p_dht dht;
        void *more;
    } later = {{sizeof later, A_ID, NULL, NULL}, NULL};
    CHECK_OK(p2p_config_set_dht(cfg, &later.dht, &err));
    CHECK_IS(p2p_config_set_dht(NULL, &later.dht, &err), P2P_ERR_INVALID);
    /* Both a mailbox and a DHT of one's own, if there is HTTP for the first. */
    p2p_result http = p2p_config_add_server(cfg, P2P_SERVER_DHT, "127.0.0.9:1", &err);
    CHECK_IS(http, p2p_features() & 1 << 16 ? P2P_OK : P2P_ERR_UNSUPPORTED);
    p2p_net *net = NULL;
    if (http == P2P_OK) {
        CHECK_IS(p2p_net_new(cfg, &net, &err), P2P_ERR_INVALID);
        CHECK_HAS(err.message, "exclude each other");
    } else {
        CHECK_HAS(err.message, "reach");
    }
    CHECK_OK(p2p_config_set_dht(cfg, NULL, &err));
    CHECK_OK(p2p_net_new(cfg, &net, &err));
    CHECK_OK(p2p_net_free(net));
    const char *no_mailbox[] = {"https://127.0.0.9/x", "127.0.0.9", "http://127.0.0.9/x?y", ""};
    for (size_t i = 0; http == P2P_OK && i < sizeof no_mailbox / sizeof *no_mailbox; i++)
        CHECK_IS(p2p_config_add_server(cfg, P2P_SERVER_DHT, no_mailbox[i], &err), P2P_ERR_INVALID);
    p2p_config_free(cfg);

    begin(NULL);
    CHECK_IS(p2p_dht_put(NULL, B_ID, "x", 1, NULL, &err), P2P_ERR_INVALID);
    CHECK_IS(p2p_dht_put(a.net, NULL, "x", 1, NULL, &err), P2P_ERR_INVALID);
    CHECK_IS(p2p_dht_put(a.net, "b", "x", 1, NULL, &err), P2P_ERR_INVALID);
    CHECK_HAS(err.message, "40 hexadecimal");
    CHECK_IS(p2p_dht_put(a.net, B_ID, NULL, 1, NULL, &err), P2P_ERR_INVALID);
    CHECK_IS(p2p_dht_put(a.net, B_ID, "", P2P_AUTO_LEN, NULL, &err), P2P_ERR_INVALID);
    CHECK_IS(p2p_dht_put(a.net, B_ID, "\xff", 1, NULL, &err), P2P_ERR_INVALID);
    char *large = calloc(1, 70000);
    memset(large, 'x', 69999);
    CHECK_IS(p2p_dht_put(a.net, B_ID, large, 8001, NULL, &err), P2P_ERR_TOO_LARGE);
    CHECK_IS(p2p_dht_deliver(a.net, NULL, large, 69999), P2P_ERR_TOO_LARGE);
    CHECK_IS(p2p_dht_deliver(a.net, large, "x", 1), P2P_ERR_TOO_LARGE);
    free(large);
    CHECK_IS(p2p_dht_deliver(NULL, NULL, "x", 1), P2P_ERR_INVALID);
    CHECK_IS(p2p_dht_deliver(a.net, NULL, NULL, 1), P2P_ERR_INVALID);
    CHECK_IS(p2p_dht_deliver(a.net, NULL, "", 0), P2P_ERR_INVALID);
    CHECK_IS(p2p_dht_deliver(a.net, NULL, "\xff", 1), P2P_ERR_INVALID);
    CHECK_IS(p2p_dht_deliver(a.net, "\xff", "x", 1), P2P_ERR_INVALID);
    node_stop(&a);
    CHECK_IS(p2p_dht_deliver(a.net, NULL, "x", 1), P2P_ERR_CLOSED);
    CHECK_IS(p2p_dht_put(a.net, B_ID, "x", 1, NULL, &err), P2P_ERR_CLOSED);
    end();
}

/* Messages that nobody has taken when the net is stopped or freed: their requests end, nothing leaks. */
static void the_end_with_messages_under_way(void)
{
    begin(carry);
    p2p_request r = 0;
    for (int i = 0; i < 100; i++)
        CHECK_OK(p2p_dht_put(a.net, B_ID, "x", 1, &r, NULL));
    for (int i = 0; i < 100; i++)
        CHECK_OK(p2p_dht_deliver(b.net, "", "x", 1));
    node_stop(&a);
    CHECK(done_of(&a, r) != NULL);
    end();
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(by_a_function);
    RUN(by_events);
    RUN(a_function_and_pulled_events);
    RUN(from_many_threads);
    RUN(names);
    RUN(bad_input);
    RUN(the_end_with_messages_under_way);
    return check_end();
}

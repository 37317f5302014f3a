/* direct.c - Alice connects to Bob by his locator, and says "Sup Bob.": the guide's direct connect.
 *
 * A locator (UNL, "universal node locator") is one string that says who a node is and how it can be reached.
 * p2p_unl_connect() takes it and does whatever it takes to get there: connects, asks Bob to connect, or has both
 * connect at the same moment through the NATs between them. Here both nets are in one program on one machine, so
 * that it can be seen at a glance; in life Bob's locator travels by chat, e-mail or a lobby server.
 *
 *   cc direct.c -o direct $(pkg-config --cflags --libs p2pnet)
 * or, in the source tree,
 *   cc examples-c/direct.c -o direct -Iinclude target/release/libp2pnet.a -lgcc_s -lm -lpthread -ldl
 *
 *   ./direct [--classic] [--explain]
 *
 * Links are encrypted and both ends prove who they are; --classic speaks PyP2P's protocol and its locators instead.
 * --explain prints what was tried, as JSON.
 */
#include "example.h"
#include <p2pnet.h>
#include <stdbool.h>

static bool over, failed;

/* What becomes of Alice's request: called once, inside p2p_poll(). It is the guide's success() and failure(). */
static void connected(p2p_net *net, const p2p_event *ev, void *user)
{
    (void)user;
    if (ev->result == P2P_OK) {
        printf("Alice has connected to Bob at %s.\n", ev->peer);
        p2p_send_line(net, ev->conn, "Sup Bob.", P2P_AUTO_LEN);
    } else {
        fprintf(stderr, "direct: Alice has not reached Bob: %s\n", ev->data); /* the reason, in words */
        over = failed = true;
    }
}

/* Everything else that happens to either of them. */
static void on_event(p2p_net *net, const p2p_event *ev, void *user)
{
    const char *who = user;
    if (ev->kind != P2P_EVENT_LINE)
        return;
    printf("%s hears: ", who);
    example_print("", ev->data, ev->len);
    if (strcmp(who, "Bob") == 0)
        p2p_send_line(net, ev->conn, "Not much, Alice.", P2P_AUTO_LEN);
    else
        over = true;
}

/* A net for chosen peers, at an address of its own on this machine. */
static p2p_net *start(const char *who, const char *bind, bool classic)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_net *net = NULL;
    p2p_config *cfg = p2p_config_new();
    bool ok = p2p_config_set_int(cfg, P2P_OPT_NET_TYPE, P2P_NET_DIRECT, &err) == P2P_OK &&
              (!classic || p2p_config_set_int(cfg, P2P_OPT_DIALECT, P2P_DIALECT_CLASSIC, &err) == P2P_OK) &&
              p2p_config_set_int(cfg, P2P_OPT_NODE_TYPE, P2P_NODE_PASSIVE, &err) == P2P_OK &&
              p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, bind, &err) == P2P_OK &&
              p2p_net_new(cfg, &net, &err) == P2P_OK && p2p_net_start(net, &err) == P2P_OK;
    if (!ok)
        fprintf(stderr, "direct: %s: %s\n", who, err.message);
    p2p_config_free(cfg); /* the net has its copy */
    if (ok)
        p2p_on_event(net, on_event, (void *)who);
    return ok ? net : NULL;
}

/* The story of a request, as JSON: first its size, then the text. */
static void explain(p2p_net *net, p2p_request request)
{
    size_t size = 0;
    p2p_explain(net, request, NULL, 0, &size);
    char *story = malloc(size);
    if (story && p2p_explain(net, request, story, size, &size) == P2P_OK)
        printf("%s\n", story);
    free(story);
}

int main(int argc, char **argv)
{
    int classic = 0, tell = 0;
    const struct example_option options[] = {
        {"--classic", NULL, NULL, &classic}, {"--explain", NULL, NULL, &tell}, {NULL, NULL, NULL, NULL}};
    example_options(argc, argv, options, "direct [--classic] [--explain]");
    example_begin();

    p2p_net *alice = start("Alice", "127.0.0.4", classic);
    p2p_net *bob = start("Bob", "127.0.0.5", classic);
    char unl[1024];
    size_t need = 0;
    p2p_request request = 0;
    p2p_error err = {.struct_size = sizeof err};
    failed = !alice || !bob;
    if (!failed && p2p_unl_get(bob, unl, sizeof unl, &need) == P2P_OK) {
        printf("Bob's locator: %s\n", unl);
        if (p2p_unl_connect(alice, unl, connected, NULL, &request, &err) != P2P_OK) {
            fprintf(stderr, "direct: %s\n", err.message);
            failed = true;
        }
    } else
        failed = true;
    while (!over && !failed && !example_interrupted) {
        p2p_wait(alice, 10); /* a program with one net would wait for it alone, and for longer */
        p2p_poll(alice, 0);
        p2p_poll(bob, 0);
    }
    if (tell && request)
        explain(alice, request);
    p2p_net_free(alice);
    p2p_net_free(bob);
    if (!failed && over)
        printf("done\n");
    return failed || !over;
}

/* alice.c - one of two programs that find each other: alice waits to be found, and answers. bob.c finds her.
 *
 * This is the first example of PyP2P's guide: a net, start(), bootstrap(), advertise(), and a loop that
 * prints what comes. What they say is encrypted, and each knows the other by the key that it has proved to own.
 * The guide gives alice and bob two virtual interfaces, eth0:1 and eth0:2, because a server names to nobody who
 * is at the same address. On Linux all of 127.x.x.x is this machine: 127.0.0.2 and 127.0.0.3 do as well and need
 * no root.
 *
 *   cc alice.c -o alice $(pkg-config --cflags --libs p2pnet)
 * or, in the source tree,
 *   cc examples-c/alice.c -o alice -Iinclude target/release/libp2pnet.a -lgcc_s -lm -lpthread -ldl
 *
 *   p2p-rendezvous &
 *   ./alice [--bind ADDR] [--port N] [--server HOST:PORT] [--lines N]
 *
 * It ends when N lines have come, or at Ctrl-C.
 */
#include "example.h"
#include <p2pnet.h>
#include <stdbool.h>

struct alice {
    const char *bind, *server;
    long port, lines;
    p2p_net *net;
    p2p_request bootstrap, advertise; /* their DONE events carry these numbers */
    long received;
    bool failed;
};

/* Called by p2p_poll() and only then, on our own thread: nothing here needs a lock. */
static void on_event(p2p_net *net, const p2p_event *ev, void *user)
{
    struct alice *me = user;
    switch (ev->kind) {
    case P2P_EVENT_READY: {
        p2p_net_info info = {.struct_size = sizeof info};
        p2p_net_get_info(net, &info); /* with --port 0 the system has chosen the port */
        printf("listening on %s:%u\n", me->bind, (unsigned)info.passive_port);
        break;
    }
    case P2P_EVENT_DONE:
        if (ev->result != P2P_OK) {
            /* data tells the story. The net tries again by itself, and a program that stays would let it. */
            if (!me->failed)
                fprintf(stderr, "alice: %s\nalice: is p2p-rendezvous running at %s?\n", ev->data, me->server);
            me->failed = true;
        } else if (ev->request == me->bootstrap)
            printf("%d other nodes known at %s\n", (int)ev->code, me->server);
        else if (ev->request == me->advertise)
            printf("listed at %s\n", me->server);
        break;
    case P2P_EVENT_OPENED: {
        p2p_conn_info info = {.struct_size = sizeof info};
        p2p_conn_get_info(net, ev->conn, &info);
        printf("connected: %s, encrypted, who has the key %.8s...\n", ev->peer, info.peer_id);
        break;
    }
    case P2P_EVENT_LINE:
        example_print("< ", ev->data, ev->len);
        me->received++;
        /* All or nothing. WOULD_BLOCK means that this peer does not read; an answer less does no harm. */
        if (p2p_send_line(net, ev->conn, "got it", P2P_AUTO_LEN) == P2P_OK)
            printf("> got it\n");
        break;
    case P2P_EVENT_CLOSED:
        printf("gone: %s (%s)\n", ev->peer, ev->data);
        break;
    default: /* what this program has no use for, and kinds of later versions */
        break;
    }
}

/* The guide's Net(passive_bind=..., passive_port=..., interface="eth0:2", node_type="passive") and what
 * follows it. P2P_OPT_INTERFACE takes a name such as "eth0:2"; to bind to its address comes to the same. */
static bool start(struct alice *me)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_config *cfg = p2p_config_new();
    /* Only nodes of the same network talk to each other: give yours a name that nobody else has. */
    bool ok = p2p_config_set_str(cfg, P2P_OPT_NETWORK, "alice-and-bob.example", &err) == P2P_OK &&
              p2p_config_set_int(cfg, P2P_OPT_NODE_TYPE, P2P_NODE_PASSIVE, &err) == P2P_OK &&
              p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, me->bind, &err) == P2P_OK &&
              p2p_config_set_int(cfg, P2P_OPT_PASSIVE_PORT, me->port, &err) == P2P_OK &&
              p2p_config_add_server(cfg, P2P_SERVER_RENDEZVOUS, me->server, &err) == P2P_OK &&
              p2p_net_new(cfg, &me->net, &err) == P2P_OK && p2p_net_start(me->net, &err) == P2P_OK &&
              p2p_net_bootstrap(me->net, &me->bootstrap, &err) == P2P_OK &&
              p2p_net_advertise(me->net, &me->advertise, &err) == P2P_OK;
    if (!ok)
        fprintf(stderr, "alice: %s\n", err.message); /* what failed, on what, why, what to do */
    p2p_config_free(cfg);                            /* the net has its copy */
    return ok && p2p_on_event(me->net, on_event, me) == P2P_OK;
}

int main(int argc, char **argv)
{
    struct alice me = {.bind = "127.0.0.2", .port = 44444, .server = "127.0.0.1:8000"};
    const struct example_option options[] = {{"--bind", &me.bind, NULL, NULL},
                                             {"--port", NULL, &me.port, NULL},
                                             {"--server", &me.server, NULL, NULL},
                                             {"--lines", NULL, &me.lines, NULL},
                                             {NULL, NULL, NULL, NULL}};
    example_options(argc, argv, options, "alice [--bind ADDR] [--port N] [--server HOST:PORT] [--lines N]");
    example_begin();
    me.failed = !start(&me);
    while (!me.failed && !example_interrupted && (me.lines == 0 || me.received < me.lines)) {
        p2p_wait(me.net, 100); /* signals do not end it, so it must not be long: Ctrl-C waits for it */
        p2p_poll(me.net, 0);
    }
    p2p_net_free(me.net); /* sends what is queued, takes us off the server's list, ends the thread */
    if (me.failed || me.received < me.lines)
        return 1;
    printf("done: %ld lines received\n", me.received);
    return 0;
}

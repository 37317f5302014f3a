/* bob.c - the other of two programs that find each other: bob finds alice and says "test" to her.
 *
 * This is the second half of the first example of PyP2P's guide; read alice.c first. What is new: one line to
 * all connections, at a pace of our own, in a loop that also waits for events.
 *
 *   cc bob.c -o bob $(pkg-config --cflags --libs p2pnet)
 * or, in the source tree,
 *   cc examples-c/bob.c -o bob -Iinclude target/release/libp2pnet.a -lgcc_s -lm -lpthread -ldl
 *
 *   ./bob [--bind ADDR] [--port N] [--server HOST:PORT] [--lines N]
 *
 * It ends when N answers have come, or at Ctrl-C.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "example.h"
#include <p2pnet.h>
#include <stdbool.h>
#include <time.h>

#define PACE_MS 500 /* the guide says "test" every second; we are in more of a hurry */

struct bob {
    const char *bind, *server;
    long port, lines;
    p2p_net *net;
    p2p_request bootstrap, advertise;
    long answers;
    bool failed;
};

static void on_event(p2p_net *net, const p2p_event *ev, void *user)
{
    struct bob *me = user;
    switch (ev->kind) {
    case P2P_EVENT_READY: {
        p2p_net_info info = {.struct_size = sizeof info};
        p2p_net_get_info(net, &info); /* with --port 0 the system has chosen the port */
        printf("listening on %s:%u\n", me->bind, (unsigned)info.passive_port);
        break;
    }
    case P2P_EVENT_DONE:
        if (ev->result != P2P_OK) {
            if (!me->failed)
                fprintf(stderr, "bob: %s\nbob: is p2p-rendezvous running at %s?\n", ev->data, me->server);
            me->failed = true;
        } else if (ev->request == me->bootstrap && ev->code == 0)
            /* Nothing more to do: while it has too few connections the net asks again, first after 5 s. */
            printf("nobody is listed at %s yet; asking again soon\n", me->server);
        else if (ev->request == me->bootstrap)
            printf("%d other nodes known at %s\n", (int)ev->code, me->server);
        else if (ev->request == me->advertise)
            printf("listed at %s\n", me->server);
        break;
    case P2P_EVENT_OPENED: { /* the net connects to whom the server named; there is no call for it */
        p2p_conn_info info = {.struct_size = sizeof info};
        p2p_conn_get_info(net, ev->conn, &info);
        printf("connected: %s, encrypted, who has the key %.8s...\n", ev->peer, info.peer_id);
        break;
    }
    case P2P_EVENT_LINE:
        example_print("< ", ev->data, ev->len);
        me->answers++;
        break;
    case P2P_EVENT_CLOSED:
        printf("gone: %s (%s)\n", ev->peer, ev->data);
        break;
    default:
        break;
    }
}

static bool start(struct bob *me)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_config *cfg = p2p_config_new();
    bool ok = p2p_config_set_str(cfg, P2P_OPT_NETWORK, "alice-and-bob.example", &err) == P2P_OK &&
              p2p_config_set_int(cfg, P2P_OPT_NODE_TYPE, P2P_NODE_PASSIVE, &err) == P2P_OK &&
              p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, me->bind, &err) == P2P_OK &&
              p2p_config_set_int(cfg, P2P_OPT_PASSIVE_PORT, me->port, &err) == P2P_OK &&
              p2p_config_add_server(cfg, P2P_SERVER_RENDEZVOUS, me->server, &err) == P2P_OK &&
              p2p_net_new(cfg, &me->net, &err) == P2P_OK && p2p_net_start(me->net, &err) == P2P_OK &&
              p2p_net_bootstrap(me->net, &me->bootstrap, &err) == P2P_OK &&
              p2p_net_advertise(me->net, &me->advertise, &err) == P2P_OK;
    if (!ok)
        fprintf(stderr, "bob: %s\n", err.message);
    p2p_config_free(cfg);
    return ok && p2p_on_event(me->net, on_event, me) == P2P_OK;
}

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
    struct bob me = {.bind = "127.0.0.3", .port = 44445, .server = "127.0.0.1:8000"};
    const struct example_option options[] = {{"--bind", &me.bind, NULL, NULL},
                                             {"--port", NULL, &me.port, NULL},
                                             {"--server", &me.server, NULL, NULL},
                                             {"--lines", NULL, &me.lines, NULL},
                                             {NULL, NULL, NULL, NULL}};
    example_options(argc, argv, options, "bob [--bind ADDR] [--port N] [--server HOST:PORT] [--lines N]");
    example_begin();
    me.failed = !start(&me);
    long long next = now_ms();
    while (!me.failed && !example_interrupted && (me.lines == 0 || me.answers < me.lines)) {
        p2p_wait(me.net, 100); /* signals do not end it, so it must not be long: Ctrl-C waits for it */
        p2p_poll(me.net, 0);
        uint32_t sent = 0;
        /* The guide's loop over all connections. 0 = leave none out; sent tells how many took it. */
        if (now_ms() >= next) {
            p2p_broadcast_line(me.net, "test", P2P_AUTO_LEN, 0, &sent);
            next = sent > 0 ? now_ms() + PACE_MS : next;
        }
        if (sent > 0)
            printf("> test\n");
    }
    p2p_net_free(me.net);
    if (me.failed || me.answers < me.lines)
        return 1;
    printf("done: %ld answers received\n", me.answers);
    return 0;
}

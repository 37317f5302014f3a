/* A node on a small device, for run.py: linked with the small static library, natively and for other processors.
 *
 *   node classic|secure serve ADDR              echoes lines and messages; "port N" tells where
 *   node classic|secure call ADDR HOST:PORT N   N connections to it, over each a line and a message and what comes back
 *
 * call says "connected N", then "ok" once all has come back as it went, and stays until the end of its input. Exit status 0 if all
 * went well.
 */
#include "p2pnet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGE = 70000, NETS = 128 };

static p2p_error err = {.struct_size = sizeof err};
static char message[MESSAGE];
static int secure;

static void fail(const char *what)
{
    printf("failed: %s: %s\n", what, err.message);
    exit(1);
}

static p2p_net *node(const char *address)
{
    p2p_net *net = NULL;
    p2p_config *cfg = p2p_config_new();
    if (p2p_config_set_int(cfg, P2P_OPT_DIALECT, secure ? P2P_DIALECT_SECURE : P2P_DIALECT_CLASSIC, &err) ||
        p2p_config_set_int(cfg, P2P_OPT_NET_TYPE, P2P_NET_DIRECT, &err) ||
        p2p_config_set_int(cfg, P2P_OPT_NODE_TYPE, P2P_NODE_PASSIVE, &err) ||
        p2p_config_set_int(cfg, P2P_OPT_MAX_INBOUND, 1000, &err) ||
        p2p_config_set_int(cfg, P2P_OPT_MAX_OUTBOUND, 1000, &err) ||
        p2p_config_set_int(cfg, P2P_OPT_CONNECT_TIMEOUT_MS, 60000, &err) ||
        p2p_config_set_int(cfg, P2P_OPT_HANDSHAKE_TIMEOUT_MS, 60000, &err) ||
        p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, address, &err) || p2p_net_new(cfg, &net, &err) ||
        p2p_net_start(net, &err))
        fail("start");
    p2p_config_free(cfg);
    return net;
}

static int serve(const char *address)
{
    p2p_net *net = node(address);
    const p2p_event *ev;
    p2p_net_info info = {.struct_size = sizeof info};
    p2p_net_get_info(net, &info);
    printf("port %u\n", (unsigned)info.passive_port);
    while (p2p_wait(net, -1) >= 0)
        while (p2p_next_event(net, &ev) == 1) {
            if (ev->kind == P2P_EVENT_LINE && strcmp(ev->data, "end") == 0)
                p2p_net_stop(net);
            else if (ev->kind == P2P_EVENT_LINE)
                p2p_send_line(net, ev->conn, ev->data, ev->len);
            else if (ev->kind == P2P_EVENT_MESSAGE && p2p_send(net, ev->conn, ev->data, ev->len))
                fail("the message's way back");
            p2p_event_free(ev);
        }
    return p2p_net_free(net) == P2P_OK ? 0 : 1;
}

static int opened, lines, messages;

/* The nets' events until there are so many of each, or for ever until the input ends. */
static void take(p2p_net **nets, int count, int until_lines, int until_messages, int until_opened)
{
    while (lines < until_lines || messages < until_messages || opened < until_opened)
        for (int i = 0; i < count; i++) {
            const p2p_event *ev;
            p2p_wait(nets[i], count == 1 ? 1000 : 1);
            while (p2p_next_event(nets[i], &ev) == 1) {
                if (ev->kind == P2P_EVENT_DONE && ev->result != P2P_OK) {
                    printf("failed: %s\n", ev->data);
                    exit(1);
                }
                opened += ev->kind == P2P_EVENT_DONE;
                lines += ev->kind == P2P_EVENT_LINE && strcmp(ev->data, "a line") == 0;
                messages += ev->kind == P2P_EVENT_MESSAGE && ev->len == MESSAGE &&
                            !memcmp(ev->data, message, MESSAGE);
                if (ev->kind == P2P_EVENT_CLOSED) {
                    printf("failed: closed: %s\n", ev->data);
                    exit(1);
                }
                p2p_event_free(ev);
            }
        }
}

/* In the classic dialect one net has all the connections; in the secure one two nodes have one, so there is a net for each. */
static int call(const char *address, const char *peer, int count)
{
    p2p_net *nets[NETS];
    int made = secure ? count : 1;
    if (count < 1 || count > NETS)
        fail("1 to 128 connections");
    for (int i = 0; i < made; i++) {
        /* An address for each: only so many handshakes a second are answered to one. */
        char own[32];
        snprintf(own, sizeof own, "127.0.1.%d", i + 1);
        nets[i] = node(made > 1 ? own : address);
    }
    for (int i = 0; i < count; i++)
        if (p2p_connect(nets[i % made], peer, NULL, NULL, NULL, &err))
            fail("connect");
    take(nets, made, 0, 0, count);
    printf("connected %d\n", opened);
    for (int i = 0; i < made; i++) {
        if (p2p_broadcast_line(nets[i], "a line", P2P_AUTO_LEN, 0, NULL))
            fail("a line");
        p2p_conn conn[1];
        size_t known = 0;
        if (secure &&
            (p2p_conn_list(nets[i], conn, 1, &known) || p2p_send(nets[i], conn[0], message, MESSAGE)))
            fail("a message");
    }
    take(nets, made, count, secure ? count : 0, count);
    puts("ok");
    char typed[16];
    while (read(STDIN_FILENO, typed, sizeof typed) > 0) {
    }
    p2p_broadcast_line(nets[0], "end", P2P_AUTO_LEN, 0, NULL);
    for (int i = 0; i < made; i++)
        p2p_net_free(nets[i]);
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 0; i < MESSAGE; i++)
        message[i] = (char)(i * 7 + i / 256);
    if (argc < 4)
        return 2;
    secure = strcmp(argv[1], "secure") == 0;
    if (strcmp(argv[2], "serve") == 0)
        return serve(argv[3]);
    return argc == 6 ? call(argv[3], argv[4], atoi(argv[5])) : 2;
}

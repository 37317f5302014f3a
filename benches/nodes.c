/* See nodes.h. */

#include "nodes.h"

static void on_event(p2p_net *net, const p2p_event *ev, void *user)
{
    struct node *n = user;
    char text[32];
    switch (ev->kind) {
    case P2P_EVENT_READY:
        n->ready = true;
        break;
    case P2P_EVENT_OPENED:
        n->opened++;
        n->opened_at = now_ns();
        break;
    case P2P_EVENT_CLOSED:
        n->closed++;
        break;
    case P2P_EVENT_DONE:
        n->done = true;
        n->result = ev->result;
        n->conn = ev->conn;
        snprintf(n->why, sizeof n->why, "%s", ev->data);
        break;
    case P2P_EVENT_LINE:
        if (n->tells) {
            int len = snprintf(text, sizeof text, "%llu", (unsigned long long)n->opened);
            need(p2p_send_line(net, ev->conn, text, (size_t)len) == P2P_OK);
        } else {
            n->told = true;
            n->number = strtoull(ev->data, NULL, 10);
        }
        break;
    default:
        break;
    }
}

void node_open(struct node *n, const char *ip, bool secure, const char *key, int connections)
{
    p2p_error e = {.struct_size = sizeof e};
    p2p_config *cfg = p2p_config_new();
    struct {
        p2p_opt option;
        int64_t value;
    } numbers[] = {
        {P2P_OPT_DIALECT, secure ? P2P_DIALECT_SECURE : P2P_DIALECT_CLASSIC},
        {P2P_OPT_NODE_TYPE, P2P_NODE_PASSIVE}, /* there is no NAT to be found */
        {P2P_OPT_MAX_INBOUND, connections},
        {P2P_OPT_MAX_OUTBOUND, connections},
        {P2P_OPT_DUPLICATE_IP, 1},
        {P2P_OPT_BOOTSTRAP, 0},
        {P2P_OPT_ADVERTISE, 0},
        {P2P_OPT_LOCAL_PEERS, 1},
        {P2P_OPT_NETWORK_MONITOR, 0},
        {P2P_OPT_LOG_LEVEL, 0},
    };
    *n = (struct node){0};
    need(cfg);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (p2p_config_set_int(cfg, numbers[i].option, numbers[i].value, &e) != P2P_OK)
            die("%s", e.message);
    if (p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, ip, &e) != P2P_OK)
        die("%s", e.message);
    if (key && p2p_config_set_str(cfg, P2P_OPT_KEY, key, &e) != P2P_OK)
        die("%s", e.message);
    if (p2p_net_new(cfg, &n->net, &e) != P2P_OK || p2p_net_start(n->net, &e) != P2P_OK)
        die("%s", e.message);
    p2p_config_free(cfg);
    need(p2p_on_event(n->net, on_event, n) == P2P_OK);
    while (!n->ready) {
        need(p2p_wait(n->net, -1) >= 0);
        node_poll(n);
    }
    ptrdiff_t fd;
    need(p2p_fd(n->net, &fd) == P2P_OK);
    n->fd = (int)fd;
}

int node_port(struct node *n)
{
    p2p_net_info info = {.struct_size = sizeof info};
    need(p2p_net_get_info(n->net, &info) == P2P_OK);
    return (int)info.passive_port;
}

char *node_locator(struct node *n)
{
    size_t room = 4096, size;
    char *text = malloc(room);
    need(text);
    need(p2p_unl_get(n->net, text, room, &size) == P2P_OK);
    return text;
}

void node_poll(struct node *n)
{
    need(p2p_poll(n->net, 0) >= 0);
}

void node_connect(struct node *n, const char *address, const char *locator)
{
    p2p_error e = {.struct_size = sizeof e};
    n->done = false;
    if ((locator ? p2p_unl_connect(n->net, locator, NULL, NULL, NULL, &e)
                 : p2p_connect(n->net, address, NULL, NULL, NULL, &e)) != P2P_OK)
        die("%s", e.message);
}

void node_free(struct node *n)
{
    need(p2p_net_free(n->net) == P2P_OK);
    n->net = NULL;
}

void node_serve(struct node *n)
{
    n->tells = true;
    end_by_sigterm();
    for (;;) {
        need(p2p_wait(n->net, -1) >= 0);
        node_poll(n);
    }
}

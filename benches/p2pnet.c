/* Contender: p2pnet through its C ABI, as a program uses it: p2p_wait and p2p_poll with a callback, p2p_send_line.
 *
 *   classic, secure   the two dialects
 *   spin              classic, and before it sleeps it looks for a while whether something comes (contenders.py names the option)
 */

#include "contender.h"

#include <p2pnet.h>

const char *const contender_ways[] = {"classic", "secure", "spin", NULL};

static p2p_net *net;
static p2p_conn *ids;
static int id_count, id_room;
static bool is_ready, is_stopped, writable;

static void on_event(p2p_net *n, const p2p_event *ev, void *user)
{
    (void)user;
    switch (ev->kind) {
    case P2P_EVENT_LINE:
        on_line((int)(intptr_t)ev->conn_user, ev->data, ev->len);
        break;
    case P2P_EVENT_OPENED:
        need(id_count < id_room);
        ids[id_count] = ev->conn;
        /* The number comes back with every event of the connection: no search. */
        need(p2p_conn_set_user(n, ev->conn, (void *)(intptr_t)id_count) == P2P_OK);
        on_open(id_count++);
        break;
    case P2P_EVENT_WRITABLE:
        writable = true;
        break;
    case P2P_EVENT_READY:
        is_ready = true;
        break;
    case P2P_EVENT_STOPPED:
        is_stopped = true;
        break;
    case P2P_EVENT_DONE:
        if (ev->result != P2P_OK)
            die("connecting: %s", ev->data);
        break;
    case P2P_EVENT_LOG:
        fprintf(stderr, "p2pnet: %s\n", ev->data);
        break;
    default:
        break;
    }
}

static void set(p2p_config *cfg, p2p_opt option, int64_t value)
{
    p2p_error e = {.struct_size = sizeof e};
    if (p2p_config_set_int(cfg, option, value, &e) != P2P_OK)
        die("%s", e.message);
}

void contender_open(const char *way, bool server, int connections)
{
    p2p_error e = {.struct_size = sizeof e};
    p2p_config *cfg = p2p_config_new();
    need(cfg);
    ids = calloc((size_t)connections, sizeof *ids);
    need(ids);
    id_room = connections;
    set(cfg, P2P_OPT_DIALECT, strcmp(way, "secure") == 0 ? P2P_DIALECT_SECURE : P2P_DIALECT_CLASSIC);
    set(cfg, P2P_OPT_MAX_INBOUND, server ? connections : 0);
    set(cfg, P2P_OPT_MAX_OUTBOUND, server ? 0 : connections);
    set(cfg, P2P_OPT_DUPLICATE_IP, 1);
    set(cfg, P2P_OPT_BOOTSTRAP, 0);
    set(cfg, P2P_OPT_ADVERTISE, 0);
    set(cfg, P2P_OPT_MAX_REQUESTS, connections > 1024 ? connections : 1024);
    set(cfg, P2P_OPT_CONNECT_TIMEOUT_MS, 60000);
    set(cfg, P2P_OPT_CLOSE_TIMEOUT_MS, 20000); /* for 10,000 at once */
#ifdef P2PNET_SPIN_OPTION
    if (strcmp(way, "spin") == 0)
        set(cfg, P2PNET_SPIN_OPTION, P2PNET_SPIN_VALUE);
#else
    need(strcmp(way, "spin") != 0);
#endif
    if (p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, "127.0.0.1", &e) != P2P_OK)
        die("%s", e.message);
    if (p2p_net_new(cfg, &net, &e) != P2P_OK || p2p_net_start(net, &e) != P2P_OK)
        die("%s", e.message);
    p2p_config_free(cfg);
    need(p2p_on_event(net, on_event, NULL) == P2P_OK);
    while (!is_ready) {
        contender_wait();
        contender_poll();
    }
}

int contender_port(void)
{
    p2p_net_info info = {.struct_size = sizeof info};
    need(p2p_net_get_info(net, &info) == P2P_OK);
    return (int)info.passive_port;
}

void contender_connect(int port, int count)
{
    char to[P2P_ADDR_LEN];
    p2p_error e = {.struct_size = sizeof e};
    snprintf(to, sizeof to, "127.0.0.1:%d", port);
    while (count--)
        if (p2p_connect(net, to, NULL, NULL, NULL, &e) != P2P_OK)
            die("%s", e.message);
}

void contender_send(int c, const char *line, size_t len)
{
    p2p_result r;
    while ((r = p2p_send_line(net, ids[c], line, len)) == P2P_ERR_WOULD_BLOCK) {
        writable = false;
        while (!writable) {
            contender_wait();
            contender_poll();
        }
    }
    if (r != P2P_OK)
        die("sending: %s", p2p_strerror(r));
}

void contender_send_block(int c, const struct lines *block)
{
    for (size_t i = 0; i < block->count; i++)
        contender_send(c, block->text + i * block->stride, block->len);
}

void contender_flush(int c)
{
    (void)c; /* nothing is kept back */
}

void contender_broadcast(const char *line, size_t len)
{
    uint32_t sent;
    need(p2p_broadcast_line(net, line, len, 0, &sent) == P2P_OK);
    need((int)sent == id_count);
}

void contender_poll(void)
{
    need(p2p_poll(net, 0) >= 0);
}

void contender_wait(void)
{
    need(p2p_wait(net, -1) >= 0);
}

void contender_close(void)
{
    need(p2p_net_free(net) == P2P_OK);
    free(ids);
    net = NULL;
    id_count = 0;
    is_ready = is_stopped = false;
}

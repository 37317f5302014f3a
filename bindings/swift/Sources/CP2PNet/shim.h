/* What Swift sees of libp2pnet: its header, from where pkg-config says, and the same with plain numbers where the header has
 * enumerations: how Swift imports those depends on the C standard that it compiles with. */
#ifndef P2PNET_SWIFT_SHIM_H
#define P2PNET_SWIFT_SHIM_H

#include <p2pnet.h>

static inline p2p_error p2ps_error(void)
{
    p2p_error e = {.struct_size = sizeof e};
    return e;
}
static inline int32_t p2ps_error_code(const p2p_error *e) { return (int32_t)e->code; }
static inline const char *p2ps_error_message(const p2p_error *e) { return e->message; }

static inline int32_t p2ps_kind(const p2p_event *ev) { return (int32_t)ev->kind; }
static inline int32_t p2ps_result(const p2p_event *ev) { return (int32_t)ev->result; }
static inline const char *p2ps_strerror(int32_t code) { return p2p_strerror((p2p_result)code); }

static inline int32_t p2ps_set_int(p2p_config *cfg, int32_t key, int64_t value, p2p_error *err)
{
    return p2p_config_set_int(cfg, (p2p_opt)key, value, err);
}
static inline int32_t p2ps_get_int(p2p_config *cfg, int32_t key, int64_t *value)
{
    return p2p_config_get_int(cfg, (p2p_opt)key, value, NULL);
}
static inline int32_t p2ps_set_str(p2p_config *cfg, int32_t key, const char *value, p2p_error *err)
{
    return p2p_config_set_str(cfg, (p2p_opt)key, value, err);
}
static inline int32_t p2ps_add_server(p2p_config *cfg, int32_t kind, const char *address, p2p_error *err)
{
    return p2p_config_add_server(cfg, (p2p_server)kind, address, err);
}
static inline int32_t p2ps_allow_peer(p2p_config *cfg, const char *who, p2p_error *err)
{
    return p2p_config_allow_peer(cfg, who, err);
}
static inline int32_t p2ps_net_new(const p2p_config *cfg, p2p_net **out, p2p_error *err)
{
    return p2p_net_new(cfg, out, err);
}
static inline int32_t p2ps_net_start(p2p_net *net, p2p_error *err) { return p2p_net_start(net, err); }
static inline void p2ps_net_stop(p2p_net *net) { p2p_net_stop(net); }
static inline void p2ps_net_free(p2p_net *net) { p2p_net_free(net); }
static inline void p2ps_wake(p2p_net *net) { p2p_wake(net); }
static inline void p2ps_cancel(p2p_net *net, p2p_request request) { p2p_cancel(net, request); }
static inline int32_t p2ps_bootstrap(p2p_net *net, p2p_request *out, p2p_error *err)
{
    return p2p_net_bootstrap(net, out, err);
}
static inline int32_t p2ps_advertise(p2p_net *net, p2p_request *out, p2p_error *err)
{
    return p2p_net_advertise(net, out, err);
}
static inline int32_t p2ps_connect(p2p_net *net, const char *to, p2p_request *out, p2p_error *err)
{
    return p2p_connect(net, to, NULL, NULL, out, err);
}
static inline int32_t p2ps_unl_connect(p2p_net *net, const char *to, p2p_request *out, p2p_error *err)
{
    return p2p_unl_connect(net, to, NULL, NULL, out, err);
}
static inline int32_t p2ps_network_changed(p2p_net *net, p2p_error *err) { return p2p_network_changed(net, err); }
static inline int32_t p2ps_send_line(p2p_net *net, p2p_conn conn, const void *line, size_t len)
{
    return p2p_send_line(net, conn, (const char *)line, len);
}
static inline int32_t p2ps_send(p2p_net *net, p2p_conn conn, const void *data, size_t len)
{
    return p2p_send(net, conn, data, len);
}
static inline int32_t p2ps_broadcast(p2p_net *net, const void *line, size_t len, p2p_conn except, uint32_t *sent)
{
    return p2p_broadcast_line(net, (const char *)line, len, except, sent);
}
static inline void p2ps_conn_close(p2p_net *net, p2p_conn conn) { p2p_conn_close(net, conn); }
static inline int32_t p2ps_unl_get(p2p_net *net, char *buf, size_t cap, size_t *need)
{
    return p2p_unl_get(net, buf, cap, need);
}
static inline int32_t p2ps_unl_check(const char *unl, p2p_error *err) { return p2p_unl_check(unl, err); }
static inline int32_t p2ps_report(p2p_net *net, char *buf, size_t cap, size_t *need)
{
    return p2p_net_report(net, buf, cap, need);
}
static inline int32_t p2ps_explain(p2p_net *net, p2p_request request, char *buf, size_t cap, size_t *need)
{
    return p2p_explain(net, request, buf, cap, need);
}

/* A net's situation, in Swift's terms. */
typedef struct p2ps_info {
    int32_t node_type, nat, reachable, forwarding;
    uint32_t passive_port, inbound, outbound, external_port;
    char lan_ip[P2P_ADDR_LEN], wan_ip[P2P_ADDR_LEN];
} p2ps_info;
static inline p2ps_info p2ps_net_info(p2p_net *net)
{
    p2p_net_info now = {.struct_size = sizeof now};
    p2ps_info info = {0};
    if (p2p_net_get_info(net, &now) != P2P_OK)
        return info;
    info.node_type = (int32_t)now.node_type;
    info.nat = (int32_t)now.nat;
    info.reachable = now.reachable;
    info.forwarding = (int32_t)now.forwarding;
    info.passive_port = now.passive_port;
    info.inbound = now.inbound;
    info.outbound = now.outbound;
    info.external_port = now.external_port;
    for (int i = 0; i < P2P_ADDR_LEN; i++) {
        info.lan_ip[i] = now.lan_ip[i];
        info.wan_ip[i] = now.wan_ip[i];
    }
    return info;
}
static inline const char *p2ps_lan_ip(const p2ps_info *info) { return info->lan_ip; }
static inline const char *p2ps_wan_ip(const p2ps_info *info) { return info->wan_ip; }

/* A connection's. */
typedef struct p2ps_conn {
    int32_t via, inbound, path;
    uint64_t queued_bytes, unread_bytes, rtt_us;
    char peer[P2P_ADDR_LEN], peer_id[P2P_ADDR_LEN];
} p2ps_conn;
static inline int32_t p2ps_conn_info(p2p_net *net, p2p_conn conn, p2ps_conn *info)
{
    p2p_conn_info now = {.struct_size = sizeof now};
    int32_t result = p2p_conn_get_info(net, conn, &now);
    if (result != P2P_OK)
        return result;
    info->via = (int32_t)now.via;
    info->inbound = now.inbound;
    info->path = (int32_t)now.path;
    info->queued_bytes = now.queued_bytes;
    info->unread_bytes = now.unread_bytes;
    info->rtt_us = now.rtt_us;
    for (int i = 0; i < P2P_ADDR_LEN; i++) {
        info->peer[i] = now.peer[i];
        info->peer_id[i] = now.peer_id[i];
    }
    return result;
}
static inline const char *p2ps_conn_peer(const p2ps_conn *info) { return info->peer; }
static inline const char *p2ps_conn_peer_id(const p2ps_conn *info) { return info->peer_id; }

#endif

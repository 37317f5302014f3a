/* What Swift sees of libp2pnet: its header, and the same with plain numbers where the header has enumerations. A C compiler takes
 * those for numbers or for enumerations by the standard it is told to follow, and Swift would show either. */
#ifndef P2PNET_SWIFT_SHIM_H
#define P2PNET_SWIFT_SHIM_H

#include <p2pnet.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

/* ---- failures ---- */

static inline p2p_error p2ps_error(void)
{
    p2p_error e = {.struct_size = sizeof e};
    return e;
}
static inline int32_t p2ps_error_code(const p2p_error *e)
{
    return (int32_t)e->code;
}
static inline const char *p2ps_error_message(const p2p_error *e)
{
    return e->message;
}
static inline const char *p2ps_strerror(int32_t code)
{
    return p2p_strerror((p2p_result)code);
}

/* ---- events ---- */

static inline int32_t p2ps_kind(const p2p_event *ev)
{
    return (int32_t)ev->kind;
}
static inline int32_t p2ps_result(const p2p_event *ev)
{
    return (int32_t)ev->result;
}

/* ---- options ---- */

static inline int32_t p2ps_set_int(p2p_config *cfg, int32_t key, int64_t value, p2p_error *err)
{
    return p2p_config_set_int(cfg, (p2p_opt)key, value, err);
}
static inline int32_t p2ps_get_int(p2p_config *cfg, int32_t key, int64_t *value, p2p_error *err)
{
    return p2p_config_get_int(cfg, (p2p_opt)key, value, err);
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
/* A DHT that the program carries: what is to be sent comes as events. */
static inline int32_t p2ps_own_dht(p2p_config *cfg, const char *node_id, p2p_error *err)
{
    p2p_dht dht = {.struct_size = sizeof dht, .node_id = node_id};
    return p2p_config_set_dht(cfg, &dht, err);
}

/* ---- a net ---- */

static inline int32_t p2ps_net_new(const p2p_config *cfg, p2p_net **out, p2p_error *err)
{
    return p2p_net_new(cfg, out, err);
}
static inline int32_t p2ps_net_start(p2p_net *net, p2p_error *err)
{
    return p2p_net_start(net, err);
}
static inline void p2ps_net_stop(p2p_net *net)
{
    p2p_net_stop(net);
}
static inline void p2ps_net_free(p2p_net *net)
{
    p2p_net_free(net);
}
static inline void p2ps_wake(p2p_net *net)
{
    p2p_wake(net);
}
static inline int32_t p2ps_network_changed(p2p_net *net, p2p_error *err)
{
    return p2p_network_changed(net, err);
}
static inline int32_t p2ps_report(p2p_net *net, char *buf, size_t cap, size_t *need)
{
    return p2p_net_report(net, buf, cap, need);
}
static inline int32_t p2ps_explain(p2p_net *net, p2p_request request, char *buf, size_t cap, size_t *need)
{
    return p2p_explain(net, request, buf, cap, need);
}

/* ---- requests ---- */

static inline void p2ps_cancel(p2p_net *net, p2p_request request)
{
    p2p_cancel(net, request);
}
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
static inline int32_t p2ps_unl_connect(p2p_net *net, const char *unl, p2p_request *out, p2p_error *err)
{
    return p2p_unl_connect(net, unl, NULL, NULL, out, err);
}
static inline int32_t p2ps_unl_connect_classic(p2p_net *net, const char *unl, const char *nonce,
                                               int32_t flags, p2p_request *out, p2p_error *err)
{
    return p2p_unl_connect_classic(net, unl, nonce, flags, NULL, NULL, out, err);
}

/* ---- connections ---- */

static inline int32_t p2ps_send_line(p2p_net *net, p2p_conn conn, const void *line, size_t len)
{
    return p2p_send_line(net, conn, (const char *)line, len);
}
/* Lines that lie behind each other in text, with their lengths; no more than so many of them. */
enum { P2PS_LINES_AT_ONCE = 256 };
static inline int32_t p2ps_send_lines(p2p_net *net, p2p_conn conn, const void *text, const size_t *lens,
                                      size_t count, size_t *sent)
{
    p2p_line lines[P2PS_LINES_AT_ONCE];
    const char *at = (const char *)text;
    if (count > P2PS_LINES_AT_ONCE)
        count = P2PS_LINES_AT_ONCE;
    for (size_t i = 0; i < count; i++) {
        lines[i].data = at;
        lines[i].len = lens[i];
        at += lens[i];
    }
    return p2p_send_lines(net, conn, lines, count, sent);
}
static inline int32_t p2ps_send(p2p_net *net, p2p_conn conn, const void *data, size_t len)
{
    return p2p_send(net, conn, data, len);
}
static inline int32_t p2ps_broadcast(p2p_net *net, const void *line, size_t len, p2p_conn except,
                                     uint32_t *sent)
{
    return p2p_broadcast_line(net, (const char *)line, len, except, sent);
}
static inline void p2ps_conn_close(p2p_net *net, p2p_conn conn)
{
    p2p_conn_close(net, conn);
}
static inline int32_t p2ps_take_fd(p2p_net *net, p2p_conn conn, int32_t *fd, void *buf, size_t cap,
                                   size_t *len)
{
    return p2p_conn_take_fd(net, conn, fd, buf, cap, len);
}

/* ---- locators ---- */

static inline int32_t p2ps_unl_get(p2p_net *net, char *buf, size_t cap, size_t *need)
{
    return p2p_unl_get(net, buf, cap, need);
}
static inline int32_t p2ps_unl_construct(p2p_net *net, const char *const *changes, size_t count, char *buf,
                                         size_t cap, size_t *need, p2p_error *err)
{
    return p2p_unl_construct(net, changes, count, buf, cap, need, err);
}
static inline int32_t p2ps_unl_check(const char *unl, p2p_error *err)
{
    return p2p_unl_check(unl, err);
}
static inline int32_t p2ps_unl_info(const char *unl, p2p_unl_info *info, p2p_error *err)
{
    *info = (p2p_unl_info){.struct_size = sizeof *info};
    return p2p_unl_get_info(unl, info, err);
}

/* ---- messages by mailbox or DHT ---- */

static inline int32_t p2ps_dht_id(p2p_net *net, char *buf, size_t cap, size_t *need)
{
    return p2p_dht_get_id(net, buf, cap, need);
}
static inline int32_t p2ps_dht_put(p2p_net *net, const char *to, const void *msg, size_t len,
                                   p2p_request *out, p2p_error *err)
{
    return p2p_dht_put(net, to, (const char *)msg, len, out, err);
}
static inline int32_t p2ps_dht_deliver(p2p_net *net, const char *from, const void *msg, size_t len)
{
    return p2p_dht_deliver(net, from, (const char *)msg, len);
}

/* ---- situations; the members that are enumerations ---- */

static inline int32_t p2ps_net_info(p2p_net *net, p2p_net_info *info)
{
    *info = (p2p_net_info){.struct_size = sizeof *info};
    return p2p_net_get_info(net, info);
}
static inline int32_t p2ps_net_stats(p2p_net *net, p2p_stats *stats)
{
    *stats = (p2p_stats){.struct_size = sizeof *stats};
    return p2p_net_get_stats(net, stats);
}
static inline int32_t p2ps_conn_info(p2p_net *net, p2p_conn conn, p2p_conn_info *info)
{
    *info = (p2p_conn_info){.struct_size = sizeof *info};
    return p2p_conn_get_info(net, conn, info);
}
static inline int32_t p2ps_net_node_type(const p2p_net_info *info)
{
    return (int32_t)info->node_type;
}
static inline int32_t p2ps_net_nat(const p2p_net_info *info)
{
    return (int32_t)info->nat;
}
static inline int32_t p2ps_net_forwarding(const p2p_net_info *info)
{
    return (int32_t)info->forwarding;
}
static inline int32_t p2ps_net_mapping(const p2p_net_info *info)
{
    return (int32_t)info->mapping;
}
static inline int32_t p2ps_net_allocation(const p2p_net_info *info)
{
    return (int32_t)info->allocation;
}
static inline int32_t p2ps_net_unsolicited(const p2p_net_info *info)
{
    return (int32_t)info->unsolicited;
}
static inline int32_t p2ps_conn_via(const p2p_conn_info *info)
{
    return (int32_t)info->via;
}
static inline int32_t p2ps_conn_path(const p2p_conn_info *info)
{
    return (int32_t)info->path;
}
static inline int32_t p2ps_unl_node_type(const p2p_unl_info *info)
{
    return (int32_t)info->node_type;
}
static inline int32_t p2ps_unl_nat(const p2p_unl_info *info)
{
    return (int32_t)info->nat;
}
static inline int32_t p2ps_unl_forwarding(const p2p_unl_info *info)
{
    return (int32_t)info->forwarding;
}
static inline int32_t p2ps_unl_mapping(const p2p_unl_info *info)
{
    return (int32_t)info->mapping;
}
static inline int32_t p2ps_unl_allocation(const p2p_unl_info *info)
{
    return (int32_t)info->allocation;
}
static inline int32_t p2ps_unl_candidate_kind(const p2p_unl_info *info, uint32_t at)
{
    return at < P2P_UNL_CANDIDATES ? (int32_t)info->candidates[at].kind : 0;
}
static inline const char *p2ps_unl_candidate(const p2p_unl_info *info, uint32_t at)
{
    return at < P2P_UNL_CANDIDATES ? info->candidates[at].address : "";
}

/* ---- threads; the same on every system, which Swift's own view of pthreads is not ---- */

typedef struct p2ps_lock {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} p2ps_lock;

static inline void p2ps_lock_init(p2ps_lock *lock)
{
    pthread_mutex_init(&lock->mutex, NULL);
    pthread_cond_init(&lock->changed, NULL);
}
static inline void p2ps_lock_destroy(p2ps_lock *lock)
{
    pthread_cond_destroy(&lock->changed);
    pthread_mutex_destroy(&lock->mutex);
}
static inline void p2ps_lock_take(p2ps_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}
static inline void p2ps_lock_leave(p2ps_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}
static inline void p2ps_lock_wait(p2ps_lock *lock)
{
    pthread_cond_wait(&lock->changed, &lock->mutex);
}
static inline void p2ps_lock_signal(p2ps_lock *lock)
{
    pthread_cond_broadcast(&lock->changed);
}

/* Runs a function on a thread of its own, on which no signal arrives: they are for the program. 0, or the system's error number. */
static inline int32_t p2ps_thread(void *(*run)(void *), void *with)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* which the thread inherits */
    int failed = pthread_create(&thread, NULL, run, with);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0)
        pthread_detach(thread);
    return failed;
}

/* Milliseconds of a clock that only goes forward. */
static inline int64_t p2ps_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif

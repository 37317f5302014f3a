/* The smallest program that uses the library. Compiled as C and as
 * C++, linked against the shared and against the static library; run, it makes a net say READY and STOPPED. */
#include "p2pnet.h"

#include <stdio.h>

static int ready, stopped;

#ifdef __cplusplus
extern "C" {
#endif
static void on_event(p2p_net *net, const p2p_event *ev, void *user)
{
    (void)user;
    if (ev->kind == P2P_EVENT_READY) {
        ready = 1;
        p2p_net_stop(net);
    }
    if (ev->kind == P2P_EVENT_STOPPED)
        stopped = 1;
}
#ifdef __cplusplus
}
#endif

int main(void)
{
    p2p_error err;
    p2p_config *cfg = p2p_config_new();
    p2p_net *net = NULL;
    err.struct_size = sizeof err;
    err.message[0] = 0;
    if (p2p_version() != P2P_VERSION_NUMBER)
        return 2;
    if (p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, "127.0.0.1", &err) != P2P_OK ||
        p2p_net_new(cfg, &net, &err) != P2P_OK || p2p_on_event(net, on_event, NULL) != P2P_OK ||
        p2p_net_start(net, &err) != P2P_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 3;
    }
    p2p_config_free(cfg);
    while (p2p_wait(net, -1) != P2P_ERR_CLOSED)
        p2p_poll(net, 0);
    return p2p_net_free(net) == P2P_OK && ready && stopped ? 0 : 4;
}

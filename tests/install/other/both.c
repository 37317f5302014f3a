/* One program with two libraries written in Rust. */
#include "p2pnet.h"

#include <stdint.h>
#include <stdio.h>

uint32_t other_work(uint32_t n);

int main(void)
{
    p2p_net *net = NULL;
    int ready = 0;
    p2p_config *cfg = p2p_config_new();
    if (other_work(10) != 1055)
        return 1;
    if (p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, "127.0.0.1", NULL) != P2P_OK ||
        p2p_config_set_int(cfg, P2P_OPT_DIALECT, P2P_DIALECT_SECURE, NULL) != P2P_OK ||
        p2p_net_new(cfg, &net, NULL) != P2P_OK || p2p_net_start(net, NULL) != P2P_OK)
        return 2;
    p2p_config_free(cfg);
    while (p2p_wait(net, -1) >= 0) {
        const p2p_event *ev;
        while (p2p_next_event(net, &ev) == 1) {
            if (ev->kind == P2P_EVENT_READY) {
                ready = other_work(10) == 1055;
                p2p_net_stop(net);
            }
            p2p_event_free(ev);
        }
    }
    return p2p_net_free(net) == P2P_OK && ready ? 0 : 3;
}

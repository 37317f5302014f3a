/* Contender: ENet, a library for games over UDP, with reliable packets on one channel: each line a packet.
 *
 * ENet has no thread and no window for what the program gives it: this file keeps 256 KiB unacknowledged at most, as its buffer
 * for sending, and lets ENet work whenever that is full. Options are ENet's own (packets of up to 1,400 bytes, no compression,
 * no checksum, no limits of bandwidth). One socket serves all connections, of which there are 4,095 at most. */

#include "contender.h"

#include <enet/enet.h>

const char *const contender_ways[] = {"reliable", NULL};

#define WINDOW (256 * 1024)
/* What is given to ENet before it gets to work. */
#define BURST (32 * 1024)
/* Connections begun before ENet gets to work: the socket's buffer does not hold a thousand. */
#define BEGUN 64
/* Datagrams to all that may be unacknowledged. */
#define AT_ONCE 256
/* When it has nothing to do it looks that often: it has timers of its own. */
#define NAP_MS 1000
#define PATIENCE_MS 60000

static ENetHost *host;
static ENetPeer **peers;
static int count, opened_count;
static size_t unacknowledged, unsent;
static bool closing;
static ENetEvent event; /* which contender_wait() has found */

static void deliver(ENetEvent *e)
{
    switch (e->type) {
    case ENET_EVENT_TYPE_CONNECT:
        if (!e->peer->data) {
            peers[count] = e->peer;
            e->peer->data = (void *)(intptr_t)++count;
        }
        opened_count++;
        /* On a machine that is busy it would give connections up after five seconds. */
        enet_peer_timeout(e->peer, 0, PATIENCE_MS, PATIENCE_MS);
        on_open((int)(intptr_t)e->peer->data - 1);
        break;
    case ENET_EVENT_TYPE_RECEIVE:
        on_line((int)(intptr_t)e->peer->data - 1, (char *)e->packet->data, e->packet->dataLength);
        enet_packet_destroy(e->packet);
        break;
    case ENET_EVENT_TYPE_DISCONNECT:
        if (!closing)
            die("ENet gave a connection up");
        break;
    case ENET_EVENT_TYPE_NONE:
        break;
    }
}

/* Sends and receives what there is, and delivers. */
static void work(unsigned milliseconds)
{
    ENetEvent e;
    unsent = 0;
    int more = enet_host_service(host, &e, milliseconds);
    while (more > 0) {
        deliver(&e);
        more = enet_host_check_events(host, &e);
    }
    need(more == 0);
}

void contender_open(const char *way, bool server, int connections)
{
    (void)way;
    ENetAddress at = {.port = 0};
    need(enet_initialize() == 0);
    need(enet_address_set_host_ip(&at, "127.0.0.1") == 0);
    need(connections <= ENET_PROTOCOL_MAXIMUM_PEER_ID);
    need(host = enet_host_create(server ? &at : NULL, (size_t)connections, 1, 0, 0));
    need(peers = calloc((size_t)connections, sizeof *peers));
}

int contender_port(void)
{
    ENetAddress at;
    need(enet_socket_get_address(host->socket, &at) == 0);
    return at.port;
}

void contender_connect(int port, int more)
{
    ENetAddress to = {.port = (enet_uint16)port};
    need(enet_address_set_host_ip(&to, "127.0.0.1") == 0);
    for (int i = 0; i < more; i++) {
        ENetPeer *peer = enet_host_connect(host, &to, 1, 0);
        need(peer);
        peers[count] = peer;
        peer->data = (void *)(intptr_t)++count;
        while ((i + 1) % BEGUN == 0 && count - opened_count > BEGUN)
            work(1);
    }
}

static void acknowledged(ENetPacket *packet)
{
    unacknowledged -= packet->dataLength;
}

static void give(int c, const char *line, size_t len)
{
    while (unacknowledged > 0 && unacknowledged + len > WINDOW)
        work(1);
    ENetPacket *packet = enet_packet_create(line, len, ENET_PACKET_FLAG_RELIABLE);
    need(packet);
    packet->freeCallback = acknowledged;
    unacknowledged += len;
    unsent += len;
    need(enet_peer_send(peers[c], 0, packet) == 0);
}

void contender_send(int c, const char *line, size_t len)
{
    give(c, line, len);
    contender_flush(c);
}

void contender_send_block(int c, const struct lines *block)
{
    for (size_t i = 0; i < block->count; i++) {
        give(c, block->text + i * block->stride, block->len);
        if (unsent >= BURST)
            work(0);
    }
}

void contender_flush(int c)
{
    (void)c;
    unsent = 0;
    enet_host_flush(host);
}

/* Not by enet_host_broadcast: a thousand datagrams at once are more than the receiver's socket holds, and what is lost there is
 * sent again after half a second. */
void contender_broadcast(const char *line, size_t len)
{
    for (int c = 0; c < count; c++) {
        while (unacknowledged >= AT_ONCE * len)
            work(1);
        give(c, line, len);
        if (c % 32 == 31)
            contender_flush(c);
    }
    contender_flush(0);
}

void contender_poll(void)
{
    if (event.type != ENET_EVENT_TYPE_NONE) {
        ENetEvent e = event;
        event.type = ENET_EVENT_TYPE_NONE;
        deliver(&e);
        /* Behind it there may be more of the same look. */
        while (enet_host_check_events(host, &e) > 0)
            deliver(&e);
        return;
    }
    work(0);
}

void contender_wait(void)
{
    if (event.type == ENET_EVENT_TYPE_NONE)
        need(enet_host_service(host, &event, NAP_MS) >= 0);
}

void contender_close(void)
{
    /* What was sent has come, or nobody is there any more to say so. */
    closing = true;
    uint64_t patience = now_ns() + 300000000u;
    enet_host_flush(host);
    while (unacknowledged > 0 && now_ns() < patience)
        work(10);
    enet_host_destroy(host);
    enet_deinitialize();
    free(peers);
    count = opened_count = 0;
    unacknowledged = unsent = 0;
    closing = false;
}

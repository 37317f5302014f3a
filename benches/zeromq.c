/* Contender: ZeroMQ over TCP, as a program would use it for lines: one message each.
 *
 *   pair     one connection: PAIR at both ends, a message is one part
 *   router   many connections: ROUTER at both ends, one socket each. A message has the peer's name before it. The connecting
 *            end names each connection itself (ZMQ_CONNECT_ROUTING_ID); with a DEALER for each it would have to ask a thousand
 *            sockets for what is new
 *
 * ZeroMQ batches by itself: its I/O thread, one as by default, joins what waits into writes of 8 KiB. zmq_send copies the line,
 * zmq_msg_recv gives it without another copy. The library tells nobody of a connection but in a monitor's log, so each begins
 * with an empty message both ways. */

#include "contender.h"

#include <zmq.h>

const char *const contender_ways[] = {"pair", "router", NULL};

/* Messages that may wait at either end: ZeroMQ's default. */
#define MARK 1000
/* Delivered by one contender_poll() at most. */
#define BUDGET 1000
/* ZeroMQ's own names of peers have five bytes, ours four. */
#define NAME_MAX_LEN 8

struct peer {
    unsigned char len, name[NAME_MAX_LEN];
};

static void *context, *sock;
static bool routes, serves;
static struct peer *peers;
static bool *opened;
static int count, room;
/* By the number in the last four bytes of its name: the connection, or -1. */
static int *by_name;
static uint32_t first_name;
static bool named;

static void set(int option, int value)
{
    need(zmq_setsockopt(sock, option, &value, sizeof value) == 0);
}

void contender_open(const char *way, bool server, int connections)
{
    routes = strcmp(way, "router") == 0;
    serves = server;
    room = connections;
    peers = calloc((size_t)room, sizeof *peers);
    opened = calloc((size_t)room, sizeof *opened);
    by_name = malloc((size_t)room * 2 * sizeof *by_name);
    need(peers && opened && by_name);
    for (int i = 0; i < 2 * room; i++)
        by_name[i] = -1;
    need(context = zmq_ctx_new());
    need(sock = zmq_socket(context, routes ? ZMQ_ROUTER : ZMQ_PAIR));
    set(ZMQ_SNDHWM, MARK);
    set(ZMQ_RCVHWM, MARK);
    set(ZMQ_BACKLOG, 4096);
    if (routes)
        set(ZMQ_ROUTER_MANDATORY, 1); /* else it throws away what finds no room */
    if (server)
        need(zmq_bind(sock, "tcp://127.0.0.1:*") == 0);
}

int contender_port(void)
{
    char text[128];
    size_t size = sizeof text;
    need(zmq_getsockopt(sock, ZMQ_LAST_ENDPOINT, text, &size) == 0);
    return atoi(strrchr(text, ':') + 1);
}

static void send_to(int c, const char *line, size_t len)
{
    if (routes)
        need(zmq_send(sock, peers[c].name, peers[c].len, ZMQ_SNDMORE) == (int)peers[c].len);
    need(zmq_send(sock, line, len, 0) == (int)len);
}

void contender_connect(int port, int more)
{
    char to[64];
    snprintf(to, sizeof to, "tcp://127.0.0.1:%d", port);
    for (int i = 0; i < more; i++) {
        struct peer *p = &peers[count];
        p->len = 4;
        for (int b = 0; b < 4; b++)
            p->name[b] = (unsigned char)((uint32_t)(count + 1) >> 8 * (3 - b));
        if (routes)
            need(zmq_setsockopt(sock, ZMQ_CONNECT_ROUTING_ID, p->name, p->len) == 0);
        need(zmq_connect(sock, to) == 0);
        send_to(count++, "", 0);
    }
}

void contender_send(int c, const char *line, size_t len)
{
    send_to(c, line, len);
}

void contender_send_block(int c, const struct lines *block)
{
    for (size_t i = 0; i < block->count; i++)
        send_to(c, block->text + i * block->stride, block->len);
}

void contender_flush(int c)
{
    (void)c; /* its thread does that */
}

void contender_broadcast(const char *line, size_t len)
{
    for (int c = 0; c < count; c++)
        send_to(c, line, len);
}

/* Whose message it is. The names that a ROUTER gives are consecutive numbers behind a zero byte. */
static int whose(zmq_msg_t *name)
{
    const unsigned char *n = zmq_msg_data(name);
    size_t len = zmq_msg_size(name);
    need(len >= 4 && len <= NAME_MAX_LEN);
    const unsigned char *end = n + len - 4;
    uint32_t number = (uint32_t)end[0] << 24 | (uint32_t)end[1] << 16 | (uint32_t)end[2] << 8 | end[3];
    if (!serves) {
        need(number >= 1 && number <= (uint32_t)count);
        return (int)number - 1;
    }
    if (!named) {
        named = true;
        first_name = number - (uint32_t)room; /* the first to speak need not be the first that came */
    }
    uint32_t at = number - first_name;
    need(at < 2 * (uint32_t)room);
    if (by_name[at] < 0) {
        need(count < room);
        peers[count].len = (unsigned char)len;
        memcpy(peers[count].name, n, len);
        by_name[at] = count++;
    }
    return by_name[at];
}

static void deliver(int c, const char *line, size_t len)
{
    if (len > 0) {
        on_line(c, line, len);
    } else if (!opened[c]) {
        opened[c] = true;
        if (serves && !routes)
            count = 1;
        if (serves)
            send_to(c, "", 0);
        on_open(c);
    }
}

void contender_poll(void)
{
    for (int i = 0; i < BUDGET; i++) {
        zmq_msg_t name, line;
        int c = 0;
        if (routes) {
            zmq_msg_init(&name);
            if (zmq_msg_recv(&name, sock, ZMQ_DONTWAIT) < 0) {
                need(errno == EAGAIN);
                return;
            }
            c = whose(&name);
            zmq_msg_close(&name);
        }
        zmq_msg_init(&line);
        if (zmq_msg_recv(&line, sock, ZMQ_DONTWAIT) < 0) {
            need(errno == EAGAIN && !routes);
            return;
        }
        deliver(c, zmq_msg_data(&line), zmq_msg_size(&line));
        zmq_msg_close(&line);
    }
}

void contender_wait(void)
{
    zmq_pollitem_t item = {.socket = sock, .events = ZMQ_POLLIN};
    need(zmq_poll(&item, 1, -1) >= 0 || errno == EINTR);
}

void contender_close(void)
{
    /* What was sent is sent before it ends. */
    need(zmq_close(sock) == 0);
    need(zmq_ctx_term(context) == 0);
    free(peers);
    free(opened);
    free(by_name);
    count = 0;
    named = false;
}

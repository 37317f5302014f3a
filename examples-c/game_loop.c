/* game_loop.c - p2pnet in a game: one call per frame, never a wait, no thread, no lock.
 *
 * Every player is a net. Each frame it takes what has come, but at most so many events, so that a flood
 * cannot cost frames; moves; and tells the others where it is. What each peer is to us hangs on its
 * connection as a user pointer.
 *
 *   cc game_loop.c -o game_loop $(pkg-config --cflags --libs p2pnet)
 * or, in the source tree,
 *   cc examples-c/game_loop.c -o game_loop -Iinclude target/release/libp2pnet.a -lgcc_s -lm -lpthread -ldl
 *
 * Two players in this process, 180 frames:
 *   ./game_loop
 * One player per process: the first waits, the next joins it:
 *   ./game_loop --players 1 --port 5000 --frames 0
 *   ./game_loop --players 1 --connect 127.0.0.1:5000
 * The last player hangs half way; the others do not:
 *   ./game_loop --fps 2000 --frames 4000 --bytes 8000 --freeze
 */
#define _POSIX_C_SOURCE 200809L /* clock_nanosleep */
#include "example.h"
#include <errno.h>
#include <p2pnet.h>
#include <stdbool.h>
#include <time.h>

#define MAX_PLAYERS 8
#define EVENTS_PER_FRAME 64

/* What we know of one peer; the user pointer of its connection. */
struct ghost {
    long frame, x, y;
};

struct player {
    p2p_net *net;
    const char *bind;
    long x, y;
    unsigned peers;
    long updates, skipped;       /* positions received; positions that found no room */
    long long poll_ns, worst_ns; /* what p2p_poll() cost: all frames, the worst one */
};

struct game {
    const char *bind, *connect;
    long players, frames, fps, port, bytes;
    int freeze;
    struct player player[MAX_PLAYERS];
};

static void on_event(p2p_net *net, const p2p_event *ev, void *user)
{
    struct player *me = user;
    struct ghost *ghost = ev->conn_user;
    long frame, x, y;
    switch (ev->kind) {
    case P2P_EVENT_READY: {
        p2p_net_info info = {.struct_size = sizeof info};
        p2p_net_get_info(net, &info);
        printf("listening on %s:%u\n", me->bind, (unsigned)info.passive_port);
        break;
    }
    case P2P_EVENT_OPENED:
        /* Events from now on bring it along as conn_user: no table of connections is needed. */
        p2p_conn_set_user(net, ev->conn, calloc(1, sizeof(struct ghost)));
        me->peers++;
        printf("a player came: %s\n", ev->peer);
        break;
    case P2P_EVENT_LINE:
        /* A NUL follows the data, so the C library's functions work. It is a stranger's text: check it. */
        if (ghost && sscanf(ev->data, "pos %9ld %9ld %9ld", &frame, &x, &y) == 3) {
            *ghost = (struct ghost){frame, x, y};
            me->updates++;
        }
        break;
    case P2P_EVENT_CLOSED:
        printf("a player left: %s, last seen at %ld,%ld\n", ev->peer, ghost ? ghost->x : 0,
               ghost ? ghost->y : 0);
        free(ghost); /* this is its last event */
        me->peers--;
        break;
    case P2P_EVENT_DONE:
        if (ev->result != P2P_OK)
            fprintf(stderr, "game_loop: %s\n", ev->data);
        break;
    default:
        break;
    }
}

static bool start(struct game *game, struct player *me)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_config *cfg = p2p_config_new();
    me->bind = game->bind;
    /* A direct net talks to chosen nodes. The small send buffer is on purpose: an old position is worth nothing.
     * What does not fit is not sent, so nobody lags behind by more than this and what is under way. */
    bool ok = p2p_config_set_int(cfg, P2P_OPT_NET_TYPE, P2P_NET_DIRECT, &err) == P2P_OK &&
              p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, game->bind, &err) == P2P_OK &&
              p2p_config_set_int(cfg, P2P_OPT_PASSIVE_PORT, game->port, &err) == P2P_OK &&
              p2p_config_set_int(cfg, P2P_OPT_SEND_BUFFER, 16384, &err) == P2P_OK &&
              p2p_net_new(cfg, &me->net, &err) == P2P_OK && p2p_on_event(me->net, on_event, me) == P2P_OK &&
              p2p_net_start(me->net, &err) == P2P_OK;
    p2p_config_free(cfg);
    /* To whom it was told to connect, and to the players of this process that were there before. */
    if (ok && game->connect)
        ok = p2p_connect(me->net, game->connect, NULL, NULL, NULL, &err) == P2P_OK;
    for (struct player *other = game->player; ok && other < me; other++) {
        p2p_net_info info = {.struct_size = sizeof info};
        char address[P2P_ADDR_LEN];
        p2p_net_get_info(other->net, &info);
        snprintf(address, sizeof address, "%s:%u", game->bind, (unsigned)info.passive_port);
        ok = p2p_connect(me->net, address, NULL, NULL, NULL, &err) == P2P_OK;
    }
    if (!ok)
        fprintf(stderr, "game_loop: %s\n", err.message);
    return ok;
}

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void play_frame(const struct game *game, struct player *me, long frame)
{
    char line[16000];
    long long begun = now_ns(), took;
    p2p_poll(me->net, EVENTS_PER_FRAME); /* never blocks; what is left over comes next frame */
    took = now_ns() - begun;
    me->poll_ns += took;
    me->worst_ns = took > me->worst_ns ? took : me->worst_ns;

    me->x += 1 + frame % 3;
    me->y += 1;
    int len = snprintf(line, sizeof line, "pos %ld %ld %ld ", frame, me->x, me->y);
    for (; len < game->bytes; len++) /* --bytes: as if there were more to tell */
        line[len] = '.';
    uint32_t sent = 0;
    /* Who has no room (P2P_ERR_WOULD_BLOCK) misses this one. No retry: the next frame has newer news. */
    if (p2p_broadcast_line(me->net, line, (size_t)len, 0, &sent) == P2P_ERR_WOULD_BLOCK && me->peers > sent)
        me->skipped += me->peers - sent;
}

static void sleep_until(long long ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR && !example_interrupted)
        ;
}

/* Stops a net and takes its last events: the CLOSED events free what hangs on the connections. */
static void finish(struct player *me, int number, long frames)
{
    p2p_stats stats = {.struct_size = sizeof stats};
    if (!me->net)
        return;
    p2p_net_stop(me->net);
    while (p2p_wait(me->net, 5000) == 1) /* P2P_ERR_CLOSED once STOPPED has been taken */
        p2p_poll(me->net, 0);
    p2p_net_get_stats(me->net, &stats);
    printf("player %d: %ld frames, %ld positions received, %llu sent, %ld skipped; p2p_poll %.1f us a frame, "
           "worst %.0f us\n",
           number, frames, me->updates, (unsigned long long)stats.lines_out, me->skipped,
           frames > 0 ? (double)me->poll_ns / (double)frames / 1e3 : 0.0, (double)me->worst_ns / 1e3);
    p2p_net_free(me->net);
}

int main(int argc, char **argv)
{
    struct game game = {.bind = "127.0.0.1", .players = 2, .frames = 180, .fps = 60};
    const struct example_option options[] = {{"--players", NULL, &game.players, NULL},
                                             {"--frames", NULL, &game.frames, NULL},
                                             {"--fps", NULL, &game.fps, NULL},
                                             {"--bind", &game.bind, NULL, NULL},
                                             {"--port", NULL, &game.port, NULL},
                                             {"--connect", &game.connect, NULL, NULL},
                                             {"--bytes", NULL, &game.bytes, NULL},
                                             {"--freeze", NULL, NULL, &game.freeze},
                                             {NULL, NULL, NULL, NULL}};
    example_options(argc, argv, options,
                    "game_loop [--players N] [--frames N] [--fps N] [--bind ADDR] [--port N]\n"
                    "                 [--connect HOST:PORT] [--bytes N] [--freeze]");
    if (game.players < 1 || game.players > MAX_PLAYERS || game.fps < 1 || game.bytes > 15000) {
        fprintf(stderr, "game_loop: 1 to %d players, at least 1 fps, at most 15000 bytes\n", MAX_PLAYERS);
        return 2;
    }
    example_begin();
    bool ok = true;
    for (long i = 0; ok && i < game.players; i++)
        ok = start(&game, &game.player[i]);
    long frame = 0;
    long long next = now_ns();
    for (; ok && !example_interrupted && (game.frames == 0 || frame < game.frames); frame++) {
        for (long i = 0; i < game.players; i++)
            if (!game.freeze || i + 1 < game.players || frame < game.frames / 2)
                play_frame(&game, &game.player[i], frame);
        next += 1000000000 / game.fps;
        sleep_until(next);
    }
    for (int i = 0; i < game.players; i++)
        finish(&game.player[i], i, frame);
    return ok ? 0 : 1;
}

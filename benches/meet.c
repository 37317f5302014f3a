/* Work: nodes that connect to one node and close again, a steady number a second. What that costs the one that is
 * connected to, and those that connect: in the classic dialect, which has no handshake, and in the secure one, with the
 * peer's address only (XX) and by its locator (IK).
 *
 * Each says a line and has its answer before it closes: who opens and closes at once may be gone before the other side has
 * opened.
 *
 * The secure dialect answers 500 handshakes a second by default, and 50 to one address, so more cannot be seen from
 * outside: how many one core could do is what the CPU time says. */

#define _GNU_SOURCE
#include "nodes.h"

#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

const char *const contender_ways[] = {"classic", "xx", "ik", NULL};

/* Below both limits. */
#define PER_SECOND 400
#define MOST 100000

enum state { IDLE, ASKED, ASKING, HELD, CLOSING };

static struct node *nodes;
static enum state *states;
static uint64_t *next, *asked_at, took[MOST];
static int count, epoll;
static uint64_t met, busy;
static bool hold;
static char address[64];
static const char *locator;

void work_server(const struct args *a)
{
    struct node server;
    bool secure = strcmp(a->way, "classic") != 0;
    node_open(&server, "127.0.0.1", secure, secure ? SERVER_KEY : NULL, 3 * a->connections);
    char *text = secure ? node_locator(&server) : NULL;
    printf("port %d %s\n", node_port(&server), text ? text : "");
    fflush(stdout);
    node_serve(&server);
}

/* Lets node `i` do what is next. */
static void turn(int i, uint64_t now, bool more)
{
    struct node *n = &nodes[i];
    node_poll(n);
    if (states[i] == ASKED && n->done && n->result == P2P_OK) {
        if (met < MOST)
            took[met] = n->opened_at - asked_at[i];
        met++;
        n->told = false;
        need(p2p_send_line(n->net, n->conn, "how many?", P2P_AUTO_LEN) == P2P_OK);
        states[i] = ASKING;
    } else if (states[i] == ASKED && n->done) {
        /* Too many at this moment: that is its right, and it is tried again. (Only if it gets too little of its CPU.) */
        if (n->result != P2P_ERR_LIMIT && n->result != P2P_ERR_IO && n->result != P2P_ERR_RESET &&
            n->result != P2P_ERR_NO_PATH)
            die("connecting: %s", n->why);
        busy++;
        states[i] = IDLE;
    }
    if (states[i] == ASKING && n->told)
        states[i] = HELD;
    if (states[i] == ASKING && n->closed == n->opened)
        die("a connection was lost");
    if (states[i] == HELD && !hold) {
        need(p2p_conn_close(n->net, n->conn) == P2P_OK);
        states[i] = CLOSING;
    }
    if (states[i] == CLOSING && n->closed == n->opened)
        states[i] = IDLE;
    if (states[i] == IDLE && more && now >= next[i]) {
        next[i] = now + 1000000000u / PER_SECOND * (uint64_t)count;
        asked_at[i] = now;
        node_connect(n, address, locator);
        states[i] = ASKED;
    }
}

/* Until `until`, and then until all nodes are idle, or hold a connection. */
static void run(uint64_t until)
{
    uint64_t begin = now_ns();
    for (int i = 0; i < count; i++)
        next[i] = begin + 1000000000u / PER_SECOND * (uint64_t)i;
    for (;;) {
        uint64_t now = now_ns(), soon = now + 100000000;
        int resting = 0;
        for (int i = 0; i < count; i++) {
            turn(i, now, now < until || (hold && states[i] == IDLE));
            soon = states[i] == IDLE && next[i] < soon ? next[i] : soon;
            resting += states[i] == (hold ? HELD : IDLE);
        }
        if (now >= until && resting == count)
            break;
        struct timespec pause = {.tv_nsec = soon > now ? (long)(soon - now) : 0};
        struct epoll_event ready[16];
        need(epoll_pwait2(epoll, ready, 16, &pause, NULL) >= 0);
    }
}

void work_client(const struct args *a)
{
    count = a->connections;
    locator = strcmp(a->way, "ik") == 0 ? a->peer : NULL;
    need(strcmp(a->way, "ik") != 0 || *a->peer);
    nodes = calloc((size_t)count, sizeof *nodes);
    states = calloc((size_t)count, sizeof *states);
    next = calloc((size_t)count, sizeof *next);
    asked_at = calloc((size_t)count, sizeof *asked_at);
    need(nodes && states && next && asked_at);
    snprintf(address, sizeof address, "127.0.0.1:%d", a->port);
    need((epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0);
    for (int i = 0; i < count; i++) {
        char ip[32];
        snprintf(ip, sizeof ip, "127.0.%d.%d", 1 + i / 200, 1 + i % 200);
        node_open(&nodes[i], ip, strcmp(a->way, "classic") != 0, NULL, 10);
        struct epoll_event watch = {.events = EPOLLIN};
        need(epoll_ctl(epoll, EPOLL_CTL_ADD, nodes[i].fd, &watch) == 0);
    }

    /* Once each, all at the same time: what a connection takes of the other's memory. */
    long rss = rss_bytes_of(a->pid);
    hold = true;
    run(now_ns());
    wait_idle(a->pid);
    result("meet_bytes", (double)(rss_bytes_of(a->pid) - rss) / count);
    hold = false;
    run(now_ns());
    wait_idle(a->pid);

    met = 0;
    uint64_t server = cpu_ns_of(a->pid), client = cpu_ns();
    run(now_ns() + (uint64_t)(a->seconds * 1e9));
    double n = (double)met;
    double client_us = (double)(cpu_ns() - client) / 1e3 / n;
    wait_idle(a->pid);
    double server_us = (double)(cpu_ns_of(a->pid) - server) / 1e3 / n;
    uint64_t p50, p99, all = met;
    need(met > 0 && met <= MOST);
    quantiles(took, met, &p50, &p99);

    /* Both ends must have seen the same. */
    hold = true;
    count = 1;
    uint64_t mine = (uint64_t)a->connections + all + 1;
    run(now_ns());
    if (nodes[0].number != mine)
        die("%llu connections here, %llu there", (unsigned long long)mine,
            (unsigned long long)nodes[0].number);
    for (int i = 0; i < a->connections; i++)
        node_free(&nodes[i]);
    need(kill(a->pid, SIGTERM) == 0);

    result("meet_cpu_us", server_us);
    result("meet_per_core", 1e6 / server_us);
    result("meet_client_cpu_us", client_us);
    result("meet_p50_us", (double)p50 / 1e3);
    result("meet_busy", (double)busy);
}

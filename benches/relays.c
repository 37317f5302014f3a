/* The simple relays: for each direction a thread that passes on what comes, by read() and write() or by splice(2). Two
 * connections that come one after the other are a pair. */

#define _GNU_SOURCE
#include "relays.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

void no_delay(int fd)
{
    int on = 1;
    need(fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
}

int listening(int *port)
{
    struct sockaddr_in at = loopback(0);
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 4096) == 0);
    need(getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    *port = ntohs(at.sin_port);
    return fd;
}

int connected(int port)
{
    struct sockaddr_in to = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    no_delay(fd);
    return fd;
}

struct direction_of {
    int from, to;
    bool by_splice;
};

bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        data += n, len -= (size_t)n;
    }
    return true;
}

static void copy(int from, int to)
{
    char *piece = malloc(PIECE);
    ssize_t n;
    need(piece);
    while ((n = read(from, piece, PIECE)) > 0 && write_all(to, piece, (size_t)n))
        ;
    free(piece);
}

static void splices(int from, int to)
{
    int tube[2];
    ssize_t n, m = 0;
    need(pipe(tube) == 0);
    while (m >= 0 && (n = splice(from, NULL, tube[1], NULL, PIECE, SPLICE_F_MOVE)) > 0)
        for (; n > 0 && m >= 0; n -= m)
            m = splice(tube[0], NULL, to, NULL, (size_t)n, SPLICE_F_MOVE);
    close(tube[0]), close(tube[1]);
}

static void *pass(void *arg)
{
    struct direction_of *d = arg;
    (d->by_splice ? splices : copy)(d->from, d->to);
    shutdown(d->to, SHUT_WR);
    free(d);
    return NULL;
}

static void begin(int from, int to, bool by_splice)
{
    struct direction_of *d = malloc(sizeof *d);
    pthread_attr_t attributes;
    pthread_t thread;
    need(d);
    *d = (struct direction_of){from, to, by_splice};
    need(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 64 * 1024) == 0);
    need(pthread_create(&thread, &attributes, pass, d) == 0 && pthread_detach(thread) == 0);
}

void work_server(const struct args *a)
{
    int port, fd = listening(&port);
    bool by_splice = strcmp(a->way, "splice") == 0;
    end_by_sigterm();
    signal(SIGPIPE, SIG_IGN);
    result("port", port);
    for (;;) {
        int first = accept(fd, NULL, NULL), second = accept(fd, NULL, NULL);
        no_delay(first), no_delay(second);
        begin(first, second, by_splice);
        begin(second, first, by_splice);
    }
}

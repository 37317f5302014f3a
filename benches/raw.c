/* Contender: TCP with nothing between: what the machine can do.
 *
 *   batch    a block of lines is built beforehand and written in one go, which no line API can do
 *   copy     each line is copied into a 256 KiB buffer first, which every line API must do at least
 *   1write   one system call per line, which is what one gets by writing lines to a socket naively
 *
 * The receiving side is the same: epoll, reads of 256 KiB, lines found by memchr where they lie. */

#define _GNU_SOURCE
#include "contender.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const contender_ways[] = {"batch", "copy", "1write", NULL};

#define BUFFER (256 * 1024)
#define LISTENER -1

/* An unfinished line waits here for its rest; connections without one have no memory of their own. */
struct connection {
    int fd;
    char *partial;
    size_t held;
};

static struct connection *connections;
static int connection_count, connection_room;
static enum { BATCH, COPY, ONE_WRITE } way;
static int epoll = -1, listener = -1;
static struct epoll_event ready[64];
static int ready_count;
/* 64 KiB more than a read: an unfinished line stands in front of what is read. */
static char *input, *output;
static size_t output_used;

static void watch(int fd, int number)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = number};
    need(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0);
}

static void add(int fd)
{
    int on = 1;
    need(connection_count < connection_room);
    need(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    need(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    connections[connection_count] = (struct connection){.fd = fd};
    watch(fd, connection_count);
    on_open(connection_count++);
}

void contender_open(const char *name, bool server, int room)
{
    way = strcmp(name, "copy") == 0 ? COPY : strcmp(name, "1write") == 0 ? ONE_WRITE : BATCH;
    connections = calloc((size_t)room, sizeof *connections);
    connection_room = room;
    input = malloc(2 * BUFFER);
    output = malloc(BUFFER);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    need(connections && input && output && epoll >= 0);
    if (!server)
        return;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    need(listener >= 0 && bind(listener, (struct sockaddr *)&at, sizeof at) == 0);
    need(listen(listener, 4096) == 0);
    watch(listener, LISTENER);
}

int contender_port(void)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    need(getsockname(listener, (struct sockaddr *)&at, &size) == 0);
    return ntohs(at.sin_port);
}

void contender_connect(int port, int count)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    while (count--) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        need(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
        add(fd);
    }
}

static void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0) {
            need(errno == EAGAIN);
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            poll(&p, 1, -1);
            continue;
        }
        data += n;
        len -= (size_t)n;
    }
}

void contender_send(int c, const char *line, size_t len)
{
    char whole[1024];
    need(len + 2 <= sizeof whole);
    memcpy(whole, line, len);
    memcpy(whole + len, "\r\n", 2);
    write_all(connections[c].fd, whole, len + 2);
}

void contender_flush(int c)
{
    write_all(connections[c].fd, output, output_used);
    output_used = 0;
}

/* A function of its own, as the call that a library makes of it. */
static __attribute__((noinline)) void send_by_copy(int c, const char *line, size_t len)
{
    if (output_used + len + 2 > BUFFER)
        contender_flush(c);
    memcpy(output + output_used, line, len);
    memcpy(output + output_used + len, "\r\n", 2);
    output_used += len + 2;
}

void contender_send_block(int c, const struct lines *block)
{
    if (way == BATCH)
        write_all(connections[c].fd, block->text, block->bytes);
    for (size_t i = 0; way == COPY && i < block->count; i++)
        send_by_copy(c, block->text + i * block->stride, block->len);
    for (size_t i = 0; way == ONE_WRITE && i < block->count; i++)
        write_all(connections[c].fd, block->text + i * block->stride, block->stride);
}

void contender_broadcast(const char *line, size_t len)
{
    for (int c = 0; c < connection_count; c++)
        contender_send(c, line, len);
}

static void receive(int number)
{
    struct connection *c = &connections[number];
    size_t held = c->held;
    if (held > 0)
        memcpy(input, c->partial, held);
    ssize_t n = recv(c->fd, input + held, BUFFER, 0);
    if (n <= 0) {
        need(n == 0 || errno == EAGAIN || errno == ECONNRESET);
        if (n == 0 || errno != EAGAIN)
            need(epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL) == 0);
        return;
    }
    char *at = input, *from = input + held, *end = input + held + n, *lf;
    while ((lf = memchr(from, '\n', (size_t)(end - from)))) {
        from = lf + 1;
        if (lf > at && lf[-1] == '\r') {
            on_line(number, at, (size_t)(lf - 1 - at));
            at = from;
        }
    }
    c->held = (size_t)(end - at);
    need(c->held <= BUFFER);
    if (c->held > 0) {
        if (!c->partial)
            need(c->partial = malloc(BUFFER));
        memcpy(c->partial, at, c->held);
    }
}

void contender_poll(void)
{
    if (ready_count == 0)
        ready_count = epoll_wait(epoll, ready, 64, 0);
    for (int i = 0; i < ready_count; i++) {
        if (ready[i].data.fd != LISTENER) {
            receive(ready[i].data.fd);
            continue;
        }
        int fd;
        while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
            add(fd);
        need(errno == EAGAIN);
    }
    ready_count = 0;
}

void contender_wait(void)
{
    if (ready_count == 0)
        ready_count = epoll_wait(epoll, ready, 64, -1);
    need(ready_count >= 0 || errno == EINTR);
}

void contender_close(void)
{
    for (int c = 0; c < connection_count; c++) {
        close(connections[c].fd);
        free(connections[c].partial);
    }
    if (listener >= 0)
        close(listener);
    close(epoll);
    free(connections);
    free(input);
    free(output);
    connection_count = 0;
    listener = -1;
}

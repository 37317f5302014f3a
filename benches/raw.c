/* Contender: TCP with nothing between: what the machine can do.
 *
 *   batch    a block of lines is built beforehand and written in one go, which no line API can do
 *   copy     each line is copied into a 256 KiB buffer first, which every line API must do at least
 *   1write   one system call per line, which is what one gets by writing lines to a socket naively
 *   cipher   as copy, and what is written is encrypted and authenticated by the library's cipher, in frames as large as the
 *            library's: what encryption must cost at least, without keys agreed on, sessions, or anything else
 *   blocking one connection, on which send() and recv() wait by themselves: the fewest system calls there can be. For
 *            round trips only; a program that waits in this way can do nothing else
 *
 * The receiving side of the others is the same: epoll, reads of 256 KiB, lines found by memchr where they lie. */

#define _GNU_SOURCE
#include "cipher.h"
#include "contender.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const contender_ways[] = {"batch", "copy", "1write", "cipher", "blocking", NULL};

#define BUFFER (256 * 1024)
#define LISTENER -1
/* What is encrypted and written at once, as in the library; a line may be longer. */
#define SEAL_FROM (64 * 1024)

/* An unfinished line waits here for its rest, and behind it an unfinished frame; connections without one have no memory of
 * their own. */
struct connection {
    int fd;
    char *partial;
    size_t held, text; /* in all; of the line */
    direction *sends, *receives;
};

static struct connection *connections;
static int connection_count, connection_room;
static enum { BATCH, COPY, ONE_WRITE, CIPHER, BLOCKING } way;
static bool serves;
static int epoll = -1, listener = -1;
static struct epoll_event ready[64];
static int ready_count;
/* 64 KiB more than a read: an unfinished line stands in front of what is read. */
static char *input, *output, *sealed;
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
    if (way == BLOCKING)
        need(connection_count == 0);
    else
        need(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    connections[connection_count] = (struct connection){.fd = fd};
    if (way == CIPHER) {
        connections[connection_count].sends = cipher_new(serves);
        connections[connection_count].receives = cipher_new(!serves);
    }
    if (way != BLOCKING)
        watch(fd, connection_count);
    on_open(connection_count++);
}

void contender_open(const char *name, bool server, int room)
{
    way = BATCH;
    for (int i = 0; contender_ways[i]; i++)
        if (strcmp(name, contender_ways[i]) == 0)
            way = i; /* in the same order */
    serves = server;
    connections = calloc((size_t)room, sizeof *connections);
    connection_room = room;
    input = malloc(2 * BUFFER);
    output = malloc(BUFFER);
    sealed = malloc(2 * BUFFER);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    need(connections && input && output && sealed && epoll >= 0);
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

static void write_sealed(struct connection *c, const char *text, size_t len)
{
    char *at = sealed;
    while (len > 0) {
        size_t n = len < FRAME_TEXT ? len : FRAME_TEXT;
        *at++ = (char)((n + FRAME_TAG) >> 8);
        *at++ = (char)(n + FRAME_TAG);
        cipher_seal(c->sends, text, n, at);
        at += n + FRAME_TAG;
        text += n, len -= n;
    }
    write_all(c->fd, sealed, (size_t)(at - sealed));
}

void contender_send(int c, const char *line, size_t len)
{
    char whole[1024];
    need(len + 2 <= sizeof whole);
    memcpy(whole, line, len);
    memcpy(whole + len, "\r\n", 2);
    if (way == CIPHER)
        write_sealed(&connections[c], whole, len + 2);
    else
        write_all(connections[c].fd, whole, len + 2);
}

void contender_flush(int c)
{
    if (way == CIPHER)
        write_sealed(&connections[c], output, output_used);
    else
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
    if (way == CIPHER && output_used >= SEAL_FROM)
        contender_flush(c);
}

void contender_send_block(int c, const struct lines *block)
{
    if (way == BATCH)
        write_all(connections[c].fd, block->text, block->bytes);
    for (size_t i = 0; (way == COPY || way == CIPHER) && i < block->count; i++)
        send_by_copy(c, block->text + i * block->stride, block->len);
    for (size_t i = 0; way == ONE_WRITE && i < block->count; i++)
        write_all(connections[c].fd, block->text + i * block->stride, block->stride);
}

void contender_broadcast(const char *line, size_t len)
{
    for (int c = 0; c < connection_count; c++)
        contender_send(c, line, len);
}

/* Decrypts the whole frames from `at` to `end`, and closes up what they hold. Returns the end of that; `rest` is where a
 * frame begins that is not whole. */
static char *open_frames(struct connection *c, char *at, char *end, char **rest)
{
    char *text = at;
    while (end - at >= FRAME_HEAD) {
        size_t body = (size_t)(unsigned char)at[0] << 8 | (unsigned char)at[1];
        need(body > FRAME_TAG && body <= FRAME_TEXT + FRAME_TAG);
        if ((size_t)(end - at) < FRAME_HEAD + body)
            break;
        need(cipher_open(c->receives, at + FRAME_HEAD, body - FRAME_TAG));
        memmove(text, at + FRAME_HEAD, body - FRAME_TAG);
        text += body - FRAME_TAG;
        at += FRAME_HEAD + body;
    }
    *rest = at;
    return text;
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
        if (way != BLOCKING && (n == 0 || errno != EAGAIN))
            need(epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL) == 0);
        return;
    }
    char *at = input, *from = input + c->text, *all = input + held + n, *end = all, *rest = all, *lf;
    if (way == CIPHER)
        end = open_frames(c, from, all, &rest);
    while ((lf = memchr(from, '\n', (size_t)(end - from)))) {
        from = lf + 1;
        if (lf > at && lf[-1] == '\r') {
            on_line(number, at, (size_t)(lf - 1 - at));
            at = from;
        }
    }
    c->text = (size_t)(end - at);
    c->held = c->text + (size_t)(all - rest);
    need(c->held <= BUFFER);
    if (c->held > 0) {
        if (!c->partial)
            need(c->partial = malloc(BUFFER));
        memcpy(c->partial, at, c->text);
        memcpy(c->partial + c->text, rest, c->held - c->text);
    }
}

void contender_poll(void)
{
    if (way == BLOCKING && connection_count == 1)
        return; /* contender_wait() has delivered all */
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
    if (way == BLOCKING && connection_count == 1) {
        receive(0);
        return;
    }
    if (ready_count == 0)
        ready_count = epoll_wait(epoll, ready, 64, -1);
    need(ready_count >= 0 || errno == EINTR);
}

void contender_close(void)
{
    for (int c = 0; c < connection_count; c++) {
        close(connections[c].fd);
        free(connections[c].partial);
        if (way == CIPHER) {
            cipher_free(connections[c].sends);
            cipher_free(connections[c].receives);
        }
    }
    if (listener >= 0)
        close(listener);
    close(epoll);
    free(connections);
    free(input);
    free(output);
    free(sealed);
    connection_count = 0;
    listener = -1;
}

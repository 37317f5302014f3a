/* Contender: libuv, as a program would write lines with it. It has no lines: this file adds them.
 *
 *   batch    lines are copied into a buffer of 256 KiB, which uv_try_write takes; the rest waits in uv_write
 *   1write   uv_try_write for each line
 *
 * It reads 256 KiB at once, as raw TCP does here. Lines are found by memchr where they lie; an unfinished one is kept by its connection. */

#include "contender.h"

#include <uv.h>

const char *const contender_ways[] = {"batch", "1write", NULL};

#define BUFFER (256 * 1024)
/* Of a line that is not whole. */
#define PARTIAL (128 * 1024)
/* Given to uv_write and not written yet. */
#define MOST_WAITING (1024 * 1024)

struct connection {
    uv_tcp_t tcp;
    int number;
    size_t held;
    char *partial;
};

struct rest {
    uv_write_t request;
    char data[];
};

static uv_loop_t loop;
static uv_tcp_t listener;
static struct connection **connections;
static int count, room;
static bool serves, one_write, ran;
/* A read stands behind the line that is not whole. */
static char input[PARTIAL + BUFFER], output[BUFFER];
static size_t used;

#define ok(call)                                    \
    do {                                            \
        int ok_ = (call);                           \
        if (ok_ < 0)                                \
            die("%s: %s", #call, uv_strerror(ok_)); \
    } while (0)

static void room_to_read(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct connection *c = handle->data;
    *buffer = uv_buf_init(input + c->held, BUFFER);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    (void)buffer;
    struct connection *c = stream->data;
    if (n < 0) {
        need(n == UV_EOF || n == UV_ECONNRESET);
        uv_read_stop(stream);
        return;
    }
    if (c->held > 0)
        memcpy(input, c->partial, c->held);
    char *at = input, *from = input + c->held, *end = from + n, *lf;
    while ((lf = memchr(from, '\n', (size_t)(end - from)))) {
        from = lf + 1;
        if (lf > at && lf[-1] == '\r') {
            on_line(c->number, at, (size_t)(lf - 1 - at));
            at = from;
        }
    }
    c->held = (size_t)(end - at);
    need(c->held <= PARTIAL);
    if (c->held > 0) {
        if (!c->partial)
            need(c->partial = malloc(PARTIAL));
        memcpy(c->partial, at, c->held);
    }
}

static struct connection *add(void)
{
    struct connection *c = calloc(1, sizeof *c);
    need(c && count < room);
    ok(uv_tcp_init(&loop, &c->tcp));
    c->tcp.data = c;
    c->number = count;
    return connections[count++] = c;
}

static void stands(struct connection *c)
{
    ok(uv_tcp_nodelay(&c->tcp, 1));
    ok(uv_read_start((uv_stream_t *)&c->tcp, room_to_read, on_read));
    on_open(c->number);
}

static void on_connection(uv_stream_t *server, int status)
{
    ok(status);
    struct connection *c = add();
    ok(uv_accept(server, (uv_stream_t *)&c->tcp));
    stands(c);
}

static void on_connect(uv_connect_t *request, int status)
{
    ok(status);
    stands(request->handle->data);
    free(request);
}

void contender_open(const char *way, bool server, int how_many)
{
    one_write = strcmp(way, "1write") == 0;
    serves = server;
    room = how_many;
    need(connections = calloc((size_t)room, sizeof *connections));
    ok(uv_loop_init(&loop));
    if (!server)
        return;
    struct sockaddr_in at;
    ok(uv_ip4_addr("127.0.0.1", 0, &at));
    ok(uv_tcp_init(&loop, &listener));
    ok(uv_tcp_bind(&listener, (struct sockaddr *)&at, 0));
    ok(uv_listen((uv_stream_t *)&listener, 4096, on_connection));
}

int contender_port(void)
{
    struct sockaddr_in at;
    int size = sizeof at;
    ok(uv_tcp_getsockname(&listener, (struct sockaddr *)&at, &size));
    return ntohs(at.sin_port);
}

void contender_connect(int port, int more)
{
    struct sockaddr_in to;
    ok(uv_ip4_addr("127.0.0.1", port, &to));
    while (more--) {
        uv_connect_t *request = malloc(sizeof *request);
        need(request);
        ok(uv_tcp_connect(request, &add()->tcp, (struct sockaddr *)&to, on_connect));
    }
}

static void on_written(uv_write_t *request, int status)
{
    need(status == 0 || status == UV_ECANCELED || status == UV_EPIPE || status == UV_ECONNRESET);
    free(request);
}

static void write_all(struct connection *c, const char *data, size_t len)
{
    uv_stream_t *stream = (uv_stream_t *)&c->tcp;
    uv_buf_t buffer = uv_buf_init((char *)data, (unsigned)len);
    int n = uv_try_write(stream, &buffer, 1);
    if (n == UV_EAGAIN)
        n = 0;
    ok(n);
    if ((size_t)n == len)
        return;
    struct rest *r = malloc(sizeof *r + len - (size_t)n);
    need(r);
    memcpy(r->data, data + n, len - (size_t)n);
    buffer = uv_buf_init(r->data, (unsigned)(len - (size_t)n));
    ok(uv_write(&r->request, stream, &buffer, 1, on_written));
}

/* Not to be called from within the loop. */
static void wait_for_room(struct connection *c)
{
    while (uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) > MOST_WAITING)
        uv_run(&loop, UV_RUN_ONCE);
}

void contender_send(int c, const char *line, size_t len)
{
    char whole[1024];
    need(len + 2 <= sizeof whole);
    memcpy(whole, line, len);
    memcpy(whole + len, "\r\n", 2);
    write_all(connections[c], whole, len + 2);
}

void contender_flush(int c)
{
    if (used > 0)
        write_all(connections[c], output, used);
    used = 0;
}

static __attribute__((noinline)) void send_by_copy(int c, const char *line, size_t len)
{
    if (used + len + 2 > BUFFER) {
        contender_flush(c);
        wait_for_room(connections[c]);
    }
    memcpy(output + used, line, len);
    memcpy(output + used + len, "\r\n", 2);
    used += len + 2;
}

void contender_send_block(int c, const struct lines *block)
{
    for (size_t i = 0; !one_write && i < block->count; i++)
        send_by_copy(c, block->text + i * block->stride, block->len);
    for (size_t i = 0; one_write && i < block->count; i++) {
        write_all(connections[c], block->text + i * block->stride, block->stride);
        wait_for_room(connections[c]);
    }
}

void contender_broadcast(const char *line, size_t len)
{
    for (int c = 0; c < count; c++)
        contender_send(c, line, len);
}

void contender_poll(void)
{
    /* contender_wait() has delivered what it waited for. */
    if (!ran)
        uv_run(&loop, UV_RUN_NOWAIT);
    ran = false;
}

void contender_wait(void)
{
    uv_run(&loop, UV_RUN_ONCE);
    ran = true;
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    free(c->partial);
    free(c);
}

void contender_close(void)
{
    for (int c = 0; c < count; c++) {
        /* What was given to it is written before it ends. */
        while (uv_stream_get_write_queue_size((uv_stream_t *)&connections[c]->tcp) > 0)
            uv_run(&loop, UV_RUN_ONCE);
        uv_close((uv_handle_t *)&connections[c]->tcp, on_closed);
    }
    if (serves)
        uv_close((uv_handle_t *)&listener, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ok(uv_loop_close(&loop));
    free(connections);
    count = 0;
    ran = false;
}

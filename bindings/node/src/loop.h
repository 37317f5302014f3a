/* loop.h - the few functions of libuv that the addon uses.
 *
 * Node comes with uv.h, the npm package node-api-headers does not. The functions are exported by node itself and have
 * not changed since libuv 1.19; memory for a handle is asked for by uv_handle_size(), so that no struct of libuv's has
 * to be known here.
 */
#ifndef P2PNET_LOOP_H
#define P2PNET_LOOP_H

#if defined(__has_include) && !defined(P2PNET_OWN_UV)
#if __has_include(<uv.h>)
#define P2PNET_HAS_UV_H
#endif
#endif

#ifdef P2PNET_HAS_UV_H
#include <uv.h>
#else
#include <stddef.h>
typedef struct uv_loop_s uv_loop_t;
typedef struct uv_handle_s uv_handle_t;
typedef struct uv_poll_s uv_poll_t;
typedef void (*uv_poll_cb)(uv_poll_t *handle, int status, int events);
typedef void (*uv_close_cb)(uv_handle_t *handle);
enum { UV_READABLE = 1 };
typedef enum { UV_POLL = 8 } uv_handle_type;
extern size_t uv_handle_size(uv_handle_type type);
extern void *uv_handle_get_data(const uv_handle_t *handle);
extern void uv_handle_set_data(uv_handle_t *handle, void *data);
extern int uv_poll_init(uv_loop_t *loop, uv_poll_t *handle, int fd);
extern int uv_poll_start(uv_poll_t *handle, int events, uv_poll_cb cb);
extern int uv_poll_stop(uv_poll_t *handle);
extern void uv_close(uv_handle_t *handle, uv_close_cb cb);
extern void uv_ref(uv_handle_t *handle);
extern void uv_unref(uv_handle_t *handle);
extern const char *uv_strerror(int err);
#endif

#endif /* P2PNET_LOOP_H */

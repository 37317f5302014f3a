/* addon.h - what the files of the addon share.
 *
 * The addon is thin: it turns JavaScript values into calls of p2pnet.h and events into JavaScript values. What a
 * program sees (classes, promises, order of events) is made of that in lib/.
 *
 *   addon.c   the table of functions, one instance per environment (main thread, each worker), its end
 *   net.c     a net's life: made, started, on the event loop, freed
 *   events.c  what the net has to tell, taken in batches
 *   calls.c   what a program asks of it
 *   look.c    what it can look at
 *   values.c  JavaScript values to C and back
 *
 * Everything of a handle runs on the thread of its environment; only p2p_net_free() runs elsewhere.
 */
#ifndef P2PNET_ADDON_H
#define P2PNET_ADDON_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <p2pnet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"

struct handle;

/* What belongs to one environment. Lives until the environment and all of its nets have ended, in whatever order. */
struct instance {
    napi_env env;
    uv_loop_t *loop;
    napi_ref make_error;                 /* (result, os_error, message) => Error */
    napi_async_cleanup_hook_handle hook; /* NULL once the environment may go on ending */
    struct handle *open;                 /* nets on the event loop */
    unsigned closing;                    /* poll handles whose close callback is still to come */
    unsigned refs;                       /* the environment, and each handle */
    bool ending;
};

/* One net. Referenced by the JavaScript object, by the event loop, and by whoever is in the midst of a call. */
struct handle {
    struct instance *in;
    p2p_net *net; /* NULL once it is freed or about to be: every call then says P2P_ERR_CLOSED */
    uv_poll_t *poll;
    napi_ref dispatch; /* strong: what is on the event loop is not collected */
    napi_async_context context;
    struct handle *next, **link; /* in in->open */
    unsigned refs;
    bool polling;      /* the loop watches the descriptor */
    bool holds_loop;   /* ref() and unref() */
    bool line_buffers; /* lines as Buffers */
};

/* One function of the table in addon.c. */
typedef napi_value (*addon_function)(napi_env env, napi_callback_info info);

/* values.c */

#define MAX_ARGS 5
struct args {
    struct instance *in;
    struct handle *h; /* the first argument, for functions of a net */
    size_t count;
    napi_value value[MAX_ARGS];
};

/* Text or bytes of a JavaScript value, in `small` if they fit. */
struct bytes {
    const char *data;
    size_t len;
    char *owned;
    char small[2048];
};

/* The arguments; false: an exception is pending. */
bool args_get(napi_env env, napi_callback_info info, struct args *a);
/* The same for functions whose first argument is a net. `live`: and the net has to be there, else P2P_ERR_CLOSED. */
bool args_of_net(napi_env env, napi_callback_info info, struct args *a, bool live);
/* A string (as UTF-8, with a NUL behind it) or the bytes of an ArrayBufferView. free_bytes() it. */
bool get_bytes(napi_env env, napi_value value, struct bytes *out);
void free_bytes(struct bytes *b);
/* Many lines, each a string or an ArrayBufferView; those are not copied. free_lines() them. */
#define LINES_AT_ONCE 256
struct lines {
    size_t count;
    p2p_line line[LINES_AT_ONCE];
    char *owned;
    char small[4096]; /* the text of the strings, if it fits */
};
/* The elements from..to of an array, no more than LINES_AT_ONCE of them. */
bool get_lines(napi_env env, napi_value array, int32_t from, int32_t to, struct lines *out);
void free_lines(struct lines *lines);
/* A string, or NULL for null and undefined. */
bool get_text(napi_env env, napi_value value, struct bytes *out, const char **text);
bool get_id(napi_env env, napi_value value, uint64_t *out);
bool get_int32(napi_env env, napi_value value, int32_t *out);
bool get_bool(napi_env env, napi_value value, bool *out);
napi_value js_number(napi_env env, double n);
napi_value js_undefined(napi_env env);
napi_value js_text(napi_env env, const char *text, size_t len);
void set_number(napi_env env, napi_value object, const char *name, double n);
void set_text(napi_env env, napi_value object, const char *name, const char *text);
/* Throws the error that lib/ makes of a result; `message` NULL: the library's words for it. */
napi_value throw_result(struct instance *in, p2p_result result, int32_t os_error, const char *message);
napi_value throw_error(struct instance *in, const p2p_error *err);
struct instance *instance_of(napi_env env);

#define NEW_ERROR                        \
    {                                    \
        .struct_size = sizeof(p2p_error) \
    }

/* net.c */

void handle_free(struct handle *h);
/* Takes a net off the loop and frees it, now, on this thread: for the end of an environment. */
void handle_end(struct handle *h);
void instance_free(struct instance *in);

napi_value net_create(napi_env env, napi_callback_info info);
napi_value net_start(napi_env env, napi_callback_info info);
napi_value net_free(napi_env env, napi_callback_info info);
napi_value net_hold_loop(napi_env env, napi_callback_info info);

/* config.c */

/* Applies [what, key, value] entries; false: an exception is pending. */
bool config_apply(struct instance *in, p2p_config *cfg, napi_value entries);

/* events.c */

/* Takes a batch of events into an array of [kind, conn, what, kind, conn, what, ...]; *stopped when STOPPED was one. */
napi_value events_take(struct handle *h, uint32_t *count, bool *stopped);

/* calls.c */

napi_value call_bootstrap(napi_env env, napi_callback_info info);
napi_value call_advertise(napi_env env, napi_callback_info info);
napi_value call_network_changed(napi_env env, napi_callback_info info);
napi_value call_stop(napi_env env, napi_callback_info info);
napi_value call_connect(napi_env env, napi_callback_info info);
napi_value call_unl_connect(napi_env env, napi_callback_info info);
napi_value call_unl_connect_classic(napi_env env, napi_callback_info info);
napi_value call_cancel(napi_env env, napi_callback_info info);
napi_value call_send_line(napi_env env, napi_callback_info info);
napi_value call_send_lines(napi_env env, napi_callback_info info);
napi_value call_send(napi_env env, napi_callback_info info);
napi_value call_broadcast(napi_env env, napi_callback_info info);
napi_value call_conn_close(napi_env env, napi_callback_info info);
napi_value call_conn_pause(napi_env env, napi_callback_info info);
napi_value call_dht_put(napi_env env, napi_callback_info info);
napi_value call_dht_deliver(napi_env env, napi_callback_info info);

/* look.c */

napi_value look_info(napi_env env, napi_callback_info info);
napi_value look_stats(napi_env env, napi_callback_info info);
napi_value look_conn(napi_env env, napi_callback_info info);
napi_value look_report(napi_env env, napi_callback_info info);
napi_value look_unl(napi_env env, napi_callback_info info);
napi_value look_explain(napi_env env, napi_callback_info info);
napi_value look_dht_id(napi_env env, napi_callback_info info);
napi_value look_unl_check(napi_env env, napi_callback_info info);
napi_value look_unl_info(napi_env env, napi_callback_info info);
napi_value look_library(napi_env env, napi_callback_info info);
napi_value look_strerror(napi_env env, napi_callback_info info);

#endif /* P2PNET_ADDON_H */

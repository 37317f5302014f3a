/* net.c - a net's life, from JavaScript's side: made, started, on the event loop, freed.
 *
 *   create ──▶ start ──▶ (events, until STOPPED) ──▶ free
 *     └── never started: freed with its JavaScript object
 *
 * Started, the net's descriptor (p2p_fd) is watched by the event loop like a socket: no thread of ours, no polling, and
 * JavaScript runs only on its own thread. p2p_net_free() waits for the library's thread, so it runs in the thread pool;
 * after STOPPED that wait is short.
 */
#include "addon.h"

/* What runs in the thread pool. */
struct freeing {
    p2p_net *net;
    p2p_result result;
    napi_deferred promise;
    napi_async_work work;
};

void handle_free(struct handle *h)
{
    if (--h->refs > 0)
        return;
    if (h->net != NULL) /* never started: there is no thread to wait for */
        p2p_net_free(h->net);
    instance_free(h->in);
    free(h);
}

static void on_collected(napi_env env, void *data, void *hint)
{
    (void)env;
    (void)hint;
    handle_free(data);
}

napi_value net_create(napi_env env, napi_callback_info info)
{
    struct args a;
    p2p_error err = NEW_ERROR;
    if (!args_get(env, info, &a))
        return NULL;
    p2p_config *cfg = p2p_config_new();
    struct handle *h = calloc(1, sizeof *h);
    napi_value external = NULL;
    if (cfg == NULL || h == NULL) {
        napi_throw_error(env, NULL, "p2pnet: out of memory");
    } else if (config_apply(a.in, cfg, a.value[0]) && get_bool(env, a.value[1], &h->line_buffers)) {
        if (p2p_net_new(cfg, &h->net, &err) != P2P_OK) {
            throw_error(a.in, &err);
        } else {
            h->in = a.in;
            h->refs = 1;
            h->holds_loop = true;
            h->in->refs++;
            if (napi_create_external(env, h, on_collected, NULL, &external) != napi_ok)
                handle_free(h);
            h = NULL; /* it is the external's */
        }
    }
    p2p_config_free(cfg);
    free(h);
    return external;
}

static void on_closed(uv_handle_t *poll)
{
    struct handle *h = uv_handle_get_data(poll);
    struct instance *in = h->in;
    /* Not before: the program may have ended the net from inside its dispatch function. */
    if (h->dispatch != NULL)
        napi_delete_reference(in->env, h->dispatch);
    if (h->context != NULL)
        napi_async_destroy(in->env, h->context);
    h->dispatch = NULL;
    h->context = NULL;
    in->closing--;
    if (in->ending && in->closing == 0 && in->hook != NULL) {
        napi_async_cleanup_hook_handle hook = in->hook;
        in->hook = NULL;
        napi_remove_async_cleanup_hook(hook);
    }
    handle_free(h);
    free(poll);
}

static void watch(struct handle *h, bool on);

/* Off the loop: nothing is dispatched any more, and the descriptor may be closed. */
static void leave_loop(struct handle *h)
{
    if (h->poll == NULL)
        return;
    if (h->link != NULL) {
        *h->link = h->next;
        if (h->next != NULL)
            h->next->link = h->link;
        h->link = NULL;
    }
    h->in->closing++;
    h->polling = false;
    uv_close((uv_handle_t *)h->poll, on_closed);
    h->poll = NULL;
}

void handle_end(struct handle *h)
{
    p2p_net *net = h->net;
    h->net = NULL;
    h->refs++; /* for the while of this function */
    leave_loop(h);
    p2p_net_free(net);
    handle_free(h);
}

/* Hands one batch of events to lib/. */
static void dispatch(struct handle *h)
{
    napi_env env = h->in->env;
    napi_value batch, function, receiver, error;
    uint32_t count = 0;
    bool stopped = false;
    batch = events_take(h, &count, &stopped);
    if (stopped)
        watch(h, false); /* the descriptor stays readable for ever */
    if (batch == NULL || count == 0 || napi_get_reference_value(env, h->dispatch, &function) != napi_ok ||
        napi_get_global(env, &receiver) != napi_ok)
        return;
    /* From here on the net may have been freed, or the environment be at its end. */
    if (napi_make_callback(env, h->context, receiver, function, 1, &batch, NULL) == napi_pending_exception &&
        napi_get_and_clear_last_exception(env, &error) == napi_ok)
        napi_fatal_exception(env, error);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct handle *h = uv_handle_get_data((uv_handle_t *)poll);
    napi_handle_scope scope;
    (void)status; /* whatever it is: if events wait, they are taken */
    (void)events;
    if (h->net == NULL || h->in->ending || napi_open_handle_scope(h->in->env, &scope) != napi_ok)
        return;
    h->refs++;
    dispatch(h);
    napi_close_handle_scope(h->in->env, scope);
    handle_free(h);
}

static void watch(struct handle *h, bool on)
{
    if (h->poll == NULL || h->polling == on)
        return;
    h->polling = on;
    if (on)
        uv_poll_start(h->poll, UV_READABLE, on_readable);
    else
        uv_poll_stop(h->poll);
}

/* The poll handle for the net's descriptor; what failed, or NULL. */
static const char *join_loop(struct handle *h)
{
    ptrdiff_t fd = -1;
    p2p_result result = p2p_fd(h->net, &fd);
    if (result != P2P_OK)
        return p2p_strerror(result);
    uv_poll_t *poll = malloc(uv_handle_size(UV_POLL));
    if (poll == NULL)
        return "out of memory";
    int failed = uv_poll_init(h->in->loop, poll, (int)fd);
    if (failed != 0) {
        free(poll);
        return uv_strerror(failed);
    }
    uv_handle_set_data((uv_handle_t *)poll, h);
    h->poll = poll;
    h->refs++;
    h->next = h->in->open;
    h->link = &h->in->open;
    if (h->next != NULL)
        h->next->link = &h->next;
    h->in->open = h;
    if (!h->holds_loop)
        uv_unref((uv_handle_t *)poll);
    watch(h, true);
    return NULL;
}

/* start(net, dispatch): opens the sockets. Events come to dispatch from then on, never before this has returned. */
napi_value net_start(napi_env env, napi_callback_info info)
{
    struct args a;
    p2p_error err = NEW_ERROR;
    napi_value name;
    if (!args_of_net(env, info, &a, true))
        return NULL;
    if (p2p_net_start(a.h->net, &err) != P2P_OK)
        return throw_error(a.in, &err);
    const char *failed = join_loop(a.h);
    if (failed != NULL) {
        p2p_net *net = a.h->net;
        a.h->net = NULL;
        p2p_net_free(net);
        return throw_result(a.in, P2P_ERR_IO, 0, failed);
    }
    if (napi_create_reference(env, a.value[1], 1, &a.h->dispatch) != napi_ok ||
        napi_create_string_utf8(env, "p2pnet", NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_async_init(env, NULL, name, &a.h->context) != napi_ok) {
        handle_end(a.h);
        napi_throw_error(env, NULL, "p2pnet: the net could not be put on the event loop");
        return NULL;
    }
    return js_undefined(env);
}

static void run_free(napi_env env, void *data)
{
    struct freeing *f = data;
    (void)env;
    f->result = p2p_net_free(f->net);
}

static void free_done(napi_env env, napi_status status, void *data)
{
    struct freeing *f = data;
    napi_handle_scope scope;
    if (status == napi_cancelled)
        p2p_net_free(f->net);
    if (napi_open_handle_scope(env, &scope) == napi_ok) {
        napi_resolve_deferred(env, f->promise, js_number(env, f->result));
        napi_close_handle_scope(env, scope);
    }
    napi_delete_async_work(env, f->work);
    free(f);
}

/* free(net): a promise of p2p_net_free()'s result. */
napi_value net_free(napi_env env, napi_callback_info info)
{
    struct args a;
    napi_value promise, name;
    if (!args_of_net(env, info, &a, true))
        return NULL;
    struct freeing *f = calloc(1, sizeof *f);
    if (f == NULL || napi_create_string_utf8(env, "p2pnet.free", NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_create_async_work(env, NULL, name, run_free, free_done, f, &f->work) != napi_ok ||
        napi_create_promise(env, &f->promise, &promise) != napi_ok) {
        free(f);
        napi_throw_error(env, NULL, "p2pnet: out of memory");
        return NULL;
    }
    f->net = a.h->net;
    a.h->net = NULL;
    leave_loop(a.h);
    if (napi_queue_async_work(env, f->work) != napi_ok) {
        run_free(env, f);
        free_done(env, napi_ok, f);
    }
    return promise;
}

/* holdLoop(net, on): whether the net keeps the process alive. */
napi_value net_hold_loop(napi_env env, napi_callback_info info)
{
    struct args a;
    if (!args_of_net(env, info, &a, false) || !get_bool(env, a.value[1], &a.h->holds_loop))
        return NULL;
    if (a.h->poll != NULL && a.h->holds_loop)
        uv_ref((uv_handle_t *)a.h->poll);
    else if (a.h->poll != NULL)
        uv_unref((uv_handle_t *)a.h->poll);
    return js_undefined(env);
}

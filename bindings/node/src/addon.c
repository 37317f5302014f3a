/* addon.c - the module as Node loads it: once per environment, which may be the main thread or any worker, at the same
 * time. There is no global state: what an environment needs hangs on its instance.
 *
 * An environment can end at any moment, with nets at work: worker.terminate(), process.exit(), the last line of the
 * main program. on_end() then stops them all and frees them before Node takes the event loop apart.
 */
#include "addon.h"

static const struct {
    const char *name;
    addon_function function;
} FUNCTIONS[] = {
    {"create", net_create},
    {"start", net_start},
    {"free", net_free},
    {"holdLoop", net_hold_loop},
    {"bootstrap", call_bootstrap},
    {"advertise", call_advertise},
    {"networkChanged", call_network_changed},
    {"stop", call_stop},
    {"connect", call_connect},
    {"unlConnect", call_unl_connect},
    {"unlConnectClassic", call_unl_connect_classic},
    {"cancel", call_cancel},
    {"sendLine", call_send_line},
    {"sendLines", call_send_lines},
    {"send", call_send},
    {"broadcast", call_broadcast},
    {"connClose", call_conn_close},
    {"connPause", call_conn_pause},
    {"dhtPut", call_dht_put},
    {"dhtDeliver", call_dht_deliver},
    {"info", look_info},
    {"stats", look_stats},
    {"connInfo", look_conn},
    {"report", look_report},
    {"unl", look_unl},
    {"explain", look_explain},
    {"dhtId", look_dht_id},
    {"unlCheck", look_unl_check},
    {"unlInfo", look_unl_info},
    {"library", look_library},
    {"strerror", look_strerror},
};

void instance_free(struct instance *in)
{
    if (--in->refs == 0)
        free(in);
}

/* Ends every net of the environment, all of them at the same time: each may take as long as P2P_OPT_CLOSE_TIMEOUT_MS. */
static void end_all(struct instance *in)
{
    for (struct handle *h = in->open; h != NULL; h = h->next)
        p2p_net_stop(h->net);
    while (in->open != NULL)
        handle_end(in->open);
}

/* The environment ends. It waits for us until the hook is removed: when the loop has closed our handles. */
static void on_end(napi_async_cleanup_hook_handle hook, void *data)
{
    struct instance *in = data;
    in->ending = true;
    end_all(in);
    if (in->closing == 0) {
        in->hook = NULL;
        napi_remove_async_cleanup_hook(hook);
    }
}

static void on_instance_gone(napi_env env, void *data, void *hint)
{
    (void)env;
    (void)hint;
    instance_free(data);
}

/* For process.exit(): sends what is queued and takes us off servers and routers before the process is gone. */
static napi_value call_end_all(napi_env env, napi_callback_info info)
{
    (void)info;
    end_all(instance_of(env));
    return js_undefined(env);
}

/* The function that makes errors, given once by lib/. */
static napi_value call_set_error(napi_env env, napi_callback_info info)
{
    struct args a;
    if (!args_get(env, info, &a))
        return NULL;
    if (a.in->make_error == NULL)
        napi_create_reference(env, a.value[0], 1, &a.in->make_error);
    return js_undefined(env);
}

static bool add_function(napi_env env, napi_value exports, const char *name, addon_function function)
{
    napi_value value;
    return napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value) == napi_ok &&
           napi_set_named_property(env, exports, name, value) == napi_ok;
}

NAPI_MODULE_INIT()
{
    struct instance *in = calloc(1, sizeof *in);
    bool ok = in != NULL;
    if (ok) {
        in->env = env;
        in->refs = 1;
        ok = napi_get_uv_event_loop(env, &in->loop) == napi_ok &&
             napi_set_instance_data(env, in, on_instance_gone, NULL) == napi_ok &&
             napi_add_async_cleanup_hook(env, on_end, in, &in->hook) == napi_ok;
    }
    for (size_t i = 0; ok && i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++)
        ok = add_function(env, exports, FUNCTIONS[i].name, FUNCTIONS[i].function);
    if (!ok || !add_function(env, exports, "endAll", call_end_all) ||
        !add_function(env, exports, "setError", call_set_error))
        napi_throw_error(env, NULL, "p2pnet: the addon could not be set up");
    return exports;
}

/* calls.c - what a program asks of a net. Requests throw where the library has a story to tell, and give the request's
 * number; the calls of every day (sending, closing) give the result itself, which lib/ looks at.
 */
#include "addon.h"

typedef p2p_result (*request_function)(p2p_net *net, p2p_request *out, p2p_error *err);

static napi_value request(napi_env env, napi_callback_info info, request_function function)
{
    struct args a;
    p2p_request id = 0;
    p2p_error err = NEW_ERROR;
    if (!args_of_net(env, info, &a, true))
        return NULL;
    return function(a.h->net, &id, &err) == P2P_OK ? js_number(env, (double)id) : throw_error(a.in, &err);
}

napi_value call_bootstrap(napi_env env, napi_callback_info info)
{
    return request(env, info, p2p_net_bootstrap);
}

napi_value call_advertise(napi_env env, napi_callback_info info)
{
    return request(env, info, p2p_net_advertise);
}

napi_value call_network_changed(napi_env env, napi_callback_info info)
{
    struct args a;
    p2p_error err = NEW_ERROR;
    if (!args_of_net(env, info, &a, true))
        return NULL;
    return p2p_network_changed(a.h->net, &err) == P2P_OK ? js_undefined(env) : throw_error(a.in, &err);
}

napi_value call_stop(napi_env env, napi_callback_info info)
{
    struct args a;
    if (!args_of_net(env, info, &a, false))
        return NULL;
    return js_number(env, a.h->net != NULL ? p2p_net_stop(a.h->net) : P2P_OK);
}

/* connect(net, "host:port") */
napi_value call_connect(napi_env env, napi_callback_info info)
{
    struct args a;
    struct bytes text;
    const char *to = NULL;
    p2p_request id = 0;
    p2p_error err = NEW_ERROR;
    if (!args_of_net(env, info, &a, true) || !get_text(env, a.value[1], &text, &to))
        return NULL;
    p2p_result result = p2p_connect(a.h->net, to, NULL, NULL, &id, &err);
    free_bytes(&text);
    return result == P2P_OK ? js_number(env, (double)id) : throw_error(a.in, &err);
}

/* unlConnect(net, locator) */
napi_value call_unl_connect(napi_env env, napi_callback_info info)
{
    struct args a;
    struct bytes text;
    const char *unl = NULL;
    p2p_request id = 0;
    p2p_error err = NEW_ERROR;
    if (!args_of_net(env, info, &a, true) || !get_text(env, a.value[1], &text, &unl))
        return NULL;
    p2p_result result = p2p_unl_connect(a.h->net, unl, NULL, NULL, &id, &err);
    free_bytes(&text);
    return result == P2P_OK ? js_number(env, (double)id) : throw_error(a.in, &err);
}

/* unlConnectClassic(net, locator, nonce or null, flags) */
napi_value call_unl_connect_classic(napi_env env, napi_callback_info info)
{
    struct args a;
    struct bytes text, nonce_text;
    const char *unl = NULL, *nonce = NULL;
    int32_t flags = 0;
    p2p_request id = 0;
    p2p_error err = NEW_ERROR;
    if (!args_of_net(env, info, &a, true) || !get_int32(env, a.value[3], &flags) ||
        !get_text(env, a.value[1], &text, &unl))
        return NULL;
    if (!get_text(env, a.value[2], &nonce_text, &nonce)) {
        free_bytes(&text);
        return NULL;
    }
    p2p_result result = p2p_unl_connect_classic(a.h->net, unl, nonce, flags, NULL, NULL, &id, &err);
    free_bytes(&text);
    free_bytes(&nonce_text);
    return result == P2P_OK ? js_number(env, (double)id) : throw_error(a.in, &err);
}

/* The arguments of a call of every day. The net may be gone: that is a result like others. */
static bool of_conn(napi_env env, napi_callback_info info, struct args *a, uint64_t *id)
{
    return args_of_net(env, info, a, false) && get_id(env, a->value[1], id);
}

napi_value call_cancel(napi_env env, napi_callback_info info)
{
    struct args a;
    uint64_t id;
    if (!of_conn(env, info, &a, &id))
        return NULL;
    return js_number(env, a.h->net != NULL ? p2p_cancel(a.h->net, id) : P2P_ERR_CLOSED);
}

napi_value call_conn_close(napi_env env, napi_callback_info info)
{
    struct args a;
    uint64_t id;
    if (!of_conn(env, info, &a, &id))
        return NULL;
    return js_number(env, a.h->net != NULL ? p2p_conn_close(a.h->net, id) : P2P_ERR_CLOSED);
}

/* connPause(net, conn, on) */
napi_value call_conn_pause(napi_env env, napi_callback_info info)
{
    struct args a;
    uint64_t id;
    bool on = false;
    if (!of_conn(env, info, &a, &id) || !get_bool(env, a.value[2], &on))
        return NULL;
    return js_number(env, a.h->net != NULL ? p2p_conn_pause(a.h->net, id, on) : P2P_ERR_CLOSED);
}

/* sendLine(net, conn, line) */
napi_value call_send_line(napi_env env, napi_callback_info info)
{
    struct args a;
    struct bytes line;
    uint64_t conn;
    if (!of_conn(env, info, &a, &conn) || !get_bytes(env, a.value[2], &line))
        return NULL;
    p2p_result result = P2P_ERR_CLOSED;
    if (a.h->net != NULL)
        result = p2p_send_line(a.h->net, conn, line.data, line.len);
    free_bytes(&line);
    return js_number(env, result);
}

/* [result, how many took it, or were taken] */
static napi_value with_count(napi_env env, p2p_result result, size_t count)
{
    napi_value out;
    if (napi_create_array_with_length(env, 2, &out) != napi_ok)
        return NULL;
    napi_set_element(env, out, 0, js_number(env, result));
    napi_set_element(env, out, 1, js_number(env, (double)count));
    return out;
}

/* sendLines(net, conn, array, from, to): [result, how many were taken] */
napi_value call_send_lines(napi_env env, napi_callback_info info)
{
    struct args a;
    struct lines lines;
    uint64_t conn;
    int32_t from, to;
    size_t sent = 0;
    if (!of_conn(env, info, &a, &conn) || !get_int32(env, a.value[3], &from) ||
        !get_int32(env, a.value[4], &to) || !get_lines(env, a.value[2], from, to, &lines))
        return NULL;
    p2p_result result = P2P_ERR_CLOSED;
    if (a.h->net != NULL)
        result = p2p_send_lines(a.h->net, conn, lines.line, lines.count, &sent);
    free_lines(&lines);
    return with_count(env, result, sent);
}

/* send(net, conn, bytes) */
napi_value call_send(napi_env env, napi_callback_info info)
{
    struct args a;
    struct bytes data;
    uint64_t conn;
    if (!of_conn(env, info, &a, &conn) || !get_bytes(env, a.value[2], &data))
        return NULL;
    p2p_result result = P2P_ERR_CLOSED;
    if (a.h->net != NULL)
        result = p2p_send(a.h->net, conn, data.data, data.len);
    free_bytes(&data);
    return js_number(env, result);
}

/* broadcast(net, except, line): [result, how many took it] */
napi_value call_broadcast(napi_env env, napi_callback_info info)
{
    struct args a;
    struct bytes line;
    uint64_t except;
    uint32_t sent = 0;
    if (!of_conn(env, info, &a, &except) || !get_bytes(env, a.value[2], &line))
        return NULL;
    p2p_result result = P2P_ERR_CLOSED;
    if (a.h->net != NULL)
        result = p2p_broadcast_line(a.h->net, line.data, line.len, except, &sent);
    free_bytes(&line);
    return with_count(env, result, sent);
}

/* dhtPut(net, to, message) */
napi_value call_dht_put(napi_env env, napi_callback_info info)
{
    struct args a;
    struct bytes text, msg;
    const char *to = NULL;
    p2p_request id = 0;
    p2p_error err = NEW_ERROR;
    if (!args_of_net(env, info, &a, true) || !get_text(env, a.value[1], &text, &to))
        return NULL;
    if (!get_bytes(env, a.value[2], &msg)) {
        free_bytes(&text);
        return NULL;
    }
    p2p_result result = p2p_dht_put(a.h->net, to, msg.data, msg.len, &id, &err);
    free_bytes(&text);
    free_bytes(&msg);
    return result == P2P_OK ? js_number(env, (double)id) : throw_error(a.in, &err);
}

/* dhtDeliver(net, from or null, message): the result */
napi_value call_dht_deliver(napi_env env, napi_callback_info info)
{
    struct args a;
    struct bytes text, msg;
    const char *from = NULL;
    if (!args_of_net(env, info, &a, true) || !get_text(env, a.value[1], &text, &from))
        return NULL;
    if (!get_bytes(env, a.value[2], &msg)) {
        free_bytes(&text);
        return NULL;
    }
    p2p_result result = p2p_dht_deliver(a.h->net, from, msg.data, msg.len);
    free_bytes(&text);
    free_bytes(&msg);
    return js_number(env, result);
}

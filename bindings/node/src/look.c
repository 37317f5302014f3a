/* look.c - what a program can look at: a net, its connections, its stories, locators, the library. */
#include "addon.h"

static napi_value new_object(napi_env env)
{
    napi_value object = NULL;
    napi_create_object(env, &object);
    return object;
}

napi_value look_info(napi_env env, napi_callback_info info)
{
    struct args a;
    p2p_net_info i = {.struct_size = sizeof i};
    if (!args_of_net(env, info, &a, true))
        return NULL;
    p2p_result result = p2p_net_get_info(a.h->net, &i);
    if (result != P2P_OK)
        return throw_result(a.in, result, 0, NULL);
    napi_value o = new_object(env);
    set_number(env, o, "nodeType", i.node_type);
    set_number(env, o, "nat", i.nat);
    set_number(env, o, "reachable", i.reachable);
    set_number(env, o, "passivePort", i.passive_port);
    set_number(env, o, "inbound", i.inbound);
    set_number(env, o, "outbound", i.outbound);
    set_text(env, o, "lanIp", i.lan_ip);
    set_text(env, o, "wanIp", i.wan_ip);
    set_number(env, o, "forwarding", i.forwarding);
    set_number(env, o, "externalPort", i.external_port);
    set_number(env, o, "mapping", i.mapping);
    set_number(env, o, "allocation", i.allocation);
    set_number(env, o, "natDelta", i.nat_delta);
    set_number(env, o, "unsolicited", i.unsolicited);
    set_number(env, o, "hairpin", i.hairpin);
    set_number(env, o, "doubleNat", i.double_nat);
    set_number(env, o, "reachableV6", i.reachable_v6);
    set_number(env, o, "clockKnown", i.clock_known);
    set_number(env, o, "clockOffsetUs", (double)i.clock_offset_us);
    set_text(env, o, "wanIp6", i.wan_ip6);
    return o;
}

napi_value look_stats(napi_env env, napi_callback_info info)
{
    struct args a;
    p2p_stats s = {.struct_size = sizeof s};
    if (!args_of_net(env, info, &a, true))
        return NULL;
    p2p_result result = p2p_net_get_stats(a.h->net, &s);
    if (result != P2P_OK)
        return throw_result(a.in, result, 0, NULL);
    napi_value o = new_object(env);
    set_number(env, o, "linesIn", (double)s.lines_in);
    set_number(env, o, "linesOut", (double)s.lines_out);
    set_number(env, o, "bytesIn", (double)s.bytes_in);
    set_number(env, o, "bytesOut", (double)s.bytes_out);
    set_number(env, o, "duplicates", (double)s.duplicates);
    set_number(env, o, "opened", (double)s.opened);
    set_number(env, o, "closed", (double)s.closed);
    set_number(env, o, "rejected", (double)s.rejected);
    set_number(env, o, "logDropped", (double)s.log_dropped);
    set_number(env, o, "eventsQueued", (double)s.events_queued);
    return o;
}

/* connInfo(net, conn): an object, or undefined once the connection's CLOSED event was taken. */
napi_value look_conn(napi_env env, napi_callback_info info)
{
    struct args a;
    uint64_t conn;
    p2p_conn_info i = {.struct_size = sizeof i};
    if (!args_of_net(env, info, &a, false) || !get_id(env, a.value[1], &conn))
        return NULL;
    if (a.h->net == NULL || p2p_conn_get_info(a.h->net, conn, &i) != P2P_OK)
        return js_undefined(env);
    napi_value o = new_object(env);
    set_number(env, o, "via", i.via);
    set_number(env, o, "inbound", i.inbound);
    set_number(env, o, "queuedBytes", (double)i.queued_bytes);
    set_number(env, o, "unreadBytes", (double)i.unread_bytes);
    set_number(env, o, "bytesIn", (double)i.bytes_in);
    set_number(env, o, "bytesOut", (double)i.bytes_out);
    set_number(env, o, "ageMs", (double)i.age_ms);
    set_text(env, o, "peer", i.peer);
    set_text(env, o, "conId", i.con_id);
    set_text(env, o, "peerId", i.peer_id);
    set_number(env, o, "rttUs", (double)i.rtt_us);
    set_number(env, o, "unackedBytes", (double)i.unacked_bytes);
    set_number(env, o, "resends", (double)i.resends);
    set_number(env, o, "resumptions", (double)i.resumptions);
    set_number(env, o, "path", i.path);
    set_text(env, o, "relay", i.relay);
    return o;
}

/* Text that the library writes into a buffer: asked for until the buffer is large enough, since it may grow meanwhile. */
struct ask {
    p2p_net *net;
    p2p_request request;
    const char *const *changes;
    size_t change_count;
    p2p_error err;
};

typedef p2p_result (*ask_function)(struct ask *ask, char *buf, size_t cap, size_t *need);

static napi_value text_of(struct instance *in, ask_function function, struct ask *ask)
{
    size_t need = 0;
    char *buf = NULL;
    ask->err = (p2p_error)NEW_ERROR;
    p2p_result result = function(ask, NULL, 0, &need);
    while (result == P2P_ERR_TOO_SMALL) {
        size_t cap = need;
        char *larger = realloc(buf, cap);
        if (larger == NULL) {
            free(buf);
            napi_throw_error(in->env, NULL, "p2pnet: out of memory");
            return NULL;
        }
        buf = larger;
        result = function(ask, buf, cap, &need);
    }
    napi_value text = NULL;
    if (result == P2P_OK)
        text = js_text(in->env, buf != NULL ? buf : "", NAPI_AUTO_LENGTH);
    else
        throw_result(in, result, ask->err.os_error, ask->err.message[0] != '\0' ? ask->err.message : NULL);
    free(buf);
    return text;
}

static p2p_result ask_report(struct ask *ask, char *buf, size_t cap, size_t *need)
{
    return p2p_net_report(ask->net, buf, cap, need);
}

static p2p_result ask_unl(struct ask *ask, char *buf, size_t cap, size_t *need)
{
    if (ask->change_count == 0)
        return p2p_unl_get(ask->net, buf, cap, need);
    return p2p_unl_construct(ask->net, ask->changes, ask->change_count, buf, cap, need, &ask->err);
}

static p2p_result ask_story(struct ask *ask, char *buf, size_t cap, size_t *need)
{
    return p2p_explain(ask->net, ask->request, buf, cap, need);
}

static p2p_result ask_dht_id(struct ask *ask, char *buf, size_t cap, size_t *need)
{
    return p2p_dht_get_id(ask->net, buf, cap, need);
}

napi_value look_report(napi_env env, napi_callback_info info)
{
    struct args a;
    if (!args_of_net(env, info, &a, true))
        return NULL;
    return text_of(a.in, ask_report, &(struct ask){.net = a.h->net});
}

napi_value look_explain(napi_env env, napi_callback_info info)
{
    struct args a;
    uint64_t request;
    if (!args_of_net(env, info, &a, true) || !get_id(env, a.value[1], &request))
        return NULL;
    return text_of(a.in, ask_story, &(struct ask){.net = a.h->net, .request = request});
}

napi_value look_dht_id(napi_env env, napi_callback_info info)
{
    struct args a;
    if (!args_of_net(env, info, &a, true))
        return NULL;
    return text_of(a.in, ask_dht_id, &(struct ask){.net = a.h->net});
}

/* unl(net, ["name=value", ...]) */
napi_value look_unl(napi_env env, napi_callback_info info)
{
    struct args a;
    uint32_t count = 0;
    if (!args_of_net(env, info, &a, true))
        return NULL;
    if (napi_get_array_length(env, a.value[1], &count) != napi_ok || count > 1024) {
        napi_throw_type_error(env, NULL, "p2pnet: expected an array of at most 1024 changes");
        return NULL;
    }
    struct bytes *held = calloc(count + 1, sizeof *held);
    const char **changes = calloc(count + 1, sizeof *changes);
    napi_value text = NULL;
    bool ok = held != NULL && changes != NULL;
    for (uint32_t i = 0; ok && i < count; i++) {
        napi_value change;
        ok = napi_get_element(env, a.value[1], i, &change) == napi_ok &&
             get_text(env, change, &held[i], &changes[i]) && changes[i] != NULL;
    }
    if (ok)
        text =
            text_of(a.in, ask_unl, &(struct ask){.net = a.h->net, .changes = changes, .change_count = count});
    for (uint32_t i = 0; held != NULL && i < count; i++)
        free_bytes(&held[i]);
    free(held);
    free(changes);
    return text;
}

/* unlCheck(locator): throws what is wrong with it. */
napi_value look_unl_check(napi_env env, napi_callback_info info)
{
    struct args a;
    struct bytes text;
    const char *unl = NULL;
    p2p_error err = NEW_ERROR;
    if (!args_get(env, info, &a) || !get_text(env, a.value[0], &text, &unl))
        return NULL;
    p2p_result result = p2p_unl_check(unl, &err);
    free_bytes(&text);
    return result == P2P_OK ? js_undefined(env) : throw_error(a.in, &err);
}

napi_value look_unl_info(napi_env env, napi_callback_info info)
{
    struct args a;
    struct bytes text;
    const char *unl = NULL;
    p2p_error err = NEW_ERROR;
    p2p_unl_info i = {.struct_size = sizeof i};
    if (!args_get(env, info, &a) || !get_text(env, a.value[0], &text, &unl))
        return NULL;
    p2p_result result = p2p_unl_get_info(unl, &i, &err);
    free_bytes(&text);
    if (result != P2P_OK)
        return throw_error(a.in, &err);
    napi_value o = new_object(env), candidates = NULL;
    set_number(env, o, "version", i.version);
    set_number(env, o, "nodeType", i.node_type);
    set_number(env, o, "nat", i.nat);
    set_number(env, o, "forwarding", i.forwarding);
    set_number(env, o, "mapping", i.mapping);
    set_number(env, o, "allocation", i.allocation);
    set_number(env, o, "natDelta", i.nat_delta);
    set_number(env, o, "expires", (double)i.expires);
    set_text(env, o, "id", i.id);
    set_text(env, o, "network", i.network);
    napi_create_array(env, &candidates);
    for (uint32_t n = 0; n < i.candidate_count && n < P2P_UNL_CANDIDATES; n++) {
        napi_value candidate = new_object(env);
        set_number(env, candidate, "kind", i.candidates[n].kind);
        set_text(env, candidate, "address", i.candidates[n].address);
        napi_set_element(env, candidates, n, candidate);
    }
    napi_set_named_property(env, o, "candidates", candidates);
    return o;
}

/* library(): [version of the library, version of the header, features] */
napi_value look_library(napi_env env, napi_callback_info info)
{
    napi_value out;
    (void)info;
    if (napi_create_array_with_length(env, 3, &out) != napi_ok)
        return NULL;
    napi_set_element(env, out, 0, js_number(env, p2p_version()));
    napi_set_element(env, out, 1, js_number(env, P2P_VERSION_NUMBER));
    napi_set_element(env, out, 2, js_number(env, (double)p2p_features()));
    return out;
}

napi_value look_strerror(napi_env env, napi_callback_info info)
{
    struct args a;
    int32_t code = 0;
    if (!args_get(env, info, &a) || !get_int32(env, a.value[0], &code))
        return NULL;
    return js_text(env, p2p_strerror(code), NAPI_AUTO_LENGTH);
}

/* config.c - the options of a net, as lib/options.cjs has laid them out: entries of [what, key, value]. */
#include "addon.h"

/* What an entry is; lib/options.cjs has the same numbers. */
enum what { WHAT_INT = 0, WHAT_TEXT = 1, WHAT_SERVER = 2, WHAT_ALLOW = 3, WHAT_DHT = 4 };

static bool element(napi_env env, napi_value array, uint32_t i, napi_value *out)
{
    return napi_get_element(env, array, i, out) == napi_ok;
}

static bool get_int64(napi_env env, napi_value value, int64_t *out)
{
    napi_valuetype type;
    bool lossless = true;
    napi_typeof(env, value, &type);
    if (type == napi_bigint ? napi_get_value_bigint_int64(env, value, out, &lossless) == napi_ok && lossless
                            : napi_get_value_int64(env, value, out) == napi_ok)
        return true;
    napi_throw_type_error(env, NULL, "p2pnet: expected a whole number of at most 64 bits");
    return false;
}

static bool apply(struct instance *in, p2p_config *cfg, napi_value entry)
{
    napi_env env = in->env;
    napi_value part[3];
    int32_t what = -1, key = 0;
    for (uint32_t i = 0; i < 3; i++)
        if (!element(env, entry, i, &part[i]))
            return false;
    if (!get_int32(env, part[0], &what) || !get_int32(env, part[1], &key))
        return false;
    p2p_error err = NEW_ERROR;
    p2p_result result = P2P_ERR_INVALID;
    if (what == WHAT_INT) {
        int64_t value = 0;
        if (!get_int64(env, part[2], &value))
            return false;
        result = p2p_config_set_int(cfg, key, value, &err);
    } else {
        struct bytes text;
        const char *value = NULL;
        if (!get_text(env, part[2], &text, &value))
            return false;
        p2p_dht dht = {.struct_size = sizeof dht, .node_id = value};
        result = what == WHAT_TEXT     ? p2p_config_set_str(cfg, key, value, &err)
                 : what == WHAT_SERVER ? p2p_config_add_server(cfg, key, value, &err)
                 : what == WHAT_ALLOW  ? p2p_config_allow_peer(cfg, value, &err)
                                       : p2p_config_set_dht(cfg, &dht, &err);
        free_bytes(&text);
    }
    if (result != P2P_OK)
        throw_error(in, &err);
    return result == P2P_OK;
}

bool config_apply(struct instance *in, p2p_config *cfg, napi_value entries)
{
    uint32_t count = 0;
    if (napi_get_array_length(in->env, entries, &count) != napi_ok) {
        napi_throw_type_error(in->env, NULL, "p2pnet: expected an array of options");
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        napi_value entry;
        if (!element(in->env, entries, i, &entry) || !apply(in, cfg, entry))
            return false;
    }
    return true;
}

/* values.c - JavaScript values to C and back. What comes in is checked, though only lib/ calls the addon: a mistake
 * there is to end in a TypeError and not in a crash.
 */
#include "addon.h"

struct instance *instance_of(napi_env env)
{
    void *in = NULL;
    napi_get_instance_data(env, &in);
    return in;
}

bool args_get(napi_env env, napi_callback_info info, struct args *a)
{
    a->in = instance_of(env);
    a->h = NULL;
    a->count = MAX_ARGS; /* those that are missing become undefined */
    return napi_get_cb_info(env, info, &a->count, a->value, NULL, NULL) == napi_ok && a->in != NULL;
}

bool args_of_net(napi_env env, napi_callback_info info, struct args *a, bool live)
{
    void *h = NULL;
    if (!args_get(env, info, a))
        return false;
    if (napi_get_value_external(env, a->value[0], &h) != napi_ok || h == NULL) {
        napi_throw_type_error(env, NULL, "p2pnet: not a net");
        return false;
    }
    a->h = h;
    if (live && a->h->net == NULL) {
        throw_result(a->in, P2P_ERR_CLOSED, 0, "the net is closed");
        return false;
    }
    return true;
}

bool get_bytes(napi_env env, napi_value value, struct bytes *out)
{
    napi_valuetype type;
    out->owned = NULL;
    napi_typeof(env, value, &type);
    if (type == napi_string) {
        /* Cut at a character, it may be up to three bytes short. */
        if (napi_get_value_string_utf8(env, value, out->small, sizeof out->small, &out->len) != napi_ok)
            return false;
        out->data = out->small;
        if (out->len + 4 < sizeof out->small)
            return true;
        if (napi_get_value_string_utf8(env, value, NULL, 0, &out->len) != napi_ok)
            return false;
        if ((out->owned = malloc(out->len + 1)) == NULL) {
            napi_throw_error(env, NULL, "p2pnet: out of memory");
            return false;
        }
        out->data = out->owned;
        return napi_get_value_string_utf8(env, value, out->owned, out->len + 1, &out->len) == napi_ok;
    }
    void *data = NULL;
    if (napi_get_buffer_info(env, value, &data, &out->len) != napi_ok) {
        napi_throw_type_error(env, NULL, "p2pnet: expected a string or bytes");
        return false;
    }
    out->small[0] = '\0';
    out->data = data != NULL ? data : out->small; /* no bytes, but not NULL */
    return true;
}

void free_bytes(struct bytes *b)
{
    free(b->owned);
}

/* Finds the bytes of those that are bytes, and room for the text of the strings. */
static bool find_lines(napi_env env, napi_value array, int32_t from, napi_value *value, struct lines *out,
                       char **text, size_t *room)
{
    *text = out->small;
    *room = 0;
    for (size_t i = 0; i < out->count; i++) {
        napi_valuetype type = napi_undefined;
        void *data = NULL;
        size_t len = 0;
        if (napi_get_element(env, array, (uint32_t)from + (uint32_t)i, &value[i]) != napi_ok ||
            napi_typeof(env, value[i], &type) != napi_ok)
            return false;
        if (type == napi_string && napi_get_value_string_utf16(env, value[i], NULL, 0, &len) == napi_ok) {
            out->line[i].data = NULL;
            *room += 3 * len + 1; /* no unit of UTF-16 is more in UTF-8 */
            continue;
        }
        if (napi_get_buffer_info(env, value[i], &data, &len) != napi_ok) {
            napi_throw_type_error(env, NULL, "p2pnet: expected strings or bytes");
            return false;
        }
        out->line[i] = (p2p_line){data != NULL ? data : "", len};
    }
    if (*room > sizeof out->small && (*text = out->owned = malloc(*room)) == NULL) {
        napi_throw_error(env, NULL, "p2pnet: out of memory");
        return false;
    }
    return true;
}

bool get_lines(napi_env env, napi_value array, int32_t from, int32_t to, struct lines *out)
{
    napi_value value[LINES_AT_ONCE];
    char *text;
    size_t room;
    out->owned = NULL;
    if (from < 0 || to < from || to - from > LINES_AT_ONCE) {
        napi_throw_range_error(env, NULL, "p2pnet: so many lines are not sent at once");
        return false;
    }
    out->count = (size_t)(to - from);
    bool ok = find_lines(env, array, from, value, out, &text, &room);
    for (size_t i = 0; ok && i < out->count; i++) {
        size_t len;
        if (out->line[i].data != NULL)
            continue;
        ok = napi_get_value_string_utf8(env, value[i], text, room, &len) == napi_ok;
        out->line[i] = (p2p_line){text, ok ? len : 0};
        text += out->line[i].len + 1;
        room -= out->line[i].len + 1;
    }
    if (!ok)
        free_lines(out);
    return ok;
}

void free_lines(struct lines *lines)
{
    free(lines->owned);
    lines->owned = NULL;
}

bool get_text(napi_env env, napi_value value, struct bytes *out, const char **text)
{
    napi_valuetype type;
    napi_typeof(env, value, &type);
    out->owned = NULL;
    *text = NULL;
    if (type == napi_null || type == napi_undefined)
        return true;
    if (type != napi_string) {
        napi_throw_type_error(env, NULL, "p2pnet: expected a string");
        return false;
    }
    if (!get_bytes(env, value, out))
        return false;
    *text = out->data;
    return true;
}

bool get_id(napi_env env, napi_value value, uint64_t *out)
{
    double n = 0;
    if (napi_get_value_double(env, value, &n) != napi_ok || !(n >= 0 && n <= 9007199254740991.0)) {
        napi_throw_type_error(env, NULL, "p2pnet: expected an id");
        return false;
    }
    *out = (uint64_t)n;
    return true;
}

bool get_int32(napi_env env, napi_value value, int32_t *out)
{
    if (napi_get_value_int32(env, value, out) == napi_ok)
        return true;
    napi_throw_type_error(env, NULL, "p2pnet: expected a number");
    return false;
}

bool get_bool(napi_env env, napi_value value, bool *out)
{
    if (napi_get_value_bool(env, value, out) == napi_ok)
        return true;
    napi_throw_type_error(env, NULL, "p2pnet: expected true or false");
    return false;
}

napi_value js_number(napi_env env, double n)
{
    napi_value value = NULL;
    napi_create_double(env, n, &value);
    return value;
}

napi_value js_undefined(napi_env env)
{
    napi_value value = NULL;
    napi_get_undefined(env, &value);
    return value;
}

napi_value js_text(napi_env env, const char *text, size_t len)
{
    napi_value value = NULL;
    napi_create_string_utf8(env, text, len, &value);
    return value;
}

void set_number(napi_env env, napi_value object, const char *name, double n)
{
    napi_set_named_property(env, object, name, js_number(env, n));
}

void set_text(napi_env env, napi_value object, const char *name, const char *text)
{
    napi_set_named_property(env, object, name, js_text(env, text, NAPI_AUTO_LENGTH));
}

napi_value throw_result(struct instance *in, p2p_result result, int32_t os_error, const char *message)
{
    napi_env env = in->env;
    napi_value function, nobody, error, args[3];
    args[0] = js_number(env, result);
    args[1] = js_number(env, os_error);
    args[2] = js_text(env, message != NULL ? message : p2p_strerror(result), NAPI_AUTO_LENGTH);
    if (in->make_error != NULL && napi_get_reference_value(env, in->make_error, &function) == napi_ok &&
        napi_get_undefined(env, &nobody) == napi_ok &&
        napi_call_function(env, nobody, function, 3, args, &error) == napi_ok)
        napi_throw(env, error);
    return NULL;
}

napi_value throw_error(struct instance *in, const p2p_error *err)
{
    return throw_result(in, err->code, err->os_error, err->message[0] != '\0' ? err->message : NULL);
}

/* events.c - takes events from a net in batches, so that JavaScript is entered once and not once per line.
 *
 * A batch ends after so many events or bytes; what is left makes the descriptor readable again, and the loop comes
 * back to it after it has looked after everything else.
 */
#include "addon.h"

#define BATCH_EVENTS 512
#define BATCH_BYTES (256 * 1024)
/* So many are taken before the bytes are looked at again. */
#define AT_ONCE 16

static napi_value copy_of(napi_env env, const p2p_event *ev)
{
    napi_value buffer = NULL;
    napi_create_buffer_copy(env, ev->len, ev->data, NULL, &buffer);
    return buffer;
}

/* [request, result, os_error, code, text, peer, time_ms] */
static napi_value notice(napi_env env, const p2p_event *ev)
{
    napi_value array = NULL;
    const napi_value parts[] = {js_number(env, (double)ev->request), js_number(env, ev->result),
                                js_number(env, ev->os_error),        js_number(env, ev->code),
                                js_text(env, ev->data, ev->len),     js_text(env, ev->peer, NAPI_AUTO_LENGTH),
                                js_number(env, (double)ev->time_ms)};
    const uint32_t count = sizeof parts / sizeof parts[0];
    napi_create_array_with_length(env, count, &array);
    for (uint32_t i = 0; i < count; i++)
        napi_set_element(env, array, i, parts[i]);
    return array;
}

static napi_value what_of(const struct handle *h, napi_env env, const p2p_event *ev)
{
    switch (ev->kind) {
    case P2P_EVENT_LINE:
        return h->line_buffers ? copy_of(env, ev) : js_text(env, ev->data, ev->len);
    case P2P_EVENT_DATA:
    case P2P_EVENT_MESSAGE:
        return copy_of(env, ev);
    default:
        return notice(env, ev);
    }
}

napi_value events_take(struct handle *h, uint32_t *count, bool *stopped)
{
    napi_env env = h->in->env;
    napi_value batch;
    uint32_t at = 0;
    size_t bytes = 0;
    int32_t taken;
    p2p_event events[AT_ONCE];
    events[0].struct_size = sizeof *events;
    if (napi_create_array(env, &batch) != napi_ok)
        return NULL;
    while (*count < BATCH_EVENTS && bytes < BATCH_BYTES &&
           (taken = p2p_next_events(h->net, events, AT_ONCE)) > 0) {
        for (const p2p_event *ev = events; ev < events + taken; ev++) {
            napi_handle_scope scope;
            if (napi_open_handle_scope(env, &scope) == napi_ok) {
                napi_set_element(env, batch, at++, js_number(env, ev->kind));
                napi_set_element(env, batch, at++, js_number(env, (double)ev->conn));
                napi_set_element(env, batch, at++, what_of(h, env, ev));
                napi_close_handle_scope(env, scope);
            }
            *stopped = *stopped || ev->kind == P2P_EVENT_STOPPED;
            bytes += ev->len;
        }
        *count += (uint32_t)taken;
    }
    /* All of it has been copied. */
    p2p_next_events(h->net, events, 0);
    return batch;
}

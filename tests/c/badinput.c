/* What no program should pass: NULLs, numbers that mean nothing, sizes of other versions, texts that are not UTF-8. */
#include "check.h"

#include <limits.h>

static p2p_net *net;
static void begin(void)
{
    net = net_new("127.0.0.2", NULL);
    CHECK_OK(p2p_net_start(net, NULL));
}

static void nothing(p2p_net *n, const p2p_event *ev, void *user)
{
    (void)n, (void)ev, (void)user;
}

static void every_function_without_a_net(void)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_request request = 77;
    p2p_net_info info = {.struct_size = sizeof info};
    p2p_stats stats = {.struct_size = sizeof stats};
    p2p_conn_info conn_info = {.struct_size = sizeof conn_info};
    const p2p_event *ev = NULL;
    ptrdiff_t fd = 77;
    size_t count = 77;
    uint32_t sent = 77;
    p2p_conn ids[1] = {77};
    CHECK_IS(p2p_net_start(NULL, &err), P2P_ERR_INVALID);
    CHECK_HAS(err.message, "net is NULL");
    CHECK_IS(p2p_net_bootstrap(NULL, &request, &err), P2P_ERR_INVALID);
    CHECK_IS(p2p_net_advertise(NULL, &request, &err), P2P_ERR_INVALID);
    CHECK_IS(p2p_connect(NULL, "127.0.0.1:1", nothing, NULL, &request, &err), P2P_ERR_INVALID);
    CHECK_IS(p2p_cancel(NULL, 1), P2P_ERR_INVALID);
    CHECK_IS(p2p_net_stop(NULL), P2P_ERR_INVALID);
    CHECK_IS(p2p_network_changed(NULL, &err), P2P_ERR_INVALID);
    CHECK_IS(p2p_net_report(NULL, NULL, 0, &count), P2P_ERR_INVALID);
    CHECK_IS(p2p_net_get_info(NULL, &info), P2P_ERR_INVALID);
    CHECK_IS(p2p_net_get_stats(NULL, &stats), P2P_ERR_INVALID);
    CHECK_IS(p2p_on_event(NULL, nothing, NULL), P2P_ERR_INVALID);
    CHECK_IS(p2p_poll(NULL, 0), P2P_ERR_INVALID);
    CHECK_IS(p2p_next_event(NULL, &ev), P2P_ERR_INVALID);
    CHECK_IS(p2p_wait(NULL, 0), P2P_ERR_INVALID);
    CHECK_IS(p2p_wait(NULL, -1), P2P_ERR_INVALID);
    CHECK_IS(p2p_wake(NULL), P2P_ERR_INVALID);
    CHECK_IS(p2p_fd(NULL, &fd), P2P_ERR_INVALID);
    CHECK_IS(p2p_send_line(NULL, 1, "x", 1), P2P_ERR_INVALID);
    CHECK_IS(p2p_send(NULL, 1, "x", 1), P2P_ERR_INVALID);
    CHECK_IS(p2p_broadcast_line(NULL, "x", 1, 0, &sent), P2P_ERR_INVALID);
    CHECK_IS(p2p_conn_close(NULL, 1), P2P_ERR_INVALID);
    CHECK_IS(p2p_conn_list(NULL, ids, 1, &count), P2P_ERR_INVALID);
    CHECK_IS(p2p_conn_get_info(NULL, 1, &conn_info), P2P_ERR_INVALID);
    CHECK_IS(p2p_conn_set_user(NULL, 1, NULL), P2P_ERR_INVALID);
    CHECK(p2p_conn_get_user(NULL, 1) == NULL);
    /* Out parameters of a failure are untouched. */
    CHECK(request == 77 && fd == 77 && count == 77 && sent == 77 && ids[0] == 77 && ev == NULL);
}

static void every_function_without_a_config(void)
{
    p2p_error err = {.struct_size = sizeof err};
    int64_t value = 77;
    CHECK_IS(p2p_config_set_int(NULL, P2P_OPT_DEDUP, 1, &err), P2P_ERR_INVALID);
    CHECK_HAS(err.message, "cfg is NULL");
    CHECK_IS(p2p_config_get_int(NULL, P2P_OPT_DEDUP, &value, &err), P2P_ERR_INVALID);
    CHECK_IS(p2p_config_set_str(NULL, P2P_OPT_INTERFACE, "", &err), P2P_ERR_INVALID);
    CHECK_IS(p2p_config_add_server(NULL, P2P_SERVER_RENDEZVOUS, "127.0.0.1:1", &err), P2P_ERR_INVALID);
    CHECK_IS(p2p_net_new(NULL, NULL, &err), P2P_ERR_INVALID);
    CHECK_HAS(err.message, "out is NULL");
    CHECK_INT(value, 77);
}

static void nulls_beside_the_net(void)
{
    begin();
    p2p_error err = {.struct_size = sizeof err};
    p2p_conn ids[1];
    CHECK_IS(p2p_connect(net, NULL, NULL, NULL, NULL, &err), P2P_ERR_INVALID);
    CHECK_HAS(err.message, "host_port is NULL");
    CHECK_IS(p2p_net_get_info(net, NULL), P2P_ERR_INVALID);
    CHECK_IS(p2p_net_get_stats(net, NULL), P2P_ERR_INVALID);
    CHECK_IS(p2p_next_event(net, NULL), P2P_ERR_INVALID);
    CHECK_IS(p2p_fd(net, NULL), P2P_ERR_INVALID);
    CHECK_IS(p2p_send_line(net, 1, NULL, 3), P2P_ERR_INVALID);
    CHECK_IS(p2p_send_line(net, 1, NULL, P2P_AUTO_LEN), P2P_ERR_INVALID);
    CHECK_IS(p2p_send_line(net, 1, NULL, 0), P2P_ERR_INVALID);
    CHECK_IS(p2p_broadcast_line(net, NULL, 1, 0, NULL), P2P_ERR_INVALID);
    CHECK_IS(p2p_conn_list(net, NULL, 1, NULL), P2P_ERR_INVALID);
    CHECK_IS(p2p_conn_list(net, ids, 1, NULL), P2P_ERR_INVALID);
    CHECK_IS(p2p_conn_get_info(net, 1, NULL), P2P_ERR_NOT_FOUND);
    p2p_config *cfg = p2p_config_new();
    CHECK_IS(p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, NULL, &err), P2P_ERR_INVALID);
    CHECK_HAS(err.message, "value is NULL");
    CHECK_IS(p2p_config_add_server(cfg, P2P_SERVER_RENDEZVOUS, NULL, &err), P2P_ERR_INVALID);
    CHECK_HAS(err.message, "address is NULL");
    CHECK_IS(p2p_config_get_int(cfg, P2P_OPT_DEDUP, NULL, &err), P2P_ERR_INVALID);
    p2p_config_free(cfg);
    size_t count = 77;
    CHECK_OK(p2p_conn_list(net, NULL, 0, &count));
    CHECK_INT(count, 0);
    CHECK_OK(p2p_on_event(net, NULL, &count));
    CHECK_OK(p2p_net_free(net));
}

static const long long wild[] = {INT_MIN, -1000000, -2, -1, 0, 9999, 998, 999, 1000, 1999, 12345, INT_MAX};
#define N(array) (sizeof array / sizeof *array)

static void numbers_that_mean_nothing(void)
{
    p2p_error err = {.struct_size = sizeof err};
    p2p_config *cfg = p2p_config_new();
    for (size_t i = 0; i < N(wild); i++) {
        p2p_opt key = (p2p_opt)wild[i];
        int64_t value = 77;
        err.message[0] = 0;
        CHECK_IS(p2p_config_set_int(cfg, key, 1, &err), P2P_ERR_UNSUPPORTED);
        char number[24];
        snprintf(number, sizeof number, "%lld", wild[i]);
        CHECK_HAS(err.message, number);
        CHECK_IS(p2p_config_get_int(cfg, key, &value, &err), P2P_ERR_UNSUPPORTED);
        CHECK_INT(value, 77);
        CHECK_IS(p2p_config_set_str(cfg, key, "x", &err), P2P_ERR_UNSUPPORTED);
        if (wild[i] != P2P_SERVER_RENDEZVOUS)
            CHECK_IS(p2p_config_add_server(cfg, (p2p_server)wild[i], "127.0.0.1:1", &err),
                     P2P_ERR_UNSUPPORTED);
        const char *words = p2p_strerror((p2p_result)wild[i]);
        REQUIRE(words != NULL && words[0]);
        if (wild[i] > 0 || wild[i] < -27)
            CHECK(strcmp(words, "unknown result") == 0, "%s", words);
    }
    CHECK(strcmp(p2p_strerror(P2P_OK), "success") == 0);
    CHECK_IS(p2p_config_set_int(cfg, P2P_OPT_PASSIVE_BIND, 1, &err), P2P_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "p2p_config_set_str");
    CHECK_IS(p2p_config_set_str(cfg, P2P_OPT_PASSIVE_PORT, "1", &err), P2P_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "p2p_config_set_int");
    p2p_config_free(cfg);
    begin();
    CHECK_IS(p2p_wait(net, -2), P2P_ERR_INVALID);
    CHECK_IS(p2p_wait(net, INT_MIN), P2P_ERR_INVALID);
    CHECK_OK(p2p_net_free(net));
}

static void every_result_has_words_of_its_own(void)
{
    static const int all[] = {0,   -1,  -2,  -3,  -4,  -5,  -6,  -7,  -8,  -9,  -10, -11,
                              -12, -13, -14, -15, -20, -21, -22, -23, -24, -25, -26, -27};
    for (size_t i = 0; i < N(all); i++)
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(p2p_strerror((p2p_result)all[i]), p2p_strerror((p2p_result)all[j])) != 0, "%d %d",
                  all[i], all[j]);
}

static void an_option_out_of_range_names_itself_and_its_range(void)
{
    static const struct {
        int key;
        const char *name;
        long long low, high;
    } options[] = {
        {P2P_OPT_PASSIVE_PORT, "passive_port", 0, 65535},
        {P2P_OPT_MAX_LINE, "max_line", 16, 16777216},
        {P2P_OPT_SEND_BUFFER, "send_buffer", 1024, 1073741824},
        {P2P_OPT_RECV_BUFFER, "recv_buffer", 1024, 1073741824},
        {P2P_OPT_EVENT_QUEUE, "event_queue", 16, 1048576},
        {P2P_OPT_DUPLICATE_IP, "duplicate_ip", -1, 1},
        {P2P_OPT_CLOSE_TIMEOUT_MS, "close_timeout_ms", 0, 600000},
        {P2P_OPT_LOG_FD, "log_fd", -1, 2147483647},
        {P2P_OPT_NET_TYPE, "net_type", 1, 2},
    };
    p2p_config *cfg = p2p_config_new();
    for (size_t i = 0; i < N(options); i++) {
        p2p_opt key = (p2p_opt)options[i].key;
        long long bad[] = {options[i].low - 1, options[i].high + 1, LLONG_MIN, LLONG_MAX};
        int64_t before = -1, after = -2;
        CHECK_OK(p2p_config_get_int(cfg, key, &before, NULL));
        for (size_t j = 0; j < N(bad); j++) {
            p2p_error err = {.struct_size = sizeof err};
            char text[32];
            CHECK_IS(p2p_config_set_int(cfg, key, bad[j], &err), P2P_ERR_RANGE);
            CHECK_IS(err.code, P2P_ERR_RANGE);
            CHECK_HAS(err.message, options[i].name);
            snprintf(text, sizeof text, "%lld to %lld", options[i].low, options[i].high);
            CHECK_HAS(err.message, text);
        }
        CHECK_OK(p2p_config_get_int(cfg, key, &after, NULL));
        CHECK_INT(after, before);
        CHECK_OK(p2p_config_set_int(cfg, key, options[i].low, NULL));
        CHECK_OK(p2p_config_set_int(cfg, key, options[i].high, NULL));
        CHECK_OK(p2p_config_get_int(cfg, key, &after, NULL));
        CHECK_INT(after, options[i].high);
    }
    p2p_config_free(cfg);
}

static void texts_that_are_none(void)
{
    static const char *const bad_texts[] = {"\xff", "127.0.0.1\xc0\x80", "\xed\xa0\x80", "caf\xe9"};
    static const char *const bad_addresses[] = {
        "",      "x",      ":",     ":1",    "a:",   "a:0",   "a:65536",
        "::1:5", "[::1:5", "[x]:5", "a b:5", "a:-1", "a:1\n", "\r\n:1"};
    p2p_error err = {.struct_size = sizeof err};
    p2p_config *cfg = p2p_config_new();
    begin();
    for (size_t i = 0; i < N(bad_texts); i++) {
        CHECK_IS(p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, bad_texts[i], &err), P2P_ERR_INVALID);
        CHECK_HAS(err.message, "UTF-8");
        CHECK_IS(p2p_config_set_str(cfg, P2P_OPT_INTERFACE, bad_texts[i], &err), P2P_ERR_INVALID);
        CHECK_IS(p2p_config_add_server(cfg, P2P_SERVER_RENDEZVOUS, bad_texts[i], &err), P2P_ERR_INVALID);
        CHECK_IS(p2p_connect(net, bad_texts[i], NULL, NULL, NULL, &err), P2P_ERR_INVALID);
        CHECK_HAS(err.message, "UTF-8");
    }
    for (size_t i = 0; i < N(bad_addresses); i++) {
        CHECK_IS(p2p_connect(net, bad_addresses[i], NULL, NULL, NULL, &err), P2P_ERR_INVALID);
        CHECK_HAS(err.message, "expected host:port");
        CHECK_IS(p2p_config_add_server(cfg, P2P_SERVER_RENDEZVOUS, bad_addresses[i], &err), P2P_ERR_INVALID);
    }
    char *huge = malloc(1 << 20);
    memset(huge, 'h', 1 << 20);
    memcpy(huge + (1 << 20) - 4, ":80", 4);
    CHECK_IS(p2p_connect(net, huge, NULL, NULL, NULL, &err), P2P_ERR_INVALID);
    CHECK_IS(p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, huge, &err), P2P_ERR_INVALID);
    CHECK_INT(err.message[sizeof err.message - 1], 0);
    free(huge);
    CHECK_IS(p2p_config_set_str(cfg, P2P_OPT_WAN_IP, "300.1.1.1", &err), P2P_ERR_INVALID);
    CHECK_HAS(err.message, "wan_ip");
    CHECK_OK(p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, "", &err));
    p2p_config_free(cfg);
    CHECK_OK(p2p_net_free(net));
}

/* Each struct behind a guard, told to be of every size a caller may think of. */
static void sizes_of_other_versions(void)
{
    begin();
    union {
        p2p_error err;
        p2p_net_info info;
        p2p_stats stats;
        unsigned char bytes[4096];
    } u;
    static const uint32_t sizes[] = {0,   1,   3,   4,    5,    8,     16,       40,        64,
                                     168, 200, 256, 1024, 4000, 65537, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < N(sizes); i++) {
        uint32_t size = sizes[i];
        int refused = size < 4 || size > 65536;
        memset(&u, 0xA5, sizeof u);
        u.info.struct_size = size;
        CHECK_IS(p2p_net_get_info(net, &u.info), refused ? P2P_ERR_INVALID : P2P_OK);
        CHECK_INT(u.info.struct_size, size);
        for (size_t b = refused ? 4 : size; b < sizeof u; b++)
            REQUIRE(u.bytes[b] == 0xA5, "byte %zu of %u", b, size);
        for (size_t b = sizeof u.info; !refused && b < size; b++)
            REQUIRE(u.bytes[b] == 0, "byte %zu of %u", b, size);

        memset(&u, 0xA5, sizeof u);
        u.stats.struct_size = size;
        CHECK_IS(p2p_net_get_stats(net, &u.stats), refused ? P2P_ERR_INVALID : P2P_OK);
        for (size_t b = refused ? 4 : size; b < sizeof u; b++)
            REQUIRE(u.bytes[b] == 0xA5, "byte %zu of %u", b, size);

        memset(&u, 0xA5, sizeof u);
        u.err.struct_size = size;
        CHECK_IS(p2p_connect(net, "nonsense", NULL, NULL, NULL, &u.err), P2P_ERR_INVALID);
        CHECK_INT(u.err.struct_size, size);
        for (size_t b = refused ? 4 : size; b < sizeof u; b++)
            REQUIRE(u.bytes[b] == 0xA5, "byte %zu of %u", b, size);
        if (size == 8 || size == sizeof u.err)
            CHECK_IS(u.err.code, P2P_ERR_INVALID);
    }
    CHECK_OK(p2p_net_free(net));
}

static void wild_lengths(void)
{
    struct node a, b;
    node_open(&a, "127.0.0.2", OPTIONS({P2P_OPT_MAX_LINE, 100}));
    node_open(&b, "127.0.0.3", NULL);
    p2p_conn conn = join_nodes(&a, &b, NULL);
    char line[102];
    memset(line, 'x', sizeof line);
    CHECK_IS(p2p_send_line(a.net, conn, line, SIZE_MAX - 1), P2P_ERR_INVALID);
    CHECK_IS(p2p_send_line(a.net, conn, line, 101), P2P_ERR_TOO_LARGE);
    CHECK_IS(p2p_send_line(a.net, conn, line, SIZE_MAX / 2), P2P_ERR_TOO_LARGE);
    CHECK_IS(p2p_broadcast_line(a.net, line, SIZE_MAX / 2, 0, NULL), P2P_ERR_TOO_LARGE);
    CHECK_IS(p2p_send_line(a.net, conn, line, 0), P2P_ERR_INVALID);
    CHECK_IS(p2p_send_line(a.net, conn, "", P2P_AUTO_LEN), P2P_ERR_INVALID);
    CHECK_IS(p2p_send_line(a.net, conn, "a\r\nb", P2P_AUTO_LEN), P2P_ERR_INVALID);
    CHECK_IS(p2p_send_line(a.net, conn, "\r\n", P2P_AUTO_LEN), P2P_ERR_INVALID);
    CHECK_IS(p2p_send_line(a.net, conn, "x\r\n", P2P_AUTO_LEN), P2P_ERR_INVALID);
    CHECK_IS(p2p_send(a.net, conn, "x", P2P_AUTO_LEN), P2P_ERR_INVALID);
    CHECK_IS(p2p_send(a.net, conn, "x", SIZE_MAX / 2),
             usual_dialect() == P2P_DIALECT_CLASSIC ? P2P_ERR_UNSUPPORTED : P2P_ERR_TOO_LARGE);
    CHECK_OK(p2p_send_line(a.net, conn, "fine", P2P_AUTO_LEN));
    UNTIL(seen(&b, P2P_EVENT_LINE), pump(&b));
    CHECK(strcmp(seen(&b, P2P_EVENT_LINE)->data, "fine") == 0);
    node_free(&a);
    node_free(&b);
}

static void wild_ids(void)
{
    begin();
    static const uint64_t ids[] = {0, 1, 2, 1000, UINT64_MAX, UINT64_MAX / 2};
    p2p_conn_info info = {.struct_size = sizeof info};
    for (size_t i = 0; i < N(ids); i++) {
        CHECK_IS(p2p_send_line(net, ids[i], "x", 1), P2P_ERR_NOT_FOUND);
        CHECK_IS(p2p_conn_close(net, ids[i]), P2P_ERR_NOT_FOUND);
        CHECK_IS(p2p_conn_get_info(net, ids[i], &info), P2P_ERR_NOT_FOUND);
        CHECK_IS(p2p_conn_set_user(net, ids[i], &info), P2P_ERR_NOT_FOUND);
        CHECK(p2p_conn_get_user(net, ids[i]) == NULL);
        CHECK_IS(p2p_cancel(net, ids[i]), P2P_ERR_NOT_FOUND);
    }
    CHECK_OK(p2p_net_free(net));
}

static void the_version_is_the_headers(void)
{
    CHECK_INT(p2p_version(), P2P_VERSION_NUMBER);
    CHECK(P2P_AT_LEAST(0, 0, 0) && !P2P_AT_LEAST(255, 0, 0));
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(every_function_without_a_net);
    RUN(every_function_without_a_config);
    RUN(nulls_beside_the_net);
    RUN(numbers_that_mean_nothing);
    RUN(every_result_has_words_of_its_own);
    RUN(an_option_out_of_range_names_itself_and_its_range);
    RUN(texts_that_are_none);
    RUN(sizes_of_other_versions);
    RUN(wild_lengths);
    RUN(wild_ids);
    RUN(the_version_is_the_headers);
    return check_end();
}

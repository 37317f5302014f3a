/* What a program sets for a node to find out its situation, and what it may expect of the build: options, routers, servers,
 * with what no program should pass. */
#include "stub.h"

#include <limits.h>

#define N(array) (sizeof array / sizeof *array)

static struct node a;
static struct stub stub;

/* ---- the build ---- */

/* run.py builds the library with and without its optional parts, and says which. */
static void features_are_those_of_the_build(void)
{
    const char *want = getenv("CHECK_FEATURES");
    uint64_t have = p2p_features(), parts = P2P_FWD_UPNP | P2P_FWD_NATPMP | P2P_FWD_PCP | 7 << 16;
    CHECK((have & ~parts) == 0, "%llu", (unsigned long long)have);
    CHECK((have & (P2P_FWD_NATPMP | P2P_FWD_PCP)) == (P2P_FWD_NATPMP | P2P_FWD_PCP));
    if (want)
        CHECK_INT(have, atoi(want));
    else
        skip("CHECK_FEATURES does not say what is built");
    /* Asking whether a port is open works if and only if it says so. */
    for (;; node_free(&a), stub_close(&stub)) {
        stub_open(&stub, 1);
        const struct server *servers = SERVERS({P2P_SERVER_REACHABILITY, stub.http_at});
        node_start(&a, net_with("127.0.0.2", OPTIONS(PATIENT), servers), "127.0.0.2");
        UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
        if (!asked_in_vain(a.net))
            break;
    }
    CHECK_INT(net_info(a.net).reachable, have & 1 << 16 ? 1 : -1);
    CHECK_INT(atomic_load(&stub.knocked), have & 1 << 16 ? 1 : 0);
    node_free(&a);
    stub_close(&stub);
}

/* ---- options and servers ---- */

static void options_name_themselves_and_what_they_take(void)
{
    static const struct {
        int key;
        const char *name;
        long long low, high, by_default;
    } options[] = {
        {P2P_OPT_START_TIMEOUT_MS, "start_timeout_ms", 0, 600000, 3000},
        {P2P_OPT_MAPPING_LEASE_MS, "mapping_lease_ms", 1000, 604800000, 3600000},
        {P2P_OPT_VERIFY_INTERVAL_MS, "verify_interval_ms", 0, 604800000, 1200000},
        {P2P_OPT_NETWORK_MONITOR, "network_monitor", 0, 1, 1},
        {P2P_OPT_DIALECT, "dialect", 1, 2, P2P_DIALECT_SECURE},
        {P2P_OPT_FORWARDING, "forwarding", 0, 15, P2P_FWD_UPNP | P2P_FWD_NATPMP | P2P_FWD_PCP},
    };
    p2p_config *cfg = p2p_config_new();
    for (size_t i = 0; i < N(options); i++) {
        p2p_opt key = options[i].key;
        long long bad[] = {options[i].low - 1, options[i].high + 1, LLONG_MIN, LLONG_MAX};
        long long good[] = {options[i].low, options[i].high};
        int64_t is = -7;
        CHECK_OK(p2p_config_get_int(cfg, key, &is, NULL));
        CHECK_INT(is, options[i].by_default);
        for (size_t j = 0; j < N(bad); j++) {
            p2p_error err = {.struct_size = sizeof err};
            char range[60];
            CHECK_IS(p2p_config_set_int(cfg, key, bad[j], &err), P2P_ERR_RANGE);
            CHECK_HAS(err.message, options[i].name);
            snprintf(range, sizeof range, "expected %lld to %lld", options[i].low, options[i].high);
            CHECK_HAS(err.message, range);
            CHECK_OK(p2p_config_get_int(cfg, key, &is, NULL));
            CHECK_INT(is, options[i].by_default);
        }
        for (size_t j = 0; j < N(good); j++) {
            CHECK_OK(p2p_config_set_int(cfg, key, good[j], NULL));
            CHECK_OK(p2p_config_get_int(cfg, key, &is, NULL));
            CHECK_INT(is, good[j]);
        }
        CHECK_IS(p2p_config_set_str(cfg, key, "1", NULL), P2P_ERR_UNSUPPORTED);
    }
    p2p_config_free(cfg);
}

static void gateways_are_addresses(void)
{
    static const char *const good[] = {"",   "192.0.2.1",    "192.0.2.1,192.0.2.2", " 192.0.2.1 , fe80::1 ",
                                       ",,", "[2001:db8::1]"};
    static const char *const bad[] = {
        "router",
        "192.0.2.1;192.0.2.2",
        "192.0.2",
        "192.0.2.1:5351",
        "fe80::1%eth0",
        "192.0.2.1,x",
        "300.0.2.1",
        "\xff",
        "1.2.3.4,1.2.3.4,1.2.3.4,1.2.3.4,1.2.3.4,1.2.3.4,1.2.3.4,1.2.3.4,1.2.3.4"};
    p2p_config *cfg = p2p_config_new();
    p2p_error err = {.struct_size = sizeof err};
    for (size_t i = 0; i < N(good); i++)
        CHECK_OK(p2p_config_set_str(cfg, P2P_OPT_GATEWAY, good[i], &err));
    for (size_t i = 0; i < N(bad); i++) {
        err.message[0] = 0;
        CHECK_IS(p2p_config_set_str(cfg, P2P_OPT_GATEWAY, bad[i], &err), P2P_ERR_INVALID);
        if (bad[i][0] == '\xff')
            CHECK_HAS(err.message, "UTF-8");
        else
            CHECK_HAS(err.message, "gateway");
        CHECK(strstr(err.message, "expected") || strstr(err.message, "UTF-8"), "%s", err.message);
    }
    CHECK_IS(p2p_config_set_int(cfg, P2P_OPT_GATEWAY, 1, &err), P2P_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "p2p_config_set_str");
    CHECK_OK(p2p_config_set_str(cfg, P2P_OPT_STATE_DIR, "", NULL));
    CHECK_IS(p2p_config_set_str(cfg, P2P_OPT_STATE_DIR, NULL, &err), P2P_ERR_INVALID);
    CHECK_HAS(err.message, "value is NULL");
    CHECK_IS(p2p_config_set_str(cfg, P2P_OPT_STATE_DIR, "\xff", &err), P2P_ERR_INVALID);
    CHECK_IS(p2p_config_set_int(cfg, P2P_OPT_STATE_DIR, 1, &err), P2P_ERR_UNSUPPORTED);
    p2p_config_free(cfg);
}

/* Where no state can be kept a node works all the same, and one that maps nothing leaves nothing behind. */
static void a_state_dir_is_made_when_it_is_needed(void)
{
    char folder[] = "/tmp/p2pnet-state-XXXXXX", inside[100];
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(inside, sizeof inside, "%s/a/b", folder);
    const char *const dirs[] = {inside, "/dev/null", "/dev/null/x", "/proc/nowhere"};
    for (size_t i = 0; i < N(dirs); i++) {
        p2p_config *cfg = p2p_config_new();
        p2p_net *net = NULL;
        CHECK_OK(p2p_config_set_str(cfg, P2P_OPT_PASSIVE_BIND, "127.0.0.2", NULL));
        CHECK_OK(p2p_config_set_str(cfg, P2P_OPT_STATE_DIR, dirs[i], NULL));
        CHECK_OK(p2p_net_new(cfg, &net, NULL));
        p2p_config_free(cfg);
        node_start(&a, net, "127.0.0.2");
        UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
        node_free(&a);
    }
    CHECK_INT(entries(folder), 2);
    rmdir(folder);
}

static void servers_have_the_form_of_their_kind(void)
{
    static const struct {
        int kind, result;
        const char *at, *says;
    } servers[] = {
        {P2P_SERVER_REACHABILITY, P2P_OK, "127.0.0.9:8080", NULL},
        {P2P_SERVER_REACHABILITY, P2P_OK, "http://127.0.0.9/net.php", NULL},
        {P2P_SERVER_REACHABILITY, P2P_OK, "http://[::1]:8080/a/net.php", NULL},
        {P2P_SERVER_REACHABILITY, P2P_ERR_INVALID, "", "expected host:port"},
        {P2P_SERVER_REACHABILITY, P2P_ERR_INVALID, "127.0.0.9", "expected host:port"},
        {P2P_SERVER_REACHABILITY, P2P_ERR_INVALID, "127.0.0.9:0", "between 1 and 65535"},
        {P2P_SERVER_REACHABILITY, P2P_ERR_INVALID, "https://127.0.0.9/", "expected http://"},
        {P2P_SERVER_REACHABILITY, P2P_ERR_INVALID, "ftp://127.0.0.9/", "expected http://"},
        {P2P_SERVER_REACHABILITY, P2P_ERR_INVALID, "http://", "expected host:port"},
        {P2P_SERVER_REACHABILITY, P2P_ERR_INVALID, "http:///net.php", "expected host:port"},
        {P2P_SERVER_REACHABILITY, P2P_ERR_INVALID, "http://127.0.0.9/net.php?a=b", "expected http://"},
        {P2P_SERVER_REACHABILITY, P2P_ERR_INVALID, "http://127.0.0.9/a b", "expected http://"},
        {P2P_SERVER_REACHABILITY, P2P_ERR_INVALID, "http://127.0.0.9/a\r\nb: c", "expected http://"},
        {P2P_SERVER_REACHABILITY, P2P_ERR_INVALID, "\xff", "UTF-8"},
        {P2P_SERVER_NTP, P2P_OK, "127.0.0.9", NULL},
        {P2P_SERVER_NTP, P2P_OK, "127.0.0.9:4123", NULL},
        {P2P_SERVER_NTP, P2P_OK, "::1", NULL},
        {P2P_SERVER_NTP, P2P_OK, "[::1]", NULL},
        {P2P_SERVER_NTP, P2P_OK, "[::1]:123", NULL},
        {P2P_SERVER_NTP, P2P_ERR_INVALID, "", "expected host:port"},
        {P2P_SERVER_NTP, P2P_ERR_INVALID, "127.0.0.9:x", "expected host:port"},
        {P2P_SERVER_NTP, P2P_ERR_INVALID, "127.0.0.9:70000", "between 1 and 65535"},
        {P2P_SERVER_NTP, P2P_ERR_INVALID, "[::1", "expected host:port"},
        {P2P_SERVER_NTP, P2P_ERR_INVALID, "a b", "expected host:port"},
        {P2P_SERVER_RELAY, P2P_OK, "127.0.0.9:8000", NULL},
        {P2P_SERVER_RELAY, P2P_ERR_INVALID, "127.0.0.9", "expected host:port"},
        {0, P2P_ERR_UNSUPPORTED, "127.0.0.9:1", "P2P_SERVER_"},
        {7, P2P_ERR_UNSUPPORTED, "127.0.0.9:1", "P2P_SERVER_"},
        {INT_MAX, P2P_ERR_UNSUPPORTED, "127.0.0.9:1", "P2P_SERVER_"},
    };
    static const char *const names[] = {"", "", "reachability server", "NTP server", "", "", "relay"};
    p2p_config *cfg = p2p_config_new();
    for (size_t i = 0; i < N(servers); i++) {
        p2p_error err = {.struct_size = sizeof err};
        p2p_result r = p2p_config_add_server(cfg, servers[i].kind, servers[i].at, &err);
        CHECK(r == servers[i].result, "%d for \"%s\": %s", r, servers[i].at, err.message);
        if (r == P2P_OK)
            continue;
        CHECK_HAS(err.message, servers[i].says);
        if (r == P2P_ERR_INVALID && servers[i].at[0] != '\xff')
            CHECK_HAS(err.message, names[servers[i].kind]);
    }
    CHECK_IS(p2p_config_add_server(cfg, P2P_SERVER_NTP, NULL, NULL), P2P_ERR_INVALID);
    p2p_config_free(cfg);
}

/* A node relays for its network if and only if the build can; who asks for it in vain is told, and before the net is made. */
static void relaying_is_a_part_of_the_build(void)
{
    int built = (p2p_features() & 1 << 18) != 0;
    p2p_config *cfg = p2p_config_new();
    p2p_error err = {.struct_size = sizeof err};
    p2p_net *net = NULL;
    CHECK_OK(p2p_config_set_int(cfg, P2P_OPT_RELAY_SESSIONS, 4, NULL));
    CHECK_OK(p2p_config_set_int(cfg, P2P_OPT_DIALECT, P2P_DIALECT_CLASSIC, NULL));
    CHECK_IS(p2p_net_new(cfg, &net, &err), P2P_ERR_INVALID);
    CHECK_HAS(err.message, "dialect");
    CHECK_OK(p2p_config_set_int(cfg, P2P_OPT_DIALECT, P2P_DIALECT_SECURE, NULL));
    CHECK_IS(p2p_net_new(cfg, &net, &err), built ? P2P_OK : P2P_ERR_UNSUPPORTED);
    if (built)
        p2p_net_free(net);
    else
        CHECK_HAS(err.message, "cargo feature \"relay\"");
    CHECK_IS(p2p_config_set_int(cfg, P2P_OPT_RELAY_PER_ADDRESS, 0, &err), P2P_ERR_RANGE);
    p2p_config_free(cfg);
}

/* BitTorrent's DHT is there if and only if the build says so; who asks for it in vain is told, and before the net is made. */
static void the_public_dht_is_a_part_of_the_build(void)
{
    static const char *const at[] = {"public", "127.0.0.9:6881"};
    int built = (p2p_features() & 1 << 17) != 0;
    p2p_config *cfg = p2p_config_new();
    p2p_error err = {.struct_size = sizeof err};
    for (size_t i = 0; i < N(at); i++) {
        p2p_result r = p2p_config_add_server(cfg, P2P_SERVER_MAINLINE, at[i], &err);
        CHECK_IS(r, built ? P2P_OK : P2P_ERR_UNSUPPORTED);
        if (!built)
            CHECK_HAS(err.message, "cargo feature \"mainline\"");
    }
    if (built) {
        p2p_net *net = NULL;
        CHECK_IS(p2p_config_add_server(cfg, P2P_SERVER_MAINLINE, "nowhere", &err), P2P_ERR_INVALID);
        CHECK_HAS(err.message, "expected host:port");
        CHECK_OK(p2p_net_new(cfg, &net, &err));
        CHECK_OK(p2p_net_free(net));
        CHECK_OK(p2p_config_set_int(cfg, P2P_OPT_DIALECT, P2P_DIALECT_CLASSIC, NULL));
        CHECK_IS(p2p_net_new(cfg, &net, &err), P2P_ERR_INVALID);
        CHECK_HAS(err.message, "P2P_OPT_DIALECT");
    }
    /* What it would tell there can be said in any build. */
    CHECK_OK(p2p_config_set_int(cfg, P2P_OPT_MAINLINE, P2P_MAINLINE_PUBLISH | P2P_MAINLINE_LETTERS, NULL));
    CHECK_IS(p2p_config_set_int(cfg, P2P_OPT_MAINLINE, 8, &err), P2P_ERR_RANGE);
    p2p_config_free(cfg);
}

static void peers_are_allowed_by_key_or_locator(void)
{
    static const char *const nobody[] = {"", "bob", "\xff", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    p2p_config *cfg = p2p_config_new();
    p2p_error err = {.struct_size = sizeof err};
    for (size_t i = 0; i < N(nobody); i++) {
        CHECK_IS(p2p_config_allow_peer(cfg, nobody[i], &err), P2P_ERR_INVALID);
        CHECK_HAS(err.message, i == 2 ? "UTF-8" : "43 letters");
    }
    CHECK_IS(p2p_config_allow_peer(cfg, NULL, NULL), P2P_ERR_INVALID);
    CHECK_IS(p2p_config_allow_peer(NULL, "bob", NULL), P2P_ERR_INVALID);
    CHECK_OK(p2p_config_allow_peer(cfg, "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik", &err));
    CHECK_IS(p2p_config_set_str(cfg, P2P_OPT_NETWORK_KEY, "0123", &err), P2P_ERR_INVALID);
    CHECK_HAS(err.message, "64 hexadecimal digits");
    p2p_config_free(cfg);
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(features_are_those_of_the_build);
    RUN(options_name_themselves_and_what_they_take);
    RUN(gateways_are_addresses);
    RUN(a_state_dir_is_made_when_it_is_needed);
    RUN(servers_have_the_form_of_their_kind);
    RUN(relaying_is_a_part_of_the_build);
    RUN(the_public_dht_is_a_part_of_the_build);
    RUN(peers_are_allowed_by_key_or_locator);
    return check_end();
}

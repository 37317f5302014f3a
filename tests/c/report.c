/* What a program reads of a node's situation: the report, whole and valid JSON at any time, and the info in a struct of any
 * size. */
#include "stub.h"

#include <stddef.h>

#define N(array) (sizeof array / sizeof *array)

static struct node a;
static struct stub stub;

/* ---- is it JSON (RFC 8259)? ---- */

static const char *value(const char *p);

static const char *text(const char *p)
{
    if (!p || *p++ != '"')
        return NULL;
    for (; *p != '"'; p++) {
        if ((unsigned char)*p < ' ') /* the NUL too */
            return NULL;
        if (*p != '\\')
            continue;
        p++;
        if (*p == 'u' && strspn(p + 1, "0123456789abcdefABCDEF") >= 4)
            p += 4;
        else if (*p == 0 || !strchr("\"\\/bfnrt", *p))
            return NULL;
    }
    return p + 1;
}
static const char *number(const char *p)
{
    p += *p == '-';
    size_t digits = strspn(p, "0123456789");
    return digits == 0 || (p[0] == '0' && digits > 1) ? NULL : p + digits;
}
/* The members of an object or the elements of an array, up to the bracket that ends it. */
static const char *members(const char *p, char end, int named)
{
    if (*p == end)
        return p + 1;
    for (;; p++) {
        if (named) {
            p = text(p);
            if (!p || *p++ != ':')
                return NULL;
        }
        p = value(p);
        if (!p || *p == end)
            return p ? p + 1 : NULL;
        if (*p != ',')
            return NULL;
    }
}
static const char *value(const char *p)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < N(words); i++)
        if (strncmp(p, words[i], strlen(words[i])) == 0)
            return p + strlen(words[i]);
    switch (*p) {
    case '{':
        return members(p + 1, '}', 1);
    case '[':
        return members(p + 1, ']', 0);
    case '"':
        return text(p);
    default:
        return number(p);
    }
}
static int is_json(const char *p)
{
    p = value(p);
    return p && *p == 0;
}

static void the_checker_knows_what_is_no_json(void)
{
    static const char *const good[] = {"{}", "{\"a\":[1,-2,{\"b\":null}],\"c\":\"\\u00e9\\\"\"}", "[]"};
    static const char *const bad[] = {
        "",        "{",           "{}x",   "{\"a\"}", "{\"a\":1,}",  "[1 2]", "{\"a\":01}", "{\"a\":\"\n\"}",
        "\"\\x\"", "{\"a\":\"b}", "{a:1}", "[1}",     "\"\\u12g4\"", "-",     "nul"};
    for (size_t i = 0; i < N(good); i++)
        CHECK(is_json(good[i]), "%s", good[i]);
    for (size_t i = 0; i < N(bad); i++)
        CHECK(!is_json(bad[i]), "%s", bad[i]);
}

/* The report, which is whole and has its keys (docs/doctor.md). */
static void check_report(p2p_net *net, const char *part)
{
    static const char *const keys[] = {"ready",      "node_type",       "reachable",     "reachable_v6",
                                       "forwarding", "passive_port",    "external_port", "lan_ip",
                                       "wan_ip",     "wan_ip6",         "nat",           "nat_delta",
                                       "mapping",    "allocation",      "unsolicited",   "hairpin",
                                       "double_nat", "clock_offset_us", "steps"};
    char *report = net_report(net), key[40];
    CHECK(is_json(report), "%s", report);
    for (size_t i = 0; i < N(keys); i++) {
        snprintf(key, sizeof key, "\"%s\":", keys[i]);
        const char *at = strstr(report, key);
        CHECK(at != NULL, "%s", key);
        CHECK(!at || !strstr(at + 1, key), "%s twice", key);
    }
    CHECK_HAS(report, part);
    free(report);
}

/* ---- the report ---- */

static void a_report_fits_or_is_not_written(void)
{
    node_open(&a, "127.0.0.2", NULL);
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    size_t need = 0, again = 0;
    CHECK_IS(p2p_net_report(a.net, NULL, 0, &need), P2P_ERR_TOO_SMALL);
    REQUIRE(need > 100);
    /* A guard on both sides. */
    char *all = malloc(need + 64), *buf = all + 32;
    static const long off[] = {-100, -2, -1, 0, 1, 31};
    for (size_t i = 0; i < N(off); i++) {
        size_t cap = need + (size_t)off[i];
        memset(all, 0xA5, need + 64);
        again = 0;
        CHECK_IS(p2p_net_report(a.net, buf, cap, &again), off[i] < 0 ? P2P_ERR_TOO_SMALL : P2P_OK);
        CHECK_INT(again, need);
        size_t written = off[i] < 0 ? 0 : need;
        for (size_t b = 0; b < need + 64; b++)
            if (b < 32 || b >= 32 + written)
                REQUIRE(all[b] == (char)0xA5, "byte %zu of %zu with %zu", b, need, cap);
        if (written)
            CHECK(strlen(buf) == need - 1 && is_json(buf), "%s", buf);
    }
    memset(all, 0xA5, need);
    for (size_t cap = 0; cap < need; cap += 1 + cap / 4)
        CHECK_IS(p2p_net_report(a.net, all, cap, &again), P2P_ERR_TOO_SMALL);
    CHECK(all[0] == (char)0xA5);
    CHECK_IS(p2p_net_report(a.net, all, 0, &again), P2P_ERR_TOO_SMALL);
    free(all);
    node_free(&a);
}

static void nulls_for_a_report(void)
{
    char buf[2000] = "untouched";
    size_t need = 77;
    p2p_net *net = net_new("127.0.0.2", NULL);
    CHECK_IS(p2p_net_report(NULL, buf, sizeof buf, &need), P2P_ERR_INVALID);
    CHECK_IS(p2p_net_report(NULL, NULL, 0, &need), P2P_ERR_INVALID);
    CHECK_IS(p2p_net_report(net, buf, sizeof buf, NULL), P2P_ERR_INVALID);
    CHECK_IS(p2p_net_report(net, NULL, 0, NULL), P2P_ERR_INVALID);
    CHECK_IS(p2p_net_report(net, NULL, 1, &need), P2P_ERR_INVALID);
    CHECK_IS(p2p_net_report(net, NULL, SIZE_MAX, &need), P2P_ERR_INVALID);
    CHECK_INT(need, 77);
    CHECK(strcmp(buf, "untouched") == 0);
    CHECK_OK(p2p_net_report(net, buf, sizeof buf, &need));
    CHECK_INT(need, strlen(buf) + 1);
    CHECK_OK(p2p_net_free(net));
}

static int reported;
static void report_from_inside(struct node *node, const p2p_event *ev)
{
    (void)ev;
    check_report(node->net, "\"lan_ip\":\"127.0.0.2\"");
    reported++;
}
static void a_report_at_any_time(void)
{
    p2p_net *net = net_new("127.0.0.2", NULL);
    check_report(net, "\"ready\":false");
    check_report(net, "\"node_type\":\"unknown\"");
    node_start(&a, net, "127.0.0.2");
    a.also = report_from_inside, reported = 0;
    check_report(net, "\"steps\":[]");
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    check_report(net, "\"ready\":true");
    check_report(net, "\"node_type\":\"active\"");
    check_report(net, "\"reachable\":null");
    check_report(net, "\"forwarding\":\"none\"");
    CHECK_OK(p2p_net_stop(net));
    UNTIL(seen(&a, P2P_EVENT_STOPPED), pump(&a));
    CHECK_INT(reported, a.n);
    check_report(net, "\"ready\":true");
    node_free(&a);
    net = net_new("127.0.0.2", NULL);
    CHECK_OK(p2p_net_stop(net));
    check_report(net, "\"ready\":false");
    CHECK_OK(p2p_net_free(net));
}

/* A name that no look-up leaves this machine for, its label being too long, with what JSON has to escape. */
#define ODD_NAME "q\"b\\s-a-label-of-more-than-sixty-three-characters-which-no-name-may-have.invalid"

static void a_report_holds_the_questions_and_their_answers(void)
{
    stub_open(&stub, 1);
    const struct server *servers =
        SERVERS({P2P_SERVER_RENDEZVOUS, ODD_NAME ":7"}, {P2P_SERVER_NTP, ODD_NAME});
    node_start(&a, net_with("127.0.0.2", OPTIONS({P2P_OPT_START_TIMEOUT_MS, 600000}), servers), "127.0.0.2");
    UNTIL(seen(&a, P2P_EVENT_READY), pump(&a));
    check_report(a.net, "\"topic\":\"nat\"");
    check_report(a.net, "q\\\"b\\\\s-a-label");
    check_report(a.net, "\"good\":false");
    node_free(&a);
    servers = SERVERS({P2P_SERVER_RENDEZVOUS, stub.at}, {P2P_SERVER_NTP, stub.ntp_at});
    node_start(&a, net_with("127.0.0.2", OPTIONS(PATIENT), servers), "127.0.0.2");
    int failed = 0;
    UNTIL(seen(&a, P2P_EVENT_READY) && knows_the_time(a.net, &failed), pump(&a));
    check_report(a.net, "\"topic\":\"clock\"");
    check_report(a.net, "\"wan_ip\":\"127.0.0.2\"");
    check_report(a.net, "\"good\":true");
    for (int i = 0; i < 3; i++) {
        CHECK_OK(p2p_network_changed(a.net, NULL));
        check_report(a.net, "\"steps\":[{");
    }
    UNTIL(seen(&a, P2P_EVENT_INFO), pump(&a));
    node_free(&a);
    stub_close(&stub);
}

/* ---- p2p_net_info ---- */

/* A program compiled with any header, older or newer than the library. */
static void info_of_every_size(void)
{
    stub_open(&stub, 1);
    const struct server *servers = SERVERS({P2P_SERVER_RENDEZVOUS, stub.at}, {P2P_SERVER_NTP, stub.ntp_at});
    node_start(&a, net_with("127.0.0.2", OPTIONS(PATIENT), servers), "127.0.0.2");
    int failed = 0;
    UNTIL(seen(&a, P2P_EVENT_READY) && knows_the_time(a.net, &failed), pump(&a));
    p2p_net_info whole = net_info(a.net);
    CHECK_INT(whole.hairpin, -1);
    CHECK_INT(whole.double_nat, -1);
    CHECK_INT(whole.reachable_v6, -1);
    CHECK(whole.clock_offset_us != 0 && whole.wan_ip6[0] == 0);
    CHECK_INT(offsetof(p2p_net_info, forwarding), 160); /* what 0.1's first header had: it never moves */
    union {
        p2p_net_info info;
        unsigned char bytes[sizeof(p2p_net_info) + 300];
    } u;
    for (uint32_t size = 4; size <= sizeof u.bytes; size++) {
        memset(&u, 0xA5, sizeof u);
        u.info.struct_size = size;
        CHECK_OK(p2p_net_get_info(a.net, &u.info));
        CHECK_INT(u.info.struct_size, size);
        size_t known = size < sizeof whole ? size : sizeof whole;
        CHECK(memcmp(u.bytes + 4, (unsigned char *)&whole + 4, known - 4) == 0, "size %u", size);
        for (size_t b = known; b < sizeof u.bytes; b++)
            REQUIRE(u.bytes[b] == (b < size ? 0 : 0xA5), "byte %zu of %u", b, size);
    }
    node_free(&a);
    stub_close(&stub);
}

static void info_before_the_start(void)
{
    p2p_net *net = net_new("127.0.0.2", NULL);
    p2p_net_info info = net_info(net);
    CHECK_INT(info.node_type, P2P_NODE_UNKNOWN);
    CHECK_INT(info.reachable, -1);
    CHECK_INT(info.hairpin, -1);
    CHECK_INT(info.clock_known, 0);
    CHECK_INT(info.external_port, 0);
    CHECK(!info.lan_ip[0] && !info.wan_ip[0] && !info.wan_ip6[0]);
    CHECK_OK(p2p_net_free(net));
}

int main(int argc, char **argv)
{
    check_begin(argc, argv);
    RUN(the_checker_knows_what_is_no_json);
    RUN(a_report_fits_or_is_not_written);
    RUN(nulls_for_a_report);
    RUN(a_report_at_any_time);
    RUN(a_report_holds_the_questions_and_their_answers);
    RUN(info_of_every_size);
    RUN(info_before_the_start);
    return check_end();
}

/* stream.c - numbered lines over a connection, both ways and without end, and whether each comes once, in order, as sent.
 *
 *   #S SALT NUMBER LETTERS   the line of that number; its letters, and how many they are, follow from salt and number
 *   #A NUMBER                so many have come
 *   #E NUMBER                so many were sent, and that was all
 *   #D NUMBER                the answer to that: so many have come
 *
 * At most WINDOW lines are on their way, so neither side runs ahead of what the network carries, and there is always traffic.
 * A line that is not the next one is told as `wrong`. */
#include "stream.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 60
#define LONGEST_LINE 12000

static struct {
    p2p_conn conn;
    unsigned salt, their_salt;
    unsigned long long sent, confirmed, received, until;
    bool running, resting, ended, owes_count, owes_answer;
} me;

static void reached(p2p_net *net)
{
    p2p_conn_info info = {.struct_size = sizeof info};
    if (me.until == 0 || me.received < me.until)
        return;
    me.until = 0;
    p2p_conn_get_info(net, me.conn, &info);
    tell("reached", "dddddds", "received", (long long)me.received, "sent", (long long)me.sent, "path",
         (long long)info.path, "via", (long long)info.via, "resumptions", (long long)info.resumptions,
         "resends", (long long)info.resends, "peer", info.peer);
}

/* The line of that number. */
static size_t compose(char *line, unsigned salt, unsigned long long number)
{
    size_t len = number % 89 == 3 ? 9000 : (size_t)(number * 37 % 900);
    size_t at = (size_t)snprintf(line, 64, "#S %u %llu ", salt, number);
    for (size_t i = 0; i < len; i++)
        line[at++] = (char)('a' + (number * 31 + salt * 13 + i * 7) % 26);
    return at;
}

static bool say(p2p_net *net, const char *kind, unsigned long long number)
{
    char line[64];
    snprintf(line, sizeof line, "%s %llu", kind, number);
    return p2p_send_line(net, me.conn, line, P2P_AUTO_LEN) == P2P_OK;
}

/* Sends what there is to send, as far as there is room. */
static void go_on(p2p_net *net)
{
    static char line[LONGEST_LINE];
    if (me.owes_count && say(net, "#A", me.received))
        me.owes_count = false;
    if (me.owes_answer && say(net, "#D", me.received))
        me.owes_answer = false;
    while (me.running && me.sent - me.confirmed < WINDOW) {
        size_t len = compose(line, me.salt, me.sent);
        if (p2p_send_line(net, me.conn, line, len) != P2P_OK)
            return;
        me.sent++;
    }
    if (me.resting && !me.ended && say(net, "#E", me.sent))
        me.ended = true;
}

void stream_begin(p2p_net *net, const char *salt)
{
    size_t count = 0;
    p2p_conn_list(net, &me.conn, 1, &count);
    if (count != 1) {
        tell("wrong", "sd", "text", "there is not one connection", "count", (long long)count);
        return;
    }
    me.salt = (unsigned)strtoul(salt, NULL, 10);
    me.running = true;
    go_on(net);
}

void stream_until(p2p_net *net, const char *number)
{
    me.until = strtoull(number, NULL, 10);
    reached(net);
}

void stream_rest(p2p_net *net)
{
    me.running = false;
    me.resting = true;
    go_on(net);
}

static void numbered(const char *text, size_t len)
{
    static char expected[LONGEST_LINE];
    unsigned salt = 0;
    size_t wanted;
    sscanf(text, "#S %u", &salt);
    if (me.received == 0)
        me.their_salt = salt;
    wanted = compose(expected, me.their_salt, me.received);
    if (me.their_salt == me.salt || wanted != len || memcmp(expected, text, len) != 0) {
        char start[64];
        snprintf(start, sizeof start, "%.60s", text);
        tell("wrong", "sddd", "text", start, "expected", (long long)me.received, "len", (long long)len,
             "wanted", (long long)wanted);
    }
    me.received++;
    me.owes_count |= me.received % 10 == 0;
}

void stream_line(p2p_net *net, const p2p_event *ev)
{
    unsigned long long number = 0;
    if (me.conn == 0)
        me.conn = ev->conn;
    if (ev->conn != me.conn)
        tell("wrong", "sd", "text", "a line of another connection", "conn", (long long)ev->conn);
    if (ev->data[1] == 'S')
        numbered(ev->data, ev->len);
    else if (sscanf(ev->data + 2, " %llu", &number) != 1)
        tell("wrong", "s", "text", ev->data);
    else if (ev->data[1] == 'A')
        me.confirmed = number;
    else if (ev->data[1] == 'E') {
        if (number != me.received)
            tell("wrong", "sdd", "text", "not all have come", "sent", (long long)number, "received",
                 (long long)me.received);
        me.owes_answer = true;
    } else if (ev->data[1] == 'D')
        tell("rested", "ddd", "sent", (long long)me.sent, "arrived", (long long)number, "received",
             (long long)me.received);
    go_on(net);
    reached(net);
}

void stream_writable(p2p_net *net)
{
    go_on(net);
}

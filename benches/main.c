/* The frame of every benchmark program: one contender, one work, one role.
 *
 * Arguments are name=value: role=server|client, and what struct args has. The server prints "port N" when it is ready;
 * then figures are printed as "name value", one a line. Status 0 only if everything that was measured was also right. */

#define _GNU_SOURCE
#include "work.h"

#include <unistd.h>

static const char *value_of(const char *arg, const char *name)
{
    size_t n = strlen(name);
    return strncmp(arg, name, n) == 0 && arg[n] == '=' ? arg + n + 1 : NULL;
}

void result(const char *name, double value)
{
    printf("%s %.17g\n", name, value);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct args a = {.way = contender_ways[0],
                     .len = 64,
                     .seconds = 0.5,
                     .connections = 1,
                     .peer = "",
                     .what = "",
                     .sabotage = ""};
    for (int i = 1; i < argc; i++) {
        const char *v;
        if ((v = value_of(argv[i], "role")))
            a.server = strcmp(v, "server") == 0;
        else if ((v = value_of(argv[i], "way")))
            a.way = v;
        else if ((v = value_of(argv[i], "port")))
            a.port = atoi(v);
        else if ((v = value_of(argv[i], "len")))
            a.len = (size_t)atol(v);
        else if ((v = value_of(argv[i], "seconds")))
            a.seconds = atof(v);
        else if ((v = value_of(argv[i], "gap_ms")))
            a.gap_ms = atof(v);
        else if ((v = value_of(argv[i], "peer")))
            a.peer = v;
        else if ((v = value_of(argv[i], "what")))
            a.what = v;
        else if ((v = value_of(argv[i], "pid")))
            a.pid = atoi(v);
        else if ((v = value_of(argv[i], "connections")))
            a.connections = atoi(v);
        else if ((v = value_of(argv[i], "depth")))
            a.depth = atoi(v);
        else if ((v = value_of(argv[i], "first")))
            a.first = atoi(v);
        else if ((v = value_of(argv[i], "sabotage")))
            a.sabotage = v;
        else
            die("unknown argument %s", argv[i]);
    }
    int known = 0;
    for (const char *const *w = contender_ways; *w; w++)
        known |= strcmp(*w, a.way) == 0;
    need(known);
    alarm(120); /* a hang is an error, not a long measurement */
    if (a.server)
        work_server(&a);
    else
        work_client(&a);
    return 0;
}

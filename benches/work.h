/* What a work is: two roles on two processes, driven by main.c. One .c file per work implements this, and on_open() and
 * on_line() of contender.h. */

#ifndef WORK_H
#define WORK_H

#include "contender.h"

struct args {
    const char *way; /* of the contender */
    bool server;
    int port;       /* the server's, for a client */
    size_t len;     /* of a line */
    double seconds; /* to measure for */
    int connections;
    int depth;        /* requests that wait for their answers on one connection */
    int first;        /* the number of the first of many clients */
    double gap_ms;    /* between two lines; 0: none */
    int pid;          /* the server's process, for a client */
    const char *peer; /* what else the server has told with its port */
    const char *what; /* of what the work can do */
    /* "" or what the client shall do wrong, so that we see the check catch it: drop, swap, flip, cut. */
    const char *sabotage;
};

/* A line shorter than any that is checked, from the client: the server shall end. */
#define BYE "BYE"

/* Between contender_open() and contender_close(). The server ends when it is told to. */
void work_server(const struct args *args);
void work_client(const struct args *args);

/* One figure of the result. */
void result(const char *name, double value);

/* Polls until `condition` holds, sleeping in between. */
#define pump_until(condition) \
    while (!(condition)) {    \
        contender_wait();     \
        contender_poll();     \
    }

#endif

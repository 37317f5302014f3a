/* What a contender has to provide. One .c file per contender implements this; main.c and the works drive it, so each
 * is measured by the same code. To add one: write its file, name it in run.py.
 *
 * Connections are numbered from 0 in the order in which they open. All calls come from one thread. */

#ifndef CONTENDER_H
#define CONTENDER_H

#include "bench.h"

/* ---- the contender provides ---- */

/* The ways it can work, by name, NULL at the end; the first is meant when none is named. */
extern const char *const contender_ways[];

/* Starts it, ready to be used, for up to `connections`. The server listens on a free port of 127.0.0.1. */
void contender_open(const char *way, bool server, int connections);
/* The port that the server listens on. */
int contender_port(void);
/* Begins `count` connections to 127.0.0.1:`port`; on_open() tells of each. */
void contender_connect(int port, int count);
/* Sends one line now, CR LF added. It waits while there is no room. */
void contender_send(int connection, const char *line, size_t len);
/* Sends a block of lines, as fast as it can; it may keep the end of it back until contender_flush(). */
void contender_send_block(int connection, const struct lines *block);
void contender_flush(int connection);
/* Sends one line to all. */
void contender_broadcast(const char *line, size_t len);
/* Delivers what there is (on_open, on_line), without waiting. */
void contender_poll(void);
/* Sleeps until contender_poll() would deliver something, or it might. It may deliver by itself what it has waited for. */
void contender_wait(void);
/* Stops and frees everything. */
void contender_close(void);

/* ---- the work provides ---- */

void on_open(int connection);
/* `line` is `len` bytes without CR LF; it may be changed, and is gone afterwards. */
void on_line(int connection, const char *line, size_t len);

#endif

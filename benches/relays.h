/* The simple relays of relay.c, and what both files need of sockets. */

#ifndef RELAYS_H
#define RELAYS_H

#include "work.h"

#define PIECE (64 * 1024)

/* A socket of 127.0.0.1 that listens on a free port. */
int listening(int *port);
int connected(int port);
void no_delay(int fd);
/* False: the other side has gone. */
bool write_all(int fd, const char *data, size_t len);

#endif

/* What the works have in common that send lines one way: a server that counts and checks them, and says so when asked. */

#ifndef ONEWAY_H
#define ONEWAY_H

#include "work.h"

/* The lines that are sent. */
extern struct lines block;

/* Makes the lines, and one connection to the server. */
void oneway_connect(const struct args *args);
/* Asks the server, behind everything that was sent, what it got; the CPU time that this has cost it so far. */
uint64_t oneway_ask(void);
/* Ends both. What the server has said must be so many lines, all of them right. */
void oneway_close(uint64_t lines);

#endif

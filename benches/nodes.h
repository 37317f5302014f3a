/* Several nets in one program, at addresses and with keys of their own: for what is between nodes that have not met yet. */

#ifndef NODES_H
#define NODES_H

#include "work.h"

#include <p2pnet.h>

struct node {
    p2p_net *net;
    int fd; /* readable while there are events */
    bool ready;
    uint64_t opened, closed; /* connections so far */
    uint64_t opened_at;
    /* The last request's outcome, once it has come. */
    bool done;
    p2p_result result;
    p2p_conn conn;
    char why[200];
    /* A number that the peer has said. */
    bool told;
    uint64_t number;
    /* Answers every line by how many connections there have been. */
    bool tells;
};

/* The secret key of the node that the others meet. */
#define SERVER_KEY "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"

/* Starts a node at `ip`, on a free port, with room for `connections`; key NULL: a new one. */
void node_open(struct node *n, const char *ip, bool secure, const char *key, int connections);
int node_port(struct node *n);
/* The node's locator; to be freed. */
char *node_locator(struct node *n);
void node_poll(struct node *n);
/* Begins to connect to "ip:port" or, if there is one, to a locator. */
void node_connect(struct node *n, const char *address, const char *locator);
void node_free(struct node *n);
/* A server's life: until it is told to end by SIGTERM. */
void node_serve(struct node *n);

#endif

/* stream.h - numbered lines over a connection, both ways and without end; see stream.c. */
#ifndef LAB_STREAM_H
#define LAB_STREAM_H

#include <p2pnet.h>

/* One line of JSON; peer.c has it. */
void tell(const char *event, const char *kinds, ...);

/* The order "stream SALT": begins to send on the connection there is. */
void stream_begin(p2p_net *net, const char *salt);
/* The order "until NUMBER": tells `reached` when so many lines have come. */
void stream_until(p2p_net *net, const char *number);
/* The order "rest": sends no more, and tells `rested` when the peer has all. */
void stream_rest(p2p_net *net);

/* A line that begins with '#' has come. */
void stream_line(p2p_net *net, const p2p_event *ev);
/* There is room to send. */
void stream_writable(p2p_net *net);

#endif

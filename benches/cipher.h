/* The library's cipher and signatures without the library: cipher/src/lib.rs. */

#ifndef CIPHER_H
#define CIPHER_H

#include <stddef.h>
#include <stdint.h>

/* As in the library: a length of two bytes, at most so many bytes of text, a tag. */
#define FRAME_HEAD 2
#define FRAME_TEXT 16384
#define FRAME_TAG 16

/* One direction of a connection. */
typedef struct direction direction;

direction *cipher_new(uint8_t key);
void cipher_free(direction *d);
void cipher_seal(direction *d, const char *plain, size_t len, char *out);
int cipher_open(direction *d, char *body, size_t len);
/* Signs with the key that has this number, and says its id; without text the latter only. */
void sign(uint32_t number, const char *text, size_t len, unsigned char id[32], unsigned char signature[64]);

#endif

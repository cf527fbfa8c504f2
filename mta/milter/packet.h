/*
 * Packets of the milter protocol, both ways: four bytes of length (network order), a letter, data. Pure;
 * input is bounded, and read by length.
 */
#ifndef POD_MTA_MILTER_PACKET_H
#define POD_MTA_MILTER_PACKET_H

#include "base/buf.h"
#include "base/span.h"

/* Longest packet taken from a milter: a chunk of body has 64 KiB, a header field may be longer. */
#define MILTER_PACKET_MAX  (1u << 20)
#define MILTER_LENGTH_SIZE 4u

struct milter_packet {
	uint8_t letter;
	struct span data; /* points into the input */
};

/*
 * The packet at the start of in. 1: *ret_packet and the bytes it took; 0: more is needed; -POD_E_PROTOCOL
 * where it has no letter, -POD_E_LIMIT where it is longer than MILTER_PACKET_MAX.
 */
int milter_packet_take(struct span in, struct milter_packet *ret_packet, size_t *ret_used);

/* Begins a packet at the end of out; what is then added is its data, until milter_packet_end(out, at). */
size_t milter_packet_begin(struct buf *out, uint8_t letter);
void milter_packet_end(struct buf *out, size_t at);
void milter_put_u32(struct buf *out, uint32_t v);
/* The text and a NUL; a NUL inside would end it early and goes as a space. */
void milter_put_text(struct buf *out, struct span text);

/* Take a value off the front of *data; false where it is not there. */
bool milter_get_u32(struct span *data, uint32_t *ret_v);
bool milter_get_text(struct span *data, struct span *ret_text);

#endif

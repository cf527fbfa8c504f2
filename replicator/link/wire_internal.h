/* Inside wire*.c. */
#ifndef REPLICATOR_LINK_WIRE_INTERNAL_H
#define REPLICATOR_LINK_WIRE_INTERNAL_H

#include <pthread.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <zstd.h>

#include "replicator/link/wire.h"

/* Three of the largest frames out, so that the next can be made while one goes; two in. */
#define WIRE_OUT_SIZE (3u * (FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX))
#define WIRE_IN_SIZE  (2u * (FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX))
/* What TLS asks the socket for at once: several records, so that a small message costs one read. */
#define WIRE_READ_SIZE 65536u
/* What is gathered before the socket gets it: an epoch of 32 small writes as TLS records, and then some. */
#define WIRE_SEND_SIZE (192 * 1024)

struct wire {
	pthread_mutex_t lock; /* ssl, out */
	int fd;
	SSL *ssl;
	bool broken;                         /* a write failed: the reader finds out why */
	uint8_t *out, *in, *plain, *scratch; /* plain: the owner's; scratch: under the lock */
	size_t out_from, out_to;             /* waiting for the socket */
	size_t frame_at;                     /* of the frame that is being made */
	size_t in_from, in_to;
	bool short_read; /* the socket had much less than it was asked for */
	bool drained;    /* and all of it was taken: poll tells when there is more */
	uint64_t sequence_out, sequence_in;
	bool own; /* log frames go without a checksum of their payload */
	enum link_compress compress;
	/* Frames that are not tried, because the last try did not make one smaller: now, and after the next
	 * such try. */
	unsigned int pack_wait, pack_pause;
	ZSTD_CCtx *zstd;   /* under the lock; made when it is first asked for */
	ZSTD_DCtx *unzstd; /* the owner's; made when a frame first needs it */
	atomic_ullong bytes_sent, bytes_saved, bytes_received, heard_ms;
};

/* Packs the payload behind header in place where that makes it smaller; returns its size then, and the
 * frame's flag, 0 where not.
 */
size_t wire_pack(struct wire *w, uint8_t *payload, size_t size, uint8_t *ret_flag);
/* Leaves out the zeros that a small payload ends in: the gap behind a commit. */
void wire_shorten(struct frame *f, const uint8_t *payload);
/* Unpacks into w->plain. */
int wire_unpack(struct wire *w, const struct frame *f, struct err *err);

#endif

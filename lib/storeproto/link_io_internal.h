/* The system calls of a link: unix sockets with descriptors, or TLS. Only link.c uses these. */
#ifndef POD_STOREPROTO_LINK_IO_INTERNAL_H
#define POD_STOREPROTO_LINK_IO_INTERNAL_H

#include <openssl/ssl.h>
#include <sys/types.h>

#include "storeproto/link_internal.h"

#define LINK_FDS_WAITING_MAX (2 * LINK_FDS_MAX)

struct link_io {
	int fd;
	SSL *ssl;
	int fds[LINK_FDS_WAITING_MAX]; /* that came and wait for their frame, in order */
	size_t fds_n;
	unsigned int fds_ahead; /* sent with frames whose bytes are not all sent */
	bool wants_write; /* TLS must write before it can read on, */
	bool wants_read; /* or read before it can write on: a handshake */
};

#define LINK_IO_AGAIN 0
#define LINK_IO_EOF (-POD_E_UNAVAILABLE)

/* Bytes read, LINK_IO_AGAIN, LINK_IO_EOF, or another -POD_E_* with err set. */
ssize_t link_io_read(struct link_io *io, void *p, size_t room, struct err *err);
/* Writes from the head of the queue. Bytes written, or as above. Marks frames' sent and descriptors. */
ssize_t link_io_write(struct link_io *io, struct frame_out *head, struct err *err);
void link_io_done(struct link_io *io);
/* TCP: a host that went without a word is noticed within half a minute. Does nothing to a unix socket. */
void link_io_probe_peer(int fd);

#endif

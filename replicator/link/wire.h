/*
 * A connection between two replicas: frames over TLS 1.3 on a non-blocking socket, with a buffer each way
 * that is allocated once and used by connection after connection.
 *
 * Threads: one thread owns it: connects, receives, closes. Others may send, also while the owner waits in
 * poll: every call between wire_lock and wire_unlock; receiving takes the lock itself.
 */
#ifndef REPLICATOR_LINK_WIRE_H
#define REPLICATOR_LINK_WIRE_H

#include "net/listener.h"
#include "net/tls.h"
#include "replicator/link/frame.h"
#include "replicator/link/link.h"

struct wire;

int wire_create(struct wire **ret_w, struct err *err);
struct wire *wire_free(struct wire *w);

/* Both block at most timeout_ms, or until stop_fd is readable (-POD_E_CANCELLED), and end with TLS up and the
 * other side's certificate checked. -POD_E_AUTH: it is not who it should be; -POD_E_UNAVAILABLE,
 * -POD_E_TIMEOUT. */
int wire_connect(struct wire *w, const struct net_addr *addr, struct tls_context *tls, const char *identity,
                 int timeout_ms, int stop_fd, struct err *err);
/* Takes fd. */
int wire_accept(struct wire *w, int fd, struct tls_context *tls, const char *const *identities, size_t n,
                int timeout_ms, int stop_fd, struct err *err);
/* -1 where it is closed. */
int wire_fd(const struct wire *w);
void wire_close(struct wire *w);
/* Ends both directions so that the owner wakes and closes it. Any thread. */
void wire_shutdown(struct wire *w);
/* Whether the other side's certificate is for the name. */
bool wire_peer_is(struct wire *w, const char *identity);
/* Frames may be compressed from now on, where it helps. -POD_E_NOMEM. */
int wire_set_compress(struct wire *w, enum link_compress how, struct err *err);
/* Log frames that are not compressed go without a checksum of their payload: each record in it has its own, which the
 * other side looks at in any case before it believes it. */
void wire_set_own(struct wire *w, bool on);

void wire_lock(struct wire *w);
bool wire_trylock(struct wire *w);
void wire_unlock(struct wire *w);

/* ---- sending: under the lock ---- */

/* Room for a frame's payload of at most max bytes; NULL: not now. One frame at a time; nothing is sent before
 * end. */
uint8_t *wire_frame_begin(struct wire *w, size_t max);
void wire_frame_end(struct wire *w, enum frame_type type, uint8_t flags, size_t size);
/* A whole one: -POD_E_BUSY where there is no room now. */
int wire_put(struct wire *w, enum frame_type type, uint8_t flags, const void *payload, size_t size);
int wire_put_u64(struct wire *w, enum frame_type type, uint8_t flags, uint64_t a);
int wire_put_2u64(struct wire *w, enum frame_type type, uint8_t flags, uint64_t a, uint64_t b);
/* Gives the socket what it takes. -POD_E_UNAVAILABLE: the connection is gone. */
int wire_push(struct wire *w, struct err *err);
/* Bytes that wait for the socket. */
size_t wire_pending(const struct wire *w);

/* ---- receiving: the owner ---- */

/* Takes what the socket has. 1: something came, 0: nothing, -POD_E_UNAVAILABLE: the other side closed, or
 * broke. */
int wire_pull(struct wire *w, struct err *err);
/* The same by who knows the time, or about so: when it came, if something did. */
int wire_pull_at(struct wire *w, uint64_t now_ms, struct err *err);
/* Whether a frame's header is there that wire_next has not taken yet, and whether it is of that type. Neither
 * is checked: wire_next does that. */
bool wire_has_header(const struct wire *w);
bool wire_next_is(const struct wire *w, enum frame_type type);
/* The next whole frame, its payload unpacked and checked, valid until the next call of wire_pull or
 * wire_next. 1; 0: none yet; -POD_E_PROTOCOL, -POD_E_VERSION: nothing that comes behind it can be trusted. */
int wire_next(struct wire *w, struct frame *ret, struct err *err);
/* wire_push, then waits until there is a frame, or at most timeout_ms. 1, 0 or an error as above. */
int wire_wait(struct wire *w, int timeout_ms, int stop_fd, struct frame *ret, struct err *err);
/* wire_pull stopped because its buffer was full: there may be more at once. */
bool wire_is_full(const struct wire *w);
/* When something last came, clock_mono_ms. Any thread. */
uint64_t wire_heard_ms(const struct wire *w);

/* Bytes since it was made, all over all connections. Any thread. saved: what those sent would have been more,
 * were they not compressed and shortened. */
uint64_t wire_bytes_sent(const struct wire *w);
uint64_t wire_bytes_saved(const struct wire *w);
uint64_t wire_bytes_received(const struct wire *w);

#endif

#include "replicator/link/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/le.h"
#include "replicator/link/wire_internal.h"

int wire_create(struct wire **ret_w, struct err *err)
{
	struct wire *w = calloc(1, sizeof(*w));

	if (!w)
		return err_set(err, POD_E_NOMEM, "a replication link");
	w->fd = -1;
	(void) pthread_mutex_init(&w->lock, NULL);
	w->out = malloc(WIRE_OUT_SIZE);
	w->in = malloc(WIRE_IN_SIZE);
	w->plain = malloc(FRAME_PAYLOAD_MAX);
	w->scratch = malloc(FRAME_PAYLOAD_MAX);
	if (!w->out || !w->in || !w->plain || !w->scratch) {
		(void) wire_free(w);
		return err_set(err, POD_E_NOMEM, "buffers of a replication link");
	}
	*ret_w = w;
	return 0;
}

struct wire *wire_free(struct wire *w)
{
	if (!w)
		return NULL;
	wire_close(w);
	(void) pthread_mutex_destroy(&w->lock);
	free(w->out);
	free(w->in);
	free(w->plain);
	free(w->scratch);
	(void) ZSTD_freeCCtx(w->zstd);
	(void) ZSTD_freeDCtx(w->unzstd);
	free(w);
	return NULL;
}

int wire_fd(const struct wire *w)
{
	return w->fd;
}

bool wire_peer_is(struct wire *w, const char *identity)
{
	X509 *cert = SSL_get0_peer_certificate(w->ssl);

	return cert && X509_check_host(cert, identity, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

void wire_set_own(struct wire *w, bool on)
{
	wire_lock(w);
	w->own = on;
	wire_unlock(w);
}

void wire_lock(struct wire *w)
{
	(void) pthread_mutex_lock(&w->lock);
}

bool wire_trylock(struct wire *w)
{
	return pthread_mutex_trylock(&w->lock) == 0;
}

void wire_unlock(struct wire *w)
{
	(void) pthread_mutex_unlock(&w->lock);
}

/* ---- sending ---- */

uint8_t *wire_frame_begin(struct wire *w, size_t max)
{
	size_t need = FRAME_HEADER_SIZE + max;

	if (w->fd < 0 || w->broken)
		return NULL;
	if (WIRE_OUT_SIZE - w->out_to < need && w->out_from > 0) {
		memmove(w->out, w->out + w->out_from, w->out_to - w->out_from);
		w->out_to -= w->out_from;
		w->out_from = 0;
	}
	if (WIRE_OUT_SIZE - w->out_to < need)
		return NULL;
	w->frame_at = w->out_to;
	return w->out + w->frame_at + FRAME_HEADER_SIZE;
}

void wire_frame_end(struct wire *w, enum frame_type type, uint8_t flags, size_t size)
{
	uint8_t *at = w->out + w->frame_at;
	uint8_t how = 0;
	size_t packed = wire_pack(w, at + FRAME_HEADER_SIZE, size, &how);
	struct frame f = {
		.type = type,
		.flags = (uint8_t) (flags | how),
		.size = (uint32_t) (packed ? packed : size),
		.raw_size = (uint32_t) size,
		.sequence = ++w->sequence_out,
	};

	if (type == FRAME_LOG && !packed)
		wire_shorten(&f, at + FRAME_HEADER_SIZE);
	atomic_fetch_add(&w->bytes_saved, size - f.size);
	if (type == FRAME_LOG && !packed && w->own)
		f.flags |= FRAME_OWN;
	else
		f.payload_hash = frame_hash(at + FRAME_HEADER_SIZE, f.size);
	frame_encode(&f, at);
	w->out_to = w->frame_at + FRAME_HEADER_SIZE + f.size;
}

int wire_put(struct wire *w, enum frame_type type, uint8_t flags, const void *payload, size_t size)
{
	uint8_t *to = wire_frame_begin(w, size);

	if (!to)
		return -POD_E_BUSY;
	memcpy(to, payload, size);
	wire_frame_end(w, type, flags, size);
	return 0;
}

int wire_put_u64(struct wire *w, enum frame_type type, uint8_t flags, uint64_t a)
{
	uint8_t payload[8];

	le_put64(payload, a);
	return wire_put(w, type, flags, payload, sizeof(payload));
}

int wire_put_2u64(struct wire *w, enum frame_type type, uint8_t flags, uint64_t a, uint64_t b)
{
	uint8_t payload[16];

	le_put64(payload, a);
	le_put64(payload + 8, b);
	return wire_put(w, type, flags, payload, sizeof(payload));
}

static int write_failed(struct wire *w, int e, struct err *err)
{
	char why[160];

	w->broken = true;
	return err_set(err, POD_E_UNAVAILABLE, "connection lost: %s",
	               e == SSL_ERROR_SYSCALL && errno ? strerror(errno)
	                                               : tls_error_text(w->ssl, why, sizeof(why)));
}

/* What TLS has made of it so far. */
static int flush_records(struct wire *w, struct err *err)
{
	BIO *out = SSL_get_wbio(w->ssl);

	errno = 0;
	if (BIO_wpending(out) == 0 || BIO_flush(out) == 1 || BIO_should_retry(out))
		return 0;
	return write_failed(w, SSL_ERROR_SYSCALL, err);
}

int wire_push(struct wire *w, struct err *err)
{
	while (!w->broken && w->fd >= 0 && w->out_from < w->out_to) {
		size_t n = 0;

		errno = 0;
		ERR_clear_error();
		/* All that waits each time: a repeated call must not offer less than the one before
		 * (SSL_write(3)). */
		if (SSL_write_ex(w->ssl, w->out + w->out_from, w->out_to - w->out_from, &n) != 1) {
			int e = SSL_get_error(w->ssl, 0);

			if (e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ)
				return 0;
			return write_failed(w, e, err);
		}
		w->out_from += n;
		atomic_fetch_add(&w->bytes_sent, n);
	}
	if (w->fd < 0 || w->broken)
		return err_set(err, POD_E_UNAVAILABLE, "connection lost");
	if (w->out_from == w->out_to)
		w->out_from = w->out_to = 0;
	return flush_records(w, err);
}

size_t wire_pending(const struct wire *w)
{
	return w->out_to - w->out_from + (w->ssl ? (size_t) BIO_wpending(SSL_get_wbio(w->ssl)) : 0);
}

/* ---- receiving ---- */

/* from_socket: what TLS has just read from it; 0 where it had enough. */
static void note_drained(struct wire *w, uint64_t from_socket)
{
	if (from_socket > 0)
		w->short_read = from_socket < WIRE_READ_SIZE / 2;
	w->drained = w->short_read && !SSL_has_pending(w->ssl);
}

static int read_some(struct wire *w, size_t *ret_n, struct err *err)
{
	uint64_t before;
	char why[160];
	int r, e;

	*ret_n = 0;
	wire_lock(w);
	before = BIO_number_read(SSL_get_rbio(w->ssl));
	errno = 0;
	ERR_clear_error();
	r = SSL_read_ex(w->ssl, w->in + w->in_to, WIRE_IN_SIZE - w->in_to, ret_n);
	e = r == 1 ? SSL_ERROR_NONE : SSL_get_error(w->ssl, 0);
	if (r == 1)
		note_drained(w, BIO_number_read(SSL_get_rbio(w->ssl)) - before);
	if (e == SSL_ERROR_NONE || e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
		r = 0;
	else if (e == SSL_ERROR_ZERO_RETURN || (e == SSL_ERROR_SYSCALL && errno == 0))
		r = err_set(err, POD_E_UNAVAILABLE, "the other side closed the connection");
	else if (e == SSL_ERROR_SYSCALL)
		r = err_set(err, POD_E_UNAVAILABLE, "connection lost: %s", strerror(errno));
	else
		r = err_set(err, POD_E_UNAVAILABLE, "connection lost: %s",
		            tls_error_text(w->ssl, why, sizeof(why)));
	wire_unlock(w);
	return r;
}

/* 0, 1 or an error, as wire_pull. */
static int pull(struct wire *w, struct err *err)
{
	bool some = false;

	if (w->fd < 0)
		return err_set(err, POD_E_UNAVAILABLE, "no connection");
	if (w->in_from > 0) {
		memmove(w->in, w->in + w->in_from, w->in_to - w->in_from);
		w->in_to -= w->in_from;
		w->in_from = 0;
	}
	if (w->drained) {
		w->drained = false;
		return 0;
	}
	while (w->in_to < WIRE_IN_SIZE && !w->drained) {
		size_t n;
		int r = read_some(w, &n, err);

		if (r < 0)
			return some ? 1
			            : r; /* what came before is looked at first; the next call fails again */
		if (n == 0)
			break;
		w->in_to += n;
		some = true;
		atomic_fetch_add(&w->bytes_received, n);
	}
	return some;
}

int wire_pull(struct wire *w, struct err *err)
{
	int r = pull(w, err);

	if (r > 0)
		atomic_store(&w->heard_ms, clock_mono_ms());
	return r;
}

int wire_pull_at(struct wire *w, uint64_t now_ms, struct err *err)
{
	int r = pull(w, err);

	if (r > 0 && now_ms > atomic_load(&w->heard_ms))
		atomic_store(&w->heard_ms, now_ms);
	return r;
}

bool wire_has_header(const struct wire *w)
{
	return w->in_to - w->in_from >= FRAME_HEADER_SIZE;
}

bool wire_next_is(const struct wire *w, enum frame_type type)
{
	return wire_has_header(w) && w->in[w->in_from + FRAME_TYPE_AT] == type;
}

int wire_next(struct wire *w, struct frame *ret, struct err *err)
{
	const uint8_t *at = w->in + w->in_from;
	struct frame f;
	int r;

	if (w->in_to - w->in_from < FRAME_HEADER_SIZE)
		return 0;
	r = frame_decode(at, w->sequence_in + 1, &f, err);
	if (r < 0)
		return r;
	if (w->in_to - w->in_from < FRAME_HEADER_SIZE + f.size)
		return 0;
	f.payload = at + FRAME_HEADER_SIZE;
	if (!(f.flags & FRAME_OWN) && frame_hash(f.payload, f.size) != f.payload_hash)
		return err_set(err, POD_E_PROTOCOL, "a %s frame came damaged", frame_name(f.type));
	if (f.flags & (FRAME_LZ4 | FRAME_ZSTD | FRAME_SHORT)) {
		r = wire_unpack(w, &f, err);
		if (r < 0)
			return r;
		f.payload = w->plain;
	}
	w->sequence_in++;
	w->in_from += FRAME_HEADER_SIZE + f.size;
	f.size = f.raw_size;
	*ret = f;
	return 1;
}

int wire_wait(struct wire *w, int timeout_ms, int stop_fd, struct frame *ret, struct err *err)
{
	uint64_t end = clock_mono_ms() + (uint64_t) timeout_ms;

	for (;;) {
		uint64_t now = clock_mono_ms();
		struct pollfd fds[2] = { { .fd = w->fd, .events = POLLIN },
			                 { .fd = stop_fd, .events = POLLIN } };
		int r;

		wire_lock(w);
		r = wire_push(w, err);
		fds[0].events |= (short) (wire_pending(w) ? POLLOUT : 0);
		wire_unlock(w);
		if (r < 0)
			return r;
		r = wire_next(w, ret, err);
		if (r != 0)
			return r;
		r = wire_pull(w, err);
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		if (now >= end)
			return 0;
		if (poll(fds, 2, (int) (end - now)) < 0 && errno != EINTR)
			return err_errno(err, errno, "poll");
		if (fds[1].revents)
			return err_set(err, POD_E_CANCELLED, "stopped");
	}
}

bool wire_is_full(const struct wire *w)
{
	return w->in_to == WIRE_IN_SIZE;
}

uint64_t wire_heard_ms(const struct wire *w)
{
	return atomic_load(&w->heard_ms);
}

uint64_t wire_bytes_sent(const struct wire *w)
{
	return atomic_load(&w->bytes_sent);
}

uint64_t wire_bytes_saved(const struct wire *w)
{
	return atomic_load(&w->bytes_saved);
}

uint64_t wire_bytes_received(const struct wire *w)
{
	return atomic_load(&w->bytes_received);
}

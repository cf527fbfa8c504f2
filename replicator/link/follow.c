/* A primary's connection to us: who it is, whether it may, then its frames one after the other. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/le.h"
#include "replicator/link/link_internal.h"

/* Buffers of a megabyte, one after the other, that are taken before there is a flush in any case. */
#define FULL_MAX 3
/* So long nothing has to come before receipt is reported that nobody asked for. */
#define QUIET_MS 10

bool session_stopped(struct session *s)
{
	bool stop;

	(void) pthread_mutex_lock(&s->r->lock);
	stop = s->stop;
	(void) pthread_mutex_unlock(&s->r->lock);
	return stop;
}

int session_put(struct session *s, enum frame_type type, uint8_t flags, const void *payload, size_t size,
                struct err *err)
{
	uint64_t end_ms = 0; /* once it has to wait */

	for (;;) {
		struct pollfd fds[2] = { { .fd = wire_fd(s->wire), .events = POLLOUT },
			                 { .fd = s->stop_fd, .events = POLLIN } };
		int put, r;

		wire_lock(s->wire);
		put = wire_put(s->wire, type, flags, payload, size);
		r = wire_push(s->wire, err);
		wire_unlock(s->wire);
		if (r < 0 || put == 0)
			return r;
		end_ms = end_ms ? end_ms : clock_mono_ms() + 3 * (uint64_t) s->r->o.dead_ms;
		if (clock_mono_ms() >= end_ms)
			return err_set(err, POD_E_TIMEOUT, "the primary does not read our answers");
		if (poll(fds, 2, 100) < 0 && errno != EINTR)
			return err_errno(err, errno, "poll");
		if (fds[1].revents)
			return err_set(err, POD_E_CANCELLED, "stopped");
	}
}

int session_put_2u64(struct session *s, enum frame_type type, uint8_t flags, uint64_t a, uint64_t b,
                     struct err *err)
{
	uint8_t payload[16];

	le_put64(payload, a);
	le_put64(payload + 8, b);
	return session_put(s, type, flags, payload, sizeof(payload), err);
}

/* ---- the meeting ---- */

static int accept_tls(struct session *s, struct err *err)
{
	struct replication *r = s->r;
	char identities[PEERS_MAX][REPLICATION_IDENTITY_SIZE];
	const char *names[PEERS_MAX];
	size_t n = 0;
	int fd = s->fd;

	(void) pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < PEERS_MAX; i++) {
		if (!r->peers[i].used)
			continue;
		memcpy(identities[n], r->peers[i].config.identity, sizeof(identities[n]));
		names[n] = identities[n];
		n++;
	}
	(void) pthread_mutex_unlock(&r->lock);
	s->fd = -1;
	return wire_accept(s->wire, fd, r->server, names, n, CONNECT_MS, s->stop_fd, err);
}

/* The site that it says it is has to be the one whose certificate it showed. */
static int check_identity(struct session *s, struct err *err)
{
	struct replication *r = s->r;
	char identity[REPLICATION_IDENTITY_SIZE] = "";

	(void) pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (r->peers[i].used && strcmp(r->peers[i].config.name, s->hello.site) == 0)
			memcpy(identity, r->peers[i].config.identity, sizeof(identity));
	(void) pthread_mutex_unlock(&r->lock);
	if (!*identity || !wire_peer_is(s->wire, identity))
		return err_set(err, POD_E_DENIED, "the certificate is not that of a peer called \"%s\"",
		               s->hello.site);
	return 0;
}

static int fence(struct session *s, uint64_t token, struct err *err)
{
	uint8_t payload[8];
	int r;

	le_put64(payload, token);
	r = session_put(s, FRAME_FENCE, 0, payload, sizeof(payload), err);
	return r < 0 ? r
	             : err_set(err, POD_E_STALE,
	                       "%s is primary under token %" PRIu64 ", but we have seen %" PRIu64,
	                       s->hello.site, s->hello.token, token);
}

static void raise_token(struct superblock *sb, void *arg)
{
	uint64_t token = *(const uint64_t *) arg;

	if (sb->token < token)
		sb->token = token;
}

/* Whether its token allows it to write here; a higher one is remembered before it hears so. */
static int check_token(struct session *s, struct err *err)
{
	struct replication *r = s->r;
	struct superblock sb;
	bool primary;

	role_fence(r, s->hello.token, s->hello.site);
	disk_superblock(r->disk, &sb);
	(void) pthread_mutex_lock(&r->lock);
	primary = r->role == ROLE_PRIMARY;
	(void) pthread_mutex_unlock(&r->lock);
	if (sb.token > s->hello.token)
		return fence(s, sb.token, err);
	if (primary || (sb.token == s->hello.token && sb.own_token == sb.token))
		return err_set(err, POD_E_STALE, "%s and we were made primary under the same token %" PRIu64,
		               s->hello.site, s->hello.token);
	return sb.token < s->hello.token ? disk_superblock_change(r->disk, raise_token, &s->hello.token, err)
	                                 : 0;
}

/* Everything whole that came before counts: it need not come again. */
static int settle_before(struct session *s, struct err *err)
{
	struct disk_cursors c;

	disk_cursors(s->r->disk, &c);
	return c.committed > c.durable ? disk_wait_durable(s->r->disk, c.committed, err) : 0;
}

static int adopt(struct session *s, struct err *err)
{
	struct replication *r = s->r;
	struct hello ours;
	uint8_t payload[HELLO_SIZE];
	struct superblock sb;
	int ret = check_identity(s, err);

	disk_superblock(r->disk, &sb);
	if (ret == 0 && memcmp(sb.volume_id, s->hello.volume_id, sizeof(sb.volume_id)) != 0)
		ret = err_set(err, POD_E_CONFIG, "it has another volume");
	if (ret == 0 && s->hello.role != ROLE_PRIMARY)
		ret = err_set(err, POD_E_PROTOCOL, "%s is not primary", s->hello.site);
	if (ret == 0)
		ret = check_token(s, err);
	if (ret < 0)
		return ret;
	(void) pthread_mutex_lock(&r->lock);
	sessions_end(r, s); /* also the same primary's from before, whose end we have not noticed */
	r->current = s;
	memcpy(r->primary, s->hello.site, sizeof(r->primary));
	r->token = s->hello.token;
	(void) pthread_mutex_unlock(&r->lock);
	ret = settle_before(s, err);
	if (ret < 0)
		return ret;
	hello_make(r, &ours);
	hello_encode(&ours, payload);
	return session_put(s, FRAME_HELLO, 0, payload, sizeof(payload), err);
}

/* One primary is adopted at a time, and not while our own role changes. */
static int adopt_alone(struct session *s, struct err *err)
{
	struct replication *r = s->r;
	bool stop;
	int ret;

	(void) pthread_mutex_lock(&r->lock);
	while (r->changing_role && !s->stop && !r->stopping)
		(void) pthread_cond_wait(&r->changed, &r->lock);
	stop = s->stop || r->stopping;
	r->changing_role = r->changing_role || !stop;
	(void) pthread_mutex_unlock(&r->lock);
	if (stop)
		return err_set(err, POD_E_CANCELLED, "stopped");
	ret = adopt(s, err);
	(void) pthread_mutex_lock(&r->lock);
	r->changing_role = false;
	(void) pthread_cond_broadcast(&r->changed);
	(void) pthread_mutex_unlock(&r->lock);
	return ret;
}

static int greet(struct session *s, struct err *err)
{
	struct hello ours;
	unsigned int version; /* there is one way to go on so far */
	struct frame f;
	int r = accept_tls(s, err);

	if (r == 0)
		r = wire_wait(s->wire, CONNECT_MS, s->stop_fd, &f, err);
	if (r == 0)
		return err_set(err, POD_E_TIMEOUT, "no hello came");
	if (r < 0)
		return r;
	if (f.type != FRAME_HELLO)
		return err_set(err, POD_E_PROTOCOL, "a %s frame before the hello", frame_name(f.type));
	hello_make(s->r, &ours);
	r = hello_decode(f.payload, &ours, &s->hello, &version, err);
	return r < 0 ? r : adopt_alone(s, err);
}

/* ---- its frames ---- */

static int on_start(struct session *s, const struct frame *f, struct err *err)
{
	int r = start_decode(f->payload, &s->start, err);

	if (r < 0)
		return r;
	s->following = s->more = false;
	s->n_incoming = 0;
	return s->start.kind == START_FOLLOW ? start_follow_here(s, err) : start_resync_here(s, err);
}

static int on_frame(struct session *s, const struct frame *f, struct err *err)
{
	if (!s->following && f->type != FRAME_START && f->type != FRAME_RESTART && f->type != FRAME_PING &&
	    f->type != FRAME_ERROR && f->type != FRAME_HASHES)
		return err_set(err, POD_E_PROTOCOL, "a %s frame before anything was agreed",
		               frame_name(f->type));
	switch (f->type) {
	case FRAME_START: return on_start(s, f, err);
	case FRAME_RESTART: return restart_here(s, f, err);
	case FRAME_LOG: return receive_log(s, f, err);
	case FRAME_HASHES: return receive_hashes(s, f, err);
	case FRAME_CHUNK: return receive_chunk(s, f, err);
	case FRAME_RESYNC_END: return receive_resync_end(s, f, err);
	case FRAME_PING: return session_put(s, FRAME_PONG, 0, f->payload, 8, err);
	case FRAME_ERROR: return hello_take_error(f, err);
	default: return err_set(err, POD_E_PROTOCOL, "an unexpected %s frame", frame_name(f->type));
	}
}

/* Whether the disk has made room already; if not, the bell rings when it has. */
static bool room_is_there(struct session *s)
{
	uint64_t at = receive_room_at(s);
	struct disk_cursors c;

	bell_silence(&s->r->room);
	atomic_store(&s->r->room_at, at);
	disk_cursors(s->r->disk, &c);
	return c.tail >= at;
}

static int wait_for_more(struct session *s, struct err *err)
{
	struct pollfd fds[3] = { { .fd = wire_fd(s->wire), .events = POLLIN },
		                 { .fd = s->stop_fd, .events = POLLIN },
		                 { .fd = s->r->room.fd, .events = POLLIN } };
	uint64_t dead_ms = 3 * (uint64_t) s->r->o.dead_ms, silent_ms;
	int r, n, timeout_ms;

	wire_lock(s->wire);
	r = wire_push(s->wire, err);
	fds[0].events |= (short) (wire_pending(s->wire) ? POLLOUT : 0);
	wire_unlock(s->wire);
	if (r < 0)
		return r;
	if (room_is_there(s))
		return 0;
	silent_ms = s->just_heard ? 0 : clock_mono_ms() - wire_heard_ms(s->wire);
	s->just_heard = false;
	timeout_ms = silent_ms < dead_ms ? (int) (dead_ms - silent_ms) : 0;
	n = poll(fds, ARRAY_SIZE(fds),
	         receive_owes_report(s) && timeout_ms > QUIET_MS ? QUIET_MS : timeout_ms);
	if (n < 0 && errno != EINTR)
		return err_errno(err, errno, "poll");
	s->quiet = n == 0;
	if (fds[1].revents)
		return err_set(err, POD_E_CANCELLED, "stopped");
	if (!fds[0].revents && clock_mono_ms() - wire_heard_ms(s->wire) >= dead_ms)
		return err_set(err, POD_E_TIMEOUT, "nothing came from the primary for %" PRIu64 " ms",
		               dead_ms);
	return 0;
}

static int follow(struct session *s, struct err *err)
{
	unsigned int full = 0;
	int r = 0;

	while (r == 0) {
		struct frame f;
		bool more;

		while ((r = wire_next(s->wire, &f, err)) > 0) {
			r = on_frame(s, &f, err);
			if (r < 0)
				return r;
		}
		if (r == 0)
			r = wire_pull(s->wire, err);
		if (r < 0)
			break;
		more = r > 0;
		s->just_heard = s->just_heard || more;
		r = 0;
		if (more && wire_is_full(s->wire) && ++full % FULL_MAX)
			continue; /* one flush for as much as there is */
		r = receive_settle(s, !more, err);
		if (r == 0 && session_stopped(s))
			r = err_set(err, POD_E_CANCELLED, "stopped");
		if (r == 0 && !more)
			r = wait_for_more(s, err);
	}
	return r;
}

static void say_why(struct session *s, int r, const struct err *err)
{
	if (r == -POD_E_UNAVAILABLE || r == -POD_E_CANCELLED || wire_fd(s->wire) < 0)
		return;
	wire_lock(s->wire);
	(void) hello_put_error(s->wire, r, err_text(err));
	(void) wire_push(s->wire, NULL);
	wire_unlock(s->wire);
}

void *session_main(void *arg)
{
	struct session *s = arg;
	struct replication *r = s->r;
	struct err err = { 0 };
	int ret = greet(s, &err);

	if (ret == 0)
		ret = follow(s, &err);
	say_why(s, ret, &err);
	if (ret != -POD_E_CANCELLED)
		log_event(r->o.log, LOGL_INFO, "replication.primary_lost", F_STR("site", s->hello.site),
		          F_ERR(&err));
	wire_close(s->wire);
	(void) pthread_mutex_lock(&r->lock);
	if (r->current == s)
		r->current = NULL;
	s->done = true;
	(void) pthread_cond_broadcast(&r->changed);
	(void) pthread_mutex_unlock(&r->lock);
	return NULL;
}

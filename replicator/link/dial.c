/* A peer's thread on the primary: connects, greets, then sends the log and hears what became of it. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/le.h"
#include "replicator/link/link_internal.h"

#define ASYNC_NAP_MS 10 /* what is written meanwhile goes together */
#define KEEP_BYTES   (1u << 20)
#define KEEP_MS      200

/* Under the lock. */
static bool wanted(const struct peer *p)
{
	return !p->stop && p->used && p->r->role == ROLE_PRIMARY && !p->paused && p->has_addr &&
	       !p->r->stopping;
}

bool peer_stopped(struct peer *p)
{
	bool stopped;

	(void) pthread_mutex_lock(&p->r->lock);
	stopped = !wanted(p) || p->reconnect;
	(void) pthread_mutex_unlock(&p->r->lock);
	return stopped;
}

/* Whether it is sent the log. Where it is not, what it lacks is marked, and the log is not kept for it. */
static bool ships(const struct peer *p)
{
	return atomic_load(&p->shipped) != UINT64_MAX;
}

/* ---- frames ---- */

int peer_has(struct peer *p, uint64_t lsn, struct err *err)
{
	uint64_t now = clock_mono_ms();
	int r;

	if (!ships(p) || lsn <= p->needs_lsn ||
	    (lsn - p->needs_lsn < KEEP_BYTES && now - p->kept_ms < KEEP_MS))
		return 0;
	r = disk_peer_set(p->r->disk, p->config.name, lsn, err);
	if (r == -POD_E_STALE) {
		wire_lock(p->wire);
		p->ship.overrun = true;
		wire_unlock(p->wire);
		return 0;
	}
	p->needs_lsn = lsn;
	p->kept_ms = now;
	return r;
}

/* What a flush has shipped meanwhile was sent, too. */
static uint64_t sent_so_far(struct peer *p)
{
	wire_lock(p->wire);
	p->sent_seen = p->ship.next > p->sent_seen ? p->ship.next : p->sent_seen;
	wire_unlock(p->wire);
	return p->sent_seen;
}

static int on_durable(struct peer *p, const struct frame *f, struct err *err)
{
	uint64_t lsn = le_get64(f->payload);

	if (lsn > sent_so_far(p))
		return err_set(err, POD_E_PROTOCOL, "the peer confirms what it was never sent");
	(void) pthread_mutex_lock(&p->r->lock);
	p->durable_epoch = le_get64(f->payload + 8);
	step_at(p->r, wire_heard_ms(p->wire), REPL_PEER_DURABLE, p->place, lsn);
	(void) pthread_mutex_unlock(&p->r->lock);
	p->durable_lsn = lsn;
	return compare_on_log_durable(p, lsn, err);
}

static int on_received(struct peer *p, const struct frame *f, struct err *err)
{
	uint64_t lsn = le_get64(f->payload), committed = le_get64(f->payload + 8);

	if (lsn > sent_so_far(p) || committed > lsn)
		return err_set(err, POD_E_PROTOCOL, "the peer has received what it was never sent");
	(void) pthread_mutex_lock(&p->r->lock);
	step_at(p->r, wire_heard_ms(p->wire), REPL_PEER_RECEIVED, p->place, lsn);
	step_at(p->r, wire_heard_ms(p->wire), REPL_PEER_ACCEPTED, p->place, committed);
	(void) pthread_mutex_unlock(&p->r->lock);
	return 0;
}

static int on_credit(struct peer *p, const struct frame *f)
{
	uint64_t lsn = le_get64(f->payload);

	wire_lock(p->wire);
	p->ship.credit = lsn;
	wire_unlock(p->wire);
	(void) pthread_mutex_lock(&p->r->lock);
	step_at(p->r, wire_heard_ms(p->wire), REPL_PEER_CREDIT, p->place, lsn);
	(void) pthread_mutex_unlock(&p->r->lock);
	return 0;
}

int peer_on_frame(struct peer *p, const struct frame *f, struct err *err)
{
	switch (f->type) {
	case FRAME_RECEIVED: return on_received(p, f, err);
	case FRAME_DURABLE: return on_durable(p, f, err);
	case FRAME_CREDIT: return on_credit(p, f);
	case FRAME_DIFFERS: return compare_on_differs(p, f, err);
	case FRAME_CHUNK_DURABLE: return compare_on_durable(p, f, err);
	case FRAME_PONG: return 0;
	case FRAME_ERROR: return hello_take_error(f, err);
	case FRAME_FENCE:
		role_fence(p->r, le_get64(f->payload), p->config.name);
		return err_set(err, POD_E_STALE, "the peer knows a newer primary, under token %llu",
		               (unsigned long long) le_get64(f->payload));
	default: return err_set(err, POD_E_PROTOCOL, "an unexpected %s frame", frame_name(f->type));
	}
}

/* ---- the loop ---- */

struct orders {
	bool go_ahead, start_resync, resync_all, verify, repair, async;
};

static bool taken(bool *flag)
{
	bool was = *flag;

	*flag = false;
	return was;
}

static void take_orders(struct peer *p, struct orders *o)
{
	(void) pthread_mutex_lock(&p->r->lock);
	*o = (struct orders){
		.go_ahead = taken(&p->go_ahead),
		.start_resync = taken(&p->start_resync),
		.resync_all = taken(&p->resync_all),
		.verify = taken(&p->verify),
		.repair = p->verify_repair,
		.async = p->config.mode == PEER_ASYNC,
	};
	if (o->verify)
		p->verifying = true;
	(void) pthread_mutex_unlock(&p->r->lock);
}

/* Nobody waits for an async peer: what it lacks need not stay as it was. */
static void tell_lag(struct peer *p, bool async)
{
	if (async != p->may_lag)
		disk_peer_may_lag(p->r->disk, p->config.name, async);
	p->may_lag = async;
}

/* From what the peer has on everything is marked. */
static int mark_rest(struct peer *p, struct err *err)
{
	int r = disk_peer_to_bitmap(p->r->disk, p->config.name, p->needs_lsn, err);

	return r == -POD_E_STALE ? 0 : r; /* the disk has done it already */
}

/* Sends no more of the log: what it would have said is marked instead. */
static int go_ahead(struct peer *p, struct err *err)
{
	ship_stop(p);
	pace_ahead(p);
	compare_abort(p, "the peer lags too far");
	return mark_rest(p, err);
}

static void put_off(struct peer *p)
{
	(void) pthread_mutex_lock(&p->r->lock);
	step_lsn(p->r, REPL_PEER_NOT_YET, p->place, 0);
	(void) pthread_mutex_unlock(&p->r->lock);
}

static int obey(struct peer *p, const struct orders *o, struct err *err)
{
	int r = 0;

	if (o->go_ahead)
		r = go_ahead(p, err);
	if (r == 0 && o->start_resync && !o->resync_all && !pace_can_finish(p))
		put_off(p);
	else if (r == 0 && (o->start_resync || o->resync_all)) {
		p->readable =
			true; /* it reads until the peer answers, and may leave what comes behind that */
		r = peer_resync(p, o->resync_all, err);
	}
	if (r == 0 && o->verify)
		compare_begin(p, COMPARE_VERIFY, o->repair);
	return r;
}

/* What there is to do when nothing more is heard. */
struct rest {
	bool pending; /* for the socket to take */
	bool more;    /* of the log, to be sent at once */
	bool busy;    /* with a comparison */
	bool async;
};

/* Ships, and tells the core how far. */
static int send_log(struct peer *p, struct rest *ret, struct err *err)
{
	struct disk_cursors c;
	uint64_t now = clock_mono_ms(), next;
	bool overrun;
	int r;

	wire_lock(p->wire);
	r = ship_log(p, &ret->more, err);
	next = p->ship.next;
	overrun = taken(&p->ship.overrun);
	if (r == 0 && now - p->pinged_ms >= p->r->o.dead_ms / 3) {
		p->pinged_ms = now;
		(void) wire_put_u64(p->wire, FRAME_PING, 0, now);
	}
	if (r == 0)
		r = wire_push(p->wire, err);
	ret->pending = wire_pending(p->wire) > 0;
	wire_unlock(p->wire);
	disk_cursors(p->r->disk, &c);
	/* Also what is on its way still when nothing more is sent. */
	pace_note(p, ret->pending || (ships(p) ? c.staged > next : p->durable_lsn < next));
	if (c.staged == p->told_staged && next == p->told_sent && !overrun)
		return r;
	p->told_staged = c.staged;
	p->told_sent = next;
	(void) pthread_mutex_lock(&p->r->lock);
	step_at(p->r, now, REPL_STAGED, p->place, c.staged);
	step_at(p->r, now, REPL_PEER_SENT, p->place, next);
	if (overrun)
		step_at(p->r, now, REPL_PEER_OVERRUN, p->place, 0);
	(void) pthread_mutex_unlock(&p->r->lock);
	if (overrun) {
		pace_ahead(p);
		compare_abort(p, "the log ran over");
		if (r == 0)
			r = mark_rest(p, err);
	}
	return r;
}

/* All frames that are there. */
static int hear(struct peer *p, struct err *err)
{
	struct frame f;
	int r;

	if (!p->readable)
		return 0;
	do {
		while ((r = wire_next(p->wire, &f, err)) > 0) {
			r = peer_on_frame(p, &f, err);
			if (r < 0)
				return r;
		}
		if (r == 0)
			r = wire_pull(p->wire, err);
	} while (r > 0);
	return r;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When something is due although nothing happens: a ping, the end of a dead link, what the disk may let go
 * of. */
static int until_deadline(const struct peer *p)
{
	uint64_t now = clock_mono_ms(), dead_ms = p->r->o.dead_ms;
	uint64_t at = sooner(p->pinged_ms + dead_ms / 3, wire_heard_ms(p->wire) + dead_ms);

	if (ships(p) && p->durable_lsn > p->needs_lsn)
		at = sooner(at, p->kept_ms + KEEP_MS);
	return at > now ? (int) (at - now) : 0;
}

/*
 * Nobody waits for an async peer: each time it is sent something it flushes its disk, and takes a processor
 * from who writes. What it answers meanwhile is no reason to send the little there is.
 */
static void nap(struct peer *p)
{
	struct pollfd fd = { .fd = p->stop_waiting.fd, .events = POLLIN };

	(void) poll(&fd, 1, ASYNC_NAP_MS);
}

static int wait_for_work(struct peer *p, const struct rest *rest, struct err *err)
{
	struct pollfd fds[2] = {
		{ .fd = wire_fd(p->wire), .events = (short) (POLLIN | (rest->pending ? POLLOUT : 0)) },
		{ .fd = p->wake.fd, .events = POLLIN },
	};
	bool idle = !rest->pending && !rest->more && !rest->busy;
	bool leave = idle && answer_may_leave(p);
	int timeout_ms = rest->more && !rest->pending ? 0 : rest->busy ? 1 : until_deadline(p), n;

	if (rest->async && idle && p->compare.kind == COMPARE_NONE)
		nap(p);
	if (leave) {
		fds[0].fd = -1;
		timeout_ms = timeout_ms < ANSWER_AWAY_MS ? timeout_ms : ANSWER_AWAY_MS;
	}
	(void) pthread_mutex_unlock(&p->reading);
	n = poll(fds, 2, timeout_ms);
	(void) pthread_mutex_lock(&p->reading);
	answer_is_back(p);
	if (n < 0 && errno != EINTR)
		return err_errno(err, errno, "poll");
	if (fds[1].revents)
		bell_silence(&p->wake);
	if (p->failed < 0) {
		*err = p->failure;
		return p->failed;
	}
	/* Also what a flush has read and left to us. */
	p->readable = leave || (fds[0].revents & ~POLLOUT) != 0 || wire_has_header(p->wire);
	if (!leave && !fds[0].revents && clock_mono_ms() - wire_heard_ms(p->wire) >= p->r->o.dead_ms)
		return err_set(err, POD_E_TIMEOUT, "nothing came from the peer for %u ms", p->r->o.dead_ms);
	return 0;
}

static int serve_reading(struct peer *p, struct err *err)
{
	int r = 0;

	while (r == 0) {
		struct orders o;
		struct rest rest = { .busy = false };

		if (peer_stopped(p))
			return err_set(err, POD_E_CANCELLED, "stopped");
		take_orders(p, &o);
		rest.async = o.async;
		tell_lag(p, o.async);
		r = obey(p, &o, err);
		/* First: what it says may let us send more, as credit does. */
		if (r == 0)
			r = hear(p, err);
		if (r == 0)
			r = compare_pump(p, &rest.busy, err);
		if (r == 0)
			r = send_log(p, &rest, err);
		if (r == 0)
			r = peer_has(p, p->durable_lsn, err);
		if (r == 0)
			r = wait_for_work(p, &rest, err);
	}
	return r;
}

static int serve(struct peer *p, struct err *err)
{
	int r;

	(void) pthread_mutex_lock(&p->reading);
	p->serving = true;
	p->may_lag = false;
	p->pace.from_ms = 0; /* what was measured ended with the last connection */
	disk_peer_may_lag(p->r->disk, p->config.name, false);
	p->failed = 0;
	r = serve_reading(p, err);
	p->serving = false;
	(void) pthread_mutex_unlock(&p->reading);
	return r;
}

/* ---- connections ---- */

static enum link_compress both_have(enum link_compress asked, uint32_t features)
{
	if (asked == LINK_COMPRESS_ZSTD && !(features & LINK_FEATURE_ZSTD))
		asked = LINK_COMPRESS_LZ4;
	return asked == LINK_COMPRESS_LZ4 && !(features & LINK_FEATURE_LZ4) ? LINK_COMPRESS_NONE : asked;
}

static int connection(struct peer *p, struct err *err)
{
	char identity[REPLICATION_IDENTITY_SIZE];
	struct net_addr addr;
	enum link_compress compress;
	int r;

	(void) pthread_mutex_lock(&p->r->lock);
	p->reconnect = false;
	memcpy(identity, p->config.identity, sizeof(identity));
	addr = p->addr;
	compress = p->config.compress;
	(void) pthread_mutex_unlock(&p->r->lock);
	bell_silence(&p->stop_waiting);
	if (peer_stopped(p))
		return err_set(err, POD_E_CANCELLED, "stopped");
	r = wire_connect(p->wire, &addr, p->r->client, identity, CONNECT_MS, p->stop_waiting.fd, err);
	if (r == 0)
		r = peer_greet(p, err);
	if (r < 0)
		return r;
	r = wire_set_compress(p->wire, both_have(compress, p->hello.features), err);
	if (r < 0)
		return r;
	wire_set_own(p->wire, p->hello.features & LINK_FEATURE_OWN);
	p->backoff_ms = 0;
	p->pinged_ms = clock_mono_ms();
	p->readable = true;
	return serve(p, err);
}

/* Which state the peer is in after this. */
static enum peer_state state_after(struct peer *p, int r)
{
	bool paused;

	(void) pthread_mutex_lock(&p->r->lock);
	paused = p->paused;
	(void) pthread_mutex_unlock(&p->r->lock);
	if (paused)
		return PEER_PAUSED;
	if (r == -POD_E_EXISTS)
		return PEER_SPLIT_BRAIN;
	return r == -POD_E_CONFIG || r == -POD_E_VERSION || r == -POD_E_AUTH || r == -POD_E_DENIED
	               ? PEER_REFUSED
	               : PEER_DOWN;
}

static void run(struct peer *p)
{
	struct err err = { 0 };
	int r = connection(p, &err);
	enum peer_state state = state_after(p, r);

	ship_stop(p);
	wire_lock(p->wire);
	p->ship = (struct ship){ 0 };
	if (r == -POD_E_PROTOCOL || r == -POD_E_VERSION) {
		(void) hello_put_error(p->wire, r, err_text(&err));
		(void) wire_push(p->wire, NULL);
	}
	wire_unlock(p->wire);
	wire_close(p->wire);
	compare_abort(p, "the connection ended");
	if (r != -POD_E_CANCELLED)
		log_event(p->r->o.log, LOGL_INFO, "replication.peer_lost", F_STR("peer", p->config.name),
		          F_ERR(&err));
	peer_trouble(p, state, r == -POD_E_CANCELLED ? NULL : &err);
	(void) pthread_mutex_lock(&p->r->lock);
	p->in_session = false;
	(void) pthread_cond_broadcast(&p->r->changed);
	(void) pthread_mutex_unlock(&p->r->lock);
	p->backoff_ms = p->backoff_ms ? 2 * p->backoff_ms : BACKOFF_MIN_MS;
	if (p->backoff_ms > BACKOFF_MAX_MS || state == PEER_SPLIT_BRAIN || state == PEER_REFUSED)
		p->backoff_ms = BACKOFF_MAX_MS;
	p->not_before_ms = r == -POD_E_CANCELLED ? 0 : clock_mono_ms() + p->backoff_ms;
}

/* Until there may be something to do. */
static void idle(struct peer *p, bool dial)
{
	struct pollfd fd = { .fd = p->wake.fd, .events = POLLIN };
	uint64_t now = clock_mono_ms(), wait_ms = p->not_before_ms > now ? p->not_before_ms - now : 0;

	if (poll(&fd, 1, dial ? (int) wait_ms : -1) > 0) {
		bell_silence(&p->wake);
		/* Somebody writes: that is no reason to try again before its time. */
		if (dial && wait_ms)
			(void) poll(&(struct pollfd){ .fd = p->stop_waiting.fd, .events = POLLIN }, 1,
			            wait_ms < 20 ? (int) wait_ms : 20);
	}
}

void *peer_main(void *arg)
{
	struct peer *p = arg;

	for (;;) {
		bool stop, dial, run_now;

		(void) pthread_mutex_lock(&p->r->lock);
		stop = p->stop || p->r->stopping;
		dial = wanted(p);
		if (taken(&p->redial))
			p->not_before_ms = 0;
		p->in_session =
			dial && clock_mono_ms() >= p->not_before_ms; /* no gap: peers_leave counts on it */
		run_now = p->in_session;
		(void) pthread_mutex_unlock(&p->r->lock);
		if (stop)
			return NULL;
		if (run_now)
			run(p);
		else
			idle(p, dial);
	}
}

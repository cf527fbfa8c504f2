#include "replicator/attach/requests.h"

#include <errno.h>
#include <libnbd.h>
#include <poll.h>

#include "base/clock.h"
#include "base/log.h"
#include "replicator/attach/device.h"
#include "replicator/attach/export.h"

/* A length of 32 bits travels; this much of a ZERO at a time. */
#define ZERO_PIECE (1ull << 30)

/* ---- lists: first in, first out ------------------------------------------------------------------- */

static void list_init(struct request_list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void list_put(struct request_list *l, struct request *rq, enum request_state state)
{
	rq->state = state;
	rq->next = NULL;
	*l->last = rq;
	l->last = &rq->next;
}

static struct request *list_take(struct request_list *l)
{
	struct request *rq = l->first;

	if (!rq)
		return NULL;
	l->first = rq->next;
	if (!l->first)
		l->last = &l->first;
	return rq;
}

static void list_remove(struct request_list *l, struct request *rq)
{
	struct request **at = &l->first;

	while (*at != rq)
		at = &(*at)->next;
	*at = rq->next;
	if (l->last == &rq->next)
		l->last = at;
}

/* ---- sending ---------------------------------------------------------------------------------------- */

static bool is_zero(const struct request *rq)
{
	return rq->op == REQUEST_ZERO || rq->op == REQUEST_ZERO_ALLOCATED;
}

static uint64_t piece_of(const struct request *rq)
{
	uint64_t left = rq->length - rq->sent_bytes;

	return is_zero(rq) && left > ZERO_PIECE ? ZERO_PIECE : left;
}

/* libnbd calls this while it holds its lock, so it takes a note only; settle() does what follows from it. */
static int on_answer(void *arg, int *error)
{
	struct request *rq = (struct request *) arg;
	struct requests *rs = rq->owner;

	list_remove(&rs->in_flight, rq);
	rq->error = *error;
	list_put(&rs->answered, rq, REQUEST_ANSWERED);
	return 1; /* libnbd may forget the command */
}

static int64_t send_by_op(struct nbd_handle *h, struct request *rq)
{
	nbd_completion_callback answer = { .callback = on_answer, .user_data = rq };
	uint64_t at = rq->offset + rq->sent_bytes, length = piece_of(rq);

	switch (rq->op) {
	case REQUEST_READ: return nbd_aio_pread(h, rq->data, length, at, answer, 0);
	case REQUEST_WRITE: return nbd_aio_pwrite(h, rq->data, length, at, answer, 0);
	case REQUEST_FLUSH: return nbd_aio_flush(h, answer, 0);
	case REQUEST_ZERO: return nbd_aio_zero(h, length, at, answer, 0);
	case REQUEST_ZERO_ALLOCATED: return nbd_aio_zero(h, length, at, answer, LIBNBD_CMD_FLAG_NO_HOLE);
	}
	return -1;
}

static bool connection_is_over(struct nbd_handle *h)
{
	return nbd_aio_is_dead(h) || nbd_aio_is_closed(h);
}

static void send_one(struct requests *rs, struct request *rq)
{
	list_put(&rs->in_flight, rq, REQUEST_SENT);
	if (send_by_op(rs->nbd, rq) >= 0 || rq->state != REQUEST_SENT)
		return;
	/* Refused before it was sent: libnbd found it out of bounds, or found the connection dead. */
	list_remove(&rs->in_flight, rq);
	rq->error = connection_is_over(rs->nbd) ? ENOTCONN : nbd_get_errno();
	if (rq->error == 0)
		rq->error = EIO;
	list_put(&rs->answered, rq, REQUEST_ANSWERED);
}

/* ---- the connection ends, and another begins -------------------------------------------------------- */

static void drop_connection(struct requests *rs)
{
	struct request_list later = rs->waiting;
	struct request *rq;

	if (!later.first)
		later.last = &later.first;
	nbd_close(rs->nbd);
	rs->nbd = NULL;
	rs->draining = false;
	rs->lost_ms = clock_mono_ms();
	rs->retry_ms = 0;
	/* Those that were sent come first again; closing may have answered some. */
	list_init(&rs->waiting);
	while ((rq = list_take(&rs->answered)) || (rq = list_take(&rs->in_flight))) {
		list_put(&rs->waiting, rq, REQUEST_QUEUED);
		rs->resent++;
	}
	while ((rq = list_take(&later)))
		list_put(&rs->waiting, rq, REQUEST_QUEUED);
}

static void on_connection_over(struct requests *rs)
{
	bool drained = !connection_is_over(rs->nbd);

	drop_connection(rs);
	log_event(NULL, drained ? LOGL_INFO : LOGL_WARNING,
	          drained ? "attach.connection_ended" : "attach.server_lost",
	          F_STR("export", rs->options->export_name), F_UINT("in_flight", rs->resent));
}

static void send_waiting(struct requests *rs)
{
	struct request *rq;

	while (rs->nbd && !rs->draining && (rq = list_take(&rs->waiting)))
		send_one(rs, rq);
}

/* It is the server again where the size is what it was, or more. */
static int connect_again(struct requests *rs, struct err *err)
{
	struct nbd_handle *h = NULL;
	struct export_info info;
	int r = export_connect(rs->options, DEVICE_CONNECT_MS, &h, &info, err);

	if (r < 0)
		return r;
	if (info.size_bytes < rs->size_bytes) {
		nbd_close(h);
		return err_set(err, POD_E_CORRUPT, "the export is smaller than it was");
	}
	rs->nbd = h;
	rs->size_bytes = info.size_bytes;
	return 0;
}

static void look_for_server(struct requests *rs)
{
	struct err err = { 0 };
	int r = connect_again(rs, &err);

	if (r < 0) {
		/* Once for each reason: it is tried many times a second. */
		if (r != rs->refusal)
			log_event(NULL, LOGL_INFO, "attach.no_server_yet", F_ERR(&err));
		rs->refusal = r;
		rs->retry_ms = clock_mono_ms() + DEVICE_RETRY_MS;
		return;
	}
	rs->progress_ms = clock_mono_ms();
	log_event(NULL, LOGL_NOTICE, "attach.server_back", F_STR("export", rs->options->export_name),
	          F_UINT("away_ms", rs->progress_ms - rs->lost_ms), F_UINT("sent_again", rs->resent));
	rs->resent = 0;
	rs->refusal = 0;
	send_waiting(rs);
}

/* ---- answers ---------------------------------------------------------------------------------------- */

bool requests_any_wait(const struct requests *rs)
{
	return rs->in_flight.first || rs->waiting.first;
}

static void finish(struct requests *rs, struct request *rq, int error)
{
	rq->state = REQUEST_IDLE;
	rs->done(rs->arg, rq, error);
}

static void settle_one(struct requests *rs, struct request *rq)
{
	if (rq->error == ENOTCONN || rq->error == ESHUTDOWN) {
		rs->draining = true;
		rs->resent++;
		list_put(&rs->waiting, rq, REQUEST_QUEUED);
		return;
	}
	rs->progress_ms = clock_mono_ms();
	if (rq->error == 0)
		rq->sent_bytes += piece_of(rq);
	if (rq->error != 0 || !is_zero(rq) || rq->sent_bytes == rq->length)
		finish(rs, rq, rq->error);
	else if (rs->draining || !rs->nbd)
		list_put(&rs->waiting, rq, REQUEST_QUEUED);
	else
		send_one(rs, rq);
}

/* Does what follows from the answers, and from a connection that is over. */
static void settle(struct requests *rs)
{
	struct request *rq;

	while ((rq = list_take(&rs->answered)))
		settle_one(rs, rq);
	if (rs->nbd && (connection_is_over(rs->nbd) || (rs->draining && !rs->in_flight.first)))
		on_connection_over(rs);
}

/* ---- what the owner calls ------------------------------------------------------------------------- */

void requests_init(struct requests *rs, const struct attach_options *o, struct nbd_handle *nbd,
                   uint64_t size_bytes, void (*done)(void *arg, struct request *rq, int error), void *arg)
{
	*rs = (struct requests){
		.options = o, .nbd = nbd, .size_bytes = size_bytes, .done = done, .arg = arg
	};
	list_init(&rs->waiting);
	list_init(&rs->in_flight);
	list_init(&rs->answered);
}

void requests_done(struct requests *rs)
{
	nbd_close(rs->nbd);
	rs->nbd = NULL;
}

void requests_submit(struct requests *rs, struct request *rq)
{
	rq->owner = rs;
	rq->sent_bytes = 0;
	rq->error = 0;
	if (rs->failed) {
		finish(rs, rq, EIO);
		return;
	}
	if (!requests_any_wait(rs))
		rs->progress_ms = clock_mono_ms();
	if (!rs->nbd || rs->draining) {
		list_put(&rs->waiting, rq, REQUEST_QUEUED);
		return;
	}
	send_one(rs, rq);
	settle(rs);
}

int requests_fd(const struct requests *rs, short *ret_events)
{
	unsigned int direction;

	*ret_events = 0;
	if (!rs->nbd)
		return -1;
	direction = nbd_aio_get_direction(rs->nbd);
	if (direction & LIBNBD_AIO_DIRECTION_READ)
		*ret_events |= POLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		*ret_events |= POLLOUT;
	return nbd_aio_get_fd(rs->nbd);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int requests_wait_ms(const struct requests *rs, uint64_t now)
{
	uint64_t due = UINT64_MAX;

	if (rs->failed)
		return -1;
	if (!rs->nbd) {
		due = rs->retry_ms;
		if (rs->options->dead_timeout_ms > 0)
			due = sooner(due, rs->lost_ms + rs->options->dead_timeout_ms);
	}
	if (rs->give_up_ms > 0 && requests_any_wait(rs))
		due = sooner(due, rs->progress_ms + rs->give_up_ms);
	if (due == UINT64_MAX)
		return -1;
	return due <= now ? 0 : (int) sooner(due - now, 60000);
}

void requests_on_ready(struct requests *rs, short revents)
{
	/* A failure shows as a dead handle, which settle() looks for. */
	if (revents & (POLLIN | POLLHUP | POLLERR))
		(void) nbd_aio_notify_read(rs->nbd);
	else if (revents & POLLOUT)
		(void) nbd_aio_notify_write(rs->nbd);
	settle(rs);
}

static void check_patience(struct requests *rs, uint64_t now)
{
	uint64_t dead_ms = rs->options->dead_timeout_ms;

	if (!rs->nbd && dead_ms > 0 && now >= rs->lost_ms + dead_ms)
		requests_fail(rs, "no server within the dead timeout");
	else if (rs->give_up_ms > 0 && requests_any_wait(rs) && now >= rs->progress_ms + rs->give_up_ms)
		requests_fail(rs, "the server does not answer, and the volume is to be detached");
}

void requests_on_time(struct requests *rs, uint64_t now)
{
	if (rs->failed)
		return;
	if (!rs->nbd && now >= rs->retry_ms) {
		look_for_server(rs);
		settle(rs);
	}
	check_patience(rs, clock_mono_ms());
}

void requests_renew(struct requests *rs)
{
	if (!rs->nbd)
		return; /* the next connection is a new one anyway */
	rs->draining = true;
	settle(rs);
}

void requests_fail(struct requests *rs, const char *why)
{
	struct request *rq;

	if (rs->failed)
		return;
	log_event(NULL, LOGL_ERROR, "attach.device_failed", F_STR("export", rs->options->export_name),
	          F_STR("why", why));
	rs->failed = true;
	if (rs->nbd)
		drop_connection(rs);
	while ((rq = list_take(&rs->waiting)))
		finish(rs, rq, EIO);
}

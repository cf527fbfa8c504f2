/*
 * Ping (MS-ASCMD 2.2.1.13): waits until there is something that a Sync would tell. What that is, the folder's
 * own state and filter say: what the device did itself, or does not want to see, wakes nobody.
 */
#include "base/clock.h"
#include "imapd/eas/folder/folder.h"
#include "imapd/eas/sync/commands.h"
#include "imapd/eas/sync/peek.h"
#include "imapd/eas/sync/ping.h"

#define DOUBT_MS 300 /* longer than a request of the device takes from the mailbox to its state */

static void wake(struct eas_request *rq, enum eas_wake why, struct span memory);

/*
 * What a parked Ping keeps before its request: when it ends, and, where something has changed that the device
 * may have done itself, when to believe it.
 */
struct waiting {
	uint64_t deadline_ms, doubt_ms; /* doubt_ms 0: there is none */
};

struct pinging {
	struct eas_request *rq;
	struct eas_ping asked;
	struct waiting until;
	uint32_t *mailboxes;
	const char **changed;
	size_t changed_n;
	bool sure; /* what changed is not the device's own doing */
};

/* ---- answers ---- */

static void answer(struct eas_request *rq, unsigned int status)
{
	eas_answer_empty(rq);
	wbxml_open(&rq->out, PING_PING);
	wbxml_uint(&rq->out, PING_STATUS, status);
	wbxml_close(&rq->out);
}

static void answer_limit(struct eas_request *rq, unsigned int status, unsigned int limit)
{
	eas_answer_empty(rq);
	wbxml_open(&rq->out, PING_PING);
	wbxml_uint(&rq->out, PING_STATUS, status);
	wbxml_uint(&rq->out, status == EAS_PING_TOO_MANY ? PING_MAXFOLDERS : PING_HEARTBEATINTERVAL, limit);
	wbxml_close(&rq->out);
}

static void answer_changed(const struct pinging *p)
{
	struct eas_request *rq = p->rq;

	eas_answer_empty(rq);
	wbxml_open(&rq->out, PING_PING);
	wbxml_uint(&rq->out, PING_STATUS, EAS_PING_CHANGED);
	wbxml_open(&rq->out, PING_FOLDERS);
	for (size_t i = 0; i < p->changed_n; i++)
		wbxml_str(&rq->out, PING_FOLDER, p->changed[i]);
	wbxml_close(&rq->out);
	wbxml_close(&rq->out);
}

static void answer_failure(struct eas_request *rq, int r, const struct err *err)
{
	log_event(&rq->log, LOGL_WARNING, "eas.ping", F_ERR(err));
	if (r == -POD_E_UNAVAILABLE || r == -POD_E_TIMEOUT || r == -POD_E_AUTH || r == -POD_E_NOMEM)
		eas_answer_error(rq, PING_PING, r);
	else
		answer(rq, EAS_PING_SERVER);
}

/* ---- looking ---- */

static int look_at(struct pinging *p, const struct eas_sync_folder *folder, const struct eas_state *stored,
                   const char *id, struct err *err)
{
	const struct eas_peek peek = { .folder = folder, .stored = stored };
	struct eas_peek_result found;
	int r = eas_peek_count(p->rq, &peek, &found, err);

	if (r < 0)
		return r;
	/* What was never synchronized has all its messages to tell. */
	if (found.how != EAS_PEEKED) {
		found.n = folder->messages;
		found.sure = true;
	}
	if (found.n) {
		p->changed[p->changed_n++] = id;
		p->sure |= found.sure;
	}
	return 0;
}

/* -POD_E_NOTFOUND: a folder is no more. */
static int look(struct pinging *p, struct err *err)
{
	struct eas_request *rq = p->rq;
	struct eas_state *states = arena_array(rq->a, p->asked.n, sizeof(*states));
	struct eas_sync_folder *folders = arena_array(rq->a, p->asked.n, sizeof(*folders));
	struct eas_sync_folders all;
	int r;

	p->mailboxes = arena_array(rq->a, p->asked.n, sizeof(*p->mailboxes));
	p->changed = arena_array(rq->a, p->asked.n, sizeof(*p->changed));
	p->changed_n = 0;
	if (!states || !folders || !p->mailboxes || !p->changed)
		return err_set(err, POD_E_NOMEM, "ping");
	r = eas_sync_folders_load(rq, &all, err);
	for (size_t i = 0; r == 0 && i < p->asked.n; i++) {
		r = eas_sync_folders_find(rq, &all, span_of(p->asked.ids[i]), &folders[i]);
		p->mailboxes[i] = r == 0 ? folders[i].place.mailbox : 0;
		states[i].name = eas_folder_state_name(rq, p->asked.ids[i]);
		if (r == 0 && !states[i].name)
			r = err_set(err, POD_E_NOMEM, "ping");
	}
	if (r == 0)
		r = eas_states_load(rq, states, p->asked.n, err);
	for (size_t i = 0; r == 0 && i < p->asked.n; i++)
		r = look_at(p, &folders[i], &states[i], p->asked.ids[i], err);
	return r;
}

/* ---- waiting ---- */

static void park(struct pinging *p)
{
	struct eas_request *rq = p->rq;
	const struct eas_watch watch = { p->mailboxes, p->asked.n, true };
	uint64_t until_ms = p->until.doubt_ms && p->until.doubt_ms < p->until.deadline_ms
	                            ? p->until.doubt_ms
	                            : p->until.deadline_ms;
	struct buf memory = BUF_INIT;
	struct span kept;

	buf_add(&memory, span_make(&p->until, sizeof(p->until)));
	eas_ping_encode(&p->asked, &memory);
	kept = memory.failed ? SPAN_NONE : arena_dup(rq->a, buf_span(&memory));
	buf_done(&memory);
	if (kept.p)
		eas_park(rq, until_ms, &watch, wake, kept);
	else
		eas_answer_error(rq, PING_PING, -POD_E_NOMEM);
}

/* What may be the device's own doing is looked at once more in a moment. */
static void answer_or_park(struct pinging *p)
{
	uint64_t now_ms = clock_mono_ms();
	bool believed = p->sure || (p->until.doubt_ms && p->until.doubt_ms <= now_ms);

	if (p->changed_n && believed) {
		answer_changed(p);
		return;
	}
	if (!p->changed_n)
		p->until.doubt_ms = 0;
	else if (!p->until.doubt_ms)
		p->until.doubt_ms = now_ms + DOUBT_MS;
	park(p);
}

static void look_and_park(struct pinging *p)
{
	struct err err = { 0 };
	bool hierarchy = false;
	int r = eas_folder_changed(p->rq, &hierarchy, &err);

	if (r == 0 && !hierarchy)
		r = look(p, &err);
	if (r == -POD_E_NOTFOUND || (r == 0 && hierarchy))
		answer(p->rq, EAS_PING_HIERARCHY);
	else if (r < 0)
		answer_failure(p->rq, r, &err);
	else
		answer_or_park(p);
}

static void wake(struct eas_request *rq, enum eas_wake why, struct span memory)
{
	struct pinging p = { .rq = rq };
	bool doubts;

	memcpy(&p.until, memory.p, sizeof(p.until));
	doubts = why == EAS_WAKE_DEADLINE && p.until.doubt_ms && p.until.doubt_ms < p.until.deadline_ms;
	if (why != EAS_WAKE_CHANGED && !doubts)
		answer(rq, EAS_PING_EXPIRED);
	else if (eas_ping_decode(span_skip(memory, sizeof(p.until)), rq->a, &p.asked) < 0)
		eas_answer_error(rq, PING_PING, -POD_E_NOMEM);
	else
		look_and_park(&p);
}

/* ---- the request ---- */

/* What is kept serves whoever comes next: that another Ping has just kept something else is no failure. */
static int keep(struct pinging *p, struct eas_state *last, struct err *err)
{
	struct buf bytes = BUF_INIT;
	struct span value;
	int r;

	eas_ping_encode(&p->asked, &bytes);
	value = bytes.failed ? SPAN_NONE : arena_dup(p->rq->a, buf_span(&bytes));
	buf_done(&bytes);
	if (!value.p)
		return err_set(err, POD_E_NOMEM, "ping");
	last->write = !last->version || !span_eq(value, last->value);
	last->value = value;
	r = eas_states_save(p->rq, last, 1, err);
	return r == -POD_E_CONFLICT ? 0 : r;
}

static int complete(struct pinging *p, unsigned int *ret_status, unsigned int *ret_limit, struct err *err)
{
	struct eas_state last = { .name = eas_state_name_ping(p->rq) };
	struct eas_ping before = { 0 };
	int r = last.name ? eas_states_load(p->rq, &last, 1, err) : err_set(err, POD_E_NOMEM, "ping");

	if (r == 0 && last.version && eas_ping_decode(last.value, p->rq->a, &before) < 0)
		before = (struct eas_ping){ 0 };
	if (r < 0)
		return r;
	*ret_status = eas_ping_complete(&p->asked, &before, ret_limit);
	return *ret_status ? 0 : keep(p, &last, err);
}

void eas_cmd_ping(struct eas_request *rq)
{
	struct pinging p = { .rq = rq };
	unsigned int status = 0, limit = 0;
	struct err err = { 0 };
	int r = eas_ping_read(rq->body, rq->a, &p.asked);

	if (r == -POD_E_SYNTAX) {
		answer(rq, EAS_PING_SYNTAX);
		return;
	}
	r = r < 0 ? err_set(&err, POD_E_NOMEM, "ping") : complete(&p, &status, &limit, &err);
	if (r < 0) {
		answer_failure(rq, r, &err);
	} else if (status && limit) {
		answer_limit(rq, status, limit);
	} else if (status) {
		answer(rq, status);
	} else {
		p.until.deadline_ms = clock_mono_ms() + p.asked.interval_s * 1000ull;
		look_and_park(&p);
	}
}

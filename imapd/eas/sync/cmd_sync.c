/*
 * Sync (MS-ASCMD 2.2.1.21). The order of things: the request, read or completed by the last one; states of
 * its folders; each folder by itself (part.c); all states in one commit; only then the answer, so that a key
 * that a device has is always one that the store has. Where there is nothing to say and the device wants to
 * wait, it is parked, and all of this is done again when something has changed.
 */
#include "base/clock.h"
#include "imapd/eas/folder/folder.h"
#include "imapd/eas/sync/commands.h"
#include "imapd/eas/sync/last.h"
#include "imapd/eas/sync/sync.h"

#define BYTES_MAX ((size_t) 2 << 20) /* of an answer; one message may make it larger */

/* What a parked Sync keeps: when it ends, and the request. */
struct parked {
	uint64_t deadline_ms;
};

/* ---- answers ---- */

static void answer_refusal(struct eas_request *rq, const struct eas_sync_refusal *refusal)
{
	eas_answer_empty(rq);
	wbxml_open(&rq->out, AIRSYNC_SYNC);
	wbxml_uint(&rq->out, AIRSYNC_STATUS, refusal->status);
	if (refusal->limit)
		wbxml_uint(&rq->out, AIRSYNC_LIMIT, refusal->limit);
	wbxml_close(&rq->out);
}

static void answer_status(struct eas_request *rq, unsigned int status)
{
	const struct eas_sync_refusal refusal = { status, 0 };

	answer_refusal(rq, &refusal);
}

static size_t count_telling(const struct eas_sync_run *run)
{
	size_t n = 0;

	for (size_t i = 0; i < run->asked.n; i++)
		n += run->parts[i].tells;
	return n;
}

static bool is_incomplete(const struct eas_sync_run *run)
{
	for (size_t i = 0; i < run->asked.n; i++)
		if (run->parts[i].status == EAS_SYNC_INCOMPLETE)
			return true;
	return false;
}

static void write_answer(struct eas_sync_run *run)
{
	struct eas_request *rq = run->rq;

	wbxml_open(&rq->out, AIRSYNC_SYNC);
	wbxml_open(&rq->out, AIRSYNC_COLLECTIONS);
	for (size_t i = 0; i < run->asked.n; i++)
		/* An empty answer is understood from 12.1 on. */
		if (run->parts[i].tells || rq->version < EAS_12_1)
			eas_sync_part_write(&run->parts[i]);
	wbxml_close(&rq->out);
	wbxml_close(&rq->out);
}

/* ---- the request ---- */

static int load_last(struct eas_sync_run *run, struct err *err)
{
	return eas_states_load(run->rq, &run->states[0], 1, err);
}

/* What it leaves out. -POD_E_NOTFOUND: nothing is known of a last one. */
static int complete(struct eas_sync_run *run, struct err *err)
{
	struct eas_sync_request last;
	int r;

	if (!run->states[0].version)
		return -POD_E_NOTFOUND;
	r = eas_sync_last_decode(run->states[0].value, run->rq->a, &last);
	if (r == 0 && run->asked.partial)
		r = eas_sync_last_complete(&run->asked, &last, run->rq->a);
	else if (r == 0)
		run->asked = last;
	return r == -POD_E_NOMEM ? err_set(err, POD_E_NOMEM, "the last request")
	       : r < 0           ? -POD_E_NOTFOUND
	                         : 0;
}

static int make_parts(struct eas_sync_run *run, struct err *err)
{
	struct eas_request *rq = run->rq;
	struct eas_state last = run->states[0];

	run->parts = arena_array(rq->a, run->asked.n + 1, sizeof(*run->parts));
	run->states = arena_array(rq->a, run->asked.n + 1, sizeof(*run->states));
	if (!run->parts || !run->states)
		return err_set(err, POD_E_NOMEM, "sync");
	run->states[0] = last;
	for (size_t i = 0; i < run->asked.n; i++) {
		struct eas_sync_part *part = &run->parts[i];

		part->run = run;
		part->asked = &run->asked.collections[i];
		part->stored = &run->states[i + 1];
		part->stored->name = eas_folder_state_name(rq, part->asked->id);
		if (!part->stored->name)
			return err_set(err, POD_E_NOMEM, "sync");
	}
	return eas_states_load(rq, run->states + 1, run->asked.n, err);
}

/* ---- the last request, for the next one ---- */

/* The key that the next request is taken to have: see last.h. */
static const char *next_key(const struct eas_sync_part *part)
{
	return part->asked->listed ? part->key : part->asked->key;
}

static bool all_are_well(const struct eas_sync_run *run)
{
	for (size_t i = 0; i < run->asked.n; i++)
		if (run->parts[i].status != EAS_SYNC_OK)
			return false;
	return true;
}

/* One with commands is not to be repeated by an empty one, whose answer may be what got lost. */
static int keep_last(struct eas_sync_run *run, bool was_empty, struct err *err)
{
	struct eas_state *last = &run->states[0];
	struct eas_sync_request kept = run->asked;
	struct buf bytes = BUF_INIT;
	struct span value;

	if (was_empty)
		return 0;
	if (run->asked.has_commands || !all_are_well(run)) {
		last->remove = last->write = last->version != 0;
		return 0;
	}
	kept.collections = arena_array(run->rq->a, kept.n + 1, sizeof(*kept.collections));
	if (!kept.collections)
		return err_set(err, POD_E_NOMEM, "the last request");
	for (size_t i = 0; i < kept.n; i++) {
		kept.collections[i] = *run->parts[i].asked;
		kept.collections[i].key = next_key(&run->parts[i]);
	}
	eas_sync_last_encode(&kept, &bytes);
	value = bytes.failed ? SPAN_NONE : arena_dup(run->rq->a, buf_span(&bytes));
	buf_done(&bytes);
	if (!value.p)
		return err_set(err, POD_E_NOMEM, "the last request");
	last->write = !last->version || !span_eq(value, last->value);
	last->value = value;
	return 0;
}

/* ---- all of it ---- */

static void wake(struct eas_request *rq, enum eas_wake why, struct span memory);

static void park(struct eas_sync_run *run, uint64_t deadline_ms)
{
	struct eas_request *rq = run->rq;
	uint32_t *mailboxes = arena_array(rq->a, run->asked.n + 1, sizeof(*mailboxes));
	size_t size = sizeof(struct parked) + rq->raw.len;
	uint8_t *memory = arena_alloc(rq->a, size);
	const struct parked parked = { deadline_ms };
	struct eas_watch watch = { .mailboxes = mailboxes, .n = run->asked.n };

	if (!mailboxes || !memory) {
		eas_answer_error(rq, AIRSYNC_SYNC, -POD_E_NOMEM);
		return;
	}
	for (size_t i = 0; i < run->asked.n; i++)
		mailboxes[i] = run->parts[i].folder.place.mailbox;
	memcpy(memory, &parked, sizeof(parked));
	if (rq->raw.len)
		memcpy(memory + sizeof(parked), rq->raw.p, rq->raw.len);
	eas_park(rq, deadline_ms, &watch, wake, span_make(memory, size));
}

static int run_parts(struct eas_sync_run *run, struct err *err)
{
	int r = eas_sync_folders_load(run->rq, &run->folders, err);

	run->window_left = run->asked.window ? run->asked.window : SIZE_MAX;
	run->bytes_left = BYTES_MAX;
	for (size_t i = 0; r == 0 && i < run->asked.n; i++)
		r = eas_sync_part_run(&run->parts[i], err);
	return r;
}

static int run_request(struct eas_sync_run *run, bool is_empty, struct err *err)
{
	int r = make_parts(run, err);

	if (r == 0)
		r = run_parts(run, err);
	if (r == 0)
		r = keep_last(run, is_empty, err);
	return r < 0 ? r : eas_states_save(run->rq, run->states, run->asked.n + 1, err);
}

static void fail(struct eas_request *rq, int r, const struct err *err)
{
	log_event(&rq->log, LOGL_WARNING, "eas.sync", F_ERR(err));
	if (r == -POD_E_CONFLICT) /* the same folder is being synchronized elsewhere at this moment */
		answer_status(rq, EAS_SYNC_RETRY);
	else
		eas_answer_error(rq, AIRSYNC_SYNC, r);
}

/* deadline_ms 0: the request has just come. */
static void finish(struct eas_sync_run *run, uint64_t deadline_ms)
{
	if (is_incomplete(run)) {
		answer_status(run->rq, EAS_SYNC_INCOMPLETE);
		return;
	}
	if (count_telling(run)) {
		write_answer(run);
		return;
	}
	if (run->asked.wait_s && run->rq->version >= EAS_12_1 && !run->asked.has_commands) {
		park(run, deadline_ms ? deadline_ms : clock_mono_ms() + run->asked.wait_s * 1000ull);
		return;
	}
	if (run->rq->version < EAS_12_1)
		write_answer(run);
	else
		eas_answer_empty(run->rq);
}

static void sync_request(struct eas_request *rq, const struct wbxml_node *body, uint64_t deadline_ms)
{
	struct eas_state last = { .name = eas_state_name_last_sync(rq) };
	struct eas_sync_run run = { .rq = rq, .states = &last };
	struct eas_sync_refusal refusal;
	struct err err = { 0 };
	int r = body ? eas_sync_request_read(body, rq->a, &run.asked, &refusal) : 0;

	if (r == -POD_E_SYNTAX) {
		answer_refusal(rq, &refusal);
		return;
	}
	if (r < 0 || !last.name)
		r = err_set(&err, POD_E_NOMEM, "sync");
	if (r == 0)
		r = load_last(&run, &err);
	if (r == 0 && (!body || run.asked.partial)) {
		r = complete(&run, &err);
		if (r == -POD_E_NOTFOUND) {
			answer_status(rq, EAS_SYNC_INCOMPLETE);
			return;
		}
	}
	if (r == 0)
		r = run_request(&run, !body, &err);
	if (r == 0)
		finish(&run, deadline_ms);
	else
		fail(rq, r, &err);
	for (size_t i = 0; run.parts && i < run.asked.n; i++)
		eas_sync_part_done(&run.parts[i]);
}

void eas_cmd_sync(struct eas_request *rq)
{
	sync_request(rq, rq->body, 0);
}

static void wake(struct eas_request *rq, enum eas_wake why, struct span memory)
{
	struct wbxml_node *body = NULL;
	struct parked parked;

	if (why != EAS_WAKE_CHANGED) {
		eas_answer_empty(rq);
		return;
	}
	memcpy(&parked, memory.p, sizeof(parked));
	rq->raw = span_skip(memory, sizeof(parked));
	if (rq->raw.len && wbxml_decode(rq->a, rq->raw, &body, NULL) < 0)
		eas_answer_error(rq, AIRSYNC_SYNC, -POD_E_NOMEM);
	else
		sync_request(rq, body, parked.deadline_ms);
}

/* What a device is told of a folder: Add, Change, Delete and SoftDelete, out of a plan. */
#include "imapd/eas/sync/sync.h"

#define ROWS_AT_ONCE 64 /* whose columns are in memory at a time */

static const enum wbxml_tag tags[] = {
	[EAS_TELL_DELETE] = AIRSYNC_DELETE,
	[EAS_TELL_SOFT_DELETE] = AIRSYNC_SOFTDELETE,
	[EAS_TELL_CHANGE] = AIRSYNC_CHANGE,
	[EAS_TELL_ADD] = AIRSYNC_ADD,
};

/* So that an element can be taken back. */
struct mark {
	struct wbxml_writer writer;
	size_t len;
};

static struct mark mark(const struct eas_request *rq)
{
	return (struct mark){ rq->out, rq->out.out->len };
}

static void back_to(struct eas_request *rq, const struct mark *m)
{
	rq->out = m->writer;
	rq->out.out->len = m->len;
}

static void open_step(struct eas_sync_part *part, const struct eas_step *step)
{
	struct eas_request *rq = part->run->rq;

	wbxml_open(&rq->out, tags[step->tell]);
	wbxml_str(&rq->out, AIRSYNC_SERVERID,
	          eas_item_server_id(rq->a, part->folder.place.folder_id, step->uid));
}

static int write_item(struct eas_sync_part *part, const struct eas_step *step, const struct eas_item *item)
{
	struct eas_request *rq = part->run->rq;
	int r;

	open_step(part, step);
	wbxml_open(&rq->out, AIRSYNC_APPLICATIONDATA);
	r = step->tell == EAS_TELL_ADD ? eas_item_write(rq, item, &part->items)
	                               : eas_item_write_changed(rq, item, &part->items);
	wbxml_close(&rq->out);
	wbxml_close(&rq->out);
	return r;
}

/* Of errors, those that are of this message alone: it must not keep all others from the device. */
static bool is_of_message(int r)
{
	return r == -POD_E_CORRUPT || r == -POD_E_SYNTAX || r == -POD_E_LIMIT || r == -POD_E_PROTOCOL;
}

static void count_bytes(struct eas_sync_run *run, size_t n)
{
	run->bytes_left -= n < run->bytes_left ? n : run->bytes_left;
}

/* 1: it was written; 0: it is no more. */
static int tell_row(struct eas_sync_part *part, const struct eas_step *step, const struct eas_look_row *row)
{
	struct eas_request *rq = part->run->rq;
	struct mark before;
	int r;

	if (!row || eas_engine_is_deleted(row->item.flags))
		return 0;
	eas_sync_piece_begin(part->run, &part->commands);
	before = mark(rq);
	r = write_item(part, step, &row->item);
	if (r < 0)
		back_to(rq, &before);
	count_bytes(part->run, rq->out.out->len - before.len);
	eas_sync_piece_end(part->run, &part->commands);
	if (r == 0)
		return 1;
	part->commands.n--;
	if (is_of_message(r)) {
		log_event(&rq->log, LOGL_WARNING, "eas.item", F_STR("mailbox", part->folder.place.name),
		          F_UINT("uid", step->uid), F_STR("why", err_code_text(r)));
		return 1; /* as if it had been: else it would be tried for ever */
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

static void tell_gone(struct eas_sync_part *part, const struct eas_step *step)
{
	eas_sync_piece_begin(part->run, &part->commands);
	open_step(part, step);
	wbxml_close(&part->run->rq->out);
	eas_sync_piece_end(part->run, &part->commands);
}

static int read_rows(struct eas_sync_part *part, struct arena *a, const struct eas_step *steps, size_t n,
                     struct eas_look_rows *ret, struct err *err)
{
	uint32_t uids[ROWS_AT_ONCE];

	for (size_t i = 0; i < n; i++)
		uids[i] = steps[i].uid;
	return eas_look_rows(part->run->rq, a, &part->folder.place, uids, n, EAS_ITEM_COLUMNS, ret, err);
}

/* One large item goes through however little room is left; the next waits for the next answer. */
static int tell_some(struct eas_sync_part *part, const struct eas_step *steps, size_t n, struct err *err)
{
	struct arena *a = arena_create((size_t) 256 << 20);
	struct eas_look_rows rows;
	int r = a ? read_rows(part, a, steps, n, &rows, err) : err_set(err, POD_E_NOMEM, "rows");

	for (size_t i = 0; r >= 0 && i < n && part->run->bytes_left; i++) {
		const struct eas_look_row *row = eas_look_find(&rows, steps[i].uid);

		r = tell_row(part, &steps[i], row);
		if (r == 1) {
			eas_engine_told(&part->next, &steps[i], row->item.flags, row->modseq);
			part->run->window_left--;
		} else if (r == 0) {
			eas_engine_lost(&part->next, &steps[i]);
		} else {
			(void) err_set(err, (enum pod_error) - r, "writing a message");
		}
	}
	(void) arena_free(a);
	return r < 0 ? r : 0;
}

int eas_sync_tell(struct eas_sync_part *part, const struct eas_plan *plan, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < plan->first_row; i++) {
		tell_gone(part, &plan->steps[i]);
		eas_engine_told(&part->next, &plan->steps[i], 0, 0);
		part->run->window_left--;
	}
	for (size_t i = plan->first_row, n; r == 0 && i < plan->n && part->run->bytes_left; i += n) {
		n = plan->n - i < ROWS_AT_ONCE ? plan->n - i : ROWS_AT_ONCE;
		r = tell_some(part, &plan->steps[i], n, err);
	}
	return r;
}

/* ---- once more ---- */

/* Whether all is still as it was told, by flags alone: bodies never change. */
static int is_the_same(struct eas_sync_part *part, const struct eas_plan *plan, struct err *err)
{
	struct eas_look_rows rows;
	uint32_t *uids = arena_array(part->a, plan->n + 1, sizeof(*uids));
	int r;

	if (!uids)
		return err_set(err, POD_E_NOMEM, "rows");
	for (size_t i = plan->first_row; i < plan->n; i++)
		uids[i - plan->first_row] = plan->steps[i].uid;
	r = eas_look_rows(part->run->rq, part->a, &part->folder.place, uids, plan->n - plan->first_row,
	                  EAS_ITEM_CHANGE_COLUMNS, &rows, err);
	for (size_t i = 0; r == 0 && i < plan->n; i++) {
		const struct eas_look_row *row = eas_look_find(&rows, plan->steps[i].uid);
		bool there = row && !eas_engine_is_deleted(row->item.flags);

		if (!eas_engine_is_as_told(&part->state.now, &plan->steps[i], there,
		                           there ? eas_engine_token(row->item.flags) : 0))
			return 0;
	}
	return r < 0 ? r : 1;
}

/* next is a scratch here: what is told is in state.now already. */
static int write_again(struct eas_sync_part *part, const struct eas_plan *plan, struct err *err)
{
	size_t bytes_left = part->run->bytes_left, window_left = part->run->window_left;
	int r;

	part->run->bytes_left = SIZE_MAX; /* it was small enough the first time */
	part->run->window_left = plan->n;
	eas_generation_copy(&part->next, &part->state.now, part->a);
	r = eas_sync_tell(part, plan, err);
	part->run->bytes_left = bytes_left;
	part->run->window_left = window_left > plan->n ? window_left - plan->n : 0;
	return r < 0 ? r : 1;
}

int eas_sync_tell_again(struct eas_sync_part *part, struct err *err)
{
	struct eas_plan plan;
	int r = eas_engine_replay(&part->state.now, part->a, &plan);

	if (r < 0)
		return err_set(err, POD_E_NOMEM, "an answer once more");
	r = is_the_same(part, &plan, err);
	return r == 1 ? write_again(part, &plan, err) : r;
}

#include "imapd/eas/item/draft_store.h"

#include <xxhash.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "imapd/eas/eas.h"
#include "imapd/eas/item/draft.h"
#include "imapd/eas/item/notes.h"
#include "imapd/eas/item/rows.h"
#include "imapd/eas/item/status.h"

#define SCRATCH_MAX ((size_t) 512 << 20)

/* A draft on its way into the store. */
struct writing {
	struct eas_request *rq;
	struct arena *a;
	const struct eas_item_place *place;
	struct guid id;
	struct eas_draft draft;
	struct eas_flags flags;
	struct eas_note note;
	struct buf message;
};

/* ---- into the store ---- */

static int append(struct writing *w, uint32_t *ret_uid)
{
	Podstore__Append request = PODSTORE__APPEND__INIT;
	char *keywords[ARRAY_SIZE(w->flags.keywords)];
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->flags.keywords_n; i++) {
		keywords[i] = arena_str(w->a, span_of(w->flags.keywords[i]));
		r = keywords[i] ? 0 : -POD_E_NOMEM;
	}
	request.append_id = (ProtobufCBinaryData){ ID_SIZE, w->id.b };
	request.mailbox = arena_str(w->a, span_of(w->place->name));
	request.flags = w->flags.system | STORE_FLAG_DRAFT;
	request.n_keywords = w->flags.keywords_n;
	request.keywords = keywords;
	if (r == 0 && !request.mailbox)
		r = -POD_E_NOMEM;
	return r == 0 ? account_append(w->rq->account, w->a, &request, buf_span(&w->message), ret_uid, NULL)
	              : r;
}

/* The details of its flag go with the new message, whose GUID only the store knows. */
static int keep_note(struct writing *w, uint32_t uid, uint64_t *ret_modseq)
{
	const uint32_t columns = STORE_COL_GUID | STORE_COL_MODSEQ;
	const Podstore__Rows *rows;
	int r = eas_rows_fetch(w->rq, w->a, w->place->mailbox, uid, columns, &rows);

	if (r < 0)
		return r;
	if (rows->n_modseqs > 0)
		*ret_modseq = rows->modseqs[0];
	if (w->note.flag == EAS_FLAG_NONE || rows->n_guids == 0)
		return 0;
	return eas_notes_put(w->rq, span_make(rows->guids[0].data, rows->guids[0].len), &w->note);
}

/* What a Change or an Add says beside the message itself. */
static int apply_change(struct writing *w, const struct eas_change *change)
{
	struct eas_note before = w->note;
	int r = 0;

	if (change->flag)
		r = eas_flag_read(w->a, change->flag, clock_wall_s(), &w->note);
	if (r == 0)
		eas_flags_apply(w->a, change, &before, &w->note, &w->flags);
	return r;
}

static int compose(struct writing *w, const struct eas_message *base, uint32_t uid)
{
	const struct eas_draft_frame frame = { .from = account_address(w->rq->account),
		                               .id = w->id,
		                               .now_s = clock_wall_s(),
		                               .folder_id = w->place->folder_id,
		                               .uid = uid };

	return eas_draft_compose(w->a, &w->draft, base, &frame, &w->message);
}

/* What the client is told of the files that it attached. */
static int name_files(struct eas_request *rq, const struct eas_item_place *place, const struct eas_draft *d,
                      struct eas_item_result *result)
{
	struct eas_item_file *files = arena_array(rq->a, d->files_n + 1, sizeof(*files));

	if (!files)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < d->files_n; i++) {
		files[i].client_id = d->files[i].client_id;
		files[i].reference =
			eas_file_reference(rq->a, place->folder_id, result->uid, span_of(d->files[i].path));
		if (!files[i].reference)
			return -POD_E_NOMEM;
	}
	result->files = files;
	result->files_n = d->files_n;
	return 0;
}

/* ---- a new one ---- */

/* The same Add gives the same id, by which the store knows one that it has. */
static struct guid id_of_add(struct eas_request *rq, const struct eas_item_place *place,
                             struct span client_id)
{
	_cleanup_buf_ struct buf what = BUF_INIT;
	XXH128_canonical_t hash;
	struct guid id;

	if (client_id.len == 0)
		return guid_new();
	buf_printf(&what, "add %s %s %s ", account_user_id(rq->account), rq->device_id, place->folder_id);
	buf_add(&what, client_id);
	XXH128_canonicalFromHash(
		&hash, XXH3_128bits(what.p ? what.p : client_id.p, what.p ? what.len : client_id.len));
	memcpy(id.b, hash.digest, ID_SIZE);
	return id;
}

static int add(struct writing *w, const struct wbxml_node *command, struct eas_item_result *result)
{
	const struct wbxml_node *data = wbxml_child(command, AIRSYNC_APPLICATIONDATA);
	struct eas_change change;
	int r = eas_change_read(w->a, data, w->rq->version, &change);

	/* what one writes oneself is read */
	w->flags.system = STORE_FLAG_SEEN;
	if (r == 0)
		r = eas_draft_read(w->a, data, &w->draft);
	if (r == 0)
		r = apply_change(w, &change);
	if (r == 0)
		r = compose(w, NULL, 0);
	if (r == 0)
		r = append(w, &result->uid);
	if (r == 0)
		r = name_files(w->rq, w->place, &w->draft, result);
	return r == 0 ? keep_note(w, result->uid, &result->modseq) : r;
}

static void writing_done(struct writing *w)
{
	buf_done(&w->message);
	w->a = arena_free(w->a);
}

void eas_draft_add(struct eas_request *rq, const struct eas_item_place *place,
                   const struct wbxml_node *command, struct eas_item_result *ret_result)
{
	_cleanup_(
		writing_done) struct writing w = { .rq = rq, .a = arena_create(SCRATCH_MAX), .place = place };
	struct eas_item_result result = { .uid = 0 };
	int r = -POD_E_NOMEM;

	w.id = id_of_add(rq, place, wbxml_child_text(command, AIRSYNC_CLIENTID));
	if (w.a)
		r = add(&w, command, &result);
	result.status = eas_item_status(r);
	*ret_result = result;
}

void eas_draft_added(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                     const struct wbxml_node *command, struct eas_item_result *result)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SCRATCH_MAX);
	struct eas_draft d;

	result->uid = uid;
	if (a && eas_draft_read(a, wbxml_child(command, AIRSYNC_APPLICATIONDATA), &d) == 0 &&
	    eas_draft_place_files(a, &d) == 0)
		(void) name_files(rq, place, &d, result); /* a client that is not told asks for the draft */
}

/* ---- one that is there ---- */

int eas_draft_remove(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid)
{
	Podstore__StoreFlags mark = PODSTORE__STORE_FLAGS__INIT;
	Podstore__Expunge request = PODSTORE__EXPUNGE__INIT;
	Podstore__UidRange range = PODSTORE__UID_RANGE__INIT, *ranges[] = { &range };
	int r;

	range.first = range.last = uid;
	mark.mailbox = request.mailbox = place->mailbox;
	mark.n_uids = request.n_uids = 1;
	mark.uids = request.uids = ranges;
	mark.mode = PODSTORE__FLAG_MODE__FLAGS_ADD;
	mark.flags = STORE_FLAG_DELETED;
	r = account_call(rq->account, rq->a, STORE_STORE_FLAGS, &mark.base, NULL, NULL);
	return r == 0 ? account_call(rq->account, rq->a, STORE_EXPUNGE, &request.base, NULL, NULL) : r;
}

static int read_base(struct writing *w, uint32_t uid, struct account_body *body, struct eas_layout *layout,
                     struct eas_message *ret_base)
{
	const Podstore__Rows *rows;
	struct eas_item item;
	int r = eas_rows_fetch(w->rq, w->a, w->place->mailbox, uid, EAS_ITEM_COLUMNS, &rows);

	if (r == 0)
		r = eas_item_of_row(w->place, rows, 0, EAS_ITEM_COLUMNS, &item);
	if (r == 0)
		r = account_body_open(w->rq->account, w->place->mailbox, uid, body, NULL);
	if (r < 0)
		return r;
	if (!eas_flags_of(&item, &w->flags))
		w->flags = (struct eas_flags){ .system = item.flags & STORE_FLAGS_SYSTEM };
	(void) eas_notes_get(w->rq, w->a, item.guid, &w->note);
	r = eas_layout_read(w->a, item.bodystructure, layout);
	return r == 0 ? eas_message_open(w->a, body->bytes, item.parts, layout, ret_base) : r;
}

static int replace(struct writing *w, uint32_t uid, const struct eas_change *change,
                   struct eas_item_result *result)
{
	_cleanup_(account_body_done) struct account_body body = { .map = NULL };
	struct eas_layout layout;
	struct eas_message base;
	int r = read_base(w, uid, &body, &layout, &base);

	if (r == 0)
		r = apply_change(w, change);
	if (r == 0)
		r = compose(w, &base, uid);
	if (r == 0)
		r = append(w, &result->uid);
	if (r == 0)
		r = name_files(w->rq, w->place, &w->draft, result);
	if (r == 0)
		r = keep_note(w, result->uid, &result->modseq);
	/* The new message is there before the old one goes: what happens between loses nothing. */
	return r == 0 ? eas_draft_remove(w->rq, w->place, uid) : r;
}

void eas_draft_change(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                      const struct wbxml_node *command, const struct eas_change *change,
                      struct eas_item_result *ret_result)
{
	_cleanup_(writing_done) struct writing w = {
		.rq = rq, .a = arena_create(SCRATCH_MAX), .place = place, .id = guid_new()
	};
	struct eas_item_result result = { .uid = uid };
	int r = -POD_E_NOMEM;

	if (w.a)
		r = eas_draft_read(w.a, wbxml_child(command, AIRSYNC_APPLICATIONDATA), &w.draft);
	if (r == 0)
		r = replace(&w, uid, change, &result);
	result.status = eas_item_status(r);
	*ret_result = result;
}

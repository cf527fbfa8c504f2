#include "imapd/eas/item/item.h"

#include "base/cleanup.h"
#include "imapd/eas/eas.h"
#include "imapd/eas/item/email.h"
#include "imapd/eas/item/notes.h"

/* What one message may need while it is written: its text in each form on the way to what is sent. */
#define SCRATCH_MAX ((size_t) 512 << 20)

static bool rows_have(const Podstore__Rows *rows, size_t i, uint32_t columns)
{
	return i < rows->n_uids && (!(columns & STORE_COL_FLAGS) || i < rows->n_flags) &&
	       (!(columns & STORE_COL_INTERNAL_DATE) || i < rows->n_internal_dates) &&
	       (!(columns & STORE_COL_SIZE) || i < rows->n_sizes) &&
	       (!(columns & STORE_COL_BODYSTRUCTURE) || i < rows->n_bodystructures) &&
	       (!(columns & STORE_COL_PARTS) || i < rows->n_parts) &&
	       (!(columns & STORE_COL_HEADERS) || i < rows->n_headers) &&
	       (!(columns & STORE_COL_GUID) || i < rows->n_guids);
}

static struct span bytes_of(const ProtobufCBinaryData *b)
{
	return span_make(b->data, b->len);
}

int eas_item_of_row(const struct eas_item_place *place, const Podstore__Rows *rows, size_t i,
                    uint32_t columns, struct eas_item *ret_item)
{
	struct eas_item item = { .place = place };

	if (!rows_have(rows, i, columns))
		return -POD_E_PROTOCOL;
	item.uid = rows->uids[i];
	if (columns & STORE_COL_FLAGS)
		item.flags = rows->flags[i];
	if (columns & STORE_COL_INTERNAL_DATE)
		item.internal_date = rows->internal_dates[i];
	if (columns & STORE_COL_SIZE)
		item.size = rows->sizes[i];
	if (columns & STORE_COL_BODYSTRUCTURE)
		item.bodystructure = bytes_of(&rows->bodystructures[i]);
	if (columns & STORE_COL_PARTS)
		item.parts = bytes_of(&rows->parts[i]);
	if (columns & STORE_COL_HEADERS)
		item.headers = bytes_of(&rows->headers[i]);
	if (columns & STORE_COL_GUID)
		item.guid = bytes_of(&rows->guids[i]);
	*ret_item = item;
	return 0;
}

/* ---- writing ---- */

static int add_note(struct eas_request *rq, struct arena *a, struct eas_email *e)
{
	struct eas_note note;
	int r = eas_email_needs_note(e) ? eas_notes_get(rq, a, e->item->guid, &note) : -POD_E_NOTFOUND;

	if (r == 0)
		eas_email_add_note(e, &note);
	/* A damaged note is none: the flag itself is there. */
	return r == -POD_E_NOTFOUND || r == -POD_E_CORRUPT ? 0 : r;
}

static int add_bytes(struct eas_request *rq, struct arena *a, struct eas_email *e, struct account_body *body)
{
	int r;

	if (!eas_email_needs_bytes(e))
		return 0;
	r = account_body_open(rq->account, e->item->place->mailbox, e->item->uid, body, NULL);
	if (r < 0)
		return r;
	r = eas_email_add_bytes(a, e, body->bytes);
	/* One that is too much for us keeps nobody from seeing that it is there. */
	return r == -POD_E_NOMEM ? 0 : r;
}

static int write_email(struct eas_request *rq, const struct eas_item *item, const struct eas_item_options *o,
                       const struct eas_item_output *how, bool changed)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SCRATCH_MAX);
	_cleanup_(account_body_done) struct account_body body = { .map = NULL };
	struct eas_email e;
	int r = a ? eas_email_begin(a, item, o, &e) : -POD_E_NOMEM;

	if (r == 0)
		r = add_note(rq, a, &e);
	if (r == 0 && !changed)
		r = add_bytes(rq, a, &e, &body);
	if (r < 0)
		return r;
	e.multipart = how ? how->multipart : NULL;
	if (changed)
		eas_email_write_changed(&e, &rq->out);
	else
		eas_email_write(&e, &rq->out, how ? how->schema : NULL);
	return 0;
}

int eas_item_write(struct eas_request *rq, const struct eas_item *item, const struct eas_item_options *o)
{
	return write_email(rq, item, o, NULL, false);
}

int eas_item_write_as(struct eas_request *rq, const struct eas_item *item, const struct eas_item_options *o,
                      const struct eas_item_output *how)
{
	return write_email(rq, item, o, how, false);
}

int eas_item_write_changed(struct eas_request *rq, const struct eas_item *item,
                           const struct eas_item_options *o)
{
	return write_email(rq, item, o, NULL, true);
}

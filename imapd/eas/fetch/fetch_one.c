/* Fetch of ItemOperations: a message, or an attachment. */
#include <inttypes.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "imapd/eas/fetch/attachment.h"
#include "imapd/eas/fetch/internal.h"
#include "imapd/eas/folder/folder.h"
#include "imapd/eas/item/item.h"
#include "imapd/eas/item/rows.h"

#define ATTACHMENT_MAX ((size_t) 45 << 20) /* in base64 it still fits into a document */

struct fetch {
	struct eas_request *rq;
	const struct wbxml_node *node;
	struct eas_multipart *multipart;
	struct span store, collection_id, server_id, long_id, file_reference, range;
	const struct wbxml_node *schema;
	struct eas_item_options options;
};

unsigned int fetch_status_of(int r)
{
	switch (-r) {
	case POD_E_NONE: return FETCH_OK;
	case POD_E_SYNTAX: return FETCH_PROTOCOL_ERROR;
	case POD_E_NOTFOUND: return FETCH_NOT_FOUND;
	case POD_E_LIMIT: return FETCH_TOO_LARGE;
	default: return FETCH_SERVER_ERROR;
	}
}

/* ---- the answer ---- */

static void put_id(struct wbxml_writer *w, enum wbxml_tag tag, struct span id)
{
	if (id.p)
		wbxml_text(w, tag, id);
}

static void open_answer(struct fetch *f, unsigned int status)
{
	struct wbxml_writer *w = &f->rq->out;

	wbxml_open(w, ITEMOPERATIONS_FETCH);
	wbxml_uint(w, ITEMOPERATIONS_STATUS, status);
	put_id(w, AIRSYNC_COLLECTIONID, f->collection_id);
	put_id(w, AIRSYNC_SERVERID, f->server_id);
	put_id(w, SEARCH_LONGID, f->long_id);
	put_id(w, AIRSYNCBASE_FILEREFERENCE, f->file_reference);
}

static void refuse(struct fetch *f, unsigned int status)
{
	open_answer(f, status > 100 && f->rq->version < EAS_14_0 ? FETCH_PROTOCOL_ERROR : status);
	wbxml_close(&f->rq->out);
}

/* ---- attachments ---- */

static void put_bytes(struct fetch *f, struct span bytes)
{
	struct wbxml_writer *w = &f->rq->out;
	uint32_t part = f->multipart ? eas_multipart_add(f->multipart, bytes) : 0;
	_cleanup_(arena_freep) struct arena *a = NULL;
	struct span text;

	if (part > 0) {
		wbxml_uint(w, ITEMOPERATIONS_PART, part);
		return;
	}
	a = arena_create(2 * bytes.len + 4096);
	text = a ? base64_encode(a, bytes) : SPAN_NONE;
	if (!text.p && bytes.len > 0)
		w->out->failed = true;
	wbxml_text(w, ITEMOPERATIONS_DATA, text);
}

static void put_attachment(struct fetch *f, const struct attachment *at, struct span part, uint64_t first)
{
	struct wbxml_writer *w = &f->rq->out;

	open_answer(f, FETCH_OK);
	wbxml_open(w, ITEMOPERATIONS_PROPERTIES);
	if (f->range.p) {
		wbxml_str(w, ITEMOPERATIONS_RANGE,
		          arena_printf(f->rq->a, "%" PRIu64 "-%" PRIu64, first, first + part.len - 1));
		wbxml_uint(w, ITEMOPERATIONS_TOTAL, at->bytes.len);
	}
	wbxml_str(w, AIRSYNCBASE_CONTENTTYPE, at->type);
	put_bytes(f, part);
	wbxml_close(w);
	wbxml_close(w);
}

static unsigned int status_of_attachment(int r)
{
	return r == -POD_E_SYNTAX || r == -POD_E_NOTFOUND ? FETCH_BAD_ATTACHMENT : fetch_status_of(r);
}

static void fetch_attachment(struct fetch *f)
{
	_cleanup_(attachment_done) struct attachment at = { .a = NULL };
	struct span part;
	uint64_t first = 0;
	int r;

	if (attachment_largest(f->rq) == 0) {
		refuse(f, FETCH_BLOCKED);
		return;
	}
	r = attachment_open(f->rq, f->file_reference, &at);
	if (r < 0) {
		refuse(f, status_of_attachment(r));
		return;
	}
	part = at.bytes;
	if (at.bytes.len > attachment_largest(f->rq))
		refuse(f, FETCH_TOO_LARGE);
	else if (f->range.p && attachment_cut(at.bytes, f->range, &part, &first) < 0)
		refuse(f, FETCH_BAD_RANGE);
	else if (!f->multipart && part.len > ATTACHMENT_MAX)
		refuse(f, FETCH_TOO_LARGE);
	else
		put_attachment(f, &at, part, first);
}

/* ---- messages ---- */

static int put_message(struct fetch *f, const struct eas_item *item)
{
	const struct eas_item_output how = { .schema = f->schema, .multipart = f->multipart };
	struct wbxml_writer *w = &f->rq->out;
	struct wbxml_writer before = *w;
	size_t len = w->out->len;
	int r;

	open_answer(f, FETCH_OK);
	wbxml_str(w, AIRSYNC_CLASS, "Email");
	wbxml_open(w, ITEMOPERATIONS_PROPERTIES);
	r = eas_item_write_as(f->rq, item, &f->options, &how);
	if (r < 0) { /* expunged between the row and its bytes */
		*w = before;
		w->out->len = len;
		return r;
	}
	wbxml_close(w);
	wbxml_close(w);
	return 0;
}

static int fetch_message(struct fetch *f, struct span folder_id, uint32_t uid)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(64u << 20);
	struct eas_item_place place;
	const Podstore__Mailbox *box;
	const Podstore__Rows *rows;
	struct eas_item item;
	int r = a ? eas_folder_find(f->rq, folder_id, &box, NULL) : -POD_E_NOMEM;

	if (r == 0)
		r = eas_item_place_of(a, box, folder_id, &place);
	if (r == 0)
		r = eas_rows_fetch(f->rq, a, box->id, uid, EAS_ITEM_COLUMNS, &rows);
	if (r == 0)
		r = eas_item_of_row(&place, rows, 0, EAS_ITEM_COLUMNS, &item);
	return r == 0 ? put_message(f, &item) : r;
}

/* An id of another folder's message is of none in this one. */
static void fetch_by_id(struct fetch *f)
{
	struct span id = f->long_id.p ? f->long_id : f->server_id, folder_id;
	uint32_t uid;
	int r = eas_item_parse_server_id(id, &folder_id, &uid);

	if (r == 0 && f->collection_id.p && !span_eq(folder_id, f->collection_id))
		r = -POD_E_NOTFOUND;
	if (r == 0)
		r = fetch_message(f, folder_id, uid);
	/* ids are ours: what is no id of ours names nothing */
	if (r < 0)
		refuse(f, r == -POD_E_SYNTAX ? FETCH_NOT_FOUND : fetch_status_of(r));
}

/* ---- the request ---- */

/* A child that may be there once. */
static bool take_once(const struct wbxml_node *n, struct span *text)
{
	if (text->p)
		return false;
	*text = n->text.p ? n->text : SPAN_LIT("");
	return true;
}

static int read_options(struct fetch *f, const struct wbxml_node *options)
{
	const struct wbxml_node *range = wbxml_child(options, ITEMOPERATIONS_RANGE);

	f->schema = wbxml_child(options, ITEMOPERATIONS_SCHEMA);
	if (f->schema && !f->schema->first)
		f->schema = NULL;
	if (range && (wbxml_again(range) || !take_once(range, &f->range)))
		return -POD_E_SYNTAX;
	return eas_item_options_read(options, &f->options);
}

static int read_child(struct fetch *f, const struct wbxml_node *n)
{
	struct span *texts[] = { &f->store, &f->collection_id, &f->server_id, &f->long_id,
		                 &f->file_reference };
	static const enum wbxml_tag tags[] = { ITEMOPERATIONS_STORE, AIRSYNC_COLLECTIONID, AIRSYNC_SERVERID,
		                               SEARCH_LONGID, AIRSYNCBASE_FILEREFERENCE };

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		if (n->tag == tags[i])
			return take_once(n, texts[i]) ? 0 : -POD_E_SYNTAX;
	if (n->tag == ITEMOPERATIONS_OPTIONS)
		return wbxml_again(n) ? -POD_E_SYNTAX : read_options(f, n);
	/* LinkId is of document libraries, of which there are none: its Store is refused. */
	return n->tag == DOCUMENTLIBRARY_LINKID || n->tag == RIGHTSMANAGEMENT_REMOVERIGHTSMANAGEMENTPROTECTION
	               ? 0
	               : -POD_E_SYNTAX;
}

static int read_fetch(struct fetch *f)
{
	int r = 0;

	eas_item_options_init(&f->options, f->rq->version);
	f->options.whole_by_default = true;
	for (const struct wbxml_node *n = f->node->first; r == 0 && n; n = n->next)
		r = read_child(f, n);
	return r == 0 && !f->store.p ? -POD_E_SYNTAX : r;
}

void fetch_one(struct eas_request *rq, const struct wbxml_node *fetch, struct eas_multipart *multipart)
{
	struct fetch f = { .rq = rq, .node = fetch, .multipart = multipart };
	int r = read_fetch(&f);
	unsigned int ways;

	ways = (f.file_reference.p != NULL) + (f.long_id.p != NULL) + (f.server_id.p != NULL);
	if (r == -POD_E_UNSUPPORTED)
		refuse(&f, EAS_STATUS_BODY_PART_TYPE);
	else if (r < 0)
		refuse(&f, FETCH_PROTOCOL_ERROR);
	else if (!span_eq_nocase(f.store, SPAN_LIT("Mailbox")))
		refuse(&f, FETCH_UNKNOWN_STORE);
	else if (ways > 1 || (f.collection_id.p && f.long_id.p))
		refuse(&f, FETCH_BAD_IDS);
	else if (f.file_reference.p)
		fetch_attachment(&f);
	else if (f.long_id.p || (f.server_id.p && f.collection_id.p))
		fetch_by_id(&f);
	else
		refuse(&f, FETCH_PROTOCOL_ERROR);
}

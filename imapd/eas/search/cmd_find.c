#include "base/cleanup.h"
#include "base/clock.h"
#include "imapd/eas/item/email.h"
#include "imapd/eas/item/item.h"
#include "imapd/eas/search/people.h"
#include "imapd/eas/search/run.h"
#include "imapd/eas/search/search.h"

#define SCRATCH_MAX ((size_t) 64 << 20)
#define PREVIEW_MAX 255
#define ID_MAX      128 /* bytes of a SearchId */

/* ---- the answer: Find{Status, Response{Store, Status, Result*, Range, Total}} ---- */

static void refuse(struct eas_request *rq, unsigned int status)
{
	eas_answer_status(rq, FIND_FIND, status);
}

static void begin(struct eas_request *rq, const char *store)
{
	wbxml_open(&rq->out, FIND_FIND);
	wbxml_uint(&rq->out, FIND_STATUS, FIND_STATUS_OK);
	wbxml_open(&rq->out, FIND_RESPONSE);
	wbxml_str(&rq->out, ITEMOPERATIONS_STORE, store);
	wbxml_uint(&rq->out, FIND_STATUS, FIND_STATUS_OK);
}

static void end(struct eas_request *rq, size_t first, size_t n, size_t total)
{
	if (n > 0)
		wbxml_str(&rq->out, FIND_RANGE, arena_printf(rq->a, "%zu-%zu", first, first + n - 1));
	wbxml_uint(&rq->out, FIND_TOTAL, total);
	wbxml_close(&rq->out);
	wbxml_close(&rq->out);
}

static void choose(const struct search_request *q, size_t total, size_t *ret_first, size_t *ret_end)
{
	size_t last = q->last < SEARCH_RANGE_LAST ? (size_t) q->last + 1 : SEARCH_RANGE_LAST + 1;

	*ret_end = last < total ? last : total;
	*ret_first = q->first < *ret_end ? q->first : *ret_end;
}

/* ---- mail ---- */

static void put_present(struct wbxml_writer *w, enum wbxml_tag tag, struct span text)
{
	if (text.len > 0)
		wbxml_text(w, tag, text);
}

static int preview_of(struct eas_request *rq, struct arena *a, const struct eas_item *item,
                      const struct eas_email *e, struct span *ret_preview)
{
	_cleanup_(account_body_done) struct account_body body = { .map = NULL };
	struct eas_message m;
	int r = account_body_open(rq->account, item->place->mailbox, item->uid, &body, NULL);

	if (r == 0)
		r = eas_message_open(a, body.bytes, item->parts, &e->layout, &m);
	return r == 0 ? eas_email_preview(a, &m, PREVIEW_MAX, ret_preview) : r;
}

static void put_properties(struct eas_request *rq, struct arena *a, const struct eas_email *e,
                           struct span preview)
{
	const struct eas_item *item = e->item;
	struct wbxml_writer *w = &rq->out;
	char date[CLOCK_ISO_SIZE];

	wbxml_open(w, FIND_PROPERTIES);
	wbxml_text(w, EMAIL_SUBJECT, e->headers.subject);
	wbxml_str(w, EMAIL_DATERECEIVED, clock_format_iso(item->internal_date * 1000, date, sizeof(date)));
	put_present(w, EMAIL_DISPLAYTO, e->headers.display_to);
	put_present(w, FIND_DISPLAYCC, eas_display_names(a, item->headers, SPAN_LIT("Cc")));
	put_present(w, FIND_DISPLAYBCC, eas_display_names(a, item->headers, SPAN_LIT("Bcc")));
	wbxml_uint(w, EMAIL_IMPORTANCE, e->headers.importance);
	wbxml_uint(w, EMAIL_READ, (item->flags & STORE_FLAG_SEEN) != 0);
	wbxml_uint(w, EMAIL2_ISDRAFT, (item->flags & STORE_FLAG_DRAFT) != 0);
	wbxml_text(w, FIND_PREVIEW, preview);
	wbxml_uint(w, FIND_HASATTACHMENTS, e->layout.attachments_n > 0);
	put_present(w, EMAIL_FROM, e->headers.from);
	wbxml_close(w);
}

/* False: it is gone meanwhile. */
static bool put_mail(struct eas_request *rq, const struct search_request *q, const struct search_hit *hit)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SCRATCH_MAX);
	struct span preview = SPAN_NONE;
	struct eas_item_place place;
	struct eas_item item;
	struct eas_email e;
	int r = a ? search_item_of(rq, a, hit, &place, &item) : -POD_E_NOMEM;

	if (r == 0)
		r = eas_email_begin(a, &item, &q->options, &e);
	if (r == 0)
		r = preview_of(rq, a, &item, &e, &preview);
	if (r < 0)
		return false;
	wbxml_open(&rq->out, FIND_RESULT);
	wbxml_str(&rq->out, AIRSYNC_CLASS, "Email");
	wbxml_str(&rq->out, AIRSYNC_SERVERID, eas_item_server_id(a, place.folder_id, hit->uid));
	wbxml_str(&rq->out, AIRSYNC_COLLECTIONID, place.folder_id);
	put_properties(rq, a, &e, preview);
	wbxml_close(&rq->out);
	return true;
}

static void find_mail(struct eas_request *rq, const struct search_request *q)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SCRATCH_MAX);
	struct search_hits hits = { .n = 0 };
	size_t first, last, n = 0;
	int r = a ? eas_search_run(rq, a, q, &hits) : -POD_E_NOMEM;

	if (r == -POD_E_NOTFOUND) {
		refuse(rq, FIND_STATUS_FOLDER_SYNC);
	} else if (r == -POD_E_LIMIT) {
		refuse(rq, FIND_STATUS_BAD_REQUEST);
	} else if (r < 0) {
		eas_answer_error(rq, FIND_FIND, r);
	} else {
		choose(q, hits.n, &first, &last);
		begin(rq, "Mailbox");
		for (size_t i = first; i < last; i++)
			n += put_mail(rq, q, &hits.hits[i]);
		end(rq, first, n, hits.n);
	}
}

/* ---- people ---- */

static void find_people(struct eas_request *rq, const struct search_request *q)
{
	struct people people;
	size_t first, last;
	int r = people_find(rq, q->text, &people);

	if (r < 0) {
		eas_answer_error(rq, FIND_FIND, r);
		return;
	}
	choose(q, people.n, &first, &last);
	begin(rq, "GAL");
	for (size_t i = first; i < last; i++) {
		wbxml_open(&rq->out, FIND_RESULT);
		wbxml_open(&rq->out, FIND_PROPERTIES);
		people_write(rq, &people.found[i], q->pictures);
		wbxml_close(&rq->out);
		wbxml_close(&rq->out);
	}
	end(rq, first, last - first, people.n);
}

/* ---- which search it is ---- */

/* The last SearchId of the device: only the same search goes on behind its first results. */
static const char *state_name(struct eas_request *rq)
{
	return arena_printf(rq->a, "eas/%s/find", rq->device_id);
}

static int last_id(struct eas_request *rq, struct span *ret_id)
{
	struct account_state s = { .name = state_name(rq) };
	int r = account_state_get(rq->account, rq->a, &s, NULL);

	if (r == 0)
		*ret_id = s.value;
	return r;
}

static int keep_id(struct eas_request *rq, struct span id)
{
	Podstore__StatePut put = PODSTORE__STATE_PUT__INIT;
	Podstore__StateChange change = PODSTORE__STATE_CHANGE__INIT, *changes[] = { &change };
	uint8_t bytes[ID_MAX];

	memcpy(bytes, id.p, id.len);
	change.name = arena_str(rq->a, span_of(state_name(rq)));
	change.value.data = bytes;
	change.value.len = id.len;
	put.n_changes = 1;
	put.changes = changes;
	return change.name ? account_call(rq->account, rq->a, STORE_STATE_PUT, &put.base, NULL, NULL)
	                   : -POD_E_NOMEM;
}

/* 0, -POD_E_LIMIT: a range that goes on with a search that is not the last one; others: the store's. */
static int note_search(struct eas_request *rq, struct span id, const struct search_request *q)
{
	struct span before = SPAN_NONE;
	int r = last_id(rq, &before);

	if (r < 0 || span_eq(before, id))
		return r;
	return q->first > 0 ? -POD_E_LIMIT : keep_id(rq, id);
}

void eas_cmd_find(struct eas_request *rq)
{
	const struct wbxml_node *execute = wbxml_child(rq->body, FIND_EXECUTESEARCH);
	struct span id = wbxml_child_text(rq->body, FIND_SEARCHID);
	struct search_request q;
	int r;

	if (!execute || wbxml_again(execute) || id.len == 0 || id.len > ID_MAX ||
	    find_request_read(execute, rq->version, &q) > 0) {
		refuse(rq, FIND_STATUS_BAD_REQUEST);
		return;
	}
	r = note_search(rq, id, &q);
	if (r == -POD_E_LIMIT)
		refuse(rq, FIND_STATUS_BAD_RANGE);
	else if (r < 0)
		eas_answer_error(rq, FIND_FIND, r);
	else if (q.store == SEARCH_MAILBOX)
		find_mail(rq, &q);
	else
		find_people(rq, &q);
}

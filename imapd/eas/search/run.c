#include "imapd/eas/search/run.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "imapd/eas/item/body.h"
#include "imapd/eas/item/headers.h"
#include "imapd/eas/item/item.h"
#include "imapd/eas/item/rows.h"
#include "imapd/eas/search/texts.h"
#include "imapd/imap/search_text.h"

#define SCRATCH_MAX ((size_t) 256 << 20)

struct run {
	struct eas_request *rq;
	struct arena *a, *scratch;
	const struct search_request *q;
	struct search_query query;
	const Podstore__Mailbox *box;   /* that is being looked through */
	struct search_hits found, open; /* open: those whose bodies have to be read */
	int failed;
};

static int add_hit(struct run *s, struct search_hits *to, struct search_hit hit)
{
	if (to->n == to->cap) {
		size_t cap = to->cap ? 2 * to->cap : 64;
		struct search_hit *grown = arena_grow(s->a, to->hits, to->n, cap, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		to->hits = grown;
		to->cap = cap;
	}
	to->hits[to->n++] = hit;
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct search_hit *x = a, *y = b;

	if (x->date_s != y->date_s)
		return x->date_s > y->date_s ? -1 : 1;
	if (x->box->id != y->box->id)
		return x->box->id < y->box->id ? -1 : 1;
	return (x->uid < y->uid) - (x->uid > y->uid);
}

static void sort(struct search_hits *hits)
{
	if (hits->n > 1)
		qsort(hits->hits, hits->n, sizeof(*hits->hits), newest_first);
}

/* ---- by the index ---- */

static bool is_of_conversation(struct run *s, struct span header)
{
	uint8_t id[EAS_CONVERSATION_ID_SIZE];

	if (!s->q->conversation.p)
		return true;
	s->failed = eas_conversation_id(s->scratch, header, id);
	return s->failed == 0 && span_eq(span_make(id, sizeof(id)), s->q->conversation);
}

static struct span bytes_of(const ProtobufCBinaryData *b)
{
	return span_make(b->data, b->len);
}

static void look_at(struct run *s, const Podstore__Rows *rows, size_t i)
{
	struct search_hit hit = { .box = s->box, .uid = rows->uids[i], .date_s = rows->internal_dates[i] };
	struct span header = bytes_of(&rows->headers[i]);
	struct search_texts texts;

	if (hit.date_s <= s->q->after_s || hit.date_s >= s->q->before_s || !is_of_conversation(s, header))
		return;
	s->failed = search_texts_of(s->scratch, header, bytes_of(&rows->bodystructures[i]), &texts);
	if (s->failed < 0)
		return;
	switch (search_query_match(&s->query, &texts)) {
	case SEARCH_YES: s->failed = add_hit(s, &s->found, hit); break;
	case SEARCH_UNKNOWN: s->failed = add_hit(s, &s->open, hit); break;
	case SEARCH_NO: break;
	}
}

static bool on_rows(void *arg, const Podstore__Rows *rows)
{
	struct run *s = arg;
	size_t n = rows->n_uids;

	if (rows->n_headers != n || rows->n_internal_dates != n || rows->n_bodystructures != n)
		s->failed = -POD_E_PROTOCOL;
	for (size_t i = 0; s->failed == 0 && i < n; i++) {
		arena_reset(s->scratch);
		look_at(s, rows, i);
	}
	return s->failed == 0;
}

static int look_through(struct run *s, const Podstore__Mailbox *box)
{
	const uint32_t columns = STORE_COL_INTERNAL_DATE | STORE_COL_HEADERS | STORE_COL_BODYSTRUCTURE;
	int r;

	if (box->uidnext <= 1)
		return 0;
	s->box = box;
	r = eas_rows_each(s->rq, s->a, box->id, 1, box->uidnext - 1, columns, on_rows, s, NULL);
	return r == 0 ? s->failed : r;
}

/* ---- by bodies ---- */

static int body_of(struct run *s, const struct eas_item *item, struct span bytes, struct search_texts *texts)
{
	struct eas_layout layout;
	struct eas_message m;
	struct span text;
	int r = eas_layout_read(s->scratch, item->bodystructure, &layout);

	if (r == -POD_E_CORRUPT)
		r = eas_layout_read(s->scratch, SPAN_NONE, &layout);
	if (r == 0)
		r = eas_message_open(s->scratch, bytes, item->parts, &layout, &m);
	if (r == 0)
		r = eas_body_text(s->scratch, &m, EAS_BODY_TEXT, &text);
	if (r < 0)
		return r;
	texts->has_body = true;
	texts->body = search_text_fold(s->scratch, text);
	return texts->body.p ? 0 : -POD_E_NOMEM;
}

static int look_inside(struct run *s, const struct search_hit *hit)
{
	_cleanup_(account_body_done) struct account_body body = { .map = NULL };
	struct search_texts texts;
	struct eas_item_place place;
	struct eas_item item;
	int r;

	arena_reset(s->scratch);
	r = search_item_of(s->rq, s->scratch, hit, &place, &item);
	if (r == 0)
		r = account_body_open(s->rq->account, hit->box->id, hit->uid, &body, NULL);
	if (r == 0)
		r = search_texts_of(s->scratch, item.headers, item.bodystructure, &texts);
	if (r == 0)
		r = body_of(s, &item, body.bytes, &texts);
	if (r == 0 && search_query_match(&s->query, &texts) == SEARCH_YES)
		r = add_hit(s, &s->found, *hit);
	/* gone meanwhile, or too much for us: not found */
	return r == -POD_E_NOTFOUND || r == -POD_E_NOMEM ? 0 : r;
}

static int look_inside_all(struct run *s)
{
	uint64_t until = clock_mono_ms() + SEARCH_BODIES_MS;
	int r = 0;

	sort(&s->open);
	for (size_t i = 0; r == 0 && i < s->open.n && clock_mono_ms() < until; i++)
		r = look_inside(s, &s->open.hits[i]);
	return r;
}

/* ---- where ---- */

static bool is_below(const char *name, const char *parent)
{
	size_t n = strlen(parent);

	return strncmp(name, parent, n) == 0 && name[n] == '/';
}

static const Podstore__Mailbox *box_of(const Podstore__MailboxListReply *all, struct span folder_id)
{
	for (size_t i = 0; i < all->n_mailboxes; i++)
		if (all->mailboxes[i]->exists && span_eq(span_of(all->mailboxes[i]->guid), folder_id))
			return all->mailboxes[i];
	return NULL;
}

static bool is_asked_for(const struct search_request *q, const Podstore__MailboxListReply *all,
                         const Podstore__Mailbox *box)
{
	if (!box->exists)
		return false;
	for (size_t i = 0; i < q->folders_n; i++) {
		const Podstore__Mailbox *asked = box_of(all, q->folders[i]);

		if (asked == box || (q->deep && asked && is_below(box->name, asked->name)))
			return true;
	}
	return q->folders_n == 0;
}

static int list_boxes(struct run *s, const Podstore__MailboxListReply **ret_all)
{
	Podstore__MailboxList list = PODSTORE__MAILBOX_LIST__INIT;
	const ProtobufCMessage *message;
	int r;

	list.status = true;
	r = account_call(s->rq->account, s->a, STORE_MAILBOX_LIST, &list.base, &message, NULL);
	if (r < 0)
		return r;
	*ret_all = (const Podstore__MailboxListReply *) message;
	for (size_t i = 0; i < s->q->folders_n; i++)
		if (!box_of(*ret_all, s->q->folders[i]))
			return -POD_E_NOTFOUND;
	return 0;
}

static int run(struct run *s)
{
	const Podstore__MailboxListReply *all;
	int r = search_query_read(s->a, s->q->text, &s->query);

	if (r == 0)
		r = list_boxes(s, &all);
	for (size_t i = 0; r == 0 && s->q->mail_class && i < all->n_mailboxes; i++)
		if (is_asked_for(s->q, all, all->mailboxes[i]))
			r = look_through(s, all->mailboxes[i]);
	if (r == 0)
		r = look_inside_all(s);
	sort(&s->found);
	return r;
}

int eas_search_run(struct eas_request *rq, struct arena *a, const struct search_request *q,
                   struct search_hits *ret_hits)
{
	_cleanup_(arena_freep) struct arena *scratch = arena_create(SCRATCH_MAX);
	struct run s = { .rq = rq, .a = a, .scratch = scratch, .q = q };
	int r = scratch ? run(&s) : -POD_E_NOMEM;

	if (r == 0)
		*ret_hits = s.found;
	return r;
}

int search_item_of(struct eas_request *rq, struct arena *a, const struct search_hit *hit,
                   struct eas_item_place *place, struct eas_item *ret_item)
{
	const Podstore__Rows *rows;
	int r = eas_item_place_of(a, hit->box, span_of(hit->box->guid), place);

	if (r == 0)
		r = eas_rows_fetch(rq, a, hit->box->id, hit->uid, EAS_ITEM_COLUMNS, &rows);
	return r == 0 ? eas_item_of_row(place, rows, 0, EAS_ITEM_COLUMNS, ret_item) : r;
}

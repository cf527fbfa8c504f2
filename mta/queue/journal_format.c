#include "mta/queue/journal_format.h"

#include "base/err.h"
#include "base/le.h"

/* Places in an entry. */
enum { AT_ID = 4, AT_ITEM = 20, AT_SUMMARY = 24, AT_BODY = 28, ENTRY = 32 };

/* ---- making ---- */

void queue_journal_add(struct buf *batch, const struct queue_journal_entry *e)
{
	uint8_t *to = buf_reserve(batch, ENTRY);

	if (!to)
		return;
	batch->len += ENTRY;
	le_put32(to, e->kind);
	memcpy(to + AT_ID, e->id.b, ID_SIZE);
	le_put32(to + AT_ITEM, (uint32_t) e->item.len);
	le_put32(to + AT_SUMMARY, (uint32_t) e->summary.len);
	le_put32(to + AT_BODY, (uint32_t) e->body.len);
	buf_add(batch, e->item);
	buf_add(batch, e->summary);
	buf_add(batch, e->body);
}

/* ---- reading ---- */

static bool take(struct span *from, uint32_t len, struct span *ret)
{
	if (len > from->len)
		return false;
	*ret = span_head(*from, len);
	*from = span_skip(*from, len);
	return true;
}

int queue_journal_entry_next(struct span *entries, struct queue_journal_entry *ret)
{
	struct queue_journal_entry e = { 0 };
	struct span rest = span_skip(*entries, ENTRY);
	const uint8_t *p = entries->p;
	uint32_t kind;

	if (entries->len == 0)
		return 0;
	if (entries->len < ENTRY)
		return -POD_E_CORRUPT;
	kind = le_get32(p);
	if (kind < QUEUE_JOURNAL_NEW || kind > QUEUE_JOURNAL_OVER ||
	    !take(&rest, le_get32(p + AT_ITEM), &e.item) ||
	    !take(&rest, le_get32(p + AT_SUMMARY), &e.summary) ||
	    !take(&rest, le_get32(p + AT_BODY), &e.body))
		return -POD_E_CORRUPT;
	e.kind = (enum queue_journal_kind) kind;
	memcpy(e.id.b, p + AT_ID, ID_SIZE);
	*entries = rest;
	*ret = e;
	return 1;
}

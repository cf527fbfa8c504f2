#include "mta/queue/journal_format.h"

#include "base/crc32c.h"
#include "base/err.h"
#include "base/le.h"

#define MAGIC "PQJ1"

/* Places in a header. */
enum { AT_SUM = 4, AT_NONCE = 8, AT_SEGMENT = 24, AT_NUMBER = 32, AT_LENGTH = 40, HEADER = 48 };
/* And in an entry. */
enum { AT_ID = 4, AT_ITEM = 20, AT_SUMMARY = 24, AT_BODY = 28, ENTRY = 32 };

/* ---- making ---- */

static uint8_t *grow(struct buf *b, size_t n)
{
	uint8_t *to = buf_reserve(b, n);

	if (to)
		b->len += n;
	return to;
}

void queue_journal_begin(struct buf *batch)
{
	buf_clear(batch);
	(void) grow(batch, HEADER);
}

void queue_journal_add(struct buf *batch, const struct queue_journal_entry *e)
{
	uint8_t *to = grow(batch, ENTRY);

	if (!to)
		return;
	le_put32(to, e->kind);
	memcpy(to + AT_ID, e->id.b, ID_SIZE);
	le_put32(to + AT_ITEM, (uint32_t) e->item.len);
	le_put32(to + AT_SUMMARY, (uint32_t) e->summary.len);
	le_put32(to + AT_BODY, (uint32_t) e->body.len);
	buf_add(batch, e->item);
	buf_add(batch, e->summary);
	buf_add(batch, e->body);
}

static size_t round_up(size_t n)
{
	return (n + QUEUE_JOURNAL_BLOCK - 1) / QUEUE_JOURNAL_BLOCK * QUEUE_JOURNAL_BLOCK;
}

struct span queue_journal_seal(struct buf *batch, const struct queue_journal_place *place)
{
	size_t len = batch->len, fill = round_up(len) - len;
	uint8_t *p;

	if (fill && !(p = grow(batch, fill)))
		return SPAN_NONE;
	p = batch->p;
	memset(p + len, 0, fill);
	memcpy(p, MAGIC, AT_SUM);
	memcpy(p + AT_NONCE, place->nonce, QUEUE_JOURNAL_NONCE);
	le_put64(p + AT_SEGMENT, place->segment);
	le_put64(p + AT_NUMBER, place->number);
	le_put64(p + AT_LENGTH, len - HEADER);
	le_put32(p + AT_SUM, crc32c(p + AT_NONCE, len - AT_NONCE));
	return buf_span(batch);
}

/* ---- reading ---- */

static bool is_next(const uint8_t *p, bool first, const struct queue_journal_place *place)
{
	if (first)
		return le_get64(p + AT_NUMBER) == 0;
	return memcmp(p + AT_NONCE, place->nonce, QUEUE_JOURNAL_NONCE) == 0 &&
	       le_get64(p + AT_SEGMENT) == place->segment && le_get64(p + AT_NUMBER) == place->number + 1;
}

bool queue_journal_next(struct span *rest, bool first, struct queue_journal_place *place,
                        struct span *ret_entries)
{
	const uint8_t *p = rest->p;
	uint64_t len;

	if (rest->len < HEADER || memcmp(p, MAGIC, AT_SUM) != 0 || !is_next(p, first, place))
		return false;
	len = le_get64(p + AT_LENGTH);
	if (len > rest->len - HEADER ||
	    le_get32(p + AT_SUM) != crc32c(p + AT_NONCE, HEADER - AT_NONCE + (size_t) len))
		return false;
	memcpy(place->nonce, p + AT_NONCE, QUEUE_JOURNAL_NONCE);
	place->segment = le_get64(p + AT_SEGMENT);
	place->number = le_get64(p + AT_NUMBER);
	*ret_entries = span_make(p + HEADER, (size_t) len);
	*rest = span_skip(*rest, round_up(HEADER + (size_t) len));
	return true;
}

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
	    !take(&rest, le_get32(p + AT_SUMMARY), &e.summary) || !take(&rest, le_get32(p + AT_BODY), &e.body))
		return -POD_E_CORRUPT;
	e.kind = (enum queue_journal_kind) kind;
	memcpy(e.id.b, p + AT_ID, ID_SIZE);
	*entries = rest;
	*ret = e;
	return 1;
}

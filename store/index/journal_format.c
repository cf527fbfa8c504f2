#include "store/index/journal_format.h"

#include "base/err.h"
#include "base/le.h"

#define MAGIC      "PJN1"
#define MAGIC_SIZE 4
#define UIDS_ENTRY 20
#define MOVE_ENTRY 16 /* and the paths */

static uint64_t fnv1a(uint64_t h, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

/* Of a frame with its header: all but magic and the sum itself. */
static uint64_t sum_of(const uint8_t *frame, size_t entries)
{
	return fnv1a(fnv1a(0xcbf29ce484222325, frame + MAGIC_SIZE, 12), frame + JOURNAL_HEADER, entries);
}

/* ---- making ---- */

void journal_frame_done(struct journal_frame *f)
{
	buf_done(&f->bytes);
	f->newest = 0;
}

static uint8_t *grow(struct journal_frame *f, size_t n)
{
	uint8_t *to = buf_reserve(&f->bytes, n);

	if (to)
		f->bytes.len += n;
	return to;
}

static void add_move(struct journal_frame *f, const struct journal_entry *e)
{
	uint8_t *to = grow(f, MOVE_ENTRY);

	if (!to)
		return;
	le_put32(to, JOURNAL_MOVE);
	le_put32(to + 4, e->mailbox);
	le_put32(to + 8, (uint32_t) e->from.len);
	le_put32(to + 12, (uint32_t) e->to.len);
	buf_add(&f->bytes, e->from);
	buf_add(&f->bytes, e->to);
	f->newest = 0;
}

static bool widens(const uint8_t *before, const struct journal_entry *e)
{
	return le_get32(before) == e->kind && le_get32(before + 4) == e->mailbox &&
	       le_get32(before + 12) + 1 == e->first && le_get32(before + 16) == e->flags;
}

static void add_uids(struct journal_frame *f, const struct journal_entry *e)
{
	uint8_t *to;

	if (f->newest && widens(f->bytes.p + f->newest, e)) {
		le_put32(f->bytes.p + f->newest + 12, e->last);
		return;
	}
	to = grow(f, UIDS_ENTRY);
	if (!to)
		return;
	f->newest = f->bytes.len - UIDS_ENTRY;
	le_put32(to, e->kind);
	le_put32(to + 4, e->mailbox);
	le_put32(to + 8, e->first);
	le_put32(to + 12, e->last);
	le_put32(to + 16, e->flags);
}

void journal_frame_add(struct journal_frame *f, const struct journal_entry *e)
{
	if (f->bytes.len == 0 && !grow(f, JOURNAL_HEADER))
		return;
	if (e->kind == JOURNAL_MOVE)
		add_move(f, e);
	else
		add_uids(f, e);
}

struct span journal_frame_seal(struct journal_frame *f, uint64_t modseq)
{
	uint8_t *p = f->bytes.p;
	size_t entries = f->bytes.len - JOURNAL_HEADER;

	memcpy(p, MAGIC, MAGIC_SIZE);
	le_put32(p + 4, (uint32_t) entries);
	le_put64(p + 8, modseq);
	le_put64(p + 16, sum_of(p, entries));
	return buf_span(&f->bytes);
}

/* ---- reading ---- */

bool journal_frame_next(struct span *rest, uint64_t *modseq, struct span *ret_entries)
{
	const uint8_t *p = rest->p;
	uint32_t entries;

	if (rest->len < JOURNAL_HEADER || memcmp(p, MAGIC, MAGIC_SIZE) != 0)
		return false;
	entries = le_get32(p + 4);
	if (entries > rest->len - JOURNAL_HEADER || le_get64(p + 8) <= *modseq ||
	    le_get64(p + 16) != sum_of(p, entries))
		return false;
	*modseq = le_get64(p + 8);
	*ret_entries = span_make(p + JOURNAL_HEADER, entries);
	*rest = span_skip(*rest, JOURNAL_HEADER + (size_t) entries);
	return true;
}

static int move_next(struct span *rest, struct journal_entry *e)
{
	uint32_t from = le_get32(rest->p + 8), to = le_get32(rest->p + 12);
	struct span paths = span_skip(*rest, MOVE_ENTRY);

	if (from > paths.len || to > paths.len - from)
		return -POD_E_CORRUPT;
	e->from = span_head(paths, from);
	e->to = span_head(span_skip(paths, from), to);
	*rest = span_skip(paths, (size_t) from + to);
	return 1;
}

int journal_entry_next(struct span *rest, struct journal_entry *ret)
{
	struct journal_entry e = { 0 };
	uint32_t kind;
	int r;

	if (rest->len == 0)
		return 0;
	if (rest->len < MOVE_ENTRY)
		return -POD_E_CORRUPT;
	kind = le_get32(rest->p);
	if (kind < JOURNAL_FLAGS || kind > JOURNAL_MOVE)
		return -POD_E_CORRUPT;
	e.kind = (enum journal_kind) kind;
	e.mailbox = le_get32(rest->p + 4);
	if (e.kind == JOURNAL_MOVE) {
		r = move_next(rest, &e);
		if (r < 0)
			return r;
	} else {
		if (rest->len < UIDS_ENTRY)
			return -POD_E_CORRUPT;
		e.first = le_get32(rest->p + 8);
		e.last = le_get32(rest->p + 12);
		e.flags = le_get32(rest->p + 16);
		*rest = span_skip(*rest, UIDS_ENTRY);
	}
	*ret = e;
	return 1;
}

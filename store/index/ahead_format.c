#include "store/index/ahead_format.h"

#include "base/err.h"
#include "base/le.h"

/* Places in an entry. */
enum { AT_NAME_LEN = 4, AT_LEN = 8 };

void ahead_entry_add(struct buf *batch, enum ahead_kind kind, struct span name, struct span first,
                     struct span more)
{
	uint8_t *to = buf_reserve(batch, AHEAD_ENTRY_HEADER);

	if (!to)
		return;
	batch->len += AHEAD_ENTRY_HEADER;
	le_put32(to, kind);
	le_put32(to + AT_NAME_LEN, (uint32_t) name.len);
	le_put64(to + AT_LEN, first.len + more.len);
	buf_add(batch, name);
	buf_add(batch, first);
	buf_add(batch, more);
}

int ahead_entry_next(struct span *entries, struct ahead_entry *ret)
{
	const uint8_t *p = entries->p;
	uint32_t kind, name_len;
	struct span rest;
	uint64_t len;

	if (entries->len == 0)
		return 0;
	if (entries->len < AHEAD_ENTRY_HEADER)
		return -POD_E_CORRUPT;
	rest = span_skip(*entries, AHEAD_ENTRY_HEADER);
	kind = le_get32(p);
	name_len = le_get32(p + AT_NAME_LEN);
	len = le_get64(p + AT_LEN);
	if (kind < AHEAD_FILE || kind > AHEAD_CHANGES || name_len > rest.len || len > rest.len - name_len)
		return -POD_E_CORRUPT;
	*ret = (struct ahead_entry){ .kind = (enum ahead_kind) kind,
		                     .name = span_head(rest, name_len),
		                     .bytes = span_make(rest.p + name_len, (size_t) len) };
	*entries = span_skip(rest, name_len + (size_t) len);
	return 1;
}

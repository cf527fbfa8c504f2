#include "wal/format.h"

#include "base/crc32c.h"
#include "base/le.h"

#define MAGIC "PQJ1"

/* Places in a header. */
enum { AT_SUM = 4, AT_NONCE = 8, AT_SEGMENT = 24, AT_NUMBER = 32, AT_LENGTH = 40 };

/* ---- making ---- */

static uint8_t *grow(struct buf *b, size_t n)
{
	uint8_t *to = buf_reserve(b, n);

	if (to)
		b->len += n;
	return to;
}

void wal_batch_begin(struct buf *batch)
{
	buf_clear(batch);
	(void) grow(batch, WAL_HEADER);
}

static size_t round_up(size_t n)
{
	return (n + WAL_BLOCK - 1) / WAL_BLOCK * WAL_BLOCK;
}

struct span wal_batch_seal(struct buf *batch, const struct wal_place *place)
{
	size_t len = batch->len, fill = round_up(len) - len;
	uint8_t *p;

	if (fill && !(p = grow(batch, fill)))
		return SPAN_NONE;
	p = batch->p;
	memset(p + len, 0, fill);
	memcpy(p, MAGIC, AT_SUM);
	memcpy(p + AT_NONCE, place->nonce, WAL_NONCE);
	le_put64(p + AT_SEGMENT, place->segment);
	le_put64(p + AT_NUMBER, place->number);
	le_put64(p + AT_LENGTH, len - WAL_HEADER);
	le_put32(p + AT_SUM, crc32c(p + AT_NONCE, len - AT_NONCE));
	return buf_span(batch);
}

/* ---- reading ---- */

static bool is_next(const uint8_t *p, bool first, const struct wal_place *place)
{
	if (first)
		return le_get64(p + AT_NUMBER) == 0;
	return memcmp(p + AT_NONCE, place->nonce, WAL_NONCE) == 0 &&
	       le_get64(p + AT_SEGMENT) == place->segment && le_get64(p + AT_NUMBER) == place->number + 1;
}

bool wal_batch_next(struct span *rest, bool first, struct wal_place *place, struct span *ret_entries)
{
	const uint8_t *p = rest->p;
	uint64_t len;

	if (rest->len < WAL_HEADER || memcmp(p, MAGIC, AT_SUM) != 0 || !is_next(p, first, place))
		return false;
	len = le_get64(p + AT_LENGTH);
	if (len > rest->len - WAL_HEADER ||
	    le_get32(p + AT_SUM) != crc32c(p + AT_NONCE, WAL_HEADER - AT_NONCE + (size_t) len))
		return false;
	memcpy(place->nonce, p + AT_NONCE, WAL_NONCE);
	place->segment = le_get64(p + AT_SEGMENT);
	place->number = le_get64(p + AT_NUMBER);
	*ret_entries = span_make(p + WAL_HEADER, (size_t) len);
	*rest = span_skip(*rest, round_up(WAL_HEADER + (size_t) len));
	return true;
}

#include "imapd/eas/send/memory.h"

#define VERSION 1
#define FIXED   (ID_SIZE + 8 + 1 + 1) /* id, time, done, length of the client id */

static uint64_t number(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

/* entry = id(16) at(8) done(1) length(1) client-id */
static int take(struct span *rest, struct sent_entry *e)
{
	size_t len;

	if (rest->len < FIXED)
		return -POD_E_CORRUPT;
	memcpy(e->id.b, rest->p, ID_SIZE);
	e->at_s = (int64_t) number(rest->p + ID_SIZE);
	e->done = rest->p[ID_SIZE + 8] != 0;
	len = rest->p[FIXED - 1];
	if (!len || rest->len < FIXED + len)
		return -POD_E_CORRUPT;
	e->client_id = span_make(rest->p + FIXED, len);
	*rest = span_skip(*rest, FIXED + len);
	return 0;
}

int sent_memory_unpack(struct span value, struct sent_memory *ret)
{
	struct span rest = span_skip(value, 1);
	int r = 0;

	ret->n = 0;
	if (!value.len)
		return 0;
	if (value.p[0] != VERSION)
		return -POD_E_CORRUPT;
	while (r == 0 && rest.len) {
		if (ret->n == SENT_MAX)
			return -POD_E_CORRUPT;
		r = take(&rest, &ret->items[ret->n]);
		ret->n += r == 0;
	}
	return r;
}

void sent_memory_pack(const struct sent_memory *m, struct buf *out)
{
	buf_add_byte(out, VERSION);
	for (size_t i = 0; i < m->n; i++) {
		const struct sent_entry *e = &m->items[i];

		buf_add(out, span_make(e->id.b, ID_SIZE));
		for (int shift = 56; shift >= 0; shift -= 8)
			buf_add_byte(out, (uint8_t) ((uint64_t) e->at_s >> shift));
		buf_add_byte(out, e->done);
		buf_add_byte(out, (uint8_t) e->client_id.len);
		buf_add(out, e->client_id);
	}
}

struct sent_entry *sent_memory_find(struct sent_memory *m, struct span client_id)
{
	for (size_t i = 0; i < m->n; i++)
		if (span_eq(m->items[i].client_id, client_id))
			return &m->items[i];
	return NULL;
}

struct sent_entry *sent_memory_add(struct sent_memory *m, struct span client_id, const struct guid *id,
                                   int64_t now_s)
{
	size_t from = 0, kept = 0;

	while (from < m->n && (m->n - from >= SENT_MAX || m->items[from].at_s + SENT_KEEP_S < now_s))
		from++;
	for (; from < m->n; from++)
		m->items[kept++] = m->items[from];
	m->items[kept] = (struct sent_entry){ .client_id = client_id, .id = *id, .at_s = now_s };
	m->n = kept + 1;
	return &m->items[kept];
}

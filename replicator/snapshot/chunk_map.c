#include "replicator/snapshot/chunk_map.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#define MAGIC        0x4d534c50u /* "PLSM" */
#define STATES_BYTES (CHUNK_MAP_PAGE - CHUNK_MAP_HEADER)

struct page_header {
	uint32_t magic, page;
	uint64_t sequence, hash, owner;
};
_Static_assert(sizeof(struct page_header) == CHUNK_MAP_HEADER, "the page's header");

struct page {
	uint64_t sequence;     /* of what the file has */
	uint32_t copied, zero; /* chunks of it in these states */
	uint8_t states[STATES_BYTES];
};

struct chunk_map {
	uint64_t chunks, copied, owner;
	size_t pages_n;
	struct page pages[];
};

int chunk_map_create(uint64_t chunks, struct chunk_map **ret_map, struct err *err)
{
	size_t pages = (size_t) ((chunks + CHUNK_MAP_PAGE_CHUNKS - 1) / CHUNK_MAP_PAGE_CHUNKS);
	struct chunk_map *m = calloc(1, sizeof(*m) + pages * sizeof(m->pages[0]));

	if (!m)
		return err_set(err, POD_E_NOMEM, "map of %zu pages", pages);
	m->chunks = chunks;
	m->pages_n = pages;
	*ret_map = m;
	return 0;
}

struct chunk_map *chunk_map_free(struct chunk_map *m)
{
	free(m);
	return NULL;
}

uint64_t chunk_map_chunks(const struct chunk_map *m)
{
	return m->chunks;
}

void chunk_map_own(struct chunk_map *m, uint64_t owner)
{
	m->owner = owner;
}

uint64_t chunk_map_owner(const struct chunk_map *m)
{
	return m->owner;
}

size_t chunk_map_pages(const struct chunk_map *m)
{
	return m->pages_n;
}

uint64_t chunk_map_copied(const struct chunk_map *m)
{
	return m->copied;
}

enum chunk_state chunk_map_get(const struct chunk_map *m, uint64_t chunk)
{
	uint64_t n = chunk % CHUNK_MAP_PAGE_CHUNKS;

	if (chunk >= m->chunks)
		return CHUNK_NONE;
	return (enum chunk_state)((m->pages[chunk / CHUNK_MAP_PAGE_CHUNKS].states[n / 4] >> 2 * (n % 4)) & 3);
}

void chunk_map_set(struct chunk_map *m, uint64_t chunk, enum chunk_state state)
{
	struct page *p = &m->pages[chunk / CHUNK_MAP_PAGE_CHUNKS];
	uint64_t n = chunk % CHUNK_MAP_PAGE_CHUNKS;

	assert(chunk < m->chunks && state != CHUNK_NONE && chunk_map_get(m, chunk) == CHUNK_NONE);
	p->states[n / 4] |= (uint8_t) (state << 2 * (n % 4));
	if (state == CHUNK_COPIED) {
		p->copied++;
		m->copied++;
	} else {
		p->zero++;
	}
}

size_t chunk_map_next_page(const struct chunk_map *m, size_t page)
{
	while (page < m->pages_n && m->pages[page].copied + m->pages[page].zero == 0)
		page++;
	return page;
}

static uint64_t page_hash(const uint8_t *bytes)
{
	uint8_t copy[CHUNK_MAP_PAGE];

	memcpy(copy, bytes, sizeof(copy));
	memset(copy + offsetof(struct page_header, hash), 0, sizeof(uint64_t));
	return XXH3_64bits(copy, sizeof(copy));
}

void chunk_map_encode(const struct chunk_map *m, const struct chunk_map *more, size_t page,
                      uint8_t bytes[CHUNK_MAP_PAGE], uint64_t *ret_offset)
{
	const struct page *p = &m->pages[page], *q = &more->pages[page];
	struct page_header h = { .magic = htole32(MAGIC),
		                 .page = htole32((uint32_t) page),
		                 .sequence = htole64(p->sequence + 1),
		                 .owner = htole64(m->owner) };

	memcpy(bytes, &h, sizeof(h));
	for (size_t i = 0; i < STATES_BYTES; i++)
		bytes[CHUNK_MAP_HEADER + i] = p->states[i] | q->states[i];
	h.hash = htole64(page_hash(bytes));
	memcpy(bytes, &h, sizeof(h));
	*ret_offset = (2 * (uint64_t) page + ((p->sequence + 1) & 1)) * CHUNK_MAP_PAGE;
}

void chunk_map_merge(struct chunk_map *m, const struct chunk_map *more, size_t page)
{
	struct page *p = &m->pages[page];
	const struct page *q = &more->pages[page];

	for (size_t i = 0; i < STATES_BYTES; i++)
		p->states[i] |= q->states[i];
	p->sequence++;
	p->copied += q->copied;
	p->zero += q->zero;
	m->copied += q->copied;
}

void chunk_map_clear_page(struct chunk_map *m, size_t page)
{
	m->copied -= m->pages[page].copied;
	m->pages[page] = (struct page){ 0 };
}

enum place_state { PLACE_DAMAGED, PLACE_EMPTY, PLACE_WRITTEN };

static enum place_state place_state(const uint8_t *bytes, size_t page, uint64_t *ret_sequence)
{
	static const uint8_t nothing[CHUNK_MAP_PAGE];
	struct page_header h;

	memcpy(&h, bytes, sizeof(h));
	*ret_sequence = le64toh(h.sequence);
	if (memcmp(bytes, nothing, sizeof(nothing)) == 0)
		return PLACE_EMPTY;
	return le32toh(h.magic) == MAGIC && le32toh(h.page) == page && le64toh(h.hash) == page_hash(bytes)
	               ? PLACE_WRITTEN
	               : PLACE_DAMAGED;
}

/* Which of the two counts: 0 or 1; -1: none. Sequences are compared as numbers that go round. */
static int newer_place(const uint8_t *pair, size_t page)
{
	uint64_t sequences[2];
	enum place_state states[2];

	for (size_t i = 0; i < 2; i++)
		states[i] = place_state(pair + i * CHUNK_MAP_PAGE, page, &sequences[i]);
	if (states[0] != states[1])
		return states[1] > states[0];
	if (states[0] == PLACE_DAMAGED)
		return -1;
	return (int64_t) (sequences[1] - sequences[0]) > 0;
}

/* Counts what is there; false: a state that is none, or a chunk behind the end. */
static bool page_count(const struct chunk_map *m, struct page *p, size_t page)
{
	uint64_t first = (uint64_t) page * CHUNK_MAP_PAGE_CHUNKS;

	p->copied = p->zero = 0;
	for (uint64_t n = 0; n < CHUNK_MAP_PAGE_CHUNKS; n++) {
		unsigned int state = (p->states[n / 4] >> 2 * (n % 4)) & 3;

		if (state == CHUNK_NONE)
			continue;
		if (state > CHUNK_ZERO || first + n >= m->chunks)
			return false;
		p->copied += state == CHUNK_COPIED;
		p->zero += state == CHUNK_ZERO;
	}
	return true;
}

int chunk_map_decode(struct chunk_map *m, size_t page, const uint8_t pair[2 * CHUNK_MAP_PAGE],
                     struct err *err)
{
	int newer = newer_place(pair, page);
	struct page_header h;
	struct page p;

	assert(page < m->pages_n);
	if (newer < 0)
		return err_set(err, POD_E_CORRUPT, "map page %zu: both places are damaged", page);
	memcpy(&h, pair + (size_t) newer * CHUNK_MAP_PAGE, sizeof(h));
	p.sequence = le64toh(h.sequence);
	memcpy(p.states, pair + (size_t) newer * CHUNK_MAP_PAGE + CHUNK_MAP_HEADER, STATES_BYTES);
	if (h.owner && m->owner && le64toh(h.owner) != m->owner)
		return err_set(err, POD_E_CORRUPT, "map page %zu: of another snapshot", page);
	if (!page_count(m, &p, page))
		return err_set(err, POD_E_CORRUPT, "map page %zu: states out of range", page);
	if (!m->owner)
		m->owner = le64toh(h.owner);
	m->copied += p.copied - m->pages[page].copied;
	m->pages[page] = p;
	return 0;
}

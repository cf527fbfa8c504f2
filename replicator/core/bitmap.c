#include "replicator/core/bitmap.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS      64u
#define WORDS_PER_PAGE (BITMAP_PAGE / 8)

struct bitmap {
	uint64_t chunks, count;
	size_t pages;
	uint64_t *words; /* little-endian, as they are saved: bit n of the map is bit n % 8 of byte n / 8 */
	bool *dirty;     /* a page each */
};

static uint64_t chunks_of(uint64_t volume_size)
{
	return volume_size / BITMAP_CHUNK + (volume_size % BITMAP_CHUNK != 0);
}

static size_t pages_of(uint64_t chunks)
{
	return (size_t) ((chunks + BITMAP_PAGE * 8 - 1) / (BITMAP_PAGE * 8));
}

/* Bits [from, to) of a word. */
static uint64_t mask_of(unsigned int from, unsigned int to)
{
	uint64_t below_to = to == WORD_BITS ? UINT64_MAX : (UINT64_C(1) << to) - 1;

	return below_to & ~((UINT64_C(1) << from) - 1);
}

static void word_put(struct bitmap *b, uint64_t word, uint64_t value)
{
	uint64_t old = le64toh(b->words[word]);

	if (old == value)
		return;
	b->words[word] = htole64(value);
	b->count = b->count - (uint64_t) __builtin_popcountll(old) + (uint64_t) __builtin_popcountll(value);
	b->dirty[word / WORDS_PER_PAGE] = true;
}

static void range_put(struct bitmap *b, uint64_t first, uint64_t end, bool on)
{
	if (end > b->chunks)
		end = b->chunks;
	while (first < end) {
		uint64_t word = first / WORD_BITS, next = (word + 1) * WORD_BITS,
			 to = next < end ? next : end;
		uint64_t mask =
			mask_of((unsigned int) (first % WORD_BITS), (unsigned int) (to - word * WORD_BITS));
		uint64_t old = le64toh(b->words[word]);

		word_put(b, word, on ? old | mask : old & ~mask);
		first = to;
	}
}

int bitmap_create(uint64_t volume_size, struct bitmap **ret_map, struct err *err)
{
	struct bitmap *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return err_set(err, POD_E_NOMEM, "bitmap");
	r = bitmap_resize(b, volume_size, err);
	if (r < 0) {
		bitmap_free(b);
		return r;
	}
	memset(b->dirty, 0, b->pages * sizeof(b->dirty[0])); /* what is on the disk is loaded next */
	*ret_map = b;
	return 0;
}

struct bitmap *bitmap_free(struct bitmap *b)
{
	if (b) {
		free(b->words);
		free(b->dirty);
		free(b);
	}
	return NULL;
}

int bitmap_resize(struct bitmap *b, uint64_t volume_size, struct err *err)
{
	uint64_t chunks = chunks_of(volume_size);
	size_t pages = pages_of(chunks), keep = pages < b->pages ? pages : b->pages;
	uint64_t *words = calloc(pages ? pages : 1, BITMAP_PAGE);
	bool *dirty = calloc(pages ? pages : 1, sizeof(*dirty));

	if (!words || !dirty) {
		free(words);
		free(dirty);
		return err_set(err, POD_E_NOMEM, "bitmap of %zu pages", pages);
	}
	range_put(b, chunks, b->chunks, false); /* what a smaller volume no longer has */
	if (keep) {
		memcpy(words, b->words, keep * BITMAP_PAGE);
		memcpy(dirty, b->dirty, keep * sizeof(*dirty));
	}
	memset(dirty + keep, true,
	       (pages - keep) * sizeof(*dirty)); /* nobody knows what is on the disk there */
	free(b->words);
	free(b->dirty);
	b->words = words;
	b->dirty = dirty;
	b->pages = pages;
	b->chunks = chunks;
	return 0;
}

void bitmap_set(struct bitmap *b, uint64_t offset, uint64_t length)
{
	if (length)
		range_put(b, offset / BITMAP_CHUNK, chunks_of(offset + length), true);
}

void bitmap_clear(struct bitmap *b, uint64_t offset, uint64_t length)
{
	range_put(b, chunks_of(offset), (offset + length) / BITMAP_CHUNK, false);
}

void bitmap_clear_all(struct bitmap *b)
{
	range_put(b, 0, b->chunks, false);
}

void bitmap_set_all(struct bitmap *b)
{
	range_put(b, 0, b->chunks, true);
}

/* The first chunk at or behind chunk whose bit is as asked for; b->chunks where there is none. */
static uint64_t chunk_find(const struct bitmap *b, uint64_t chunk, bool on)
{
	while (chunk < b->chunks) {
		uint64_t word = chunk / WORD_BITS, bits = le64toh(b->words[word]);

		bits = (on ? bits : ~bits) & mask_of((unsigned int) (chunk % WORD_BITS), WORD_BITS);
		if (bits) {
			chunk = word * WORD_BITS + (unsigned int) __builtin_ctzll(bits);
			break;
		}
		chunk = (word + 1) * WORD_BITS;
	}
	return chunk < b->chunks ? chunk : b->chunks;
}

bool bitmap_next(const struct bitmap *b, uint64_t offset, uint64_t *ret_offset, uint64_t *ret_length)
{
	uint64_t first = chunk_find(b, offset / BITMAP_CHUNK, true), end;

	if (first == b->chunks)
		return false;
	end = chunk_find(b, first, false);
	*ret_offset = first * BITMAP_CHUNK;
	*ret_length = (end - first) * BITMAP_CHUNK;
	return true;
}

uint64_t bitmap_count(const struct bitmap *b)
{
	return b->count;
}

size_t bitmap_pages(const struct bitmap *b)
{
	return b->pages;
}

const uint8_t *bitmap_page(const struct bitmap *b, size_t page)
{
	assert(page < b->pages);
	return (const uint8_t *) (b->words + page * WORDS_PER_PAGE);
}

void bitmap_page_load(struct bitmap *b, size_t page, const uint8_t *bytes)
{
	uint64_t first = (uint64_t) page * WORDS_PER_PAGE;

	assert(page < b->pages);
	for (uint64_t w = 0; w < WORDS_PER_PAGE; w++) {
		uint64_t value, from = (first + w) * WORD_BITS;

		memcpy(&value, bytes + w * sizeof(value), sizeof(value));
		value = le64toh(value);
		if (from >= b->chunks)
			value = 0;
		else if (b->chunks - from < WORD_BITS)
			value &= mask_of(0, (unsigned int) (b->chunks - from));
		word_put(b, first + w, value);
	}
	b->dirty[page] = false;
}

bool bitmap_take_dirty(struct bitmap *b, size_t *ret_page)
{
	for (size_t i = 0; i < b->pages; i++)
		if (b->dirty[i]) {
			b->dirty[i] = false;
			*ret_page = i;
			return true;
		}
	return false;
}

/*
 * A snapshot's .json and .map as a damaged disk may give them. What is taken must come out the same when it
 * is written again. The first byte says which of the two it is.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "replicator/core/record.h"
#include "replicator/snapshot/chunk_map.h"
#include "replicator/snapshot/snapshot_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_json(const uint8_t *data, size_t len)
{
	struct snapshot_info info, again;
	uint64_t serial, serial_again;
	char text[SNAPSHOT_JSON_MAX];
	struct err err;

	if (len > SNAPSHOT_JSON_MAX || snapshot_info_parse(span_make(data, len), &info, &serial, &err) < 0)
		return;
	if (snapshot_info_format(&info, serial, text, &err) < 0 ||
	    snapshot_info_parse(span_of(text), &again, &serial_again, &err) < 0 || serial != serial_again ||
	    memcmp(&info, &again, sizeof(info)) != 0)
		abort();
}

static void make_hash_right(uint8_t page[CHUNK_MAP_PAGE])
{
	uint64_t hash = 0;

	memcpy(page + 16, &hash, sizeof(hash));
	hash = htole64(record_hash(page, CHUNK_MAP_PAGE));
	memcpy(page + 16, &hash, sizeof(hash));
}

/* The next byte: chunks of the volume, and whether hashes are made right. The pair is what follows, then
 * zeros. */
static void check_map(const uint8_t *data, size_t len)
{
	static uint8_t pair[2 * CHUNK_MAP_PAGE];
	uint8_t page[2 * CHUNK_MAP_PAGE] = { 0 };
	struct chunk_map *m = NULL, *again = NULL, *nothing = NULL;
	uint64_t chunks = len ? data[0] * 100u + 1 : 1, offset;

	memset(pair, 0, sizeof(pair));
	if (len > 1)
		memcpy(pair, data + 1, len - 1 < sizeof(pair) ? len - 1 : sizeof(pair));
	if (len && data[0] % 2) {
		make_hash_right(pair);
		make_hash_right(pair + CHUNK_MAP_PAGE);
	}
	if (chunk_map_create(chunks, &m, NULL) < 0 || chunk_map_create(chunks, &again, NULL) < 0 ||
	    chunk_map_create(chunks, &nothing, NULL) < 0)
		abort();
	if (chunk_map_decode(m, 0, pair, NULL) == 0) {
		uint64_t copied = 0;

		for (uint64_t c = 0; c < chunks; c++)
			copied += chunk_map_get(m, c) == CHUNK_COPIED;
		chunk_map_encode(m, nothing, 0, page, &offset); /* the other place stays empty */
		if (copied != chunk_map_copied(m) || chunk_map_decode(again, 0, page, NULL) < 0 ||
		    chunk_map_copied(again) != copied)
			abort();
	}
	chunk_map_free(m);
	chunk_map_free(again);
	chunk_map_free(nothing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	if (data[0] == '{')
		check_json(data, len);
	else
		check_map(data + 1, len - 1);
	return 0;
}

/* Hellos and what is decided from them: anything that is taken says the same when it is written again. */
#include <stdlib.h>
#include <string.h>

#include "replicator/core/generation.h"
#include "replicator/link/frame.h"

static void compare(const struct hello *h)
{
	struct generation ours[GENERATIONS_MAX] = { { h->generations[3].id, 0 },
		                                    { h->generations[1].id, h->durable_lsn } };
	struct generation_side us = { .volume_id = h->volume_id,
		                      .generations = ours,
		                      .token = h->token,
		                      .end = h->durable_lsn + h->size_bytes,
		                      .tail = h->size_bytes };
	struct generation_side peer = { .volume_id = h->volume_id,
		                        .generations = h->generations,
		                        .token = h->token,
		                        .end = h->durable_lsn,
		                        .was_primary = h->flags & HELLO_PRIMARY,
		                        .resyncing = h->flags & HELLO_RESYNCING };
	struct generation_result r = generation_compare(&us, &peer);

	/* Nobody follows from behind the end of his log. */
	if (r.verdict == GENERATION_FOLLOW && peer.end > 4096 && r.lsn > peer.end)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t again[HELLO_SIZE];
	static const struct hello ours = { .oldest = LINK_VERSION_OLDEST,
		                           .newest = LINK_VERSION,
		                           .site = "here" };
	struct hello h, h2;
	unsigned int version, version2;
	struct start s, s2;

	if (len >= HELLO_SIZE && hello_decode(data, &ours, &h, &version, NULL) == 0) {
		if (version < ours.oldest || version > ours.newest)
			abort();
		hello_encode(&h, again);
		if (hello_decode(again, &ours, &h2, &version2, NULL) < 0 || version != version2 ||
		    strcmp(h.site, h2.site) != 0 || h.token != h2.token ||
		    memcmp(h.generations, h2.generations, sizeof(h.generations)) != 0)
			abort();
		compare(&h);
	}
	if (len >= START_SIZE && start_decode(data, &s, NULL) == 0) {
		start_encode(&s, again);
		if (start_decode(again, &s2, NULL) < 0 || s.lsn != s2.lsn || s.kind != s2.kind ||
		    s.orphan != s2.orphan)
			abort();
	}
	return 0;
}

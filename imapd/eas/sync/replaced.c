#include "imapd/eas/sync/replaced.h"

#include <inttypes.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* No ClientId of a device begins like that: it would be no text. */
static const char *prefix_of(const struct eas_sync_part *part, uint32_t uid)
{
	return arena_printf(part->a, "\1%" PRIu32 ":", uid);
}

static const char *name_of(const struct eas_sync_part *part, uint32_t uid)
{
	struct span raw = part->run->rq->raw;

	return arena_printf(part->a, "\1%" PRIu32 ":%016" PRIx64, uid,
	                    (uint64_t) XXH3_64bits(raw.p, raw.len));
}

/* The last of those that begin so. */
static const struct eas_client_add *find_in(const struct eas_generation *g, const char *prefix)
{
	for (size_t i = g->client_adds_n; i > 0; i--)
		if (span_starts_nocase(span_of(g->client_adds[i - 1].client_id), span_of(prefix)))
			return &g->client_adds[i - 1];
	return NULL;
}

struct eas_replaced eas_replaced_find(const struct eas_sync_part *part, uint32_t uid)
{
	const char *prefix = prefix_of(part, uid), *name = name_of(part, uid);
	const struct eas_client_add *found = NULL;

	if (prefix && name) {
		found = find_in(part->at, prefix);
		if (!found)
			found = find_in(&part->state.now, prefix);
	}
	return found ? (struct eas_replaced){ found->uid, strcmp(found->client_id, name) == 0 }
	             : (struct eas_replaced){ 0, false };
}

int eas_replaced_remember(struct eas_sync_part *part, uint32_t uid, uint32_t now_uid)
{
	const struct eas_client_add entry = { name_of(part, uid), now_uid, EAS_SYNC_OK };

	return entry.client_id ? eas_generation_remember_add(part->at, part->a, &entry) : -POD_E_NOMEM;
}

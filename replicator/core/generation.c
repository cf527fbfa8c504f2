#include "replicator/core/generation.h"

#include <string.h>

#include "replicator/core/record.h"

static bool is_one(const struct generation *g)
{
	return g->id != 0;
}

/* Where id stands in list; GENERATIONS_MAX: nowhere. */
static size_t find(const struct generation *list, uint64_t id)
{
	for (size_t i = 0; i < GENERATIONS_MAX && is_one(&list[i]); i++)
		if (list[i].id == id)
			return i;
	return GENERATIONS_MAX;
}

/* The newest generation of the peer that we have too: its place there and here. */
static bool newest_common(const struct generation_side *us, const struct generation_side *peer,
                          size_t *ret_us, size_t *ret_peer)
{
	for (size_t j = 0; j < GENERATIONS_MAX && is_one(&peer->generations[j]); j++) {
		size_t i = find(us->generations, peer->generations[j].id);

		if (i < GENERATIONS_MAX) {
			*ret_us = i;
			*ret_peer = j;
			return true;
		}
	}
	return false;
}

static uint64_t end_of(const struct generation_side *side, size_t i)
{
	uint64_t end = i == 0 ? side->end : side->generations[i].end;

	return end < side->end ? end : side->end;
}

static struct generation_result result(enum generation_verdict verdict, uint64_t lsn)
{
	return (struct generation_result){ .verdict = verdict, .lsn = lsn };
}

/* The peer's log is ours up to lsn, and ends there. */
static struct generation_result prefix(const struct generation_side *us, uint64_t lsn)
{
	struct generation_result r = result(us->tail <= lsn ? GENERATION_FOLLOW : GENERATION_RESYNC, lsn);

	r.marks_count = r.verdict == GENERATION_RESYNC;
	return r;
}

/*
 * In the middle of a resync. Who began it may go on by his marks, while his generation lasts: where he began
 * another, he may have lost what he had read for chunks but not yet made durable, and nobody knows which
 * those are.
 */
static struct generation_result resyncing(bool same_generation)
{
	struct generation_result r = result(GENERATION_RESYNC, 0);

	r.marks_count = same_generation;
	return r;
}

/* Whether one of the newest n was begun by a promotion. */
static bool promoted_since(const struct generation *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!(list[i].id & GENERATION_RECOVERED))
			return true;
	return false;
}

struct generation_result generation_compare(const struct generation_side *us,
                                            const struct generation_side *peer)
{
	struct generation_result r;
	uint64_t branch, end;
	bool promoted;
	size_t i, j;

	if (memcmp(us->volume_id, peer->volume_id, 16) != 0)
		return result(GENERATION_UNRELATED, 0);
	if (peer->token > us->token)
		return result(GENERATION_NEWER_TOKEN, 0);
	if (peer->resyncing || (peer->settling && peer->generations[0].id != us->generations[0].id))
		return resyncing(peer->generations[0].id == us->generations[0].id);
	if (peer->end <= RECORD_ALIGN) /* never written to: the empty history begins every other */
		return prefix(us, RECORD_ALIGN);
	if (!newest_common(us, peer, &i, &j))
		return result(GENERATION_UNRELATED, 0);
	branch = end_of(us, i);
	end = end_of(peer, j);
	if (end < branch)
		branch = end;
	if (peer->end <= branch)
		return prefix(us, branch);
	/* It went on in a generation that we know, while we began another: an old primary, or we lost our
	 * end. In a generation of its own: it was promoted as we were, and nobody but a human knows which one
	 * counts. */
	promoted = promoted_since(peer->generations, j);
	r = result(promoted ? GENERATION_SPLIT_BRAIN : GENERATION_PEER_HAS_TAIL, branch);
	r.orphan = peer->was_primary || promoted;
	r.marks_count = true;
	return r;
}

void generation_begin(struct generation list[GENERATIONS_MAX], uint64_t id, uint64_t end)
{
	if (is_one(&list[0])) {
		memmove(&list[1], &list[0], (GENERATIONS_MAX - 1) * sizeof(list[0]));
		list[1].end = end;
	}
	list[0] = (struct generation){ .id = id };
	for (size_t i = 2; i < GENERATIONS_MAX && is_one(&list[i]); i++)
		if (list[i].end > end)
			list[i].end = end;
}

const char *generation_verdict_text(enum generation_verdict v)
{
	switch (v) {
	case GENERATION_FOLLOW: return "follow";
	case GENERATION_RESYNC: return "resync";
	case GENERATION_PEER_HAS_TAIL: return "peer has a tail";
	case GENERATION_SPLIT_BRAIN: return "split brain";
	case GENERATION_NEWER_TOKEN: return "peer knows a newer primary";
	case GENERATION_UNRELATED: return "nothing in common";
	}
	return "unknown";
}

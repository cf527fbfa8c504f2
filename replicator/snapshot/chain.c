/* The chain of snapshots: who finds what where, and how one leaves it. */
#include "replicator/snapshot/snapshot_internal.h"

#include <string.h>

#include "base/cleanup.h"

size_t chain_find(const struct snapshots *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->chain[i]->deleted && strcmp(s->chain[i]->info.name, name) == 0)
			return i;
	return s->n;
}

size_t chain_newest(const struct snapshots *s)
{
	for (size_t i = s->n; i-- > 0;)
		if (!s->chain[i]->deleted)
			return i;
	return s->n;
}

enum chunk_state snapshot_state(const struct snapshot *sn, uint64_t chunk)
{
	if (sn->map)
		return chunk_map_get(sn->map, chunk);
	return chunk < sn->chunks ? CHUNK_COPIED : CHUNK_NONE;
}

/* Whether one of chain[i .. end) has the chunk. */
static bool has_below(const struct snapshots *s, size_t i, size_t end, uint64_t chunk)
{
	for (; i < end; i++)
		if (snapshot_state(s->chain[i], chunk) != CHUNK_NONE)
			return true;
	return false;
}

bool chain_has(const struct snapshots *s, size_t i, uint64_t chunk)
{
	return has_below(s, i, s->n, chunk);
}

/* ---- what they cost ---- */

uint64_t snapshot_cost(const struct snapshot *sn)
{
	if (!sn->map)
		return 0;
	return (sn->deleted ? sn->needed : chunk_map_copied(sn->map)) * SNAPSHOT_CHUNK;
}

uint64_t chain_cost(const struct snapshots *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += snapshot_cost(s->chain[i]);
	return sum;
}

/* After the chain changed: of each deleted one, what the next older one that is not deleted will need of it.
 */
static void count_needs(struct snapshots *s)
{
	size_t older = s->n;

	for (size_t i = 0; i < s->n; i++) {
		struct snapshot *sn = s->chain[i];

		if (!sn->deleted) {
			older = i;
			continue;
		}
		sn->needed = sn->sweep_at = 0;
		if (older == s->n || !sn->map || !s->chain[older]->map)
			continue;
		for (uint64_t c = 0; c < s->chain[older]->chunks; c++)
			sn->needed += snapshot_state(sn, c) == CHUNK_COPIED && !has_below(s, older, i, c);
	}
}

/* ---- coming and going ---- */

int chain_add(struct snapshots *s, struct snapshot *sn, struct err *err)
{
	if (s->n == CHAIN_MAX)
		return err_set(err, POD_E_LIMIT, "more than %u snapshots", (unsigned int) CHAIN_MAX);
	pthread_rwlock_wrlock(&s->lock);
	s->chain[s->n++] = sn;
	pthread_rwlock_unlock(&s->lock);
	return 0;
}

static void take_out(struct snapshots *s, size_t i)
{
	struct snapshot *sn = s->chain[i];
	bool read;

	pthread_rwlock_wrlock(&s->lock);
	memmove(&s->chain[i], &s->chain[i + 1], (s->n - i - 1) * sizeof(s->chain[0]));
	s->n--;
	read = sn->readers > 0;
	if (read) {
		sn->next = s->gone;
		s->gone = sn;
	}
	pthread_rwlock_unlock(&s->lock);
	if (!read)
		snapshot_free(sn);
}

int chain_remove(struct snapshots *s, size_t i, struct err *err)
{
	char name[SNAPSHOT_NAME_SIZE];
	int r = snapshot_files_remove(s, s->chain[i], err);

	if (r < 0)
		return r;
	memcpy(name, s->chain[i]->info.name, sizeof(name));
	take_out(s, i);
	files_remove_rest(s, name);
	count_needs(s);
	return 0;
}

/* Nothing older is there: it goes, and so do deleted ones behind it that were kept for its sake. */
static int remove_oldest(struct snapshots *s, struct err *err)
{
	int r;

	do
		r = chain_remove(s, 0, err);
	while (r == 0 && s->n && s->chain[0]->deleted);
	return r;
}

int chain_settle(struct snapshots *s, struct err *err)
{
	count_needs(s);
	return s->n && s->chain[0]->deleted ? remove_oldest(s, err) : 0;
}

int chain_delete(struct snapshots *s, size_t i, struct err *err)
{
	int r;

	s->sweep_failed = false;
	if (i == 0)
		return remove_oldest(s, err);
	r = files_mark_deleted(s, s->chain[i], err);
	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&s->lock);
	s->chain[i]->deleted = true;
	pthread_rwlock_unlock(&s->lock);
	count_needs(s);
	return 0;
}

int chain_drop(struct snapshots *s, struct err *err)
{
	char name[SNAPSHOT_NAME_SIZE];
	size_t victim = s->n;
	int r;

	for (size_t i = s->n; i-- > 0;)
		if (!s->chain[i]->deleted &&
		    (victim == s->n || !s->chain[i]->info.held || s->chain[victim]->info.held))
			victim = i;
	if (victim == s->n)
		return err_set(err, POD_E_NOTFOUND, "no snapshot is left to be dropped");
	memcpy(name, s->chain[victim]->info.name, sizeof(name));
	r = chain_delete(s, victim, err);
	if (r == 0 && s->o.on_dropped)
		s->o.on_dropped(s->o.arg, name);
	return r;
}

#include "store/auth/penalty.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/id.h"

#define SETS 1024u
#define WAYS 4u

struct penalty {
	uint64_t key; /* 0: free */
	uint64_t last_ms;
	unsigned int failures;
};

struct penalties {
	pthread_mutex_t lock;
	uint64_t seed; /* so that nobody can aim at somebody else's set */
	struct penalty sets[SETS][WAYS];
};

struct penalties *penalties_create(void)
{
	struct penalties *p = calloc(1, sizeof(*p));

	if (p) {
		random_bytes(&p->seed, sizeof(p->seed));
		(void) pthread_mutex_init(&p->lock, NULL);
	}
	return p;
}

struct penalties *penalties_free(struct penalties *p)
{
	if (p)
		(void) pthread_mutex_destroy(&p->lock);
	free(p);
	return NULL;
}

/* FNV-1a with a seed, and a last mix: the sets are few and the key is secret. */
static uint64_t mix(uint64_t h, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ s.p[i]) * 0x100000001b3u;
	return (h ^ (h >> 29)) * 0xbf58476d1ce4e5b9u;
}

static uint64_t key_of(const struct penalties *p, struct span user_id, struct span peer)
{
	uint64_t key = mix(mix(p->seed, user_id), peer);

	return key ? key : 1;
}

static struct penalty *find(struct penalties *p, uint64_t key, uint64_t now_ms)
{
	struct penalty *set = p->sets[key % SETS];

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].key != key)
			continue;
		if (now_ms - set[i].last_ms < PENALTY_FORGET_MS)
			return &set[i];
		set[i].key = 0;
	}
	return NULL;
}

static struct penalty *take(struct penalties *p, uint64_t key)
{
	struct penalty *set = p->sets[key % SETS], *oldest = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].key == 0) {
			oldest = &set[i];
			break;
		}
		if (set[i].last_ms < oldest->last_ms)
			oldest = &set[i];
	}
	*oldest = (struct penalty){ .key = key };
	return oldest;
}

bool penalty_blocks(struct penalties *p, struct span user_id, struct span peer, uint64_t now_ms)
{
	const struct penalty *e;
	bool blocks;

	(void) pthread_mutex_lock(&p->lock);
	e = find(p, key_of(p, user_id, peer), now_ms);
	blocks = e && e->failures >= PENALTY_BLOCK_AFTER && now_ms - e->last_ms < PENALTY_MAX_MS;
	(void) pthread_mutex_unlock(&p->lock);
	return blocks;
}

unsigned int penalty_add(struct penalties *p, struct span user_id, struct span peer, uint64_t now_ms)
{
	uint64_t key = key_of(p, user_id, peer);
	unsigned int delay = PENALTY_FIRST_MS;
	struct penalty *e;

	(void) pthread_mutex_lock(&p->lock);
	e = find(p, key, now_ms);
	if (!e)
		e = take(p, key);
	for (unsigned int i = 0; i < e->failures && delay < PENALTY_MAX_MS; i++)
		delay *= 2;
	e->failures++;
	e->last_ms = now_ms;
	(void) pthread_mutex_unlock(&p->lock);
	return delay;
}

void penalty_clear(struct penalties *p, struct span user_id, struct span peer)
{
	uint64_t key = key_of(p, user_id, peer);
	struct penalty *set = p->sets[key % SETS];

	(void) pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < WAYS; i++)
		if (set[i].key == key)
			set[i].key = 0;
	(void) pthread_mutex_unlock(&p->lock);
}

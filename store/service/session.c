#include "store/service/session.h"

#include <stdlib.h>

#include "base/id.h"

#define SLOT_BITS 17 /* sessions of one connection, which is a front end's worker: 131,071 at most */
#define SLOTS_MAX ((1u << SLOT_BITS) - 1)

struct slot {
	char *user_id; /* NULL: free */
	size_t len;
	uint32_t number; /* of the session in it */
	uint32_t next_free; /* index plus one of the next free one, or 0 */
};

struct sessions {
	/*
	 * A session's number is its slot's index plus one, and random bits above: one that is closed, or of another
	 * connection, is not by chance the number of somebody else's.
	 */
	struct slot *slots;
	uint32_t n, free_first;
	size_t open;
};

struct sessions *sessions_create(void)
{
	return calloc(1, sizeof(struct sessions));
}

struct sessions *sessions_free(struct sessions *s)
{
	if (s) {
		for (uint32_t i = 0; i < s->n; i++)
			free(s->slots[i].user_id);
		free(s->slots);
		free(s);
	}
	return NULL;
}

static bool grow(struct sessions *s)
{
	uint32_t n = s->n ? s->n * 2 : 16;
	struct slot *slots;

	if (s->n == SLOTS_MAX)
		return false;
	n = n < SLOTS_MAX ? n : SLOTS_MAX;
	slots = realloc(s->slots, n * sizeof(*slots));
	if (!slots)
		return false;
	s->slots = slots;
	for (uint32_t i = n; i > s->n; i--) {
		slots[i - 1] = (struct slot){ .next_free = s->free_first };
		s->free_first = i;
	}
	s->n = n;
	return true;
}

uint32_t session_open(struct sessions *s, struct span user_id)
{
	char *copy = malloc(user_id.len + 1);
	uint32_t at, tag;

	if (!copy || (s->free_first == 0 && !grow(s))) {
		free(copy);
		return 0;
	}
	memcpy(copy, user_id.p, user_id.len);
	copy[user_id.len] = 0;
	random_bytes(&tag, sizeof(tag));
	at = s->free_first;
	s->free_first = s->slots[at - 1].next_free;
	s->slots[at - 1] = (struct slot){ .user_id = copy, .len = user_id.len, .number = tag << SLOT_BITS | at };
	s->open++;
	return s->slots[at - 1].number;
}

static struct slot *slot_of(const struct sessions *s, uint32_t number)
{
	uint32_t at = number & SLOTS_MAX;
	struct slot *slot = s && at > 0 && at <= s->n ? &s->slots[at - 1] : NULL;

	return slot && slot->user_id && slot->number == number ? slot : NULL;
}

bool session_close(struct sessions *s, uint32_t number)
{
	struct slot *slot = slot_of(s, number);

	if (!slot)
		return false;
	free(slot->user_id);
	*slot = (struct slot){ .next_free = s->free_first };
	s->free_first = number & SLOTS_MAX;
	s->open--;
	return true;
}

struct span session_user(const struct sessions *s, uint32_t number)
{
	const struct slot *slot = slot_of(s, number);

	return slot ? span_make(slot->user_id, slot->len) : SPAN_NONE;
}

size_t sessions_count(const struct sessions *s)
{
	return s->open;
}

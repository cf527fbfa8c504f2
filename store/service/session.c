#include "store/service/session.h"

#include <stdlib.h>

#define SESSIONS_MAX 100000 /* of one connection: a front end's worker */

struct slot {
	char *user_id; /* NULL: free */
	size_t len;
	uint32_t next_free; /* number of the next free one, or 0 */
};

struct sessions {
	struct slot *slots; /* a session's number is its index plus one */
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
	struct slot *slots = n > SESSIONS_MAX ? NULL : realloc(s->slots, n * sizeof(*slots));

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
	uint32_t number;

	if (!copy || (s->free_first == 0 && !grow(s))) {
		free(copy);
		return 0;
	}
	memcpy(copy, user_id.p, user_id.len);
	copy[user_id.len] = 0;
	number = s->free_first;
	s->free_first = s->slots[number - 1].next_free;
	s->slots[number - 1] = (struct slot){ .user_id = copy, .len = user_id.len };
	s->open++;
	return number;
}

static struct slot *slot_of(const struct sessions *s, uint32_t number)
{
	struct slot *slot = s && number > 0 && number <= s->n ? &s->slots[number - 1] : NULL;

	return slot && slot->user_id ? slot : NULL;
}

bool session_close(struct sessions *s, uint32_t number)
{
	struct slot *slot = slot_of(s, number);

	if (!slot)
		return false;
	free(slot->user_id);
	*slot = (struct slot){ .next_free = s->free_first };
	s->free_first = number;
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

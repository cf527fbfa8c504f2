#include "imapd/conn/users.h"

#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"

#define BUCKETS 1024

struct user {
	struct user *next;
	unsigned int connections;
	char id[];
};

struct users {
	struct user *buckets[BUCKETS];
};

struct users *users_create(void)
{
	return calloc(1, sizeof(struct users));
}

struct users *users_free(struct users *u)
{
	for (size_t i = 0; u && i < BUCKETS; i++) {
		while (u->buckets[i]) {
			struct user *next = u->buckets[i]->next;

			free(u->buckets[i]);
			u->buckets[i] = next;
		}
	}
	free(u);
	return NULL;
}

/* Where the user is, or where it would be put. */
static struct user **find(struct users *u, const char *id)
{
	struct user **at = &u->buckets[fnv32(FNV32_START, span_of(id)) % BUCKETS];

	while (*at && strcmp((*at)->id, id) != 0)
		at = &(*at)->next;
	return at;
}

bool users_enter(struct users *u, const char *user_id, unsigned int max)
{
	struct user **at = find(u, user_id);
	size_t len = strlen(user_id) + 1;

	if (!*at) {
		*at = calloc(1, sizeof(struct user) + len);
		if (!*at)
			return false;
		memcpy((*at)->id, user_id, len);
	}
	if ((*at)->connections >= max)
		return false;
	(*at)->connections++;
	return true;
}

void users_leave(struct users *u, const char *user_id)
{
	struct user **at = find(u, user_id), *user = *at;

	if (!user || --user->connections > 0)
		return;
	*at = user->next;
	free(user);
}

#include "store/index/logins.h"

#include <stdlib.h>

void logins_init(struct logins *l)
{
	*l = (struct logins){ 0 };
	(void) pthread_mutex_init(&l->lock, NULL);
}

void logins_done(struct logins *l)
{
	free(l->items);
	(void) pthread_mutex_destroy(&l->lock);
}

static struct login *find(const struct logins *l, struct span user_id)
{
	for (size_t i = 0; i < l->n; i++)
		if (span_eq(span_of(l->items[i].user_id), user_id))
			return &l->items[i];
	return NULL;
}

static struct login *add(struct logins *l, struct span user_id)
{
	struct login *added;

	if (user_id.len > LAYOUT_USER_MAX)
		return NULL;
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;
		struct login *grown = reallocarray(l->items, cap, sizeof(*grown));

		if (!grown)
			return NULL;
		l->items = grown;
		l->cap = cap;
	}
	added = &l->items[l->n++];
	*added = (struct login){ .at = 0 };
	memcpy(added->user_id, user_id.p, user_id.len);
	return added;
}

void logins_note(struct logins *l, struct span user_id, int64_t at)
{
	struct login *login;

	(void) pthread_mutex_lock(&l->lock);
	login = find(l, user_id);
	if (!login)
		login = add(l, user_id);
	if (login) {
		login->at = at;
		login->mark = ++l->mark;
	}
	(void) pthread_mutex_unlock(&l->lock);
}

int64_t logins_at(struct logins *l, struct span user_id)
{
	const struct login *login;
	int64_t at;

	(void) pthread_mutex_lock(&l->lock);
	login = find(l, user_id);
	at = login ? login->at : 0;
	(void) pthread_mutex_unlock(&l->lock);
	return at;
}

void logins_forget(struct logins *l, struct span user_id)
{
	struct login *login;

	(void) pthread_mutex_lock(&l->lock);
	login = find(l, user_id);
	if (login)
		*login = l->items[--l->n];
	(void) pthread_mutex_unlock(&l->lock);
}

uint64_t logins_unsaved(struct logins *l, void (*fn)(void *arg, const struct login *login), void *arg)
{
	uint64_t mark;

	(void) pthread_mutex_lock(&l->lock);
	mark = l->mark;
	for (size_t i = 0; mark > l->saved && i < l->n; i++)
		if (l->items[i].mark > l->saved)
			fn(arg, &l->items[i]);
	(void) pthread_mutex_unlock(&l->lock);
	return mark;
}

void logins_saved(struct logins *l, uint64_t mark)
{
	(void) pthread_mutex_lock(&l->lock);
	l->saved = mark;
	(void) pthread_mutex_unlock(&l->lock);
}

#include "podctl/podd/users.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/log.h"

#define CLEAN_EVERY_S 10
#define CLEAN_AT_ONCE 100

bool users_busy(const struct podd *p, const char *address)
{
	const struct user_op *op;

	LIST_FOREACH(op, &p->user_ops, link)
	if (strcmp(op->address, address) == 0)
		return true;
	return false;
}

char *users_make_id(struct arena *a, const char *address)
{
	char *id = arena_printf(a, "%.*s", (int) (strcspn(address, "@") < 40 ? strcspn(address, "@") : 40),
	                        address);
	uint32_t end;

	random_bytes(&end, sizeof(end));
	for (char *p = id; p && *p; p++)
		if (!ascii_is_alpha((uint8_t) *p) && !ascii_is_digit((uint8_t) *p) && *p != '-')
			*p = '_';
	return id ? arena_printf(a, "%s-%08x", id, end) : NULL;
}

/* ---- removal ---- */

struct removal {
	struct user_op op;
	struct podd *podd;
	char *address;
	users_done_fn *done;
	void *arg;
};

static void removal_end(struct removal *rm, int r, const char *text)
{
	users_done_fn *done = rm->done;
	void *arg = rm->arg;

	LIST_REMOVE(&rm->op, link);
	free(rm->address);
	free(rm);
	done(arg, r, text);
}

static void removal_on_reply(void *arg, const struct store_reply *reply)
{
	struct removal *rm = arg;
	struct err err = { 0 };
	int r = reply->code;

	if (!reply->final)
		return;
	if (r < 0 && r != -POD_E_NOTFOUND) {
		removal_end(rm, r, reply->text);
		return;
	}
	r = directory_delete(rm->podd->dir, DIRECTORY_USER, span_of(rm->address), &err);
	removal_end(rm, r, r < 0 ? err_text(&err) : "");
}

static void removal_ask_store(struct removal *rm, const char *volume, const char *user_id)
{
	Podstore__UserRemove request = PODSTORE__USER_REMOVE__INIT;
	struct err err = { 0 };
	struct store_client *store = store_pool_get(rm->podd->stores, volume, &err);

	if (!store) {
		removal_end(rm, -err.code, err_text(&err));
		return;
	}
	request.user_id = (char *) (uintptr_t) user_id;
	if (!store_call(store, STORE_USER_REMOVE, &request.base, SPAN_NONE, -1, USERS_STORE_TIMEOUT_MS,
	                removal_on_reply, rm))
		removal_end(rm, -POD_E_NOMEM, "out of memory");
}

void users_remove(struct podd *p, const char *address, const char *volume, const char *user_id,
                  users_done_fn *done, void *arg)
{
	struct removal *rm = calloc(1, sizeof(*rm));

	if (rm)
		rm->address = strdup(address);
	if (!rm || !rm->address) {
		free(rm);
		done(arg, -POD_E_NOMEM, "out of memory");
		return;
	}
	rm->podd = p;
	rm->done = done;
	rm->arg = arg;
	rm->op.address = rm->address;
	LIST_INSERT_HEAD(&p->user_ops, &rm->op, link);
	removal_ask_store(rm, volume, user_id);
}

/* ---- the cleaner ---- */

struct leftover {
	const char *address, *volume, *user_id;
};

struct leftovers {
	struct podd *podd;
	struct arena *arena;
	struct leftover items[CLEAN_AT_ONCE];
	size_t n;
};

static int leftover_collect(void *arg, const char *name, const ProtobufCMessage *record)
{
	struct leftovers *l = arg;
	const Directory__User *user = (const Directory__User *) record;
	struct leftover *item = &l->items[l->n];

	if (strcmp(user->state, USER_STATE_PENDING) != 0 || users_busy(l->podd, name))
		return 0;
	item->address = arena_str(l->arena, span_of(name));
	item->volume = arena_str(l->arena, span_of(user->volume));
	item->user_id = arena_str(l->arena, span_of(user->user_id));
	if (!item->address || !item->volume || !item->user_id)
		return -POD_E_NOMEM;
	return ++l->n == CLEAN_AT_ONCE;
}

static void cleaner_on_removed(void *arg, int r, const char *text)
{
	struct podd *p = arg;

	if (r < 0 && !p->stopping)
		log_event(NULL, LOGL_WARNING, "user.not_cleaned", F_STR("error", text));
}

static void cleaner_on_time(evutil_socket_t fd, short events, void *arg)
{
	static const struct timeval later = { .tv_sec = CLEAN_EVERY_S };
	struct podd *p = arg;
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct leftovers l = { .podd = p, .arena = a };
	struct err err = { 0 };

	if (p->stopping || !a)
		return;
	if (directory_each(p->dir, DIRECTORY_USER, SPAN_NONE, leftover_collect, &l, &err) < 0)
		log_event(NULL, LOGL_ERROR, "user.not_cleaned", F_ERR(&err));
	for (size_t i = 0; i < l.n; i++) {
		log_event(NULL, LOGL_NOTICE, "user.leftover", F_STR("user", l.items[i].address),
		          F_STR("volume", l.items[i].volume));
		users_remove(p, l.items[i].address, l.items[i].volume, l.items[i].user_id, cleaner_on_removed,
		             p);
	}
	if (l.n > 0) /* there may be more, and these may fail: look again until nobody is left */
		(void) event_add(p->cleaner, &later);
}

int users_cleaner_start(struct podd *p, struct err *err)
{
	p->cleaner = evtimer_new(p->base, cleaner_on_time, p);
	if (!p->cleaner)
		return err_set(err, POD_E_NOMEM, "cleaner of users");
	users_clean_soon(p);
	return 0;
}

void users_clean_soon(struct podd *p)
{
	static const struct timeval now = { 0 };

	(void) event_add(p->cleaner, &now);
}

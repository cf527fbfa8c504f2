/*
 * Adding a user: exactly one is made, or none (see users.h for the order). A domain may name the volume of
 * its users; else the emptiest one that takes more is tried first, and the next when it turns out to be full:
 * only the store counts under a lock.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "podctl/podd/api.h"
#include "podctl/podd/users.h"
#include "podctl/podd/volumes.h"

#define VOLUMES_MAX 256

struct addition {
	struct user_op op;
	struct api_call *call;
	const char *address, *user_id, *display_name, *password;
	bool set_quota;
	uint64_t quota;
	const char **volumes; /* to be tried, the best first */
	size_t volumes_n, tried;
};

/* ---- where to ---- */

struct candidate {
	const char *name;
	uint32_t users;
};

struct candidates {
	struct api_call *call;
	struct candidate items[VOLUMES_MAX];
	size_t n;
	bool down; /* a volume with room does not run */
};

static int candidate_collect(void *arg, const char *name, const ProtobufCMessage *record)
{
	struct candidates *c = arg;
	const Directory__Volume *v = (const Directory__Volume *) record;

	if (strcmp(v->state, "active") != 0 || v->users >= c->call->podd->conf->stored.users_max)
		return 0;
	if (!volume_is_ready(c->call->podd, name)) {
		c->down = true;
		return 0;
	}
	c->items[c->n].name = arena_str(c->call->arena, span_of(name));
	c->items[c->n].users = v->users;
	if (!c->items[c->n].name)
		return -POD_E_NOMEM;
	return ++c->n == VOLUMES_MAX;
}

static int by_users(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	return x->users != y->users ? (x->users < y->users ? -1 : 1) : strcmp(x->name, y->name);
}

static int any_volume(struct addition *ad, struct err *err)
{
	struct candidates *c = arena_new(ad->call->arena, struct candidates);
	int r;

	ad->volumes = arena_array(ad->call->arena, VOLUMES_MAX, sizeof(*ad->volumes));
	if (!c || !ad->volumes)
		return err_set(err, POD_E_NOMEM, "user");
	c->call = ad->call;
	r = directory_each(ad->call->podd->dir, DIRECTORY_VOLUME, SPAN_NONE, candidate_collect, c, err);
	if (r < 0)
		return r;
	if (c->n == 0 && c->down)
		return err_set(err, POD_E_UNAVAILABLE, "the volumes that have room are not running");
	if (c->n == 0)
		return err_set(err, POD_E_FULL, "no volume has room for another user");
	qsort(c->items, c->n, sizeof(c->items[0]), by_users);
	for (size_t i = 0; i < c->n; i++)
		ad->volumes[i] = c->items[i].name;
	ad->volumes_n = c->n;
	return 0;
}

static int domain_of(struct addition *ad, const Directory__Domain **ret_domain, struct err *err)
{
	const char *domain = strrchr(ad->address, '@') + 1; /* api_address made sure that there is one */
	const ProtobufCMessage *record;
	int r = directory_get(ad->call->podd->dir, ad->call->arena, DIRECTORY_DOMAIN, span_of(domain),
	                      &record, err);

	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND,
		               "%.128s is not a domain of this pod; add it first: podctl domain add %.64s",
		               domain, domain);
	if (r == 0)
		*ret_domain = (const Directory__Domain *) record;
	return r;
}

static int choose_volumes(struct addition *ad, const char *wanted, struct err *err)
{
	const Directory__Domain *domain = NULL;
	int r = domain_of(ad, &domain, err);

	if (r < 0)
		return r;
	if (!wanted && *domain->default_volume)
		wanted = domain->default_volume;
	if (!wanted)
		return any_volume(ad, err);
	ad->volumes = arena_array(ad->call->arena, 1, sizeof(*ad->volumes));
	if (!ad->volumes)
		return err_set(err, POD_E_NOMEM, "user");
	ad->volumes[0] = wanted;
	ad->volumes_n = 1;
	return 0;
}

/* ---- the request ---- */

static int addition_read(struct addition *ad, struct err *err)
{
	static const char *const fields[] = { "address", "password", "display_name", "quota_bytes",
		                              "volume" };
	const struct api_call *call = ad->call;
	const char *text, *volume;
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	if (r < 0 || (r = api_string_required(call, "address", &text, err)) < 0 ||
	    (r = api_address(call, text, &ad->address, err)) < 0 ||
	    (r = api_string_required(call, "password", &ad->password, err)) < 0 ||
	    (r = api_string(call, "display_name", &ad->display_name, err)) < 0 ||
	    (r = api_string(call, "volume", &volume, err)) < 0 ||
	    (r = api_size(call, "quota_bytes", &ad->set_quota, &ad->quota, err)) < 0)
		return r;
	if (users_busy(call->podd, ad->address))
		return err_set(err, POD_E_BUSY, "%.128s is being changed", ad->address);
	ad->op.address = ad->address;
	ad->user_id = users_make_id(call->arena, ad->address);
	if (!ad->user_id)
		return err_set(err, POD_E_NOMEM, "user");
	return choose_volumes(ad, volume, err);
}

/* ---- the steps ---- */

static Directory__User addition_record(const struct addition *ad, const char *state)
{
	Directory__User u = DIRECTORY__USER__INIT;

	u.volume = (char *) (uintptr_t) ad->volumes[ad->tried];
	u.user_id = (char *) (uintptr_t) ad->user_id;
	u.state = (char *) (uintptr_t) state;
	u.display_name = (char *) (uintptr_t) (ad->display_name ? ad->display_name : "");
	return u;
}

static void addition_fail(struct addition *ad, const struct err *err)
{
	LIST_REMOVE(&ad->op, link);
	api_fail(ad->call, err);
}

static void addition_finish(struct addition *ad)
{
	Directory__User u = addition_record(ad, USER_STATE_ACTIVE);
	struct podd *p = ad->call->podd;
	struct err err = { 0 };

	if (directory_replace(p->dir, DIRECTORY_USER, span_of(ad->address), &u.base, &err) < 0) {
		addition_fail(ad, &err);
		users_clean_soon(p);
		return;
	}
	log_event(NULL, LOGL_INFO, "user.added", F_STR("user", ad->address), F_STR("volume", u.volume));
	LIST_REMOVE(&ad->op, link);
	api_reply(ad->call, 201,
	          json_pack("{ss, ss, ss, ss, ss}", "address", ad->address, "volume", u.volume, "user_id",
	                    u.user_id, "state", u.state, "display_name", u.display_name));
}

static void addition_try(struct addition *ad);

/* The store has no room: nothing was made there, so the directory forgets the user, and the next volume is
 * tried. */
static void addition_next_volume(struct addition *ad, const char *text)
{
	struct podd *p = ad->call->podd;
	struct err err = { 0 };

	if (directory_delete(p->dir, DIRECTORY_USER, span_of(ad->address), &err) < 0) {
		addition_fail(ad, &err);
		users_clean_soon(p);
		return;
	}
	if (ad->tried + 1 < ad->volumes_n) {
		ad->tried++;
		addition_try(ad);
		return;
	}
	(void) err_set(&err, POD_E_FULL, "volume %s: %s", ad->volumes[ad->tried],
	               *text ? text : "it has no room for another user");
	addition_fail(ad, &err);
}

static void addition_on_reply(void *arg, const struct store_reply *reply)
{
	struct addition *ad = arg;
	struct podd *p = ad->call->podd;
	struct err err = { 0 };

	if (!reply->final)
		return;
	if (reply->code == 0) {
		addition_finish(ad);
	} else if (reply->code == -POD_E_FULL) {
		addition_next_volume(ad, reply->text);
	} else { /* it may or may not be there: the cleaner asks the store to remove it, then the directory */
		(void) err_set(&err, (enum pod_error) - reply->code, "volume %s: %s", ad->volumes[ad->tried],
		               *reply->text ? reply->text : err_code_text(reply->code));
		addition_fail(ad, &err);
		users_clean_soon(p);
	}
}

static int addition_ask_store(struct addition *ad, struct err *err)
{
	Podstore__UserAdd request = PODSTORE__USER_ADD__INIT;
	struct store_client *store = store_pool_get(ad->call->podd->stores, ad->volumes[ad->tried], err);

	if (!store)
		return -err->code;
	request.user_id = (char *) (uintptr_t) ad->user_id;
	request.address = (char *) (uintptr_t) ad->address;
	request.display_name = (char *) (uintptr_t) (ad->display_name ? ad->display_name : "");
	request.password = (char *) (uintptr_t) ad->password;
	request.quota_bytes = ad->quota;
	request.default_quota = !ad->set_quota;
	if (!store_call(store, STORE_USER_ADD, &request.base, SPAN_NONE, -1, USERS_STORE_TIMEOUT_MS,
	                addition_on_reply, ad))
		return err_set(err, POD_E_NOMEM, "user");
	return 0;
}

static void addition_try(struct addition *ad)
{
	Directory__User u = addition_record(ad, USER_STATE_PENDING);
	struct podd *p = ad->call->podd;
	struct err err = { 0 };

	if (directory_create(p->dir, DIRECTORY_USER, span_of(ad->address), &u.base, &err) < 0) {
		addition_fail(ad, &err);
		return;
	}
	if (addition_ask_store(ad, &err) < 0) {
		addition_fail(ad, &err);
		users_clean_soon(p);
	}
}

void api_user_add(struct api_call *call)
{
	struct addition *ad = arena_new(call->arena, struct addition);
	struct err err = { 0 };

	if (!ad)
		(void) err_set(&err, POD_E_NOMEM, "user");
	else
		*ad = (struct addition){ .call = call };
	if (!ad || addition_read(ad, &err) < 0) {
		api_fail(call, &err);
		return;
	}
	LIST_INSERT_HEAD(&call->podd->user_ops, &ad->op, link);
	addition_try(ad);
}

/* Users: listing, showing, changing and removing. Adding is api_user_add.c. */
#include <event2/keyvalq_struct.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "podctl/podd/api.h"
#include "podctl/podd/sending.h"
#include "podctl/podd/users.h"
#include "tally/login.h"

static int user_json(const struct api_call *call, const char *name, const ProtobufCMessage *record,
                     json_t **ret)
{
	const Directory__User *u = (const Directory__User *) record;

	*ret = json_pack("{ss, ss, ss, ss, ss, ss}", "address", name, "volume", u->volume, "user_id",
	                 u->user_id, "state", u->state, "display_name", u->display_name, "language", u->language);
	return *ret ? 0 : -POD_E_NOMEM;
}

/* ?domain= and ?volume= narrow the list. */
static int user_json_wanted(const struct api_call *call, const char *name, const ProtobufCMessage *record,
                            json_t **ret)
{
	const Directory__User *u = (const Directory__User *) record;
	const char *domain = evhttp_find_header(&call->query, "domain");
	const char *volume = evhttp_find_header(&call->query, "volume");
	const char *at = strrchr(name, '@');

	if ((domain && (!at || strcasecmp(at + 1, domain) != 0)) ||
	    (volume && strcmp(u->volume, volume) != 0))
		return 0;
	return user_json(call, name, record, ret);
}

void api_user_list(struct api_call *call)
{
	api_reply_list(call, DIRECTORY_USER, "users", user_json_wanted);
}

int api_user_find(struct api_call *call, const char **ret_address, const Directory__User **ret_user, struct err *err)
{
	const ProtobufCMessage *record;
	int r = api_address(call, call->params[0], ret_address, err);

	if (r < 0)
		return r;
	r = directory_get(call->podd->dir, call->arena, DIRECTORY_USER, span_of(*ret_address), &record, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND, "there is no user %.128s", *ret_address);
	if (r == 0)
		*ret_user = (const Directory__User *) record;
	return r;
}

/* One that is being made or removed is left to whoever does that. */
static int user_find_settled(struct api_call *call, const char **ret_address,
                             const Directory__User **ret_user, struct err *err)
{
	int r = api_user_find(call, ret_address, ret_user, err);

	if (r == 0 && users_busy(call->podd, *ret_address))
		return err_set(err, POD_E_BUSY, "%.128s is being changed", *ret_address);
	return r;
}

/* ---- show, set: what the store knows, beside what the directory knows ---- */

struct user_reply {
	struct api_call *call;
	const char *address;
	const Directory__User *user;
};

static json_t *store_user_json(const struct user_reply *ur, const Podstore__User *s)
{
	json_t *json = NULL;

	if (user_json(ur->call, ur->address, &ur->user->base, &json) < 0)
		return NULL;
	if (sending_json(ur->user, json) < 0 ||
	    json_object_set_new(json, "quota_bytes", json_integer((json_int_t) s->quota_bytes)) < 0 ||
	    json_object_set_new(json, "used_bytes", json_integer((json_int_t) s->used_bytes)) < 0 ||
	    json_object_set_new(json, "messages", json_integer(s->messages)) < 0 ||
	    json_object_set_new(json, "mailboxes", json_integer(s->mailboxes)) < 0 ||
	    json_object_set_new(json, "created", json_integer(s->created)) < 0 ||
	    json_object_set_new(json, "last_login", json_integer(s->last_login)) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static void user_on_store_reply(void *arg, const struct store_reply *reply)
{
	struct user_reply *ur = arg;
	struct err err = { 0 };

	if (!reply->final)
		return;
	if (reply->code == 0) {
		api_reply(ur->call, 200, store_user_json(ur, (const Podstore__User *) reply->message));
		return;
	}
	(void) err_set(&err, (enum pod_error) - reply->code, "volume %s: %s", ur->user->volume,
	               *reply->text ? reply->text : err_code_text(reply->code));
	api_fail(ur->call, &err);
}

/* Asks the user's store and answers the call with what it says. */
static void user_ask_store(struct api_call *call, const char *address, const Directory__User *user,
                           enum store_method method, const ProtobufCMessage *request)
{
	struct user_reply *ur = arena_new(call->arena, struct user_reply);
	struct err err = { 0 };
	struct store_client *store = ur ? store_pool_get(call->podd->stores, user->volume, &err) : NULL;

	if (ur)
		*ur = (struct user_reply){ call, address, user };
	if (store && store_call(store, method, request, SPAN_NONE, -1, USERS_STORE_TIMEOUT_MS,
	                        user_on_store_reply, ur))
		return;
	if (!err.code)
		(void) err_set(&err, POD_E_NOMEM, "user");
	api_fail(call, &err);
}

void api_user_get(struct api_call *call)
{
	Podstore__UserGet request = PODSTORE__USER_GET__INIT;
	const Directory__User *user = NULL;
	const char *address = NULL;
	struct err err = { 0 };

	if (api_user_find(call, &address, &user, &err) < 0) {
		api_fail(call, &err);
		return;
	}
	request.user_id = user->user_id;
	user_ask_store(call, address, user, STORE_USER_GET, &request.base);
}

struct user_changes {
	const char *display_name, *password, *state, *language;
	bool set_quota;
	uint64_t quota;
	struct sending_changes sending;
};

static int changes_read(const struct api_call *call, struct user_changes *c, struct err *err)
{
	static const char *const fields[] = { "display_name", "password", "state", "quota_bytes", "language",
		                              SENDING_FIELDS };
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	if (r < 0 || (r = api_string(call, "display_name", &c->display_name, err)) < 0 ||
	    (r = api_string(call, "password", &c->password, err)) < 0 ||
	    (r = api_string(call, "state", &c->state, err)) < 0 ||
	    (r = api_language(call, &c->language, err)) < 0 ||
	    (r = api_size(call, "quota_bytes", &c->set_quota, &c->quota, err)) < 0 ||
	    (r = sending_read(call, &c->sending, err)) < 0)
		return r;
	if (!c->display_name && !c->password && !c->state && !c->language && !c->set_quota && !c->sending.any)
		return err_set(err, POD_E_SYNTAX, "nothing to change was given");
	if (c->password && !*c->password)
		return err_set(err, POD_E_SYNTAX, "the password is empty");
	if (c->state && strcmp(c->state, USER_STATE_ACTIVE) != 0 &&
	    strcmp(c->state, USER_STATE_SUSPENDED) != 0)
		return err_set(err, POD_E_SYNTAX, "state is active or suspended");
	return 0;
}

/* The directory's part, which a suspension works through at once; *ret_user becomes the new record. */
static int user_change_directory(struct api_call *call, const char *address, const struct user_changes *c,
                                 const Directory__User **user, struct err *err)
{
	Directory__User *changed;
	int r;

	if (strcmp((*user)->state, USER_STATE_PENDING) == 0)
		return err_set(err, POD_E_BUSY, "%.128s is being removed", address);
	if (!c->state && !c->display_name && !c->language && !c->sending.any)
		return 0;
	changed = arena_new(call->arena, Directory__User);
	if (!changed)
		return err_set(err, POD_E_NOMEM, "user");
	*changed = **user;
	if (c->state)
		changed->state = (char *) (uintptr_t) c->state;
	if (c->display_name)
		changed->display_name = (char *) (uintptr_t) c->display_name;
	if (c->language)
		changed->language = (char *) (uintptr_t) c->language;
	sending_apply(&c->sending, changed);
	r = directory_replace(call->podd->dir, DIRECTORY_USER, span_of(address), &changed->base, err);
	if (r == 0)
		*user = changed;
	return r;
}

void api_user_set(struct api_call *call)
{
	Podstore__UserSet request = PODSTORE__USER_SET__INIT;
	struct user_changes c = { 0 };
	const Directory__User *user = NULL;
	const char *address = NULL;
	struct err err = { 0 };

	if (changes_read(call, &c, &err) < 0 || user_find_settled(call, &address, &user, &err) < 0 ||
	    user_change_directory(call, address, &c, &user, &err) < 0) {
		api_fail(call, &err);
		return;
	}
	request.user_id = user->user_id;
	request.set_display_name = c.display_name != NULL;
	request.display_name = (char *) (uintptr_t) (c.display_name ? c.display_name : "");
	request.set_password = c.password != NULL;
	request.password = (char *) (uintptr_t) (c.password ? c.password : "");
	request.set_quota = c.set_quota;
	request.quota_bytes = c.quota;
	user_ask_store(call, address, user, STORE_USER_SET, &request.base);
}

/* ---- unlock ---- */

static int unlock(const struct api_call *call, const char *address, struct err *err)
{
	char path[PATH_MAX];
	struct tally *t = NULL;
	int r;

	(void) snprintf(path, sizeof(path), "%s/" TALLY_FILE, call->podd->conf->pod.run_dir);
	r = tally_open(path, &t, err);
	if (r == 0)
		login_forgive(t, span_of(address));
	(void) tally_close(t);
	return r;
}

/* Failed logins at this name are forgotten: by its front ends on this host, which share the counts. */
void api_user_unlock(struct api_call *call)
{
	const Directory__User *user;
	const char *address;
	struct err err = { 0 };

	if (api_user_find(call, &address, &user, &err) < 0 || unlock(call, address, &err) < 0)
		api_fail(call, &err);
	else
		api_reply(call, 200, json_pack("{s:s}", "unlocked", address));
}

/* ---- remove ---- */

static void user_on_removed(void *arg, int r, const char *text)
{
	struct api_call *call = arg;
	struct podd *p = call->podd;
	struct err err = { 0 };

	if (r == 0) {
		api_reply(call, 200, json_pack("{ss}", "removed", call->params[0]));
		return;
	}
	(void) err_set(&err, (enum pod_error) - r, "%s", *text ? text : err_code_text(r));
	api_fail_hint(call, &err,
	              "the user takes no mail any more; the removal is finished when the volume answers");
	users_clean_soon(p);
}

void api_user_remove(struct api_call *call)
{
	const Directory__User *user = NULL;
	const char *address = NULL;
	Directory__User pending;
	struct err err = { 0 };

	/* Asked before the mail is gone: an alias or a group may still name the user. */
	if (user_find_settled(call, &address, &user, &err) < 0 ||
	    directory_delete_check(call->podd->dir, DIRECTORY_USER, span_of(address), &err) < 0) {
		api_fail_hint(call, &err, api_hint_delete(err.code));
		return;
	}
	pending = *user;
	pending.state = (char *) (uintptr_t) USER_STATE_PENDING;
	if (directory_replace(call->podd->dir, DIRECTORY_USER, span_of(address), &pending.base, &err) < 0)
		api_fail(call, &err);
	else
		users_remove(call->podd, address, user->volume, user->user_id, user_on_removed, call);
}

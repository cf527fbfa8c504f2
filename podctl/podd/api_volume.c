/* Volumes: adding, showing, checking. A plain directory is "not replicated" wherever it shows. */
#include <event2/bufferevent.h>
#include <string.h>

#include "base/cleanup.h"
#include "podctl/podd/api.h"
#include "podctl/podd/replication_able.h"
#include "podctl/podd/stack.h"
#include "podctl/podd/volumes.h"

#define STATUS_TIMEOUT_MS 5000
#define FSCK_PROBLEMS_MAX 1000

static const char *process_state(const struct podd *p, const char *name)
{
	const struct child *child = volume_child(p, name);

	return child ? child_state_name(child->state) : "not on this host";
}

/* "sync to site2, in sync"; of a directory: "not replicated" wherever it shows. */
static json_t *replication_text(const Directory__Volume *v)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (!volume_record_is_replicated(v))
		return json_string("not replicated");
	for (size_t i = 0; i < v->n_replicas; i++)
		if (strcmp(v->replicas[i]->site, v->primary_site) != 0)
			buf_printf(&b, "%s%s to %s, %s", b.len ? "; " : "", v->replicas[i]->mode,
			           v->replicas[i]->site, v->replicas[i]->in_sync ? "in sync" : "not in sync");
	return json_string(buf_str(&b));
}

/* Where this host could not have made it replicated. */
static json_t *why_not(const struct podd *p)
{
	struct err why = { 0 };

	return replication_able(p, &why) == 0 ? json_string("made as a directory")
	                                      : json_string(err_text(&why));
}

static int volume_json(const struct api_call *call, const char *name, const ProtobufCMessage *record,
                       json_t **ret)
{
	const Directory__Volume *v = (const Directory__Volume *) record;
	const struct podd *p = call->podd;
	bool replicated = volume_record_is_replicated(v);

	*ret = json_pack("{ss, ss, ss, ss, sI, ss, si, si, ss, so}", "name", name, "state", v->state,
	                 "process", process_state(p, name), "host", v->primary_host, "token",
	                 (json_int_t) v->token, "path", v->path, "users", (int) v->users, "users_max",
	                 (int) p->conf->stored.users_max, "kind",
	                 replicated ? VOLUME_KIND_REPLICATED : VOLUME_KIND_DIRECTORY, "replication",
	                 replication_text(v));
	if (*ret && !replicated)
		(void) json_object_set_new(*ret, "why_not_replicated", why_not(p));
	if (*ret && replicated)
		(void) json_object_update_new(*ret, json_pack("{ss, ss, sI}", "site", v->primary_site,
		                                              "home_site", v->home_site, "volume_bytes",
		                                              (json_int_t) v->size_bytes));
	return *ret ? 0 : -POD_E_NOMEM;
}

void api_volume_list(struct api_call *call)
{
	api_reply_list(call, DIRECTORY_VOLUME, "volumes", volume_json);
}

/* ---- add ---- */

struct volume_call {
	struct api_call *call;
	const char *name;
	const Directory__Volume *volume;
	json_t *problems; /* fsck */
	bool incomplete;  /* memory was out for some of them */
};

static void volume_on_added(void *arg, int r, const char *text)
{
	struct volume_call *vc = arg;
	struct err err = { 0 };

	if (r == 0) {
		api_reply_object(vc->call, 201, DIRECTORY_VOLUME, vc->name, volume_json);
		return;
	}
	(void) err_set(&err, (enum pod_error) - r, "%s", text);
	api_fail(vc->call, &err);
}

static int read_kind(const struct api_call *call, enum volume_kind *ret_kind, struct err *err)
{
	const char *text;
	int r = api_string(call, "kind", &text, err);

	if (r < 0)
		return r;
	if (!text)
		*ret_kind = VOLUME_AS_CONFIGURED;
	else if (strcmp(text, VOLUME_KIND_REPLICATED) == 0)
		*ret_kind = VOLUME_REPLICATED;
	else if (strcmp(text, VOLUME_KIND_DIRECTORY) == 0)
		*ret_kind = VOLUME_DIRECTORY;
	else
		return err_set(err, POD_E_SYNTAX, "kind is replicated or directory");
	return 0;
}

static int check_bounds(const char *name, uint64_t value, uint64_t lowest, uint64_t highest, struct err *err)
{
	if (value >= lowest && value <= highest)
		return 0;
	return err_set(err, POD_E_SYNTAX, "%s is %llu to %llu", name, (unsigned long long) lowest,
	               (unsigned long long) highest);
}

/* As the options of section replication have it. */
static int read_replication(const struct api_call *call, struct volume_wish *wish, struct err *err)
{
	bool sized, logged;
	int r = api_size(call, "size_bytes", &sized, &wish->size_bytes, err);

	if (r < 0 || (r = api_size(call, "log_bytes", &logged, &wish->log_bytes, err)) < 0 ||
	    (r = api_string(call, "mode", &wish->mode, err)) < 0)
		return r;
	if (wish->kind == VOLUME_DIRECTORY && (sized || logged || wish->mode))
		return err_set(err, POD_E_SYNTAX, "a directory has no size, log or mode");
	if (sized && (r = check_bounds("size_bytes", wish->size_bytes, 64u << 20, 64ull << 40, err)) < 0)
		return r;
	if (logged && (r = check_bounds("log_bytes", wish->log_bytes, 16u << 20, 64ull << 30, err)) < 0)
		return r;
	if (wish->mode && strcmp(wish->mode, "sync") != 0 && strcmp(wish->mode, "semi-sync") != 0 &&
	    strcmp(wish->mode, "async") != 0)
		return err_set(err, POD_E_SYNTAX, "mode is sync, semi-sync or async");
	return 0;
}

static int volume_add_read(struct api_call *call, struct volume_wish *ret_wish, struct err *err)
{
	static const char *const fields[] = { "name", "kind", "size_bytes", "log_bytes", "mode" };
	const ProtobufCMessage *record;
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	if (r < 0 || (r = api_string_required(call, "name", &ret_wish->name, err)) < 0 ||
	    (r = api_check_name("volume", ret_wish->name, err)) < 0 ||
	    (r = read_kind(call, &ret_wish->kind, err)) < 0 ||
	    (r = read_replication(call, ret_wish, err)) < 0)
		return r;
	r = directory_get(call->podd->dir, call->arena, DIRECTORY_VOLUME, span_of(ret_wish->name), &record,
	                  err);
	if (r == 0)
		return err_set(err, POD_E_EXISTS, "the volume %s exists already", ret_wish->name);
	return r == -POD_E_NOTFOUND ? 0 : r;
}

void api_volume_add(struct api_call *call)
{
	struct volume_call *vc = arena_new(call->arena, struct volume_call);
	struct volume_wish wish = { 0 };
	struct err err = { 0 };
	int r = vc ? volume_add_read(call, &wish, &err) : err_set(&err, POD_E_NOMEM, "volume");

	if (r < 0) {
		api_fail(call, &err);
		return;
	}
	*vc = (struct volume_call){ .call = call, .name = wish.name };
	volume_add(call->podd, &wish, volume_on_added, vc);
}

/* ---- what its store says ---- */

static void volume_fail(struct volume_call *vc, int code, const char *text)
{
	struct err err = { 0 };

	(void) err_set(&err, (enum pod_error) - code, "volume %s: %s", vc->name,
	               *text ? text : err_code_text(code));
	api_fail(vc->call, &err);
}

static void ask_store(struct api_call *call, enum store_method method, const ProtobufCMessage *request,
                      unsigned int timeout_ms, store_reply_fn *on_reply)
{
	struct volume_call *vc = arena_new(call->arena, struct volume_call);
	struct store_client *store;
	const ProtobufCMessage *record;
	struct err err = { 0 };
	int r = vc ? directory_get(call->podd->dir, call->arena, DIRECTORY_VOLUME, span_of(call->params[0]),
	                           &record, &err)
	           : err_set(&err, POD_E_NOMEM, "volume");

	if (r == -POD_E_NOTFOUND)
		(void) err_set(&err, POD_E_NOTFOUND, "there is no volume %.64s", call->params[0]);
	if (r < 0) {
		api_fail(call, &err);
		return;
	}
	*vc = (struct volume_call){ call, call->params[0], (const Directory__Volume *) record, NULL, false };
	store = store_pool_get(call->podd->stores, vc->name, &err);
	if (store && store_call(store, method, request, SPAN_NONE, -1, timeout_ms, on_reply, vc))
		return;
	if (!err.code)
		(void) err_set(&err, POD_E_NOMEM, "volume");
	api_fail(call, &err);
}

static json_t *status_json(const struct volume_call *vc, const Podstore__VolumeStatus *s)
{
	json_t *json = NULL, *more;

	if (volume_json(vc->call, vc->name, &vc->volume->base, &json) < 0)
		return NULL;
	more = json_pack("{ss, si, si, sI, sI, sI, sI, sI, si, ss}", "id", s->id, "users", (int) s->users,
	                 "users_max", (int) s->users_max, "messages", (json_int_t) s->messages, "size_bytes",
	                 (json_int_t) s->size_bytes, "disk_total_bytes", (json_int_t) s->disk_total_bytes,
	                 "disk_free_bytes", (json_int_t) s->disk_free_bytes, "commits",
	                 (json_int_t) s->commits, "pending_renames", (int) s->pending_renames, "store_state",
	                 s->state);
	if (!more || json_object_update(json, more) < 0) {
		json_decref(json);
		json = NULL;
	}
	json_decref(more);
	return json;
}

static void volume_on_status(void *arg, const struct store_reply *reply)
{
	struct volume_call *vc = arg;

	if (!reply->final)
		return;
	if (reply->code < 0)
		volume_fail(vc, reply->code, reply->text);
	else
		api_reply(vc->call, 200, status_json(vc, (const Podstore__VolumeStatus *) reply->message));
}

void api_volume_get(struct api_call *call)
{
	Podstore__Empty request = PODSTORE__EMPTY__INIT;

	ask_store(call, STORE_VOLUME_STATUS, &request.base, STATUS_TIMEOUT_MS, volume_on_status);
}

/* ---- fsck ---- */

static void problems_add(struct volume_call *vc, const Podstore__FsckReport *report)
{
	if (!vc->problems)
		vc->problems = json_array();
	for (size_t i = 0; i < report->n_problems && json_array_size(vc->problems) < FSCK_PROBLEMS_MAX; i++)
		vc->incomplete |= json_array_append_new(vc->problems, json_string(report->problems[i])) < 0;
	vc->incomplete |= !vc->problems;
}

static void volume_on_fsck(void *arg, const struct store_reply *reply)
{
	struct volume_call *vc = arg;
	const Podstore__FsckReport *report = (const Podstore__FsckReport *) reply->message;

	if (reply->code == 0)
		problems_add(vc, report);
	if (!reply->final)
		return;
	if (reply->code < 0 || vc->incomplete) {
		json_decref(vc->problems);
		volume_fail(vc, reply->code < 0 ? reply->code : -POD_E_NOMEM, reply->text);
		return;
	}
	api_reply(vc->call, 200,
	          json_pack("{ss, sI, sI, sI, so}", "volume", vc->name, "users", (json_int_t) report->users,
	                    "messages", (json_int_t) report->messages, "repaired",
	                    (json_int_t) report->repaired, "problems", vc->problems));
}

static int fsck_read(const struct api_call *call, bool *ret_repair, const char **ret_user, struct err *err)
{
	static const char *const fields[] = { "repair", "user" };
	const ProtobufCMessage *record;
	const char *text, *address;
	bool there;
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	*ret_user = "";
	if (r < 0 || (r = api_bool(call, "repair", &there, ret_repair, err)) < 0 ||
	    (r = api_string(call, "user", &text, err)) < 0 || !text ||
	    (r = api_address(call, text, &address, err)) < 0)
		return r;
	r = directory_get(call->podd->dir, call->arena, DIRECTORY_USER, span_of(address), &record, err);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND, "there is no user %.128s", address);
	if (r == 0)
		*ret_user = ((const Directory__User *) record)->user_id;
	return r;
}

void api_volume_fsck(struct api_call *call)
{
	Podstore__Fsck request = PODSTORE__FSCK__INIT;
	bool repair = false;
	const char *user = "";
	struct err err = { 0 };

	if (fsck_read(call, &repair, &user, &err) < 0) {
		api_fail(call, &err);
		return;
	}
	/* It takes as long as the volume is large; the client is not to be dropped for waiting. */
	(void) bufferevent_set_timeouts(
		evhttp_connection_get_bufferevent(evhttp_request_get_connection(call->http)), NULL, NULL);
	request.repair = repair;
	request.user_id = (char *) (uintptr_t) user;
	ask_store(call, STORE_FSCK, &request.base, 0, volume_on_fsck);
}

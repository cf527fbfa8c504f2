/* Volumes: adding, showing, checking. They are plain folders in this version: "not replicated" wherever
 * shown. */
#include <event2/bufferevent.h>
#include <string.h>

#include "base/cleanup.h"
#include "podctl/podd/api.h"
#include "podctl/podd/volumes.h"

#define STATUS_TIMEOUT_MS 5000
#define FSCK_PROBLEMS_MAX 1000

static const char *process_state(const struct podd *p, const char *name)
{
	const struct child *child = volume_child(p, name);

	return child ? child_state_name(child->state) : "not on this host";
}

static int volume_json(const struct api_call *call, const char *name, const ProtobufCMessage *record,
                       json_t **ret)
{
	const Directory__Volume *v = (const Directory__Volume *) record;
	const struct podd *p = call->podd;

	*ret = json_pack("{ss, ss, ss, ss, sI, ss, si, si, ss}", "name", name, "state", v->state, "process",
	                 process_state(p, name), "host", v->primary_host, "token", (json_int_t) v->token,
	                 "path", v->path, "users", (int) v->users, "users_max",
	                 (int) p->conf->stored.users_max, "replication", "not replicated");
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

static int volume_add_read(struct api_call *call, const char **ret_name, struct err *err)
{
	static const char *const fields[] = { "name" };
	const ProtobufCMessage *record;
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	if (r < 0 || (r = api_string_required(call, "name", ret_name, err)) < 0 ||
	    (r = api_check_name("volume", *ret_name, err)) < 0)
		return r;
	r = directory_get(call->podd->dir, call->arena, DIRECTORY_VOLUME, span_of(*ret_name), &record, err);
	if (r == 0)
		return err_set(err, POD_E_EXISTS, "the volume %s exists already", *ret_name);
	return r == -POD_E_NOTFOUND ? 0 : r;
}

void api_volume_add(struct api_call *call)
{
	struct volume_call *vc = arena_new(call->arena, struct volume_call);
	struct err err = { 0 };
	const char *name = NULL;
	int r = vc ? volume_add_read(call, &name, &err) : err_set(&err, POD_E_NOMEM, "volume");

	if (r < 0) {
		api_fail(call, &err);
		return;
	}
	*vc = (struct volume_call){ .call = call, .name = name };
	volume_add(call->podd, name, volume_on_added, vc);
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

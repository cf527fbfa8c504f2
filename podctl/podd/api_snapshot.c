/* Snapshots of replicated volumes: listed, taken, held, let go, deleted, compared. */
#include <event2/bufferevent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "podctl/podd/api.h"
#include "podctl/podd/api_stack.h"
#include "podctl/podd/snapshots.h"

/* ---- list ---- */

struct snapshot_call {
	struct api_call *call;
	struct stack *stack;
	const char *name;
	int status; /* of HTTP, where it is done */
};

static void list_on_done(void *arg, const json_t *list)
{
	const struct snapshot_call *sc = arg;

	api_reply(sc->call, 200,
	          list ? json_pack("{ss, so}", "volume", sc->stack->name, "snapshots", json_deep_copy(list))
	               : NULL);
}

/* The call's things, or an answer that it cannot be. */
static struct snapshot_call *begin(struct api_call *call)
{
	const Directory__Volume *v;
	struct stack *s = api_stack_find(call, &v);
	struct snapshot_call *sc = s ? arena_new(call->arena, struct snapshot_call) : NULL;
	struct err err = { 0 };

	if (sc)
		*sc = (struct snapshot_call){
			.call = call, .stack = s, .name = call->params[1], .status = 200
		};
	if (s && !sc) {
		(void) err_set(&err, POD_E_NOMEM, "snapshots");
		api_fail(call, &err);
	}
	return sc;
}

void api_snapshot_list(struct api_call *call)
{
	struct snapshot_call *sc = begin(call);

	if (sc)
		volume_snapshots_list(sc->stack, list_on_done, sc);
}

/* ---- one ---- */

static void one_on_list(void *arg, const json_t *list)
{
	const struct snapshot_call *sc = arg;
	struct err err = { 0 };
	json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		if (strcmp(json_string_value(json_object_get(entry, "name")), sc->name) == 0) {
			api_reply(sc->call, sc->status, json_deep_copy(entry));
			return;
		}
	}
	(void) err_set(&err, POD_E_NOTFOUND, "the volume %s has no snapshot %.64s", sc->stack->name,
	               sc->name);
	api_fail(sc->call, &err);
}

void api_snapshot_get(struct api_call *call)
{
	struct snapshot_call *sc = begin(call);

	if (sc)
		volume_snapshots_list(sc->stack, one_on_list, sc);
}

/* Done: answered with the snapshot as it is now. */
static void changed(void *arg, int r, const char *text)
{
	struct snapshot_call *sc = arg;
	struct err err = { 0 };

	if (r == 0) {
		volume_snapshots_list(sc->stack, one_on_list, sc);
		return;
	}
	(void) err_set(&err, (enum pod_error) - r, "%s", text);
	api_fail(sc->call, &err);
}

static const char *name_of_now(struct arena *a)
{
	time_t now = (time_t) clock_wall_s();
	struct tm tm;
	char text[64];

	if (!gmtime_r(&now, &tm) || strftime(text, sizeof(text), "manual-%Y%m%dt%H%M%Sz", &tm) == 0)
		return NULL;
	return arena_str(a, span_of(text));
}

static int take_read(struct snapshot_call *sc, bool *ret_hold, struct err *err)
{
	static const char *const fields[] = { "name", "hold" };
	bool there;
	int r = api_only(sc->call, fields, ARRAY_SIZE(fields), err);

	if (r < 0 || (r = api_string(sc->call, "name", &sc->name, err)) < 0 ||
	    (r = api_bool(sc->call, "hold", &there, ret_hold, err)) < 0)
		return r;
	if (!sc->name)
		sc->name = name_of_now(sc->call->arena);
	return sc->name ? snapshot_name_check(sc->name, err) : err_set(err, POD_E_NOMEM, "snapshot");
}

void api_snapshot_take(struct api_call *call)
{
	struct snapshot_call *sc = begin(call);
	struct err err = { 0 };
	bool hold = false;

	if (!sc)
		return;
	if (take_read(sc, &hold, &err) < 0) {
		api_fail(call, &err);
		return;
	}
	sc->status = 201;
	volume_snapshots_take(sc->stack, sc->name, false, hold, changed, sc);
}

void api_snapshot_hold(struct api_call *call)
{
	struct snapshot_call *sc = begin(call);

	if (sc)
		volume_snapshots_hold(sc->stack, sc->name, true, changed, sc);
}

void api_snapshot_release(struct api_call *call)
{
	struct snapshot_call *sc = begin(call);

	if (sc)
		volume_snapshots_hold(sc->stack, sc->name, false, changed, sc);
}

static void deleted(void *arg, int r, const char *text)
{
	const struct snapshot_call *sc = arg;
	struct err err = { 0 };

	if (r == 0) {
		api_reply(sc->call, 200, json_pack("{ss}", "removed", sc->name));
		return;
	}
	(void) err_set(&err, (enum pod_error) - r, "%s", text);
	if (r == -POD_E_BUSY)
		api_fail_hint(sc->call, &err,
		              "one that is held has to be released first; one that is mounted, unmounted");
	else
		api_fail(sc->call, &err);
}

void api_snapshot_delete(struct api_call *call)
{
	struct snapshot_call *sc = begin(call);

	if (sc)
		volume_snapshots_delete(sc->stack, sc->name, deleted, sc);
}

static void verified(void *arg, json_t *result)
{
	const struct snapshot_call *sc = arg;

	api_reply(sc->call, 200, result);
}

void api_snapshot_verify(struct api_call *call)
{
	struct snapshot_call *sc = begin(call);

	if (!sc)
		return;
	/* It reads whole volumes; the client is not to be dropped for waiting. */
	(void) bufferevent_set_timeouts(
		evhttp_connection_get_bufferevent(evhttp_request_get_connection(call->http)), NULL, NULL);
	volume_snapshots_verify(sc->stack, sc->name, verified, sc);
}

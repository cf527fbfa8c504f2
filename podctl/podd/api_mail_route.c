/*
 * Where mail for an address would go, and why: what the directory makes of it, and for each other domain what
 * the mta's outbound processes find.
 *
 *   GET /routes/ADDRESS   {"address", "targets": [{"address", "kind": "mailbox", "volume", "detail", "via"}
 * or
 *                         {"address", "kind": "remote", "via", "destination": {...}}]}
 *
 * via: "itself", or "directory" where an alias or group leads there. destination: as in mta/outbound/look.h.
 */
#include <event2/http.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "podctl/podd/api.h"
#include "podctl/podd/peer_link.h"

#define OUTBOUND_SOCKET_NAME "mta-outbound.sock" /* in run_dir */
#define OUTBOUND_TIMEOUT_S   60                  /* the DNS of others, a policy over https */
#define TARGETS_MAX          50                  /* of a large group, the first ones */

struct finding {
	struct api_call *call;
	json_t *answer;
	size_t at; /* of the target whose destination is asked for */
};

static void find_next(struct finding *f);

static void finding_on_answer(void *arg, int status, struct span body)
{
	struct finding *f = arg;
	json_t *destination, *target = json_array_get(json_object_get(f->answer, "targets"), f->at++);

	if (api_mta_json(f->call, status, body, &destination) < 0) {
		json_decref(f->answer);
		return;
	}
	(void) json_object_set_new(target, "destination", destination);
	find_next(f);
}

static int ask(struct finding *f, const char *address, struct err *err)
{
	const char *at = strrchr(address, '@');
	char *domain = evhttp_uriencode(at ? at + 1 : address, -1, 0);
	char path[PATH_MAX];
	const struct peer_request rq = {
		.who = "the mta",
		.socket_path = path,
		.method = "GET",
		.target = domain ? arena_printf(f->call->arena, "/route?domain=%s", domain) : NULL,
		.timeout_s = OUTBOUND_TIMEOUT_S
	};
	int r;

	(void) snprintf(path, sizeof(path), "%s/" OUTBOUND_SOCKET_NAME, f->call->podd->conf->pod.run_dir);
	r = rq.target ? peer_ask(f->call->podd->base, &rq, finding_on_answer, f, err)
	              : err_set(err, POD_E_NOMEM, "route");
	free(domain);
	return r;
}

/* Asks for the next remote one, or answers. */
static void find_next(struct finding *f)
{
	json_t *targets = json_object_get(f->answer, "targets"), *target;
	struct err err = { 0 };

	for (; (target = json_array_get(targets, f->at)); f->at++)
		if (strcmp(json_string_value(json_object_get(target, "kind")), "remote") == 0)
			break;
	if (!target) {
		api_reply(f->call, 200, f->answer);
		return;
	}
	if (ask(f, json_string_value(json_object_get(target, "address")), &err) < 0) {
		json_decref(f->answer);
		api_fail(f->call, &err);
	}
}

static json_t *target_json(const struct directory_target *t, const char *asked)
{
	const char *via = strcasecmp(t->address, asked) == 0 ? "itself" : "directory";

	if (t->kind == TARGET_REMOTE)
		return json_pack("{s:s, s:s, s:s}", "address", t->address, "kind", "remote", "via", via);
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "address", t->address, "kind", "mailbox", "volume",
	                 t->volume, "detail", t->detail, "via", *t->detail ? "itself" : via);
}

/* An address of a domain that is not ours is itself. */
static int resolve(struct api_call *call, const char *address, struct directory_targets *ret, struct err *err)
{
	struct directory_target *remote;
	int r = directory_resolve(call->podd->dir, call->arena, span_of(address), ret, err);

	if (r != -POD_E_UNSUPPORTED)
		return r;
	remote = arena_new(call->arena, struct directory_target);
	if (!remote || !strchr(address, '@'))
		return err_set(err, remote ? POD_E_SYNTAX : POD_E_NOMEM, "%.128s is no address", address);
	*remote = (struct directory_target){ .kind = TARGET_REMOTE, .address = address };
	*ret = (struct directory_targets){ remote, 1 };
	return 0;
}

void api_route_get(struct api_call *call)
{
	struct finding *f = arena_new(call->arena, struct finding);
	const char *address = call->params[0];
	struct directory_targets targets;
	struct err err = { 0 };
	json_t *list;

	if (!f)
		(void) err_set(&err, POD_E_NOMEM, "route");
	if (!f || resolve(call, address, &targets, &err) < 0) {
		api_fail(call, &err);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < targets.n && i < TARGETS_MAX; i++)
		(void) json_array_append_new(list, target_json(&targets.items[i], address));
	*f = (struct finding){ .call = call,
		               .answer = json_pack("{s:s, s:b, s:o}", "address", address, "more",
		                                   targets.n > TARGETS_MAX, "targets", list) };
	find_next(f);
}

/* What a user has answered with while they are away: a state of the user's account on their volume. */
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "podctl/podd/api.h"
#include "podctl/podd/users.h"
#include "storeproto/oof.h"

static const char *const when_words[] = { [OOF_OFF] = "off", [OOF_ON] = "on", [OOF_TIMED] = "timed" };
static const char *const audience_fields[OOF_AUDIENCES] = {
	[OOF_INTERNAL] = "internal", [OOF_EXTERNAL_KNOWN] = "external_known", [OOF_EXTERNAL] = "external"
};

/* What a PATCH says; NULL, false: it says nothing about that. */
struct oof_wish {
	const char *when, *texts[OOF_AUDIENCES];
	bool has_from, has_to, has_html, html;
	uint64_t from, to;
};

/* One call: the settings are read, altered where it is a PATCH, and written if nobody did so meanwhile. */
struct oof_call {
	struct api_call *call;
	const char *address;
	const Directory__User *user;
	const struct oof_wish *wish; /* NULL: they are only shown */
	Podstore__Oof *oof;
	uint64_t version;
};

static char *unconst(const char *s)
{
	return (char *) (uintptr_t) s;
}

static void fail(struct oof_call *o, int code, const char *text)
{
	struct err err = { 0 };

	(void) err_set(&err, (enum pod_error) - code, "%s", *text ? text : err_code_text(code));
	api_fail(o->call, &err);
}

static json_t *oof_json(const struct oof_call *o)
{
	json_t *json = json_pack("{ss, ss, sb, sI, sI}", "address", o->address, "when",
	                         when_words[o->oof->when % 3], "now", oof_is_on(o->oof, clock_wall_s()),
	                         "from", (json_int_t) o->oof->from_s, "to", (json_int_t) o->oof->until_s);
	bool html = false;

	for (int i = 0; json && i < OOF_AUDIENCES; i++) {
		const Podstore__OofText *t = oof_text(o->oof, (enum oof_audience) i);

		html = html || (t && t->enabled && t->html);
		(void) json_object_set_new(json, audience_fields[i],
		                           json_string(t && t->enabled ? t->text : ""));
	}
	if (json)
		(void) json_object_set_new(json, "html", json_boolean(html));
	return json;
}

/* ---- asking the store ---- */

static bool ask(struct oof_call *o, enum store_method method, const ProtobufCMessage *request,
                store_reply_fn *fn)
{
	struct err err = { 0 };
	struct store_client *store = store_pool_get(o->call->podd->stores, o->user->volume, &err);

	if (store && store_call(store, method, request, SPAN_NONE, -1, USERS_STORE_TIMEOUT_MS, fn, o))
		return true;
	fail(o, -POD_E_UNAVAILABLE, store ? "out of memory" : err_text(&err));
	return false;
}

static void on_put(void *arg, const struct store_reply *reply)
{
	struct oof_call *o = arg;

	if (!reply->final)
		return;
	if (reply->code < 0)
		fail(o, reply->code, reply->text);
	else
		api_reply(o->call, 200, oof_json(o));
}

static void put(struct oof_call *o)
{
	Podstore__StatePut request = PODSTORE__STATE_PUT__INIT;
	Podstore__StateChange change = PODSTORE__STATE_CHANGE__INIT, *changes = &change;
	struct span value;

	if (oof_pack(o->call->arena, o->oof, &value) < 0) {
		fail(o, -POD_E_NOMEM, "");
		return;
	}
	change.name = unconst(OOF_STATE);
	change.value = (ProtobufCBinaryData){ value.len, (uint8_t *) (uintptr_t) value.p };
	change.expects = true;
	change.version = o->version;
	request.user_id = o->user->user_id;
	request.n_changes = 1;
	request.changes = &changes;
	(void) ask(o, STORE_STATE_PUT, &request.base, on_put);
}

/* ---- what is wished ---- */

static int set_text(struct oof_call *o, enum oof_audience who, Podstore__OofText **field)
{
	const char *words = o->wish->texts[who];
	Podstore__OofText *t = *field ? *field : arena_new(o->call->arena, Podstore__OofText);

	if (!t)
		return -POD_E_NOMEM;
	if (!*field)
		podstore__oof_text__init(t);
	if (words) {
		t->enabled = *words != '\0';
		t->text = t->enabled ? unconst(words) : t->text;
	}
	if (words || o->wish->has_html)
		t->html = o->wish->html;
	*field = t;
	return 0;
}

static int apply(struct oof_call *o, struct err *err)
{
	const struct oof_wish *w = o->wish;
	Podstore__Oof *oof = o->oof;
	int r = set_text(o, OOF_INTERNAL, &oof->internal);

	if (r == 0)
		r = set_text(o, OOF_EXTERNAL_KNOWN, &oof->external_known);
	if (r == 0)
		r = set_text(o, OOF_EXTERNAL, &oof->external);
	if (r < 0)
		return err_set(err, POD_E_NOMEM, "settings");
	for (uint32_t i = 0; w->when && i < ARRAY_SIZE(when_words); i++)
		if (strcmp(w->when, when_words[i]) == 0)
			oof->when = i;
	if (w->has_from)
		oof->from_s = (int64_t) w->from;
	if (w->has_to)
		oof->until_s = (int64_t) w->to;
	oof->set_at_ms = clock_wall_ms();
	if (oof->when != OOF_OFF && !oof->internal->enabled && !oof->external->enabled &&
	    !oof->external_known->enabled)
		return err_set(err, POD_E_SYNTAX, "there is no text to answer with");
	return oof_check(oof, err);
}

/* ---- the settings as they are ---- */

static int take(struct oof_call *o, const Podstore__StateGetReply *m, struct err *err)
{
	const Podstore__StateEntry *e = m->n_entries ? m->entries[0] : NULL;
	struct span value = e ? arena_dup(o->call->arena, span_make(e->value.data, e->value.len)) : SPAN_NONE;

	o->version = e ? e->version : 0;
	return oof_unpack(o->call->arena, value, &o->oof, err);
}

static void on_got(void *arg, const struct store_reply *reply)
{
	struct oof_call *o = arg;
	struct err err = { 0 };
	int r = reply->code;

	if (!reply->final)
		return;
	if (r < 0)
		(void) err_set(&err, (enum pod_error) - r, "%s",
		               *reply->text ? reply->text : err_code_text(r));
	else
		r = take(o, (const Podstore__StateGetReply *) reply->message, &err);
	if (r == 0 && o->wish)
		r = apply(o, &err);
	if (r < 0)
		api_fail(o->call, &err);
	else if (o->wish)
		put(o);
	else
		api_reply(o->call, 200, oof_json(o));
}

static void begin(struct api_call *call, const struct oof_wish *wish)
{
	Podstore__StateGet request = PODSTORE__STATE_GET__INIT;
	struct oof_call *o = arena_new(call->arena, struct oof_call);
	char *name = unconst(OOF_STATE);
	struct err err = { 0 };
	int r = o ? api_user_find(call, &o->address, &o->user, &err) : err_set(&err, POD_E_NOMEM, "settings");

	if (r < 0) {
		api_fail(call, &err);
		return;
	}
	o->call = call;
	o->wish = wish;
	request.user_id = o->user->user_id;
	request.n_names = 1;
	request.names = &name;
	(void) ask(o, STORE_STATE_GET, &request.base, on_got);
}

void api_user_oof_get(struct api_call *call)
{
	begin(call, NULL);
}

/* A text may be longer than other fields. */
static int read_text(const struct api_call *call, const char *name, const char **ret, struct err *err)
{
	const json_t *value = json_object_get(call->body, name);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value) || json_string_length(value) != strlen(json_string_value(value)))
		return err_set(err, POD_E_SYNTAX, "%s must be a string", name);
	*ret = json_string_value(value);
	return 0;
}

static int read_wish(const struct api_call *call, struct oof_wish *w, struct err *err)
{
	static const char *const fields[] = { "when",     "from",           "to",      "html",
		                              "internal", "external_known", "external" };
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	if (r < 0 || (r = api_string(call, "when", &w->when, err)) < 0 ||
	    (r = api_size(call, "from", &w->has_from, &w->from, err)) < 0 ||
	    (r = api_size(call, "to", &w->has_to, &w->to, err)) < 0 ||
	    (r = api_bool(call, "html", &w->has_html, &w->html, err)) < 0)
		return r;
	for (int i = 0; r == 0 && i < OOF_AUDIENCES; i++)
		r = read_text(call, audience_fields[i], &w->texts[i], err);
	for (size_t i = 0; r == 0 && w->when; i++) {
		if (i == ARRAY_SIZE(when_words))
			return err_set(err, POD_E_SYNTAX, "when is off, on or timed");
		if (strcmp(w->when, when_words[i]) == 0)
			break;
	}
	return r;
}

void api_user_oof_set(struct api_call *call)
{
	struct oof_wish *w = arena_new(call->arena, struct oof_wish);
	struct err err = { 0 };

	if (!w)
		(void) err_set(&err, POD_E_NOMEM, "settings");
	if (!w || read_wish(call, w, &err) < 0)
		api_fail(call, &err);
	else
		begin(call, w);
}

/* Keys that domains sign with: podfilter has them, here is checked whose they are. */
#include <string.h>

#include "base/cleanup.h"
#include "podctl/podd/filter_link.h"

static const char not_published[] =
	"publish the record that podctl domain dkim DOMAIN show prints, and wait until the DNS has "
	"it; --force activates the key nevertheless";
static const char still_used[] = "--force removes it nevertheless";

/* The domain of the path, which has to be one of ours. */
static bool domain_is_ours(struct api_call *call)
{
	const ProtobufCMessage *record;
	struct err err = { 0 };
	int r = directory_get(call->podd->dir, call->arena, DIRECTORY_DOMAIN, span_of(call->params[0]),
	                      &record, &err);

	if (r < 0)
		api_fail(call, &err);
	return r == 0;
}

static bool check(struct api_call *call, int r, const struct err *err)
{
	if (r < 0)
		api_fail(call, err);
	return r == 0;
}

void api_dkim_domains(struct api_call *call)
{
	filter_call(call, "dkim.domains", json_object(), NULL);
}

void api_dkim_list(struct api_call *call)
{
	if (domain_is_ours(call))
		filter_call(call, "dkim.list", json_pack("{s:s}", "domain", call->params[0]), NULL);
}

void api_dkim_create(struct api_call *call)
{
	static const char *const fields[] = { "type", "bits" };
	const char *type;
	struct err err = { 0 };
	bool with_bits;
	uint64_t bits;
	json_t *in;
	int r = api_only(call, fields, ARRAY_SIZE(fields), &err);

	if (r == 0)
		r = api_string_required(call, "type", &type, &err);
	if (r == 0)
		r = api_size(call, "bits", &with_bits, &bits, &err);
	if (!check(call, r, &err) || !domain_is_ours(call))
		return;
	in = json_pack("{s:s, s:s}", "domain", call->params[0], "type", type);
	if (in && with_bits)
		(void) json_object_set_new(in, "bits", json_integer((json_int_t) bits));
	filter_call(call, "dkim.create", in, NULL);
}

static void act(struct api_call *call, const char *method, bool force, const char *busy_hint)
{
	if (domain_is_ours(call))
		filter_call(call, method,
		            json_pack("{s:s, s:s, s:b}", "domain", call->params[0], "selector",
		                      call->params[1], "force", (int) force),
		            busy_hint);
}

void api_dkim_activate(struct api_call *call)
{
	static const char *const fields[] = { "force" };
	bool there, force = false;
	struct err err = { 0 };
	int r = api_only(call, fields, ARRAY_SIZE(fields), &err);

	if (r == 0)
		r = api_bool(call, "force", &there, &force, &err);
	if (check(call, r, &err))
		act(call, "dkim.activate", force, not_published);
}

void api_dkim_remove(struct api_call *call)
{
	const char *force = evhttp_find_header(&call->query, "force");

	act(call, "dkim.remove", force && strcmp(force, "true") == 0, still_used);
}

/* {}: successors now; {"days"}: by a schedule. */
void api_dkim_rotate(struct api_call *call)
{
	static const char *const fields[] = { "days" };
	struct err err = { 0 };
	bool with_days;
	uint64_t days;
	int r = api_only(call, fields, ARRAY_SIZE(fields), &err);

	if (r == 0)
		r = api_size(call, "days", &with_days, &days, &err);
	if (!check(call, r, &err) || !domain_is_ours(call))
		return;
	if (with_days)
		filter_call(call, "dkim.schedule",
		            json_pack("{s:s, s:I}", "domain", call->params[0], "days", (json_int_t) days),
		            NULL);
	else
		filter_call(call, "dkim.rotate", json_pack("{s:s}", "domain", call->params[0]), NULL);
}

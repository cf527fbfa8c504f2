/* Domains: for which ones mail is taken here, and where their new users go. */
#include "podctl/podd/api.h"

#include <string.h>

#include "base/cleanup.h"

static int domain_json(const struct api_call *call, const char *name, const ProtobufCMessage *record,
                       json_t **ret)
{
	const Directory__Domain *d = (const Directory__Domain *) record;

	*ret = json_pack("{ss, ss, ss, sb, ss}", "name", name, "description", d->description, "default_volume",
	                 d->default_volume, "subaddressing", (int) d->subaddressing, "language", d->language);
	return *ret ? 0 : -POD_E_NOMEM;
}

void api_domain_list(struct api_call *call)
{
	api_reply_list(call, DIRECTORY_DOMAIN, "domains", domain_json);
}

void api_domain_get(struct api_call *call)
{
	api_reply_object(call, 200, DIRECTORY_DOMAIN, call->params[0], domain_json);
}

/* sub-domain *("." sub-domain), each a letter-digit-hyphen label (RFC 5321 4.1.2), UTF-8 labels too (RFC
 * 6531). */
static int domain_check(const char *name, struct err *err)
{
	struct span rest = span_of(name);
	size_t labels = 0;

	while (rest.p) {
		struct span label = span_split(rest, '.', &rest);

		labels++;
		if (label.len == 0 || label.len > 63 || label.p[0] == '-' || label.p[label.len - 1] == '-')
			return err_set(err, POD_E_SYNTAX, "%.128s is not a domain name", name);
		for (size_t i = 0; i < label.len; i++)
			if (!ascii_is_alpha(label.p[i]) && !ascii_is_digit(label.p[i]) && label.p[i] != '-' &&
			    label.p[i] < 0x80)
				return err_set(err, POD_E_SYNTAX, "%.128s is not a domain name", name);
	}
	if (labels < 2 || strlen(name) > 253)
		return err_set(err, POD_E_SYNTAX, "%.128s is not a full domain name", name);
	return 0;
}

static char *lower_case(struct arena *a, const char *text)
{
	char *copy = arena_str(a, span_of(text));

	for (char *p = copy; p && *p; p++)
		*p = (char) ascii_lower((uint8_t) *p);
	return copy;
}

static int domain_add(struct api_call *call, char **ret_name, struct err *err)
{
	static const char *const fields[] = { "name", "description", "default_volume", "subaddressing",
		                              "language" };
	Directory__Domain d = DIRECTORY__DOMAIN__INIT;
	const char *text, *description, *volume, *language;
	bool there, subaddressing = true;
	char *name;
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	if (r < 0 || (r = api_string_required(call, "name", &text, err)) < 0 ||
	    (r = api_string(call, "description", &description, err)) < 0 ||
	    (r = api_string(call, "default_volume", &volume, err)) < 0 ||
	    (r = api_language(call, &language, err)) < 0 ||
	    (r = api_bool(call, "subaddressing", &there, &subaddressing, err)) < 0)
		return r;
	name = lower_case(call->arena, text);
	if (!name)
		return err_set(err, POD_E_NOMEM, "domain");
	r = domain_check(name, err);
	if (r < 0)
		return r;
	d.description = arena_str(call->arena, span_of(description ? description : ""));
	d.default_volume = arena_str(call->arena, span_of(volume ? volume : ""));
	d.subaddressing = subaddressing;
	d.language = arena_str(call->arena, span_of(language ? language : ""));
	if (!d.description || !d.default_volume || !d.language)
		return err_set(err, POD_E_NOMEM, "domain");
	*ret_name = name;
	return directory_create(call->podd->dir, DIRECTORY_DOMAIN, span_of(name), &d.base, err);
}

void api_domain_add(struct api_call *call)
{
	struct err err = { 0 };
	char *name = NULL;

	if (domain_add(call, &name, &err) < 0)
		api_fail(call, &err);
	else
		api_reply_object(call, 201, DIRECTORY_DOMAIN, name, domain_json);
}

/* Fields that are not given stay. */
static int domain_set(struct api_call *call, struct err *err)
{
	static const char *const fields[] = { "description", "default_volume", "subaddressing", "language" };
	const char *description, *volume, *language;
	const ProtobufCMessage *record;
	Directory__Domain d;
	bool there, wanted = true;
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	if (r < 0 || (r = api_string(call, "description", &description, err)) < 0 ||
	    (r = api_string(call, "default_volume", &volume, err)) < 0 ||
	    (r = api_language(call, &language, err)) < 0 ||
	    (r = api_bool(call, "subaddressing", &there, &wanted, err)) < 0)
		return r;
	if (!description && !volume && !language && !there)
		return err_set(err, POD_E_SYNTAX, "nothing to change was given");
	if (volume && *volume &&
	    (r = directory_get(call->podd->dir, call->arena, DIRECTORY_VOLUME, span_of(volume), &record, err)) < 0)
		return r;
	r = directory_get(call->podd->dir, call->arena, DIRECTORY_DOMAIN, span_of(call->params[0]), &record, err);
	if (r < 0)
		return r;
	d = *(const Directory__Domain *) record;
	d.subaddressing = there ? wanted : d.subaddressing;
	d.description = description ? (char *) (uintptr_t) description : d.description;
	d.default_volume = volume ? (char *) (uintptr_t) volume : d.default_volume;
	d.language = language ? (char *) (uintptr_t) language : d.language;
	return directory_replace(call->podd->dir, DIRECTORY_DOMAIN, span_of(call->params[0]), &d.base, err);
}

void api_domain_set(struct api_call *call)
{
	struct err err = { 0 };

	if (domain_set(call, &err) < 0)
		api_fail(call, &err);
	else
		api_reply_object(call, 200, DIRECTORY_DOMAIN, call->params[0], domain_json);
}

void api_domain_remove(struct api_call *call)
{
	api_delete_object(call, DIRECTORY_DOMAIN, call->params[0]);
}

#include "mta/podfilter/auth/tags.h"

/* tag-name = ALPHA *ALNUMPUNC */
static bool name_is_valid(struct span name)
{
	if (name.len == 0 || !ascii_is_alpha(name.p[0]))
		return false;
	for (size_t i = 1; i < name.len; i++)
		if (!ascii_is_alpha(name.p[i]) && !ascii_is_digit(name.p[i]) && name.p[i] != '_')
			return false;
	return true;
}

/* tval = 1*VALCHAR, with FWS inside: VALCHAR = %x21-3A / %x3C-7E. UTF-8 is let through for EAI (RFC 8616). */
static bool value_is_valid(struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] == 0x7f || (value.p[i] < 0x20 && !memchr("\t\r\n", value.p[i], 3)))
			return false;
	return true;
}

static int tag_take(struct tag_list *list, struct tag *tags, struct span spec, struct err *err)
{
	struct tag tag = { 0 };

	tag.name = span_trim(span_split(spec, '=', &tag.value));
	if (!tag.value.p || !name_is_valid(tag.name) || !value_is_valid(tag.value))
		return err_set(err, POD_E_SYNTAX, "not a tag: \"%.*s\"",
		               (int) (spec.len < 40 ? spec.len : 40), spec.p);
	tag.value = span_trim(tag.value);
	for (size_t i = 0; i < list->n; i++)
		if (span_eq(tags[i].name, tag.name))
			return err_set(err, POD_E_SYNTAX, "the tag " SPAN_FMT "= comes twice",
			               SPAN_ARG(tag.name));
	if (list->n == TAGS_MAX)
		return err_set(err, POD_E_LIMIT, "more than %d tags", TAGS_MAX);
	tags[list->n++] = tag;
	return 0;
}

int tags_parse(struct arena *a, struct span text, struct tag_list *ret_list, struct err *err)
{
	struct tag *tags = arena_array(a, TAGS_MAX, sizeof(*tags));
	struct tag_list list = { .tags = tags };
	struct span rest = text;

	if (!tags)
		return err_set(err, POD_E_NOMEM, "tags");
	do {
		struct span spec = span_split(rest, ';', &rest);
		int r;

		if (!rest.p && span_trim(spec).len == 0 && list.n > 0)
			break; /* behind the last semicolon */
		r = tag_take(&list, tags, spec, err);
		if (r < 0)
			return r;
	} while (rest.p);
	*ret_list = list;
	return 0;
}

bool tags_find(const struct tag_list *list, const char *name, struct span *ret_value)
{
	for (size_t i = 0; i < list->n; i++)
		if (span_eq(list->tags[i].name, span_of(name))) {
			*ret_value = list->tags[i].value;
			return true;
		}
	return false;
}

struct span tags_get(const struct tag_list *list, const char *name)
{
	struct span value = SPAN_NONE;

	(void) tags_find(list, name, &value);
	return value;
}

struct span tags_squeeze(struct arena *a, struct span value)
{
	uint8_t *to = arena_alloc(a, value.len + 1);
	size_t n = 0;

	if (!to)
		return SPAN_NONE;
	for (size_t i = 0; i < value.len; i++)
		if (!memchr(" \t\r\n", value.p[i], 4))
			to[n++] = value.p[i];
	return span_make(to, n);
}

bool tags_list_has(struct span value, struct span item)
{
	while (value.p)
		if (span_eq_nocase(span_trim(span_split(value, ':', &value)), item))
			return true;
	return false;
}

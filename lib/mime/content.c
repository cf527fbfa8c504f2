#include "mime/content.h"

#include "mime/cfws.h"

static bool ends_token(uint8_t c)
{
	return cfws_is_space(c) || c == ';' || c == '(' || c == '"' || c == ',' || c < ' ' || c == 0x7f;
}

static struct span take_token(struct span *s, uint8_t also_ends)
{
	struct span token;
	size_t n = 0;

	cfws_skip(s);
	while (n < s->len && !ends_token(s->p[n]) && s->p[n] != also_ends)
		n++;
	token = span_head(*s, n);
	*s = span_skip(*s, n);
	return token;
}

/* content := type "/" subtype *(";" parameter) */
struct content_type content_type_parse(struct span value)
{
	struct content_type t = { .type = take_token(&value, '/') };

	cfws_skip(&value);
	if (value.len && value.p[0] == '/') {
		value = span_skip(value, 1);
		t.subtype = take_token(&value, ';');
	}
	if (t.type.len == 0 || t.subtype.len == 0)
		t.type = t.subtype = SPAN_NONE;
	t.params = value;
	return t;
}

bool content_type_is(const struct content_type *t, struct span type, struct span subtype)
{
	return span_eq_nocase(t->type, type) && span_eq_nocase(t->subtype, subtype);
}

struct span content_token(struct span value, struct span *ret_params)
{
	struct span token = take_token(&value, ';');

	*ret_params = value;
	return token;
}

/*
 * An unquoted value. By the grammar it is a token, but names with spaces and "=" in boundaries are common:
 * it reaches to the semicolon, or to a comment behind white space.
 */
static struct span take_bare_value(struct span *s)
{
	struct span value;
	size_t n = 0;

	while (n < s->len && s->p[n] != ';' && !(s->p[n] == '(' && (n == 0 || cfws_is_space(s->p[n - 1]))))
		n++;
	value = span_trim(span_head(*s, n));
	*s = span_skip(*s, n);
	return value;
}

static struct span take_value(struct arena *a, struct span *s)
{
	struct span value;
	size_t n;

	cfws_skip(s);
	if (s->len == 0 || s->p[0] != '"')
		return take_bare_value(s);
	n = cfws_quoted_len(*s);
	value = span_make(s->p + 1, n >= 2 && s->p[n - 1] == '"' ? n - 2 : n - 1);
	*s = span_skip(*s, n);
	return cfws_unquote(a, value);
}

/* Moves behind the next semicolon that is in no comment or quoted string. False where there is none. */
static bool next_param(struct span *s)
{
	while (s->len && s->p[0] != ';') {
		size_t n = s->p[0] == '"' ? cfws_quoted_len(*s) : s->p[0] == '(' ? cfws_comment_len(*s) : 1;

		*s = span_skip(*s, n);
	}
	if (s->len == 0)
		return false;
	*s = span_skip(*s, 1);
	return true;
}

/* parameter := attribute "=" value; anything else between two semicolons is passed over. */
bool content_param_next(struct arena *a, struct span *params, struct content_param *ret_param)
{
	while (next_param(params)) {
		struct span name = take_token(params, '=');

		cfws_skip(params);
		if (name.len == 0 || params->len == 0 || params->p[0] != '=')
			continue;
		*params = span_skip(*params, 1);
		ret_param->name = name;
		ret_param->value = take_value(a, params);
		return true;
	}
	return false;
}

struct span content_param_find(struct arena *a, struct span params, struct span name)
{
	struct content_param p;

	while (content_param_next(a, &params, &p))
		if (span_eq_nocase(p.name, name))
			return p.value;
	return SPAN_NONE;
}

/*
 * Which piece of the parameter `name` a name like "name*", "name*3" or "name*3*" says; false where it is of
 * another. *ret_encoded: percent signs are to be decoded.
 */
static bool piece_of(struct span param, struct span name, uint32_t *ret_index, bool *ret_encoded)
{
	struct span index;

	if (param.len <= name.len || param.p[name.len] != '*' ||
	    !span_eq_nocase(span_head(param, name.len), name))
		return false;
	index = span_skip(param, name.len + 1);
	*ret_index = 0;
	*ret_encoded = index.len == 0 || index.p[index.len - 1] == '*';
	if (index.len && *ret_encoded)
		index.len--;
	return index.len == 0 || span_to_u32(index, ret_index) == 0;
}

/*
 * extended-value = [charset] "'" [language] "'" *(ext-octet / attribute-char): what is behind the second
 * quote.
 */
static struct span skip_charset(struct span value)
{
	struct span rest;

	(void) span_split(value, '\'', &rest);
	if (rest.p)
		(void) span_split(rest, '\'', &rest);
	return rest.p ? rest : value;
}

static size_t put_piece(uint8_t *to, struct span value, bool encoded)
{
	size_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		int byte = encoded && value.p[i] == '%' && i + 2 < value.len ? ascii_hex_pair(value.p + i + 1) : -1;

		to[n++] = byte >= 0 ? (uint8_t) byte : value.p[i];
		i += byte >= 0 ? 2 : 0;
	}
	return n;
}

struct span content_param_find_extended(struct arena *a, struct span params, struct span name)
{
	uint8_t *to = arena_alloc(a, params.len);
	struct content_param p;
	uint32_t want = 0, index;
	size_t n = 0;
	bool encoded;

	while (to && content_param_next(a, &params, &p)) {
		if (!piece_of(p.name, name, &index, &encoded) || index != want)
			continue;
		n += put_piece(to + n, want == 0 && encoded ? skip_charset(p.value) : p.value, encoded);
		want++;
	}
	return to && want ? span_make(to, n) : SPAN_NONE;
}

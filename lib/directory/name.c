#include "directory/directory_internal.h"

#define LOCAL_PART_MAX 64 /* RFC 5321 4.5.3.1.1 */

struct span directory_lower(struct arena *a, struct span s)
{
	uint8_t *p = arena_alloc(a, s.len);

	if (!p)
		return SPAN_NONE;
	for (size_t i = 0; i < s.len; i++)
		p[i] = ascii_lower(s.p[i]);
	return span_make(p, s.len);
}

bool directory_address_split(struct span address, struct span *ret_local, struct span *ret_domain)
{
	size_t at = address.len;

	while (at > 0 && address.p[at - 1] != '@')
		at--;
	if (at == 0 || at == address.len)
		return false;
	*ret_local = span_head(address, at - 1);
	*ret_domain = span_skip(address, at);
	return true;
}

bool directory_kind_is_address(enum directory_kind kind)
{
	return kind == DIRECTORY_USER || kind == DIRECTORY_ALIAS || kind == DIRECTORY_GROUP;
}

/* Letters, digits, ".", "-", "_"; and what UTF-8 is made of, for international domains. */
static bool is_plain_name(struct span s)
{
	bool good = s.len > 0 && s.p[0] != '.' && s.p[0] != '-';

	for (size_t i = 0; good && i < s.len; i++)
		good = ascii_is_alpha(s.p[i]) || ascii_is_digit(s.p[i]) || strchr("-._", s.p[i]) ||
		       s.p[i] >= 0x80;
	return good && span_find_byte(s, '\0') == SIZE_MAX;
}

/* A local part may be nearly anything (RFC 5321 Quoted-string), but nothing that breaks a line or a key. */
static bool is_local_part(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.len <= LOCAL_PART_MAX;
}

static bool is_address(enum directory_kind kind, struct span s)
{
	struct span local, domain;

	if (!directory_address_split(s, &local, &domain) || !is_plain_name(domain) || !is_local_part(local))
		return false;
	return local.len > 0 || kind == DIRECTORY_ALIAS; /* "@domain": a catch-all */
}

int directory_key(struct arena *a, enum directory_kind kind, struct span name, struct span *ret_key,
                  struct err *err)
{
	bool good = directory_kind_is_address(kind) ? is_address(kind, name) : is_plain_name(name);
	struct span key;

	if (!good || name.len > DIRECTORY_NAME_MAX)
		return err_set(err, POD_E_SYNTAX, "not the name of a %s: \"%.*s\"", directory_kind_name(kind),
		               (int) (name.len < 80 ? name.len : 80), (const char *) name.p);
	key = directory_lower(a, name);
	if (!key.p)
		return err_set(err, POD_E_NOMEM, "reading a name");
	*ret_key = key;
	return 0;
}

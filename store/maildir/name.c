#include "store/maildir/name.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "storeproto/storeproto.h"

static const struct {
	char letter;
	uint32_t flag;
} letters[] = {
	{ 'D', STORE_FLAG_DRAFT }, { 'F', STORE_FLAG_FLAGGED }, { 'R', STORE_FLAG_ANSWERED },
	{ 'S', STORE_FLAG_SEEN },  { 'T', STORE_FLAG_DELETED },
};

static size_t flags_format(uint32_t flags, char *text)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
		if (flags & letters[i].flag)
			text[n++] = letters[i].letter;
	for (unsigned int i = 0; i < STORE_KEYWORDS_MAX; i++)
		if (flags & 1u << (STORE_KEYWORD_SHIFT + i))
			text[n++] = (char) ('a' + i);
	text[n] = '\0';
	return n;
}

size_t maildir_name_format(const struct maildir_name *n, char text[MAILDIR_NAME_SIZE])
{
	char guid[ID_TEXT_SIZE], flags[sizeof(":2,") + 32] = "";
	int len;

	guid_format(&n->guid, guid);
	if (n->flags) {
		memcpy(flags, ":2,", 3);
		(void) flags_format(n->flags, flags + 3);
	}
	len = snprintf(text, MAILDIR_NAME_SIZE, "%lld.%s." SPAN_FMT ",S=%llu,W=%llu,U=%u%s", (long long) n->time, guid,
	               SPAN_ARG(span_head(n->host, MAILDIR_HOST_MAX)), (unsigned long long) n->size,
	               (unsigned long long) n->size, n->uid, flags);
	return (size_t) len;
}

static bool is_host_byte(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_';
}

static bool host_is_valid(struct span host)
{
	if (host.len == 0 || host.len > MAILDIR_HOST_MAX)
		return false;
	for (size_t i = 0; i < host.len; i++)
		if (!is_host_byte(host.p[i]))
			return false;
	return true;
}

void maildir_host_make(struct span text, char host[MAILDIR_HOST_MAX + 1])
{
	size_t n = text.len < MAILDIR_HOST_MAX ? text.len : MAILDIR_HOST_MAX;

	for (size_t i = 0; i < n; i++)
		host[i] = (char) (is_host_byte(text.p[i]) ? text.p[i] : '-');
	if (n == 0)
		host[n++] = '-';
	host[n] = '\0';
}

/* The flag of a letter, 0 for one we do not know. */
static uint32_t flag_of(uint8_t c)
{
	for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
		if (letters[i].letter == (char) c)
			return letters[i].flag;
	return c >= 'a' && c <= 'z' ? 1u << (STORE_KEYWORD_SHIFT + (c - 'a')) : 0;
}

uint32_t maildir_flags_parse(struct span text)
{
	size_t at = span_find(text, SPAN_LIT(":2,"));
	uint32_t flags = 0;

	if (at == SIZE_MAX)
		return 0;
	for (size_t i = at + 3; i < text.len; i++)
		flags |= flag_of(text.p[i]);
	return flags;
}

/* A number as we write it: no leading zeros, so that a message has one name. */
static int plain_number(struct span s, uint64_t max, uint64_t *ret)
{
	uint64_t v;

	if (span_to_u64(s, &v) < 0 || v > max || (s.len > 1 && s.p[0] == '0'))
		return -POD_E_SYNTAX;
	*ret = v;
	return 0;
}

static int time_parse(struct span s, int64_t *ret)
{
	bool negative = s.len && s.p[0] == '-';
	uint64_t v;

	if (plain_number(span_skip(s, negative), INT64_MAX, &v) < 0 || (negative && v == 0))
		return -POD_E_SYNTAX;
	*ret = negative ? -(int64_t) v : (int64_t) v;
	return 0;
}

/* "S=123": the field with that letter at the front of *rest, up to the next comma. */
static int field_take(struct span *rest, char letter, uint64_t max, uint64_t *ret)
{
	struct span field = span_split(*rest, ',', rest);

	if (field.len < 3 || field.p[0] != (uint8_t) letter || field.p[1] != '=')
		return -POD_E_SYNTAX;
	return plain_number(span_skip(field, 2), max, ret);
}

int maildir_name_parse(struct span text, struct maildir_name *ret_name)
{
	struct maildir_name n = { 0 };
	struct span rest, info, base = span_split(text, ':', &info);
	uint64_t vsize, uid;
	char again[MAILDIR_NAME_SIZE];

	if (text.len >= MAILDIR_NAME_SIZE || time_parse(span_split(base, '.', &rest), &n.time) < 0 ||
	    guid_parse(span_split(rest, '.', &rest), &n.guid) < 0)
		return -POD_E_SYNTAX;
	n.host = span_split(rest, ',', &rest);
	if (!host_is_valid(n.host) || field_take(&rest, 'S', INT64_MAX, &n.size) < 0 ||
	    field_take(&rest, 'W', INT64_MAX, &vsize) < 0 || field_take(&rest, 'U', UINT32_MAX, &uid) < 0)
		return -POD_E_SYNTAX;
	if (rest.p || vsize != n.size || uid == 0)
		return -POD_E_SYNTAX;
	n.uid = (uint32_t) uid;
	n.flags = maildir_flags_parse(text);
	/* One spelling for each message: capital hex digits, odd orders and unknown flags are another tool's. */
	if (info.p && !span_eq(text, span_make(again, maildir_name_format(&n, again))) &&
	    !span_eq(info, SPAN_LIT("2,")))
		return -POD_E_SYNTAX;
	*ret_name = n;
	return 0;
}

size_t staged_name_format(uint32_t mailbox, const struct maildir_name *n, char text[STAGED_NAME_SIZE])
{
	(void) snprintf(text, STAGED_NAME_SIZE, "%08x.", mailbox);
	return 9 + maildir_name_format(n, text + 9);
}

int staged_name_parse(struct span text, uint32_t *ret_mailbox, struct maildir_name *ret_name)
{
	uint32_t mailbox = 0;

	if (text.len < 9 || text.p[8] != '.')
		return -POD_E_SYNTAX;
	for (size_t i = 0; i < 8; i++) {
		uint8_t c = text.p[i];

		if (!ascii_is_digit(c) && !(c >= 'a' && c <= 'f'))
			return -POD_E_SYNTAX;
		mailbox = mailbox << 4 | (uint32_t) (ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
	}
	if (maildir_name_parse(span_skip(text, 9), ret_name) < 0)
		return -POD_E_SYNTAX;
	*ret_mailbox = mailbox;
	return 0;
}

#include "imapd/eas/item/headers.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "imapd/eas/item/text.h"
#include "mime/address.h"
#include "mime/header.h"

static struct span text_of(struct arena *a, struct span raw)
{
	return eas_text_clean(a, span_trim(mime_decode_text(a, raw)));
}

static struct span field_of(struct span header, struct span name)
{
	struct mime_field f;

	return mime_field_find(header, name, &f) ? f.value : SPAN_NONE;
}

/* ---- addresses ---- */

typedef void put_entry_fn(struct buf *out, struct span name, struct span address);

/* "Name" <local@domain> */
static void put_mailbox(struct buf *out, struct span name, struct span address)
{
	if (out->len > 0)
		buf_add_str(out, ", ");
	if (name.len == 0) {
		buf_add(out, address);
		return;
	}
	buf_add_byte(out, '"');
	for (size_t i = 0; i < name.len; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, name.p[i]);
	}
	buf_add_str(out, "\"");
	if (address.len > 0) {
		buf_add_str(out, " <");
		buf_add(out, address);
		buf_add_byte(out, '>');
	}
}

static void put_name(struct buf *out, struct span name, struct span address)
{
	if (out->len > 0)
		buf_add_str(out, "; ");
	buf_add(out, name.len > 0 ? name : address);
}

static struct span address_of(struct arena *a, const struct address_entry *e)
{
	struct address ad = { e->local, e->domain };

	if (e->domain.len == 0)
		return e->local;
	return address_format(a, &ad);
}

/* An entry that does not fit is left out, and all behind it. */
static bool put_entry(struct arena *a, struct buf *out, const struct address_entry *e, put_entry_fn *put)
{
	size_t before = out->len;

	if (e->kind != ADDRESS_MAILBOX)
		return true;
	put(out, text_of(a, e->name), eas_text_clean(a, address_of(a, e)));
	if (out->len <= EAS_ADDRESSES_MAX)
		return true;
	out->len = before;
	return false;
}

static struct span put_list(struct arena *a, struct span header, struct span field, put_entry_fn *put)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct mime_field f;
	bool fits = true;

	while (fits && mime_field_next(&header, &f)) {
		struct address_list list = { NULL, 0 };

		if (!span_eq_nocase(f.name, field) || address_list_parse(a, f.value, &list) < 0)
			continue;
		for (size_t i = 0; fits && i < list.n; i++)
			fits = put_entry(a, &out, &list.entries[i], put);
	}
	if (out.failed)
		return SPAN_NONE;
	return out.len > 0 ? arena_dup(a, buf_span(&out)) : SPAN_LIT("");
}

struct span eas_display_names(struct arena *a, struct span header, struct span field)
{
	return put_list(a, header, field, put_name);
}

/* ---- subject ---- */

/* What mail programs put before a subject, in their languages. */
static const char *const prefixes[] = {
	"re",
	"fw",
	"fwd",
	"aw",
	"wg",
	"sv",
	"vs",
	"vb",
	"tr",
	"rv",
	"res",
	"enc",
	"antw",
	"odp",
	"pd",
	"r",
	"i",
	"rif",
	"ref",
	"ynt",
	"ilt",
	"bls",
	"atb",
	"hl",
	"\xe5\x9b\x9e\xe5\xa4\x8d",
	"\xe7\xad\x94\xe5\xa4\x8d",
	"\xe8\xbd\xac\xe5\x8f\x91",
};

/* Length of "Re: " or "Re[2]: " at the start, 0 for none. */
static size_t prefix_len(struct span s)
{
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		struct span p = span_of(prefixes[i]);
		size_t n = p.len;

		if (!span_starts_nocase(s, p))
			continue;
		if (n < s.len && s.p[n] == '[')
			for (n++; n < s.len && (ascii_is_digit(s.p[n]) || s.p[n] == ']'); n++)
				;
		while (n < s.len && s.p[n] == ' ')
			n++;
		if (n < s.len && s.p[n] == ':')
			return n + 1;
		if (s.len - n >= 3 && memcmp(s.p + n, "\xef\xbc\x9a", 3) == 0) /* the full-width colon */
			return n + 3;
	}
	return 0;
}

struct span eas_subject_topic(struct span subject)
{
	size_t n;

	subject = span_trim(subject);
	while ((n = prefix_len(subject)) > 0)
		subject = span_trim(span_skip(subject, n));
	return subject;
}

/* ---- importance ---- */

static enum eas_importance importance_of(struct span header)
{
	static const struct {
		struct span field;
		const char *start; /* of the value */
		enum eas_importance means;
	} signs[] = {
		{ SPAN_LIT("Importance"), "high", EAS_IMPORTANCE_HIGH },
		{ SPAN_LIT("Importance"), "low", EAS_IMPORTANCE_LOW },
		{ SPAN_LIT("Importance"), "normal", EAS_IMPORTANCE_NORMAL },
		{ SPAN_LIT("X-Priority"), "1", EAS_IMPORTANCE_HIGH },
		{ SPAN_LIT("X-Priority"), "2", EAS_IMPORTANCE_HIGH },
		{ SPAN_LIT("X-Priority"), "4", EAS_IMPORTANCE_LOW },
		{ SPAN_LIT("X-Priority"), "5", EAS_IMPORTANCE_LOW },
		{ SPAN_LIT("X-MSMail-Priority"), "high", EAS_IMPORTANCE_HIGH },
		{ SPAN_LIT("X-MSMail-Priority"), "low", EAS_IMPORTANCE_LOW },
		{ SPAN_LIT("Priority"), "urgent", EAS_IMPORTANCE_HIGH },
		{ SPAN_LIT("Priority"), "non-urgent", EAS_IMPORTANCE_LOW },
	};

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
		if (span_starts_nocase(span_trim(field_of(header, signs[i].field)), span_of(signs[i].start)))
			return signs[i].means;
	return EAS_IMPORTANCE_NORMAL;
}

int eas_headers_read(struct arena *a, struct span header, struct eas_headers *ret_headers)
{
	struct eas_headers h = {
		.to = put_list(a, header, SPAN_LIT("To"), put_mailbox),
		.cc = put_list(a, header, SPAN_LIT("Cc"), put_mailbox),
		.bcc = put_list(a, header, SPAN_LIT("Bcc"), put_mailbox),
		.from = put_list(a, header, SPAN_LIT("From"), put_mailbox),
		.sender = put_list(a, header, SPAN_LIT("Sender"), put_mailbox),
		.reply_to = put_list(a, header, SPAN_LIT("Reply-To"), put_mailbox),
		.display_to = put_list(a, header, SPAN_LIT("To"), put_name),
		.subject = text_of(a, field_of(header, SPAN_LIT("Subject"))),
		.importance = importance_of(header),
	};

	if (!h.to.p || !h.cc.p || !h.bcc.p || !h.from.p || !h.sender.p || !h.reply_to.p || !h.display_to.p)
		return -POD_E_NOMEM;
	if (span_eq(h.sender, h.from))
		h.sender = SPAN_LIT("");
	h.topic = eas_subject_topic(h.subject);
	*ret_headers = h;
	return 0;
}

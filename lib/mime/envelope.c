/* envelope = "(" env-date SP env-subject SP env-from SP ... SP env-message-id ")"   (RFC 3501 7.4.2) */
#include "base/cleanup.h"
#include "mime/address_list.h"
#include "mime/header.h"
#include "mime/imap_text.h"

static void put_nil_or(struct buf *out, struct span s)
{
	imap_put_nstring(out, s.len ? s : SPAN_NONE);
}

/*
 * address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")". A NIL host makes it the start of a
 * group, a NIL mailbox too its end; so what a broken address lacks is "" and never NIL.
 */
static void put_address(struct buf *out, const struct address_entry *e)
{
	switch (e->kind) {
	case ADDRESS_GROUP_START:
		buf_add(out, SPAN_LIT("(NIL NIL "));
		imap_put_string(out, e->name);
		buf_add(out, SPAN_LIT(" NIL)"));
		break;
	case ADDRESS_GROUP_END: buf_add(out, SPAN_LIT("(NIL NIL NIL NIL)")); break;
	case ADDRESS_MAILBOX:
		buf_add_byte(out, '(');
		put_nil_or(out, e->name);
		buf_add_byte(out, ' ');
		put_nil_or(out, e->route);
		buf_add_byte(out, ' ');
		imap_put_string(out, e->local);
		buf_add_byte(out, ' ');
		imap_put_string(out, e->domain);
		buf_add_byte(out, ')');
		break;
	}
}

/* Appends the addresses of one field's value; *count is of all fields of that name. */
static void put_value(struct buf *out, struct address_reader *r, struct span value, size_t *count)
{
	struct address_entry e;
	int more;

	r->rest = value;
	r->in_group = false;
	while (*count < ADDRESS_LIST_MAX && (more = address_reader_next(r, &e)) != 0) {
		if (more < 0) {
			out->failed = true;
			return;
		}
		if ((*count)++ == 0)
			buf_add_byte(out, '(');
		put_address(out, &e);
	}
	/* a group that the bound cut in two is closed all the same */
	if (r->in_group)
		put_address(out, &(struct address_entry){ .kind = ADDRESS_GROUP_END });
}

/*
 * The addresses of all fields of that name, as if they were one: RFC 5322 4.5.3 says so of recipients, and
 * for From it keeps a second one from being seen by a program and not by a person.
 */
static size_t put_addresses(struct buf *out, struct address_reader *r, struct span header,
                            const struct scan_part *info, enum field_id id)
{
	struct mime_field f;
	size_t count = 0;

	if (!(info->repeated & 1u << id)) {
		if (info->fields[id].p)
			put_value(out, r, info->fields[id], &count);
	} else {
		while (mime_field_next(&header, &f))
			if (f.name.len && field_lookup(f.name) == id)
				put_value(out, r, f.value, &count);
	}
	buf_add(out, count ? SPAN_LIT(")") : SPAN_LIT("NIL"));
	return count;
}

/* Appends again what stands at `from` of the output. */
static void put_again(struct buf *out, size_t from, size_t len)
{
	uint8_t *to = buf_reserve(out, len);

	if (to) {
		memcpy(to, out->p + from, len);
		out->len += len;
	}
}

/* Absent is NIL, present and empty is "" (RFC 3501 7.4.2). */
static void put_text(struct buf *out, struct arena *a, struct span value)
{
	struct span text = mime_unfold(a, value);

	if (value.p && !text.p)
		out->failed = true;
	imap_put_nstring(out, text);
}

void imap_put_envelope(struct buf *out, struct arena *a, struct span message, const struct scan *scan,
                       uint32_t i)
{
	static const enum field_id recipients[] = { FIELD_TO, FIELD_CC, FIELD_BCC };
	/* "the server MUST default" these two "to the value of the From field" where absent or empty */
	static const enum field_id origins[] = { FIELD_SENDER, FIELD_REPLY_TO };
	const struct scan_part *info = &scan->parts[i];
	struct span header = scan_header(message, &scan->tree.parts[i]);
	struct address_reader r;
	size_t from, from_len;

	address_reader_init(&r, a, SPAN_NONE);
	buf_add_byte(out, '(');
	put_text(out, a, info->fields[FIELD_DATE]);
	buf_add_byte(out, ' ');
	put_text(out, a, info->fields[FIELD_SUBJECT]);
	buf_add_byte(out, ' ');
	from = out->len;
	(void) put_addresses(out, &r, header, info, FIELD_FROM);
	from_len = out->len - from;
	for (size_t k = 0; k < ARRAY_SIZE(origins); k++) {
		size_t at;

		buf_add_byte(out, ' ');
		at = out->len;
		if (put_addresses(out, &r, header, info, origins[k]) == 0 && !out->failed) {
			out->len = at;
			put_again(out, from, from_len);
		}
	}
	for (size_t k = 0; k < ARRAY_SIZE(recipients); k++) {
		buf_add_byte(out, ' ');
		(void) put_addresses(out, &r, header, info, recipients[k]);
	}
	buf_add_byte(out, ' ');
	put_text(out, a, info->fields[FIELD_IN_REPLY_TO]);
	buf_add_byte(out, ' ');
	put_text(out, a, info->fields[FIELD_MESSAGE_ID]);
	buf_add_byte(out, ')');
}

#include "imapd/eas/send/compose.h"

#include <string.h>

#include "base/cleanup.h"
#include "imapd/eas/send/encode.h"
#include "imapd/eas/send/join.h"
#include "imapd/eas/send/parts.h"
#include "imapd/eas/send/words.h"
#include "mime/address.h"
#include "mime/date.h"
#include "mime/header.h"

#define REFERENCES_MAX 4000 /* bytes of it that are kept: the newest */

enum role {
	ROLE_KEPT,
	ROLE_FROM,
	ROLE_DATE,
	ROLE_MESSAGE_ID,
	ROLE_RCPT,
	ROLE_BCC,
	ROLE_DROPPED,
	ROLE_MIME,
	ROLE_SUBJECT,
	ROLE_IN_REPLY_TO,
	ROLE_REFERENCES
};

static enum role role_of(struct span name)
{
	static const struct {
		const char *name;
		enum role role;
	} fields[] = {
		{ "From", ROLE_FROM },
		{ "Date", ROLE_DATE },
		{ "Message-ID", ROLE_MESSAGE_ID },
		{ "To", ROLE_RCPT },
		{ "Cc", ROLE_RCPT },
		{ "Bcc", ROLE_BCC },
		{ "Subject", ROLE_SUBJECT },
		{ "In-Reply-To", ROLE_IN_REPLY_TO },
		{ "References", ROLE_REFERENCES },
		{ "MIME-Version", ROLE_MIME },
		{ "Return-Path", ROLE_DROPPED },
		{ "Received", ROLE_DROPPED },
		{ "Content-Length", ROLE_DROPPED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (span_eq_nocase(name, span_of(fields[i].name)))
			return fields[i].role;
	return span_starts_nocase(name, SPAN_LIT("Content-")) ? ROLE_MIME : ROLE_KEPT;
}

struct composing {
	struct arena *a;
	const struct compose_order *o;
	struct span mime, header; /* the client's, lines CRLF-ended */
	struct message_parts original;
	size_t addresses; /* in all fields of recipients */
	bool has[ROLE_REFERENCES + 1];
	struct span from;    /* the field as it goes out */
	struct span content; /* Content-* fields */
	struct composed *out;
};

/* ---- the envelope ---- */

static bool is_there(const struct composed *c, struct span address)
{
	for (size_t i = 0; i < c->n_rcpts; i++)
		if (span_eq_nocase(c->rcpts[i], address))
			return true;
	return false;
}

/* A quoted local part may hold a line end where its field is folded; a path may not (RFC 5321 4.1.2). */
static bool has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < ' ' || s.p[i] == 0x7f)
			return true;
	return false;
}

static int add_rcpt(struct composing *c, const struct address_entry *e)
{
	const struct address address = { e->local, e->domain };
	struct composed *out = c->out;
	struct span text;

	if (!e->local.len || !e->domain.len || has_control(e->local) || has_control(e->domain))
		return -POD_E_UNSUPPORTED;
	text = address_format(c->a, &address);
	if (!text.p)
		return -POD_E_NOMEM;
	if (is_there(out, text))
		return 0;
	if ((out->n_rcpts & (out->n_rcpts - 1)) == 0) {
		struct span *grown = arena_grow(c->a, out->rcpts, out->n_rcpts,
		                                out->n_rcpts ? 2 * out->n_rcpts : 1, sizeof(*grown));

		if (!grown)
			return -POD_E_NOMEM;
		out->rcpts = grown;
	}
	out->rcpts[out->n_rcpts++] = text;
	return 0;
}

static int add_rcpts(struct composing *c, struct span value)
{
	struct address_list list;
	int r = address_list_parse(c->a, value, &list);

	/* One field has a limit, and so have all together: each is compared with those before. */
	if (r == 0 && (c->addresses += list.n) > ADDRESS_LIST_MAX)
		r = -POD_E_LIMIT;
	for (size_t i = 0; r == 0 && i < list.n; i++)
		if (list.entries[i].kind == ADDRESS_MAILBOX)
			r = add_rcpt(c, &list.entries[i]);
	return r == -POD_E_LIMIT ? -POD_E_UNSUPPORTED : r;
}

/* ---- From: an address that the user may use (RFC 6409 6.1), or theirs with the name that was given ---- */

static bool may_use(const struct composing *c, const struct address_entry *e)
{
	const struct address address = { e->local, e->domain };
	struct span key = address_key(c->a, &address);

	return e->local.len && e->domain.len && !has_control(e->local) && !has_control(e->domain) && key.p &&
	       c->o->may_use(c->o->arg, key);
}

static int make_from(struct composing *c, struct span name)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	buf_add_str(&b, "From: ");
	if (name.len)
		words_put_phrase(&b, name);
	buf_printf(&b, name.len ? " <%s>\r\n" : "<%s>\r\n", c->o->login);
	c->from = b.failed ? SPAN_NONE : arena_dup(c->a, buf_span(&b));
	c->out->sender = arena_dup(c->a, span_of(c->o->login));
	return c->from.p && c->out->sender.p ? 0 : -POD_E_NOMEM;
}

static int take_from(struct composing *c, const struct mime_field *f)
{
	struct span name = span_of(c->o->name);
	struct address_list list = { 0 };
	int r = f ? address_list_parse(c->a, f->value, &list) : 0;

	if (r < 0 && r != -POD_E_LIMIT)
		return r;
	if (list.n == 1 && list.entries[0].kind == ADDRESS_MAILBOX) {
		const struct address address = { list.entries[0].local, list.entries[0].domain };

		if (list.entries[0].name.len)
			name = list.entries[0].name;
		if (may_use(c, &list.entries[0])) {
			c->from = f->whole;
			c->out->sender = address_format(c->a, &address);
			return c->out->sender.p ? 0 : -POD_E_NOMEM;
		}
	}
	return make_from(c, name);
}

/* ---- what the client's header says ---- */

static int take_field(struct composing *c, const struct mime_field *f)
{
	enum role role = role_of(f->name);
	bool again = c->has[role];

	c->has[role] = true;
	switch (role) {
	case ROLE_FROM: return again ? 0 : take_from(c, f);
	case ROLE_RCPT:
	case ROLE_BCC: return add_rcpts(c, f->value);
	case ROLE_MESSAGE_ID:
		if (!again)
			c->out->message_id = arena_dup(c->a, span_trim(mime_unfold(c->a, f->value)));
		return 0;
	default: return 0;
	}
}

/* What is no header at all is no message: a client that sends that has lost its way. */
static int read_header(struct composing *c)
{
	struct span rest = c->header;
	struct mime_field f;
	size_t fields = 0;
	int r = 0;

	while (r == 0 && mime_field_next(&rest, &f)) {
		fields += f.name.len > 0;
		if (!f.name.len && !fields)
			return -POD_E_SYNTAX;
		if (f.name.len)
			r = take_field(c, &f);
	}
	if (r == 0 && !fields)
		return -POD_E_SYNTAX;
	if (r == 0 && !c->has[ROLE_FROM])
		r = take_from(c, NULL);
	return r;
}

/* ---- the header that goes out ---- */

static struct span original_field(const struct composing *c, const char *name)
{
	struct mime_field f;

	if (!c->o->original.len || !mime_field_find(message_part_header(&c->original, 0), span_of(name), &f))
		return SPAN_NONE;
	return span_trim(mime_unfold(c->a, f.value));
}

/* RFC 5322 3.6.4: the original's References, or its In-Reply-To, and its own id. */
static void put_references(const struct composing *c, struct span id, struct buf *out)
{
	struct span refs = original_field(c, "References");

	if (!refs.len)
		refs = original_field(c, "In-Reply-To");
	if (refs.len > REFERENCES_MAX) {
		refs = span_skip(refs, refs.len - REFERENCES_MAX);
		refs = span_skip(refs, span_find_byte(refs, '<') == SIZE_MAX ? refs.len
		                                                             : span_find_byte(refs, '<'));
	}
	buf_add_str(out, "References:");
	while (refs.len) {
		struct span one = span_trim(span_split(refs, ' ', &refs));

		if (one.len)
			buf_printf(out, " " SPAN_FMT "\r\n", SPAN_ARG(one));
	}
	buf_printf(out, " " SPAN_FMT "\r\n", SPAN_ARG(id));
}

static void put_thread(const struct composing *c, struct buf *out)
{
	struct span id = original_field(c, "Message-ID"), subject = original_field(c, "Subject");

	if (!c->has[ROLE_SUBJECT])
		buf_printf(out, "Subject: %s: " SPAN_FMT "\r\n", c->o->kind == COMPOSE_REPLY ? "Re" : "Fwd",
		           SPAN_ARG(subject));
	if (!id.len)
		return;
	if (!c->has[ROLE_IN_REPLY_TO] && c->o->kind == COMPOSE_REPLY)
		buf_printf(out, "In-Reply-To: " SPAN_FMT "\r\n", SPAN_ARG(id));
	if (!c->has[ROLE_REFERENCES])
		put_references(c, id, out);
}

static int make_message_id(struct composing *c)
{
	const char *at = strrchr(c->o->login, '@');
	char id[ID_TEXT_SIZE];

	guid_format(&c->o->id, id);
	if (!c->out->message_id.len)
		c->out->message_id = span_of(arena_printf(c->a, "<%s@%s>", id, at ? at + 1 : "localhost"));
	return c->out->message_id.p ? 0 : -POD_E_NOMEM;
}

static void put_header(const struct composing *c, bool with_bcc, struct buf *out)
{
	struct span rest = c->header;
	char date[DATE_RFC5322_SIZE];
	bool from_put = false;
	struct mime_field f;

	while (mime_field_next(&rest, &f)) {
		enum role role = role_of(f.name);

		if (!f.name.len || role == ROLE_DROPPED || role == ROLE_MIME ||
		    (role == ROLE_BCC && !with_bcc))
			continue;
		if (role != ROLE_FROM)
			buf_add(out, f.whole);
		else if (!from_put)
			buf_add(out, c->from);
		from_put = from_put || role == ROLE_FROM;
	}
	if (out->len && out->p[out->len - 1] != '\n')
		buf_add(out, SPAN_LIT("\r\n")); /* a header that was all there is */
	if (!from_put)
		buf_add(out, c->from);
	if (!c->has[ROLE_DATE])
		buf_printf(out, "Date: %s\r\n",
		           date_format_rfc5322((struct mail_date){ c->o->now_s, 0 }, date, sizeof(date)));
	if (!c->has[ROLE_MESSAGE_ID])
		buf_printf(out, "Message-ID: " SPAN_FMT "\r\n", SPAN_ARG(c->out->message_id));
	if (c->o->original.len)
		put_thread(c, out);
	if (c->content.len)
		buf_add_str(out, "MIME-Version: 1.0\r\n");
	buf_add(out, c->content);
	buf_add(out, SPAN_LIT("\r\n"));
}

static void put_all(struct composing *c, const struct joined *j)
{
	struct composed *out = c->out;

	c->content = buf_span(&j->fields);
	put_header(c, false, &out->wire_header);
	put_header(c, true, &out->sent);
	out->sent_header_len = out->sent.len;
	buf_add(&out->sent, buf_span(&j->body));
}

/* ---- all of it ---- */

static int join(struct composing *c, struct joined *j)
{
	if (c->o->original.len && !c->o->replace)
		return join_with_original(c->a, c->o, c->mime, j);
	message_put_content_fields(&j->fields, c->header, (const char *const[]){ "Content-Length", NULL });
	buf_add(&j->body, span_skip(c->mime, c->header.len));
	return j->fields.failed || j->body.failed ? -POD_E_NOMEM : 0;
}

static int compose_lines(struct composing *c)
{
	struct joined j = { 0 };
	int r = 0;

	c->header = mime_header_of(c->mime);
	if (c->o->original.len)
		r = message_parts_of(c->a, c->o->original, false, &c->original);
	if (r == 0)
		r = read_header(c);
	if (r == 0 && !c->out->n_rcpts)
		r = -POD_E_NOTFOUND;
	if (r == 0)
		r = make_message_id(c);
	if (r == 0)
		r = join(c, &j);
	if (r == 0)
		put_all(c, &j);
	joined_done(&j);
	return r == 0 && (c->out->sent.failed || c->out->wire_header.failed) ? -POD_E_NOMEM : r;
}

int compose(struct arena *a, const struct compose_order *o, struct composed *ret)
{
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct composed out = { 0 };
	struct composing c = { .a = a, .o = o, .out = &out };
	int r;

	encode_lines(&lines, o->mime);
	c.mime = buf_span(&lines);
	r = lines.failed ? -POD_E_NOMEM : compose_lines(&c);
	if (r == 0)
		*ret = out;
	else
		composed_done(&out);
	return r;
}

void composed_done(struct composed *c)
{
	buf_done(&c->sent);
	buf_done(&c->wire_header);
}

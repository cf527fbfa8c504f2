/*
 * The header of a submitted message (RFC 6409 section 8): it waits until it is complete, loses what must not travel,
 * gets what it lacks, and names nobody as its author for whom the user may not speak.
 */
#include "base/cleanup.h"
#include "mime/header.h"
#include "mta/smtp/internal.h"

#define ADDRESSES_ARENA (4u << 20)

enum role { ROLE_NONE, ROLE_FROM, ROLE_SENDER, ROLE_DROPPED };

static enum role role_of(struct span name)
{
	static const struct {
		const char *name;
		enum role role;
	} fields[] = {
		{ "From",        ROLE_FROM },
		{ "Sender",      ROLE_SENDER },
		{ "Bcc",         ROLE_DROPPED }, /* RFC 5322 3.6.3: whom it names is not told */
		{ "Resent-Bcc",  ROLE_DROPPED },
		{ "Return-Path", ROLE_DROPPED }, /* RFC 5321 4.4: made at delivery, of the envelope */
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (span_eq_nocase(name, span_of(fields[i].name)))
			return fields[i].role;
	return ROLE_NONE;
}

bool smtp_tidies(const struct smtp_session *s)
{
	return s->set->service == SMTP_SERVICE_SUBMISSION;
}

int smtp_tidy_take(struct smtp_session *s, struct span run)
{
	s->header.limit = s->set->header_max;
	buf_add(&s->header, run);
	if (!s->header.failed)
		return 0;
	return s->header.len + run.len > s->set->header_max ? -POD_E_LIMIT : -POD_E_NOMEM;
}

/* ---- who wrote it ---- */

struct authors {
	struct smtp_session *s;
	struct arena *a;
	unsigned int fields, mailboxes;
	bool sender_kept;
	struct smtp_status *status;
};

static int refuse(struct authors *w, const char *enhanced, const char *text)
{
	*w->status = (struct smtp_status){ 550, enhanced, text };
	return -POD_E_DENIED;
}

/* Whether the user may call themselves that. */
static int check_one(struct authors *w, const struct address_entry *e)
{
	const struct address address = { e->local, e->domain };
	struct span key = address_key(w->a, &address);

	if (!e->local.len || !e->domain.len)
		return -POD_E_DENIED;
	if (!key.p)
		return -POD_E_NOMEM;
	return w->s->host->author_check ? w->s->host->author_check(w->s->host_arg, key) : 0;
}

/* All mailboxes of a field, of which there is one at least. */
static int check_all(struct authors *w, struct span value, unsigned int *ret_mailboxes)
{
	struct address_list list;
	int r = address_list_parse(w->a, value, &list);

	*ret_mailboxes = 0;
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		if (list.entries[i].kind != ADDRESS_MAILBOX)
			continue;
		r = check_one(w, &list.entries[i]);
		++*ret_mailboxes;
	}
	return r == 0 && !*ret_mailboxes ? -POD_E_DENIED : r;
}

static int take_from(struct authors *w, struct span value)
{
	int r = check_all(w, value, &w->mailboxes);

	if (++w->fields > 1)
		return refuse(w, "5.6.0", "Message has several From fields (RFC 5322 3.6)");
	if (r == -POD_E_DENIED)
		return refuse(w, "5.7.1", "You may not send as the address in the From field");
	return r;
}

/* A Sender who it is not is put right instead of believed (RFC 6409 8.1). */
static int take_sender(struct authors *w, struct span value)
{
	unsigned int mailboxes;
	int r = check_all(w, value, &mailboxes);

	if (r == 0 && mailboxes == 1 && !w->sender_kept)
		w->sender_kept = true;
	else if (r == 0)
		r = -POD_E_DENIED;
	return r;
}

/* ---- the header again ---- */

/* 0: it stays; -POD_E_END: it goes. */
static int judge(struct authors *w, const struct mime_field *f)
{
	int r;

	switch (role_of(f->name)) {
	case ROLE_FROM: return take_from(w, f->value);
	case ROLE_SENDER: r = take_sender(w, f->value); return r == -POD_E_DENIED ? -POD_E_END : r;
	case ROLE_DROPPED: return -POD_E_END;
	case ROLE_NONE: break;
	}
	return 0;
}

/* RFC 5322 3.6.2: a From there must be, and a Sender where it names several. */
static void add_missing(const struct authors *w, struct buf *out)
{
	const char *user = w->s->user;

	if (*user && w->fields == 0)
		buf_printf(out, "From: <%s>\r\n", user);
	if (*user && w->mailboxes > 1 && !w->sender_kept)
		buf_printf(out, "Sender: <%s>\r\n", user);
	buf_add(out, smtp_missing_fields(w->s));
}

int smtp_tidy_end(struct smtp_session *s, struct smtp_status *ret_refusal)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ADDRESSES_ARENA);
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct authors w = { .s = s, .a = a, .status = ret_refusal };
	struct span rest = buf_span(&s->header);
	struct mime_field f;
	int r = a ? 0 : -POD_E_NOMEM;

	while (r == 0 && mime_field_next(&rest, &f)) {
		r = judge(&w, &f);
		if (r == 0)
			buf_add(&out, f.whole);
		else if (r == -POD_E_END)
			r = 0;
	}
	if (r == 0)
		add_missing(&w, &out);
	if (r == 0 && out.failed)
		r = -POD_E_NOMEM;
	buf_done(&s->header);
	return r < 0 || !out.len ? r : s->host->body_add(s->host_arg, buf_span(&out));
}

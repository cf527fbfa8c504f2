#include "imapd/imap/session.h"

#include <stdarg.h>
#include <stdio.h>

#define REPLY_MAX 1024

static void __attribute__((format(printf, 3, 0)))
append_line(struct imap_session *s, const char *start, const char *fmt, va_list ap)
{
	struct evbuffer *out = imap_output(s);

	(void) evbuffer_add(out, start, strlen(start));
	(void) evbuffer_add_vprintf(out, fmt, ap);
	(void) evbuffer_add(out, "\r\n", 2);
}

void imap_untagged(struct imap_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append_line(s, "* ", fmt, ap);
	va_end(ap);
}

void imap_continue(struct imap_session *s, const char *text)
{
	(void) evbuffer_add_printf(imap_output(s), "+ %s\r\n", text);
}

void imap_reply_finish(struct imap_session *s)
{
	struct evbuffer *out = imap_output(s);

	(void) evbuffer_add(out, s->tag, strlen(s->tag));
	(void) evbuffer_add(out, " ", 1);
	(void) evbuffer_add(out, s->reply.p, s->reply.len);
	(void) evbuffer_add(out, "\r\n", 2);
	s->command = NULL;
	s->uid = false;
	s->data = NULL;
	s->on_line = NULL;
	s->on_writable = NULL;
	s->on_abort = NULL;
	s->reply = SPAN_NONE;
	s->mode = IMAP_TAKES_COMMANDS;
	arena_reset(s->a);
	imap_input_reset(&s->input, false);
}

static bool may_sync(const struct imap_session *s)
{
	unsigned int flags = s->command ? s->command->flags : 0;

	if (s->state != IMAP_SELECTED)
		return false;
	if (flags & IMAP_CMD_ASKS)
		return true;
	return ((flags & IMAP_CMD_SYNC) || ((flags & IMAP_CMD_SYNC_IF_UID) && s->uid)) && imap_sync_needed(s);
}

static void end(struct imap_session *s, const char *whole)
{
	s->reply = whole ? span_of(whole) : SPAN_LIT("NO [LIMIT] Out of memory");
	s->mode = IMAP_BUSY;
	if (s->selected && s->selected->syncing)
		return; /* IDLE is being told changes: imap_reply_finish comes when that is over */
	if (may_sync(s))
		imap_sync(s, imap_reply_finish);
	else
		imap_reply_finish(s);
}

static void __attribute__((format(printf, 3, 0)))
reply(struct imap_session *s, const char *condition, const char *fmt, va_list ap)
{
	char text[REPLY_MAX];

	(void) vsnprintf(text, sizeof(text), fmt, ap);
	end(s, arena_printf(s->a, "%s %s", condition, text));
}

void imap_reply_ok_code(struct imap_session *s, const char *code, const char *text)
{
	end(s, arena_printf(s->a, "OK %s%s", code, text));
}

void imap_reply_ok(struct imap_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reply(s, "OK", fmt, ap);
	va_end(ap);
}

void imap_reply_no(struct imap_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	reply(s, "NO", fmt, ap);
	va_end(ap);
}

void imap_reply_bad(struct imap_session *s, const char *fmt, ...)
{
	va_list ap;

	s->bad_commands++;
	va_start(ap, fmt);
	reply(s, "BAD", fmt, ap);
	va_end(ap);
}

void imap_reply_parse(struct imap_session *s, const struct imap_parser *p, int r)
{
	if (r == -POD_E_SYNTAX)
		imap_reply_bad(s, "%s", p->error ? p->error : "Syntax error");
	else
		imap_reply_error(s, r);
}

void imap_reply_error(struct imap_session *s, int code)
{
	imap_reply_no(s, "%s", imap_status_of(code).text);
}

void imap_reply_store(struct imap_session *s, const struct store_reply *store)
{
	if (store->code == -POD_E_INTERNAL || store->code == -POD_E_IO || store->code == -POD_E_CORRUPT)
		log_event(s->log, LOGL_ERROR, "store.failed",
		          F_STR("command", s->command ? s->command->name : ""), F_CODE(store->code),
		          F_STR("text", store->text));
	imap_reply_error(s, store->code);
}

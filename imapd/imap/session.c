#include "imapd/imap/session.h"

#include <stdlib.h>

#include "imapd/imap/commands.h"
#include "imapd/imap/seqset.h"

#define PREAUTH_LINE_MAX 16384u      /* a SASL message may be 12 KiB long in base64 (RFC 4954 4.5) */
#define BAD_COMMANDS_MAX 20          /* before authentication, then we hang up */
#define SWALLOW_MAX      (16u << 20) /* of a refused literal; beyond, the connection is closed (RFC 7888 4) */

struct imap_session *imap_session_create(const struct imap_options *o)
{
	struct imap_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->a = arena_create(IMAP_ARENA_LIMIT);
	if (!s->a) {
		free(s);
		return NULL;
	}
	s->settings = o->settings;
	s->ops = o->ops;
	s->host = o->host;
	s->log = o->log;
	s->state = IMAP_NOT_AUTHENTICATED;
	s->tls = o->tls;
	s->can_start_tls = o->can_start_tls && !o->tls;
	s->cleartext_auth = o->cleartext_auth;
	imap_untagged(s, "OK [CAPABILITY %s] podmail ready", imap_capabilities(s));
	return s;
}

/* What the command under way holds beside its arena. */
static void abort_command(struct imap_session *s)
{
	if (s->on_abort)
		s->on_abort(s);
	s->on_abort = NULL;
}

struct imap_session *imap_session_free(struct imap_session *s)
{
	if (!s)
		return NULL;
	abort_command(s);
	imap_unselect(s);
	imap_input_reset(&s->input, true);
	arena_free(s->a);
	free(s);
	return NULL;
}

void imap_close(struct imap_session *s)
{
	if (s->state == IMAP_CLOSING)
		return;
	abort_command(s);
	imap_unselect(s);
	s->state = IMAP_CLOSING;
	s->mode = IMAP_BUSY;
	s->ops->close(s->host);
}

void imap_session_bye(struct imap_session *s, const char *text)
{
	if (s->state == IMAP_CLOSING)
		return;
	imap_untagged(s, "BYE %s", text);
	imap_close(s);
}

/* The tag of a command that is not run, as well as it can be seen. */
static void take_tag_of_refused(struct imap_session *s)
{
	struct imap_parser p = IMAP_PARSER(imap_input_command(&s->input), s->a);
	struct span tag;

	(void) strcpy(s->tag, "*");
	if (imap_parse_tag(&p, &tag) == 0 && tag.len <= IMAP_TAG_MAX && imap_peek(&p) == ' ') {
		memcpy(s->tag, tag.p, tag.len);
		s->tag[tag.len] = '\0';
	}
}

/* In the middle of a command (an AUTHENTICATE's or IDLE's line, the end of an APPEND) that one ends. */
static void reply_refused(struct imap_session *s)
{
	bool in_command = s->mode != IMAP_TAKES_COMMANDS;

	if (in_command)
		abort_command(s);
	else
		take_tag_of_refused(s);
	switch (s->input.refused) {
	case INPUT_TOO_LONG: imap_reply_bad(s, "Command is too long"); break;
	case INPUT_BARE_LF: imap_reply_bad(s, "Lines end in CRLF"); break;
	case INPUT_LITERAL_TOO_LONG:
		if (in_command)
			imap_reply_bad(s, "Unexpected literal");
		else
			imap_reply_no(s, "[TOOBIG] Literal is too large");
		break;
	case INPUT_NOT_REFUSED: imap_reply_bad(s, "Command is not valid"); break;
	}
}

static size_t line_limit(const struct imap_session *s)
{
	return s->state == IMAP_NOT_AUTHENTICATED && s->settings->max_line > PREAUTH_LINE_MAX
	               ? PREAUTH_LINE_MAX
	               : s->settings->max_line;
}

/*
 * A line ends in a literal. Where it is an APPEND's message, that command takes over; others are gathered
 * while the command stays below its limit.
 */
static void on_literal(struct imap_session *s)
{
	struct imap_input *in = &s->input;

	if (s->mode == IMAP_TAKES_COMMANDS && s->state != IMAP_NOT_AUTHENTICATED && imap_append_begin(s))
		return;
	if (s->mode == IMAP_TAKES_COMMANDS && in->cmd.len + in->literal <= line_limit(s)) {
		if (in->literal_sync)
			imap_continue(s, "OK");
		imap_input_accept_literal(in);
		return;
	}
	if (!in->literal_sync && in->literal > SWALLOW_MAX) {
		imap_session_bye(s, "[TOOBIG] Literal is too large");
		return;
	}
	imap_input_refuse_literal(in, INPUT_LITERAL_TOO_LONG);
	if (in->literal_sync)
		reply_refused(s);
}

static void on_line(struct imap_session *s)
{
	struct span line = imap_input_command(&s->input);

	if (s->mode == IMAP_TAKES_COMMAND_END) {
		s->mode = IMAP_BUSY;
		imap_append_end(s, span_skip(line, s->input.line_start));
	} else if (s->mode == IMAP_TAKES_LINE) {
		struct span copy = arena_dup(s->a, line);

		imap_input_reset(&s->input, false);
		s->mode = IMAP_BUSY;
		s->on_line(s, copy);
	} else if (line.len > 0) { /* an empty line is no command and no offence */
		imap_command_run(s);
	} else {
		imap_input_reset(&s->input, false);
	}
}

/* False where nothing can be done now. */
static bool step(struct imap_session *s, struct evbuffer *in)
{
	if (s->mode == IMAP_BUSY || s->ops->output_is_full(s->host))
		return false;
	if (s->mode == IMAP_TAKES_LITERAL)
		return imap_append_take(s, in);
	switch (imap_input_step(&s->input, in, line_limit(s))) {
	case INPUT_MORE: return false;
	case INPUT_LINE: on_line(s); return true;
	case INPUT_WANTS_LITERAL: on_literal(s); return true;
	case INPUT_REFUSED: reply_refused(s); return true;
	case INPUT_NOMEM: imap_session_bye(s, "[UNAVAILABLE] Out of memory"); return false;
	}
	return false;
}

static bool is_patient(const struct imap_session *s)
{
	return s->state != IMAP_NOT_AUTHENTICATED || s->bad_commands < BAD_COMMANDS_MAX;
}

void imap_session_run(struct imap_session *s, struct evbuffer *in)
{
	while (s->state != IMAP_CLOSING && step(s, in))
		if (!is_patient(s))
			imap_session_bye(s, "Too many invalid commands");
	if (s->state == IMAP_CLOSING)
		(void) evbuffer_drain(in, evbuffer_get_length(in));
	else if (imap_session_is_idle(s))
		arena_release(s->a);
}

bool imap_session_wants_input(const struct imap_session *s)
{
	return s->mode != IMAP_BUSY && !s->ops->output_is_full(s->host);
}

bool imap_session_is_idle(const struct imap_session *s)
{
	bool waits = s->mode == IMAP_TAKES_COMMANDS || (s->mode == IMAP_TAKES_LINE && !s->data);

	return waits && s->input.cmd.len == 0 && !(s->selected && s->selected->syncing);
}

bool imap_session_is_authenticated(const struct imap_session *s)
{
	return s->state == IMAP_AUTHENTICATED || s->state == IMAP_SELECTED;
}

void imap_session_on_writable(struct imap_session *s)
{
	if (s->on_writable)
		s->on_writable(s);
}

void imap_session_on_store_back(struct imap_session *s)
{
	if (!s->selected)
		return;
	imap_watch(s);
	imap_idle_on_changed(s);
}

struct imap_call *imap_call(struct imap_session *s, enum store_method method, ProtobufCMessage *request,
                            struct span blob, int fd, store_reply_fn *fn, void *arg)
{
	return s->ops->call(s->host, method, request, blob, fd, fn, arg);
}

bool imap_ask(struct imap_session *s, enum store_method method, ProtobufCMessage *request, store_reply_fn *fn)
{
	if (imap_call(s, method, request, SPAN_NONE, -1, fn, s))
		return true;
	imap_reply_error(s, -POD_E_NOMEM);
	return false;
}

Podstore__UidRange **imap_uid_ranges(struct arena *a, const struct imap_ranges *ranges)
{
	Podstore__UidRange **pointers = arena_array(a, ranges->n + 1, sizeof(*pointers));
	Podstore__UidRange *items = arena_array(a, ranges->n + 1, sizeof(*items));

	if (!pointers || !items)
		return NULL;
	for (size_t i = 0; i < ranges->n; i++) {
		podstore__uid_range__init(&items[i]);
		items[i].first = ranges->r[i].first;
		items[i].last = ranges->r[i].last;
		pointers[i] = &items[i];
	}
	return pointers;
}

char *imap_str(struct imap_session *s, struct span text)
{
	static char none[1];
	char *copy = arena_str(s->a, text);

	return copy ? copy : none;
}

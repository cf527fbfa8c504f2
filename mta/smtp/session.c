#include "mta/smtp/smtp.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "mta/smtp/internal.h"

/* A message's envelope: recipients_max addresses, and what groups expand to. */
#define MAIL_ARENA_MAX (16u << 20)
#define SCRATCH_ARENA_MAX (64u << 10)
#define DELAY_STEP_MS 500
#define DELAY_MAX_MS 5000

struct smtp_session *smtp_session_create(const struct smtp_settings *settings, const struct smtp_peer *peer,
                                         const struct smtp_host *host, void *host_arg, struct buf *out)
{
	struct smtp_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->set = settings;
	s->peer = *peer;
	s->host = host;
	s->host_arg = host_arg;
	s->out = out;
	s->arena = arena_create(MAIL_ARENA_MAX);
	s->scratch = arena_create(SCRATCH_ARENA_MAX);
	if (!s->arena || !s->scratch)
		return smtp_session_free(s);
	return s;
}

static bool mail_is_open(const struct smtp_session *s)
{
	return s->state >= SMTP_STATE_MAIL;
}

struct smtp_session *smtp_session_free(struct smtp_session *s)
{
	if (!s)
		return NULL;
	if (s->auth == AUTH_STEPS)
		s->host->auth_cancel(s->host_arg);
	if (mail_is_open(s))
		s->host->mail_end(s->host_arg, &s->mail);
	buf_done(&s->header);
	arena_free(s->arena);
	arena_free(s->scratch);
	free(s);
	return NULL;
}

void smtp_mail_reset(struct smtp_session *s)
{
	if (mail_is_open(s)) {
		s->host->mail_end(s->host_arg, &s->mail);
		s->state = SMTP_STATE_READY;
	}
	s->mail = (struct smtp_mail){ 0 };
	buf_done(&s->header);
	s->chunk_ends_mail = false;
	s->burl_waits = false;
	s->rcpt = NULL;
	s->input = INPUT_LINES;
	arena_reset(s->arena);
}

void smtp_session_set_peer_name(struct smtp_session *s, const char *name)
{
	s->peer.name = name;
}

/* A peer that keeps erring waits for its replies, a little longer each time; one that goes on is shown out. */
static void count_error(struct smtp_session *s)
{
	s->errors++;
	if (s->errors > s->set->errors_slow && !smtp_is_lmtp(s)) {
		unsigned int ms = (s->errors - s->set->errors_slow) * DELAY_STEP_MS;

		s->delay_ms = ms < DELAY_MAX_MS ? ms : DELAY_MAX_MS;
	}
}

static void close_after_errors(struct smtp_session *s)
{
	if (s->errors > s->set->errors_max && !s->closing && !s->waiting && !smtp_is_lmtp(s))
		smtp_session_abort(s, "4.7.0", "Too many errors");
}

void smtp_reply(struct smtp_session *s, int code, const char *enhanced, const char *fmt, ...)
{
	va_list ap;

	if (code >= 400)
		count_error(s);
	buf_printf(s->out, *enhanced ? "%d %s " : "%d ", code, enhanced);
	va_start(ap, fmt);
	buf_vprintf(s->out, fmt, ap);
	va_end(ap);
	buf_add(s->out, SPAN_LIT("\r\n"));
}

/* RFC 2034 section 4: the enhanced code stands in every line. */
void smtp_reply_status(struct smtp_session *s, const struct smtp_status *status)
{
	struct span rest, line = span_split(span_of(status->text), '\n', &rest);

	for (; rest.p; line = span_split(rest, '\n', &rest))
		buf_printf(s->out, *status->enhanced ? "%d-%s " SPAN_FMT "\r\n" : "%d-%s" SPAN_FMT "\r\n",
		           status->code, status->enhanced, SPAN_ARG(line));
	smtp_reply(s, status->code, status->enhanced, SPAN_FMT, SPAN_ARG(line));
}

void smtp_session_greet(struct smtp_session *s)
{
	smtp_filter_ask(s, SMTP_STAGE_CONNECT, SPAN_NONE, SPAN_NONE);
}

/* RFC 5321 3.1: a server may refuse with its greeting, and waits for QUIT; 421 is the only "not now" there
 * is. */
void smtp_connect_filtered(struct smtp_session *s, const struct smtp_status *refusal)
{
	struct smtp_status later;

	if (!refusal) {
		smtp_reply(s, 220, "", "%s %s podmail", s->set->hostname, smtp_is_lmtp(s) ? "LMTP" : "ESMTP");
		return;
	}
	later = *refusal;
	if (refusal->code < 500)
		later.code = 421;
	smtp_reply_status(s, &later);
	s->refused = true;
	s->closing = later.code == 421;
}

void smtp_unknown_filtered(struct smtp_session *s, const struct smtp_status *refusal)
{
	static const struct smtp_status unknown = { 500, "5.5.1", "Command not recognised" };

	smtp_reply_status(s, refusal ? refusal : &unknown);
}

enum smtp_want smtp_session_wants(const struct smtp_session *s)
{
	if (s->waiting)
		return SMTP_WANT_ANSWER;
	if (s->closing)
		return SMTP_WANT_CLOSE;
	if (s->starting_tls)
		return SMTP_WANT_TLS;
	return s->input == INPUT_DATA || s->input == INPUT_BDAT ? SMTP_WANT_DATA : SMTP_WANT_LINE;
}

/* RFC 5321 4.1.1: verb, then the argument after one space. Everything that no handler has to check itself. */
static void run_command(struct smtp_session *s, struct span line)
{
	struct span argument, verb = span_split(line, ' ', &argument);
	const struct smtp_command *c = smtp_command_find(verb);
	unsigned int not_here = smtp_is_lmtp(s) ? CMD_SMTP_ONLY : CMD_LMTP_ONLY;

	if (s->refused && !span_eq_nocase(verb, SPAN_LIT("QUIT")))
		smtp_reply(s, 503, "5.5.1", "This connection was refused");
	else if (!c || (c->flags & not_here))
		smtp_filter_ask(s, SMTP_STAGE_UNKNOWN, line, SPAN_NONE);
	else if (line.len + 2 > c->line_max)
		smtp_reply(s, 500, "5.5.2", "Line too long");
	else if ((c->flags & CMD_NO_ARGUMENT) && span_trim(argument).len)
		smtp_reply(s, 501, "5.5.4", "%s takes no argument", c->verb);
	else if ((c->flags & CMD_NEEDS_AUTH) && s->set->service == SMTP_SERVICE_SUBMISSION &&
	         !s->set->trusts_login && !*s->user)
		smtp_reply(s, 530, "5.7.0", "Authentication required");
	else if (!(c->legal_in & (1u << s->state)))
		smtp_reply(s, 503, "5.5.1", s->state == SMTP_STATE_NEW ? "Say %s first" : "%s is out of order here",
		           s->state == SMTP_STATE_NEW ? (smtp_is_lmtp(s) ? "LHLO" : "EHLO") : c->verb);
	else
		c->run(s, span_trim(argument));
}

void smtp_session_line(struct smtp_session *s, struct span line)
{
	arena_reset(s->scratch);
	if (s->input == INPUT_AUTH)
		smtp_auth_line(s, line);
	else
		run_command(s, line);
	close_after_errors(s);
}

void smtp_session_line_bad(struct smtp_session *s, int r)
{
	if (s->input == INPUT_AUTH)
		/* RFC 4954 section 4: the exchange is over. */
		smtp_auth_line(s, SPAN_LIT("*"));
	else if (r == -POD_E_LIMIT)
		smtp_reply(s, 500, "5.5.2", "Line too long");
	else
		smtp_reply(s, 500, "5.5.2", "Lines end in CRLF");
	close_after_errors(s);
}

size_t smtp_session_data(struct smtp_session *s, struct span bytes)
{
	size_t taken = s->input == INPUT_DATA ? smtp_body_data(s, bytes) : smtp_body_chunk(s, bytes);

	close_after_errors(s);
	return taken;
}

void smtp_session_set_time(struct smtp_session *s, int64_t now_s)
{
	s->now_s = now_s;
}

void smtp_session_tls_done(struct smtp_session *s, const char *described)
{
	/* RFC 3207 4.2: what was said in clear is forgotten. */
	s->starting_tls = false;
	smtp_mail_reset(s);
	s->state = SMTP_STATE_NEW;
	s->esmtp = false;
	s->helo[0] = '\0';
	(void) snprintf(s->tls, sizeof(s->tls), "%s", described);
}

void smtp_session_abort(struct smtp_session *s, const char *enhanced, const char *why)
{
	buf_printf(s->out, "421 %s %s %s, closing\r\n", enhanced, s->set->hostname, why);
	s->closing = true;
}

unsigned int smtp_session_take_delay(struct smtp_session *s)
{
	unsigned int ms = s->delay_ms;

	s->delay_ms = 0;
	return ms;
}

bool smtp_session_is_idle(const struct smtp_session *s)
{
	return !mail_is_open(s) && !s->waiting && s->auth == AUTH_NONE;
}

void smtp_session_shrink(struct smtp_session *s)
{
	arena_release(s->arena);
	arena_release(s->scratch);
}

const char *smtp_session_user(const struct smtp_session *s)
{
	return s->user;
}

const char *smtp_session_helo(const struct smtp_session *s)
{
	return s->helo;
}

const char *smtp_session_auth_type(const struct smtp_session *s)
{
	if (!*s->user)
		return "";
	return s->set->trusts_login ? "EXTERNAL" : sasl_mechanisms[s->mechanism].name;
}

bool smtp_session_is_tls(const struct smtp_session *s)
{
	return *s->tls != '\0';
}

#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"

#define FAILED_LOGINS_MAX 3 /* then we hang up */

static bool allowed(struct imap_session *s, enum sasl_mechanism m)
{
	if ((sasl_mechanisms[m].flags & SASL_CLEARTEXT) && !s->tls && !s->cleartext_auth) {
		imap_reply_no(s, "[PRIVACYREQUIRED] Passwords are taken under TLS only");
		return false;
	}
	if ((sasl_mechanisms[m].flags & SASL_CHANNEL_BINDING) && !s->tls) {
		imap_reply_no(s, "[CANNOT] Channel binding needs TLS");
		return false;
	}
	return true;
}

/* A line of the exchange: base64, or "*" to give it up (RFC 3501 6.2.2). */
static int decode_line(struct imap_session *s, struct span line, struct span *ret_message)
{
	if (span_eq(line, SPAN_LIT("*"))) {
		s->ops->auth_cancel(s->host);
		imap_reply_bad(s, "Authentication cancelled");
		return -POD_E_CANCELLED;
	}
	if (base64_decode(s->a, line, ret_message) < 0) {
		s->ops->auth_cancel(s->host);
		imap_reply_bad(s, "Invalid base64");
		return -POD_E_SYNTAX;
	}
	return 0;
}

static void on_first_line(struct imap_session *s, struct span line)
{
	enum sasl_mechanism *m = s->data;
	struct span message;

	if (decode_line(s, line, &message) == 0)
		s->ops->auth_start(s->host, *m, message);
}

static void on_response_line(struct imap_session *s, struct span line)
{
	struct span message;

	if (decode_line(s, line, &message) == 0)
		s->ops->auth_step(s->host, message);
}

static void await_line(struct imap_session *s, struct span challenge,
                       void (*then)(struct imap_session *, struct span))
{
	struct span text = base64_encode(s->a, challenge);

	(void) evbuffer_add_printf(imap_output(s), "+ " SPAN_FMT "\r\n", SPAN_ARG(text));
	imap_input_reset(&s->input, false);
	s->on_line = then;
	s->mode = IMAP_TAKES_LINE;
}

static void abort_auth(struct imap_session *s)
{
	s->ops->auth_cancel(s->host);
}

/* SASL-IR (RFC 4959): "=" is an empty first message. */
static void start(struct imap_session *s, enum sasl_mechanism m, bool has_initial, struct span initial)
{
	enum sasl_mechanism *kept = arena_new(s->a, enum sasl_mechanism);
	struct span message = SPAN_LIT("");

	if (!kept) {
		imap_reply_error(s, -POD_E_NOMEM);
		return;
	}
	*kept = m;
	s->data = kept;
	s->on_abort = abort_auth;
	if (!has_initial && (sasl_mechanisms[m].flags & SASL_SERVER_FIRST))
		/* LOGIN prompts for the name; it is needed here to find the user's store. */
		await_line(s, SPAN_LIT("Username:"), on_first_line);
	else if (!has_initial)
		await_line(s, SPAN_LIT(""), on_first_line);
	else if (span_eq(initial, SPAN_LIT("=")) || decode_line(s, initial, &message) == 0)
		s->ops->auth_start(s->host, m, message);
}

/* authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")] */
void imap_cmd_authenticate(struct imap_session *s, struct imap_parser *p)
{
	struct span name, initial = SPAN_NONE;
	enum sasl_mechanism m;
	bool has_initial;
	int r = imap_parse_space(p);

	if (r == 0)
		r = imap_parse_atom(p, &name);
	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	has_initial = imap_take_byte(p, ' ');
	if (has_initial)
		initial = p->in;
	else if (imap_parse_end(p) < 0) {
		imap_reply_parse(s, p, -POD_E_SYNTAX);
		return;
	}
	if (sasl_mechanism_parse(name, &m) < 0)
		imap_reply_no(s, "[CANNOT] Mechanism is not supported");
	else if (allowed(s, m))
		start(s, m, has_initial, initial);
}

/* LOGIN is PLAIN by another name (RFC 4616: [authzid] NUL authcid NUL passwd). */
void imap_cmd_login(struct imap_session *s, struct imap_parser *p)
{
	struct span user, password;
	uint8_t *message;
	int r = imap_parse_space(p);

	if (r == 0)
		r = imap_parse_astring(p, &user);
	if (r == 0)
		r = imap_parse_space(p);
	if (r == 0)
		r = imap_parse_astring(p, &password);
	if (r == 0)
		r = imap_parse_end(p);
	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	if (!allowed(s, SASL_PLAIN))
		return;
	message = arena_alloc(s->a, user.len + password.len + 2);
	if (!message) {
		imap_reply_error(s, -POD_E_NOMEM);
		return;
	}
	memcpy(message + 1, user.p, user.len);
	memcpy(message + user.len + 2, password.p, password.len);
	s->ops->auth_start(s->host, SASL_PLAIN, span_make(message, user.len + password.len + 2));
}

static void on_refused(struct imap_session *s, int code)
{
	s->failed_logins++;
	if (code == -POD_E_SYNTAX)
		imap_reply_bad(s, "Malformed authentication message");
	else if (code == -POD_E_LIMIT)
		imap_reply_no(s, "[LIMIT] Too many connections of this user");
	else if (code == -POD_E_UNAVAILABLE || code == -POD_E_TIMEOUT || code == -POD_E_STALE)
		imap_reply_no(s, "[UNAVAILABLE] Mail store is not available, try again later");
	else if (code == -POD_E_CANCELLED) /* put off, because of failures before; RFC 5530 */
		imap_reply_no(s, "[UNAVAILABLE] Too many failed logins, try again later");
	else if (code == -POD_E_DENIED)
		imap_reply_no(s, "[AUTHORIZATIONFAILED] Authorization failed");
	else
		imap_reply_no(s, "[AUTHENTICATIONFAILED] Authentication failed");
	if (s->failed_logins >= FAILED_LOGINS_MAX)
		imap_session_bye(s, "Too many failed logins");
}

static void on_success(struct imap_session *s)
{
	s->state = IMAP_AUTHENTICATED;
	s->bad_commands = 0;
	imap_reply_ok(s, "[CAPABILITY %s] Logged in", imap_capabilities(s));
}

/* The server's last message in an exchange needs an (empty) answer before the OK (RFC 4422 5, SCRAM's v=). */
static void on_last_line(struct imap_session *s, struct span line)
{
	if (line.len > 0) {
		s->ops->auth_cancel(s->host);
		imap_reply_bad(s, "Unexpected authentication message");
		return;
	}
	on_success(s);
}

void imap_session_on_auth(struct imap_session *s, int code, bool has_challenge, struct span challenge)
{
	if (s->state != IMAP_NOT_AUTHENTICATED || s->mode != IMAP_BUSY)
		return;
	if (code == -POD_E_BUSY)
		await_line(s, challenge, on_response_line);
	else if (code < 0)
		on_refused(s, code);
	else if (has_challenge)
		await_line(s, challenge, on_last_line);
	else
		on_success(s);
}

/* AUTH (RFC 4954). The exchange itself is between the client and the user's volume: this relays it. */
#include "mta/smtp/internal.h"

#include <stdio.h>

static void auth_over(struct smtp_session *s)
{
	s->auth = AUTH_NONE;
	s->input = INPUT_LINES;
	s->waiting = false;
}

static void ask(struct smtp_session *s, struct span challenge)
{
	struct span text = base64_encode(s->scratch, challenge);

	buf_add(s->out, SPAN_LIT("334 "));
	buf_add(s->out, text);
	buf_add(s->out, SPAN_LIT("\r\n"));
	s->input = INPUT_AUTH;
}

static void refuse_malformed(struct smtp_session *s)
{
	if (s->auth == AUTH_STEPS)
		s->host->auth_cancel(s->host_arg);
	auth_over(s);
	smtp_reply(s, 501, "5.5.2", "Malformed authentication message");
}

/* The client's first message names the user, who decides where the exchange goes on. */
static void first_message(struct smtp_session *s, struct span message)
{
	struct span user, binding;
	int r = sasl_first_user(s->scratch, s->mechanism, message, &user, &binding);

	if (r == -POD_E_DENIED) {
		auth_over(s);
		smtp_reply(s, 535, "5.7.8", "Authentication failed");
		return;
	}
	if (r < 0) {
		refuse_malformed(s);
		return;
	}
	s->auth = AUTH_STEPS;
	s->waiting = true;
	s->host->auth_start(s->host_arg, s->mechanism, user, message);
}

static void take_message(struct smtp_session *s, struct span message)
{
	if (s->auth == AUTH_FIRST) {
		first_message(s, message);
		return;
	}
	s->waiting = true;
	s->host->auth_step(s->host_arg, message);
}

void smtp_auth_line(struct smtp_session *s, struct span line)
{
	struct span message = SPAN_LIT("");

	if (span_eq(line, SPAN_LIT("*"))) {
		if (s->auth == AUTH_STEPS)
			s->host->auth_cancel(s->host_arg);
		auth_over(s);
		smtp_reply(s, 501, "5.0.0", "Authentication cancelled");
		return;
	}
	if (line.len && base64_decode(s->scratch, line, &message) < 0) {
		refuse_malformed(s);
		return;
	}
	s->input = INPUT_LINES;
	take_message(s, message);
}

/* Why this mechanism cannot be used now; code 0 where it can. */
static struct smtp_status refusal(const struct smtp_session *s, unsigned int flags)
{
	if ((flags & SASL_CLEARTEXT) && !smtp_may_send_password(s))
		return (struct smtp_status){ 538, "5.7.11", "Encryption is required for this mechanism" };
	if ((flags & SASL_CHANNEL_BINDING) && !*s->tls)
		return (struct smtp_status){ 504, "5.5.4", "This mechanism needs TLS" };
	return (struct smtp_status){ 0, "", "" };
}

static void begin(struct smtp_session *s, struct span initial)
{
	struct smtp_status no = refusal(s, sasl_mechanisms[s->mechanism].flags);

	if (no.code) {
		smtp_reply_status(s, &no);
		return;
	}
	s->auth = AUTH_FIRST;
	/* RFC 4954 section 4: "=" is an initial response of no bytes. */
	if (span_eq(initial, SPAN_LIT("=")))
		take_message(s, SPAN_LIT(""));
	else if (initial.len)
		smtp_auth_line(s, initial);
	else
		ask(s, sasl_mechanisms[s->mechanism].flags & SASL_SERVER_FIRST ? SPAN_LIT("Username:") : SPAN_LIT(""));
}

/* auth-command = "AUTH" SP sasl-mech [SP initial-response] */
void cmd_auth(struct smtp_session *s, struct span argument)
{
	struct span initial, name = span_split(argument, ' ', &initial);

	if (!s->set->auth)
		smtp_reply(s, 502, "5.5.1", "AUTH is not offered");
	else if (*s->user)
		smtp_reply(s, 503, "5.5.1", "Authenticated already");
	else if (!name.len)
		smtp_reply(s, 501, "5.5.4", "Syntax: AUTH mechanism");
	else if (sasl_mechanism_parse(name, &s->mechanism) < 0)
		smtp_reply(s, 504, "5.5.4", "Mechanism not recognised");
	else
		begin(s, span_trim(initial));
}

void smtp_session_auth_challenge(struct smtp_session *s, struct span challenge)
{
	s->waiting = false;
	ask(s, challenge);
}

void smtp_session_auth_done(struct smtp_session *s, int r, const char *user)
{
	auth_over(s);
	if (r == 0) {
		(void) snprintf(s->user, sizeof(s->user), "%s", user);
		smtp_reply(s, 235, "2.7.0", "Authentication succeeded");
	} else if (r == -POD_E_AUTH || r == -POD_E_NOTFOUND || r == -POD_E_DENIED) {
		smtp_reply(s, 535, "5.7.8", "Authentication failed");
	} else if (r == -POD_E_BUSY) {
		smtp_reply(s, 454, "4.7.0", "%s", user && *user ? user : "Too many failed logins, try again later");
	} else if (r == -POD_E_SYNTAX || r == -POD_E_PROTOCOL) {
		smtp_reply(s, 501, "5.5.2", "Malformed authentication message");
	} else {
		smtp_reply(s, 454, "4.7.0", "Temporary authentication failure");
	}
}

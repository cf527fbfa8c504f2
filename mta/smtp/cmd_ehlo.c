#include "mta/smtp/internal.h"

#include <stdio.h>

/*
 * ehlo = "EHLO" SP ( Domain / address-literal ) CRLF. Real clients say all kinds of things there; anything
 * printable without a space is kept for the Received field, nothing is believed.
 */
bool smtp_take_helo(struct smtp_session *s, struct span argument)
{
	bool ok = argument.len > 0 && argument.len < sizeof(s->helo);

	for (size_t i = 0; ok && i < argument.len; i++)
		ok = argument.p[i] > ' ' && argument.p[i] != 0x7f && !strchr("()<>\"\\;", argument.p[i]);
	if (!ok) {
		smtp_reply(s, 501, "5.5.4", "A host name is needed");
		return false;
	}
	smtp_mail_reset(s);
	memcpy(s->helo, argument.p, argument.len);
	s->helo[argument.len] = '\0';
	s->state = SMTP_STATE_READY;
	return true;
}

bool smtp_may_send_password(const struct smtp_session *s)
{
	return *s->tls || s->peer.loopback || s->set->cleartext_auth;
}

static void offer_auth(struct smtp_session *s)
{
	buf_add_str(s->out, "250-AUTH");
	for (size_t i = 0; i < SASL_MECHANISMS; i++) {
		unsigned int flags = sasl_mechanisms[i].flags;

		if (((flags & SASL_CLEARTEXT) && !smtp_may_send_password(s)) || ((flags & SASL_CHANNEL_BINDING) && !*s->tls))
			continue;
		buf_printf(s->out, " %s", sasl_mechanisms[i].name);
	}
	buf_add_str(s->out, "\r\n");
}

/* RFC 9422: what holds, so that nobody has to find it out. */
static void offer_limits(struct smtp_session *s)
{
	buf_add_str(s->out, "250-LIMITS");
	if (s->set->messages_max)
		buf_printf(s->out, " MAILMAX=%u", s->set->messages_max);
	buf_printf(s->out, " RCPTMAX=%u\r\n", s->set->recipients_max);
}

void cmd_ehlo(struct smtp_session *s, struct span argument)
{
	if (!smtp_take_helo(s, argument))
		return;
	s->esmtp = true;
	smtp_filter_ask(s, SMTP_STAGE_HELO, span_of(s->helo), SPAN_NONE);
}

static void say_hello(struct smtp_session *s)
{
	if (!s->esmtp) {
		smtp_reply(s, 250, "", "%s", s->set->hostname);
		return;
	}
	buf_printf(s->out,
	           "250-%s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n",
	           s->set->hostname, (unsigned long long) s->set->message_size_max);
	smtp_terms_offer(s);
	offer_limits(s);
	if (s->set->starttls && !*s->tls)
		buf_add_str(s->out, "250-STARTTLS\r\n");
	if (s->set->auth && !*s->user)
		offer_auth(s);
	if (smtp_offers_burl(s))
		buf_add_str(s->out, "250-BURL imap\r\n");
	buf_add_str(s->out, "250-ENHANCEDSTATUSCODES\r\n250 CHUNKING\r\n");
}

/* A client that is refused here has to greet anew. */
void smtp_helo_filtered(struct smtp_session *s, const struct smtp_status *refusal)
{
	if (!refusal) {
		say_hello(s);
		return;
	}
	s->state = SMTP_STATE_NEW;
	smtp_reply_status(s, refusal);
}

/* From the greeting to the first transaction: EHLO, STARTTLS, EHLO again, AUTH. */
#include "smtp/internal.h"

void client_say_ehlo(struct smtp_client *c)
{
	buf_printf(c->out, "EHLO %s\r\n", c->settings->hostname);
	client_ask(c, CMD_EHLO, 0);
}

/* Greeting = "220 " (Domain / address-literal) [ SP textstring ]: one that greets as us is us. */
static bool greets_as_us(const struct smtp_client *c, const struct smtp_reply *reply)
{
	struct span rest, words = span_split(reply->text, '\n', &rest), name = span_split(words, ' ', &rest);

	return span_eq_nocase(name, span_of(c->settings->hostname));
}

void client_on_greeting(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply)
{
	if (reply->code / 100 != 2)
		client_fail(c, SMTP_FAULT_GREETING, reply, NULL);
	else if (greets_as_us(c, reply))
		client_fail(c, SMTP_FAULT_LOOP, NULL,
		            "the server greets with our own name: mail would come back to us");
	else
		client_say_ehlo(c);
}

static void hello_is_done(struct smtp_client *c)
{
	bool offered = (c->caps.flags & SMTP_CAP_STARTTLS) != 0;

	if (!c->secure && c->settings->tls != SMTP_CLIENT_TLS_NEVER && offered) {
		buf_add_str(c->out, "STARTTLS\r\n");
		client_ask(c, CMD_STARTTLS, 0);
	} else if (!c->secure && c->settings->tls == SMTP_CLIENT_TLS_MUST) {
		client_fail(c, SMTP_FAULT_TLS_MISSING, NULL,
		            "TLS is demanded, and the server does not offer it");
	} else if (c->settings->login) {
		client_auth_start(c);
	} else {
		c->want = SMTP_CLIENT_READY;
	}
}

void client_on_ehlo(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply)
{
	if (reply->code / 100 == 2) {
		smtp_capabilities_parse(reply->text, &c->caps);
		c->saw_starttls |= (c->caps.flags & SMTP_CAP_STARTTLS) != 0;
		c->rcpts_max = c->caps.rcpts_max;
		hello_is_done(c);
	} else if (reply->code / 100 == 5) {
		/* RFC 5321 3.2: a server of before 1993. One that refuses us refuses HELO, too. */
		buf_printf(c->out, "HELO %s\r\n", c->settings->hostname);
		client_ask(c, CMD_HELO, 0);
	} else {
		client_fail(c, SMTP_FAULT_HELLO, reply, NULL);
	}
}

void client_on_helo(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply)
{
	c->caps = (struct smtp_capabilities){ 0 };
	if (reply->code / 100 == 2)
		hello_is_done(c);
	else
		client_fail(c, SMTP_FAULT_HELLO, reply, NULL);
}

static void without_tls(struct smtp_client *c)
{
	c->caps.flags &= ~SMTP_CAP_STARTTLS;
	hello_is_done(c);
}

void client_on_starttls(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply)
{
	if (reply->code / 100 == 2)
		c->want = SMTP_CLIENT_TLS;
	else if (c->settings->tls == SMTP_CLIENT_TLS_MUST)
		client_fail(c, SMTP_FAULT_TLS_REFUSED, reply, NULL);
	else
		without_tls(c);
}

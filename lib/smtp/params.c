/* MAIL and RCPT with the parameters that the server knows. */
#include <stdio.h>

#include "base/cleanup.h"
#include "smtp/internal.h"

#define NOTIFY_NEVER 1u /* as SMTP_NOTIFY_* of mta/smtp/smtp.h */

bool smtp_client_offers(const struct smtp_client *c, unsigned int cap)
{
	return (c->caps.flags & cap) == cap;
}

/* RFC 2852 4.1.4: a deadline with "return" may only go where it is kept. */
static bool by_can_be_kept(const struct smtp_client *c, const struct smtp_client_mail *m)
{
	return m->by_mode != 'R' || (smtp_client_offers(c, SMTP_CAP_DELIVERBY) && (uint64_t) m->by_s >= c->caps.by_min_s);
}

bool client_can_carry(const struct smtp_client *c, const struct smtp_client_mail *m,
                      struct smtp_client_rcpt *ret_words)
{
	const struct {
		bool trouble;
		uint16_t code;
		const char *enhanced, *text;
	} checks[] = {
		{ c->caps.size_max && m->size > c->caps.size_max, 552, "5.3.4",
		  "the message is larger than the server takes" },
		{ m->utf8 && !smtp_client_offers(c, SMTP_CAP_SMTPUTF8), 550, "5.6.7",
		  "the message has international addresses, which the server does not know (SMTPUTF8)" },
		{ m->eight_bit && !smtp_client_offers(c, SMTP_CAP_8BITMIME), 554, "5.6.3",
		  "the message has 8-bit bytes, which the server does not take (8BITMIME)" },
		{ m->require_tls && !(c->secure && smtp_client_offers(c, SMTP_CAP_REQUIRETLS)), 550, "5.7.30",
		  "the sender demands TLS on the whole way, which the server does not promise (REQUIRETLS)" },
		{ m->by_mode == 'R' && m->by_s <= 0, 550, "5.4.7",
		  "the time that the sender set for delivery is over" },
		{ !by_can_be_kept(c, m), 550, "5.3.3",
		  "the server does not keep the deadline that the sender set (DELIVERBY)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (checks[i].trouble) {
			client_words_of_ours(ret_words, checks[i].code, checks[i].enhanced, checks[i].text);
			return false;
		}
	return true;
}

/* by-value = ["-"]1*9digit ";" by-mode [by-trace]; a passed deadline with "notify" goes on as it is. */
static void put_by(struct smtp_client *c, const struct smtp_client_mail *m)
{
	int64_t s = m->by_s;

	if (!m->by_mode || !smtp_client_offers(c, SMTP_CAP_DELIVERBY))
		return;
	if (s > 999999999)
		s = 999999999;
	if (s < -999999999)
		s = -999999999;
	buf_printf(c->out, " BY=%lld;%c%s", (long long) s, m->by_mode, m->by_trace ? "T" : "");
}

/* RFC 3461 section 4. */
static void put_xtext(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < '!' || s.p[i] > '~' || s.p[i] == '+' || s.p[i] == '=')
			buf_printf(out, "+%02X", s.p[i]);
		else
			buf_add_byte(out, s.p[i]);
}

void client_put_mail(struct smtp_client *c, const struct smtp_client_mail *m)
{
	buf_printf(c->out, "MAIL FROM:<" SPAN_FMT ">", SPAN_ARG(m->sender));
	if (smtp_client_offers(c, SMTP_CAP_SIZE))
		buf_printf(c->out, " SIZE=%llu", (unsigned long long) m->size);
	if (m->eight_bit)
		buf_add_str(c->out, " BODY=8BITMIME");
	if (m->utf8)
		buf_add_str(c->out, " SMTPUTF8");
	if (m->require_tls)
		buf_add_str(c->out, " REQUIRETLS");
	if (m->priority && smtp_client_offers(c, SMTP_CAP_MT_PRIORITY))
		buf_printf(c->out, " MT-PRIORITY=%d", m->priority);
	put_by(c, m);
	if (m->login.len) {
		buf_add_str(c->out, " AUTH=");
		put_xtext(c->out, m->login);
	}
	if (m->transid.len)
		buf_printf(c->out, " TRANSID=<" SPAN_FMT ">", SPAN_ARG(m->transid));
	if (smtp_client_offers(c, SMTP_CAP_DSN)) {
		if (m->ret != SMTP_CLIENT_RET_UNSAID)
			buf_printf(c->out, " RET=%s", m->ret == SMTP_CLIENT_RET_FULL ? "FULL" : "HDRS");
		if (m->envid.len)
			buf_printf(c->out, " ENVID=" SPAN_FMT, SPAN_ARG(m->envid));
	}
	buf_add_str(c->out, "\r\n");
}

static void put_notify(struct buf *out, unsigned int notify)
{
	static const char *const words[] = { "NEVER", "SUCCESS", "FAILURE", "DELAY" }; /* by bit */
	const char *between = " NOTIFY=";

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!(notify & 1u << i) || (i && notify & NOTIFY_NEVER))
			continue;
		buf_printf(out, "%s%s", between, words[i]);
		between = ",";
	}
}

void client_put_rcpt(struct smtp_client *c, const struct smtp_client_rcpt *r)
{
	buf_printf(c->out, "RCPT TO:<" SPAN_FMT ">", SPAN_ARG(r->address));
	if (smtp_client_offers(c, SMTP_CAP_DSN)) {
		put_notify(c->out, r->notify);
		if (r->orcpt.len)
			buf_printf(c->out, " ORCPT=" SPAN_FMT, SPAN_ARG(r->orcpt));
	}
	buf_add_str(c->out, "\r\n");
}

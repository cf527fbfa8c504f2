/* What milters are told of a session and a message: the values of their macros. */
#include <arpa/inet.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/version.h"
#include "mime/date.h"
#include "mta/conn/filter_internal.h"

static enum milter_family family_of(const struct net_addr *a)
{
	switch (a->ss.ss_family) {
	case AF_INET: return MILTER_FAMILY_INET;
	case AF_INET6: return MILTER_FAMILY_INET6;
	case AF_UNIX: return MILTER_FAMILY_UNIX;
	default: return MILTER_FAMILY_UNKNOWN;
	}
}

static void number(char to[NUMBER_SIZE], size_t n)
{
	(void) snprintf(to, NUMBER_SIZE, "%zu", n);
}

/* A host that has no name is "[address]" to Sendmail's filters, and "unknown" in Postfix' macros. */
void conn_filter_name(struct smtp_conn *c)
{
	struct conn_filter *f = c->filter;
	const char *name = smtp_conn_name(c);

	if (!f)
		return;
	f->facts.host = name ? name : f->bracketed;
	f->facts.client_name = name ? name : "unknown";
	f->facts.client_ptr = c->naming.ptr ? c->naming.ptr : "unknown";
	f->facts.client_resolve = smtp_conn_resolve_word(c);
	(void) snprintf(f->client, sizeof(f->client), "%s%s[%s]", name ? name : "", name ? " " : "",
	                name ? f->client_addr : c->address);
}

void conn_filter_facts_connection(struct smtp_conn *c, const struct accepted *a)
{
	struct conn_filter *f = c->filter;
	const char *hostname = c->door->settings.hostname;

	(void) snprintf(f->bracketed, sizeof(f->bracketed), "[%s]", *c->address ? c->address : "unix");
	(void) snprintf(f->client_addr, sizeof(f->client_addr), "%s%s", strchr(c->address, ':') ? "IPv6:" : "",
	                c->address);
	number(f->client_port, net_addr_port(&a->peer));
	if (a->local.ss.ss_family != AF_UNIX)
		(void) net_addr_host(&a->local, f->local_addr, sizeof(f->local_addr));
	number(f->local_port, net_addr_port(&a->local));
	f->facts = (struct milter_facts){
		.family = family_of(&a->peer),
		.port = net_addr_port(&a->peer),
		.hostname = hostname,
		.version = "podmail " POD_VERSION,
		.address = c->address,
		.client_addr = f->client_addr,
		.client_port = f->client_port,
		.client = f->client,
		.daemon_name = smtp_door_name(c->door),
		.daemon_addr = f->local_addr,
		.daemon_port = f->local_port,
		.if_name = hostname,
		.if_addr = f->local_addr,
	};
	conn_filter_name(c);
}

static void fill_tls(struct smtp_conn *c)
{
	struct conn_filter *f = c->filter;
	SSL *ssl = c->stream ? stream_ssl(c->stream) : NULL;

	if (!ssl)
		return;
	tls_facts_of(ssl, &f->tls);
	f->facts.tls_version = f->tls.version;
	f->facts.cipher = f->tls.cipher;
	f->facts.cipher_bits = f->tls.bits;
	f->facts.cert_subject = f->tls.subject;
	f->facts.cert_issuer = f->tls.issuer;
}

static void fill_connect(struct smtp_conn *c, const struct smtp_question *q)
{
	fill_tls(c);
}

static void fill_helo(struct smtp_conn *c, const struct smtp_question *q)
{
	c->filter->facts.helo = smtp_session_helo(c->session);
	fill_tls(c);
}

static const char *domain_of(struct arena *a, struct span address)
{
	size_t at = address.len;

	while (at > 0 && address.p[at - 1] != '@')
		at--;
	return at ? arena_str(a, span_skip(address, at)) : "";
}

static void fill_mail(struct smtp_conn *c, const struct smtp_question *q)
{
	struct conn_filter *f = c->filter;
	struct milter_facts *to = &f->facts;
	const char *user = smtp_session_user(c->session);

	to->trace = c->trace;
	to->protocol = smtp_session_protocol(c->session, f->protocol, sizeof(f->protocol));
	to->date = date_format_rfc5322((struct mail_date){ clock_wall_s(), 0 }, f->date, sizeof(f->date));
	to->auth_type = smtp_session_auth_type(c->session);
	to->auth_authen = user;
	to->auth_author = user;
	to->mail_addr = arena_str(q->mail->arena, q->text.len ? q->text : SPAN_LIT("<>"));
	to->mail_host = domain_of(q->mail->arena, q->text);
	to->mail_mailer = *user ? "local" : "esmtp";
}

/* Whether all of it stays here. */
static bool is_local(const struct smtp_rcpt *rcpt)
{
	const struct directory_targets *t = rcpt->host;

	return t && t->n && t->items[0].kind == TARGET_MAILBOX;
}

static void fill_rcpt(struct smtp_conn *c, const struct smtp_question *q)
{
	struct milter_facts *to = &c->filter->facts;
	struct arena *a = q->mail->arena;

	to->rcpt_mailer = q->refused ? "error" : is_local(q->rcpt) ? "local" : "esmtp";
	to->rcpt_host = q->refused ? q->refused->enhanced : domain_of(a, q->text);
	to->rcpt_addr = q->refused ? q->refused->text : arena_str(a, q->text);
}

static void fill_counts(struct conn_filter *f, const struct smtp_mail *mail)
{
	number(f->n_rcpts, mail->n_rcpts);
	number(f->n_bad, f->n_bad_rcpts);
	f->facts.n_rcpts = f->n_rcpts;
	f->facts.n_bad_rcpts = f->n_bad;
}

static void fill_data(struct smtp_conn *c, const struct smtp_question *q)
{
	fill_counts(c->filter, q->mail);
}

static void fill_nothing(struct smtp_conn *c, const struct smtp_question *q)
{
}

void conn_filter_facts(struct smtp_conn *c, const struct smtp_question *q)
{
	static void (*const fill[])(struct smtp_conn *, const struct smtp_question *) = {
		[SMTP_STAGE_CONNECT] = fill_connect, [SMTP_STAGE_HELO] = fill_helo,
		[SMTP_STAGE_MAIL] = fill_mail,       [SMTP_STAGE_RCPT] = fill_rcpt,
		[SMTP_STAGE_DATA] = fill_data,       [SMTP_STAGE_UNKNOWN] = fill_nothing,
	};

	fill[q->stage](c, q);
}

void conn_filter_facts_end(struct smtp_conn *c, const struct smtp_mail *mail)
{
	fill_counts(c->filter, mail);
	c->filter->facts.msg_id = milter_chain_field(c->filter->chain, SPAN_LIT("Message-ID"));
}

void conn_filter_facts_forget(struct conn_filter *f)
{
	f->facts.trace = f->facts.date = f->facts.mail_addr = f->facts.mail_host = f->facts.mail_mailer =
		NULL;
	f->facts.rcpt_addr = f->facts.rcpt_host = f->facts.rcpt_mailer = NULL;
	f->facts.n_rcpts = f->facts.n_bad_rcpts = f->facts.msg_id = NULL;
}

/* The machine: replies matched with what was asked, in order. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "smtp/internal.h"
#include "smtp/sasl.h"

#define ARENA_MAX 4096

struct smtp_client *smtp_client_create(const struct smtp_client_settings *settings, struct buf *out)
{
	struct smtp_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->settings = settings;
	c->out = out;
	c->arena = arena_create(ARENA_MAX);
	smtp_reply_reader_init(&c->reader);
	client_ask(c, CMD_GREETING, 0);
	if (!c->arena || c->fault)
		return smtp_client_free(c);
	return c;
}

struct smtp_client *smtp_client_free(struct smtp_client *c)
{
	if (!c)
		return NULL;
	smtp_reply_reader_done(&c->reader);
	c->sasl = smtp_sasl_free(c->sasl);
	(void) arena_free(c->arena);
	free(c->expected);
	free(c);
	return NULL;
}

/* ---- what is owed to us ---- */

static int make_room(struct smtp_client *c)
{
	size_t cap = c->cap_expected ? 2 * c->cap_expected : 16;
	struct expected *grown;

	if (c->first) {
		memmove(c->expected, c->expected + c->first, c->n_expected * sizeof(*c->expected));
		c->first = 0;
	}
	if (c->n_expected < c->cap_expected)
		return 0;
	grown = reallocarray(c->expected, cap, sizeof(*grown));
	if (!grown)
		return -POD_E_NOMEM;
	c->expected = grown;
	c->cap_expected = cap;
	return 0;
}

void client_ask(struct smtp_client *c, enum command command, size_t rcpt)
{
	if (c->first + c->n_expected == c->cap_expected && make_room(c) < 0) {
		client_fail(c, SMTP_FAULT_MEMORY, NULL, "out of memory");
		return;
	}
	c->expected[c->first + c->n_expected++] = (struct expected){ command, rcpt };
	if (c->want != SMTP_CLIENT_CLOSE)
		c->want = SMTP_CLIENT_READ;
}

static struct expected take_expected(struct smtp_client *c)
{
	struct expected e = c->expected[c->first++];

	if (--c->n_expected == 0)
		c->first = 0;
	return e;
}

/* ---- words ---- */

void client_words_of_reply(struct smtp_client_rcpt *to, struct arena *a, const struct smtp_reply *reply)
{
	char words[SMTP_WORDS_MAX + 1];
	const char *kept;

	to->code = reply->code;
	smtp_reply_enhanced(reply, to->enhanced);
	kept = arena_str(a, span_of(smtp_reply_words(reply, words, sizeof(words))));
	to->text = kept ? kept : "";
	to->ours = false;
}

void client_words_of_ours(struct smtp_client_rcpt *to, uint16_t code, const char *enhanced, const char *text)
{
	to->code = code;
	(void) snprintf(to->enhanced, sizeof(to->enhanced), "%s", enhanced);
	to->text = text;
	to->ours = true;
}

void client_fail(struct smtp_client *c, enum smtp_client_fault fault, const struct smtp_reply *reply,
                 const char *why)
{
	if (c->want == SMTP_CLIENT_CLOSE)
		return; /* the first one is the cause */
	c->want = SMTP_CLIENT_CLOSE;
	c->fault = fault;
	if (reply) {
		client_words_of_reply(&c->fault_words, c->arena, reply);
	} else {
		const char *kept = c->arena ? arena_str(c->arena, span_of(why)) : NULL;

		client_words_of_ours(&c->fault_words, 0, "", kept ? kept : "");
	}
	if (c->mail)
		client_mail_abort(c, reply, c->fault_words.text);
}

/* ---- input ---- */

static void on_quit(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply)
{
	c->want = SMTP_CLIENT_CLOSE;
}

typedef void reply_fn(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply);

static reply_fn *const on_reply[COMMANDS] = {
	[CMD_GREETING] = client_on_greeting, [CMD_EHLO] = client_on_ehlo, [CMD_HELO] = client_on_helo,
	[CMD_STARTTLS] = client_on_starttls, [CMD_AUTH] = client_on_auth, [CMD_MAIL] = client_on_mail,
	[CMD_RCPT] = client_on_rcpt,         [CMD_DATA] = client_on_data, [CMD_BODY] = client_on_body,
	[CMD_RSET] = client_on_rset,         [CMD_QUIT] = on_quit,
};

/* RFC 5321 3.8: 421 may come instead of any reply, or unasked. */
static void take_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	struct expected e;

	if (reply->code == 421 && (!c->n_expected || c->expected[c->first].command != CMD_GREETING)) {
		client_fail(c, SMTP_FAULT_CLOSING, reply, NULL);
		return;
	}
	if (!c->n_expected) {
		client_fail(c, SMTP_FAULT_PROTOCOL, reply, NULL);
		return;
	}
	e = take_expected(c);
	on_reply[e.command](c, &e, reply);
	if (c->mail && c->want != SMTP_CLIENT_CLOSE)
		client_mail_advance(c);
}

void smtp_client_input(struct smtp_client *c, struct span bytes)
{
	while (bytes.len && c->want != SMTP_CLIENT_CLOSE) {
		struct smtp_reply reply;
		size_t used = 0;
		int r = smtp_reply_read(&c->reader, bytes, &used, &reply);

		bytes = span_skip(bytes, used);
		if (r == 1)
			take_reply(c, &reply);
		else if (r == -POD_E_NOMEM)
			client_fail(c, SMTP_FAULT_MEMORY, NULL, "out of memory");
		else if (r < 0)
			client_fail(c, SMTP_FAULT_PROTOCOL, NULL,
			            r == -POD_E_LIMIT ? "the server's reply is too long"
			                              : "the server's reply is not SMTP");
		/* Said in clear, and it would count as said under TLS. */
		if (c->want == SMTP_CLIENT_TLS && bytes.len)
			client_fail(c, SMTP_FAULT_PROTOCOL, NULL,
			            "the server, or somebody else, talks between STARTTLS and TLS");
	}
	if (c->out->failed)
		client_fail(c, SMTP_FAULT_MEMORY, NULL, "out of memory");
}

void smtp_client_lost(struct smtp_client *c, const char *why)
{
	client_fail(c, SMTP_FAULT_LOST, NULL, why);
}

void smtp_client_tls_done(struct smtp_client *c)
{
	c->secure = true;
	c->caps = (struct smtp_capabilities){ 0 };
	client_say_ehlo(c);
}

void smtp_client_quit(struct smtp_client *c)
{
	buf_add_str(c->out, "QUIT\r\n");
	client_ask(c, CMD_QUIT, 0);
}

/* ---- what is asked of it ---- */

enum smtp_client_want smtp_client_wants(const struct smtp_client *c)
{
	return c->want;
}

enum smtp_client_stage smtp_client_stage(const struct smtp_client *c)
{
	enum command next = c->n_expected ? c->expected[c->first].command : CMD_MAIL;

	if (c->want == SMTP_CLIENT_BODY)
		return SMTP_STAGE_BODY;
	switch (next) {
	case CMD_GREETING: return SMTP_STAGE_GREETING;
	case CMD_DATA: return SMTP_STAGE_DATA;
	case CMD_BODY: return SMTP_STAGE_BODY_END;
	default: return SMTP_STAGE_COMMAND;
	}
}

enum smtp_client_fault smtp_client_fault(const struct smtp_client *c)
{
	return c->fault;
}

const struct smtp_client_rcpt *smtp_client_fault_words(const struct smtp_client *c)
{
	return &c->fault_words;
}

const struct smtp_capabilities *smtp_client_capabilities(const struct smtp_client *c)
{
	return &c->caps;
}

bool smtp_client_is_secure(const struct smtp_client *c)
{
	return c->secure;
}

bool smtp_client_is_mid_reply(const struct smtp_client *c)
{
	return !smtp_reply_reader_is_idle(&c->reader);
}

bool smtp_client_saw_starttls(const struct smtp_client *c)
{
	return c->saw_starttls;
}

uint32_t smtp_client_rcpts_max(const struct smtp_client *c)
{
	return c->rcpts_max;
}

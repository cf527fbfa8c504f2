/* A transaction: RSET where the last one came to nothing, MAIL, RCPT for each, the message. */
#include "smtp/internal.h"

static bool has(const struct smtp_client *c, unsigned int cap)
{
	return (c->caps.flags & cap) == cap;
}

static void verdict_of_reply(struct smtp_client *c, struct smtp_client_rcpt *r,
                             const struct smtp_reply *reply)
{
	client_words_of_reply(r, c->mail->arena, reply);
	r->verdict = reply->code / 100 == 2   ? SMTP_VERDICT_TAKEN
	             : reply->code / 100 == 5 ? SMTP_VERDICT_REFUSED
	                                      : SMTP_VERDICT_LATER;
}

/* The same for all that were accepted so far, or for all. */
static void verdict_for_all(struct smtp_client *c, const struct smtp_reply *reply, bool accepted_only)
{
	for (size_t i = 0; i < c->mail->n_rcpts; i++)
		if (!accepted_only || c->mail->rcpts[i].verdict == SMTP_VERDICT_ACCEPTED)
			verdict_of_reply(c, &c->mail->rcpts[i], reply);
}

/* ---- the beginning and the end ---- */

static void mail_over(struct smtp_client *c)
{
	for (size_t i = 0; i < c->mail->n_rcpts; i++)
		if (c->mail->rcpts[i].verdict == SMTP_VERDICT_ACCEPTED) {
			/* Others were refused, and it goes to all or none. */
			c->mail->rcpts[i].verdict = SMTP_VERDICT_LOST;
			client_words_of_ours(&c->mail->rcpts[i], 451, "4.5.0",
			                     "not sent, for another recipient was refused");
		}
	c->mail = NULL;
	c->want = SMTP_CLIENT_READY;
}

void smtp_client_mail(struct smtp_client *c, struct smtp_client_mail *mail)
{
	struct smtp_client_rcpt words = { 0 };
	bool good = client_can_carry(c, mail, &words);

	for (size_t i = 0; i < mail->n_rcpts; i++) {
		struct smtp_client_rcpt *r = &mail->rcpts[i];

		r->verdict = good ? SMTP_VERDICT_WAITING : SMTP_VERDICT_REFUSED;
		if (!good)
			client_words_of_ours(r, words.code, words.enhanced, words.text);
	}
	if (!good)
		return;
	mail->refused_at = SMTP_AT_NOTHING;
	c->mail = mail;
	c->step = c->must_reset ? STEP_RSET : STEP_MAIL;
	c->next_rcpt = c->accepted = 0;
	c->answered = c->refused = c->body_sent = false;
	c->chunked = has(c, SMTP_CAP_CHUNKING);
	client_mail_advance(c);
}

void client_mail_abort(struct smtp_client *c, const struct smtp_reply *reply, const char *why)
{
	struct smtp_client_mail *m = c->mail;
	bool may_have_arrived = c->body_sent && c->answered;

	for (size_t i = 0; i < m->n_rcpts; i++) {
		struct smtp_client_rcpt *r = &m->rcpts[i];

		if (r->verdict != SMTP_VERDICT_WAITING && r->verdict != SMTP_VERDICT_ACCEPTED)
			continue;
		r->verdict = may_have_arrived && r->verdict == SMTP_VERDICT_ACCEPTED ? SMTP_VERDICT_LATER
		                                                                     : SMTP_VERDICT_LOST;
		if (reply)
			client_words_of_reply(r, m->arena, reply);
		else
			client_words_of_ours(r, 451, "4.4.2", why);
	}
	c->mail = NULL;
}

/* ---- what is said ---- */

static size_t rcpts_end(const struct smtp_client *c)
{
	size_t n = c->mail->n_rcpts;

	return c->rcpts_max && c->rcpts_max < n && !c->mail->all_or_none ? c->rcpts_max : n;
}

static void say_rset(struct smtp_client *c)
{
	buf_add_str(c->out, "RSET\r\n");
	client_ask(c, CMD_RSET, 0);
	c->step = STEP_MAIL;
}

static void say_mail(struct smtp_client *c)
{
	client_put_mail(c, c->mail);
	client_ask(c, CMD_MAIL, 0);
	c->step = STEP_RCPT;
}

static void say_rcpt(struct smtp_client *c)
{
	client_put_rcpt(c, &c->mail->rcpts[c->next_rcpt]);
	client_ask(c, CMD_RCPT, c->next_rcpt++);
}

static void say_data(struct smtp_client *c)
{
	c->step = STEP_SAID;
	if (!c->chunked) {
		buf_add_str(c->out, "DATA\r\n");
		client_ask(c, CMD_DATA, 0);
		return;
	}
	buf_printf(c->out, "BDAT %llu LAST\r\n", (unsigned long long) c->mail->size);
	client_ask(c, CMD_BODY, 0);
	if (c->want == SMTP_CLIENT_READ)
		c->want = SMTP_CLIENT_BODY;
}

/* Whether the message may be announced before it is known that somebody takes it. */
static bool data_may_go_ahead(const struct smtp_client *c)
{
	return has(c, SMTP_CAP_PIPELINING) && !c->mail->all_or_none &&
	       (!c->chunked || c->mail->size <= c->settings->pipelined_body_max);
}

/* Without PIPELINING, one command at a time; with it, as far as nothing depends on the answers. */
static bool may_speak(const struct smtp_client *c)
{
	if (c->n_expected == 0)
		return true;
	return c->step == STEP_DATA ? data_may_go_ahead(c) : has(c, SMTP_CAP_PIPELINING);
}

/* One of all was refused, of whom none may be. */
static bool is_spoilt(const struct smtp_client *c)
{
	return c->mail->all_or_none && c->n_expected == 0 && c->accepted < c->next_rcpt;
}

static bool is_fruitless(const struct smtp_client *c)
{
	return c->refused || (c->step == STEP_DATA && is_spoilt(c)) ||
	       (c->step == STEP_DATA && c->n_expected == 0 && c->accepted == 0);
}

void client_mail_advance(struct smtp_client *c)
{
	static void (*const say[])(struct smtp_client *) = {
		[STEP_RSET] = say_rset, [STEP_MAIL] = say_mail, [STEP_RCPT] = say_rcpt, [STEP_DATA] = say_data
	};

	while (c->want != SMTP_CLIENT_CLOSE && c->step != STEP_SAID) {
		if (c->step == STEP_RCPT && c->next_rcpt >= rcpts_end(c))
			c->step = STEP_DATA;
		if (!may_speak(c) || is_fruitless(c))
			break;
		say[c->step](c);
	}
	if (c->want != SMTP_CLIENT_READ || c->n_expected)
		return;
	if (c->step == STEP_SAID || is_fruitless(c))
		mail_over(c);
}

/* ---- what is answered ---- */

static void note_refusal(struct smtp_client *c, enum smtp_client_at at)
{
	if (c->mail->refused_at == SMTP_AT_NOTHING)
		c->mail->refused_at = at;
}

void client_on_rset(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply)
{
	if (reply->code / 100 == 2)
		c->must_reset = false;
	else
		client_fail(c, SMTP_FAULT_PROTOCOL, reply, NULL);
}

void client_on_mail(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply)
{
	c->answered = true;
	if (reply->code / 100 == 2) {
		c->must_reset = true; /* until the message is taken */
	} else if (reply->code / 100 == 3) {
		client_fail(c, SMTP_FAULT_PROTOCOL, reply, NULL);
	} else {
		note_refusal(c, SMTP_AT_MAIL);
		c->refused = true;
		verdict_for_all(c, reply, false);
		for (size_t i = 0; i < c->mail->n_rcpts; i++)
			if (c->mail->rcpts[i].verdict == SMTP_VERDICT_LATER)
				c->mail->rcpts[i].verdict =
					SMTP_VERDICT_LOST; /* another host may have time now */
	}
}

/* RFC 5321 4.5.3.1.10: 452, by old servers 552, where it is of the number and not of this mailbox. */
static bool says_too_many(const struct smtp_reply *reply)
{
	char code[SMTP_ENHANCED_SIZE];

	if (reply->code != 452 && reply->code != 552)
		return false;
	smtp_reply_enhanced(reply, code);
	return strcmp(code + 1, ".5.3") == 0 || strcmp(code + 1, ".0.0") == 0;
}

void client_on_rcpt(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply)
{
	struct smtp_client_rcpt *r = &c->mail->rcpts[e->rcpt];

	c->answered = true;
	if (c->refused)
		return; /* an echo of that */
	if (reply->code / 100 == 2) {
		r->verdict = SMTP_VERDICT_ACCEPTED;
		c->accepted++;
	} else if (reply->code / 100 == 3) {
		client_fail(c, SMTP_FAULT_PROTOCOL, reply, NULL);
	} else if (c->accepted && !c->mail->all_or_none && says_too_many(reply)) {
		c->rcpts_max = (uint32_t) c->accepted; /* it goes on waiting */
	} else {
		note_refusal(c, SMTP_AT_RCPT);
		verdict_of_reply(c, r, reply);
	}
}

void client_on_data(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply)
{
	c->answered = true;
	if (reply->code / 100 == 2 || (reply->code / 100 == 3 && reply->code != 354)) {
		client_fail(c, SMTP_FAULT_PROTOCOL, reply, NULL);
	} else if (reply->code != 354) {
		note_refusal(c, SMTP_AT_MESSAGE);
		verdict_for_all(c, reply, true);
	} else if (c->accepted) {
		client_ask(c, CMD_BODY, 0);
		if (c->want == SMTP_CLIENT_READ)
			c->want = SMTP_CLIENT_BODY;
	} else {
		/* RFC 2920 3.1: it goes on though nobody is left; a message of nothing for nobody. */
		buf_add_str(c->out, ".\r\n");
		client_ask(c, CMD_BODY, 0);
	}
}

void client_on_body(struct smtp_client *c, const struct expected *e, const struct smtp_reply *reply)
{
	unsigned int class = reply->code / 100u;

	c->answered = true;
	if (class == 3 || (class == 2 && c->want == SMTP_CLIENT_BODY)) {
		client_fail(c, SMTP_FAULT_PROTOCOL, reply, NULL);
		return;
	}
	if (class != 2)
		note_refusal(c, SMTP_AT_MESSAGE);
	verdict_for_all(c, reply, true);
	if (class == 2)
		c->must_reset = false;
	/* It has enough of the message before it has it all: nobody knows what the rest would be to it. */
	if (c->want == SMTP_CLIENT_BODY)
		client_fail(c, SMTP_FAULT_PROTOCOL, reply, NULL);
}

struct smtp_client_body smtp_client_body(const struct smtp_client *c)
{
	return (struct smtp_client_body){ .chunked = c->chunked };
}

void smtp_client_body_sent(struct smtp_client *c)
{
	c->body_sent = true;
	if (c->want == SMTP_CLIENT_BODY)
		c->want = SMTP_CLIENT_READ;
}

#include "mta/milter/talk.h"

#include <libmilter/mfdef.h>

#include "base/cleanup.h"

void milter_talk_reset(struct milter_talk *t)
{
	*t = (struct milter_talk){ 0 };
}

void milter_talk_resume(struct milter_talk *t, const struct milter_terms *terms)
{
	*t = (struct milter_talk){ .terms = *terms, .negotiated = true };
}

void milter_talk_open(struct milter_talk *t, struct buf *out, unsigned int protocol)
{
	milter_talk_reset(t);
	milter_offer(out, protocol);
	t->waiting = true;
}

/* ---- what is said ---- */

static void put_nothing(struct buf *out, const struct milter_facts *f, const struct milter_words *w)
{
}

/* hostname NUL family [ port (2 bytes) address NUL ] */
static void put_connect(struct buf *out, const struct milter_facts *f, const struct milter_words *w)
{
	static const uint8_t families[] = { [MILTER_FAMILY_UNKNOWN] = SMFIA_UNKNOWN,
		                            [MILTER_FAMILY_UNIX] = SMFIA_UNIX,
		                            [MILTER_FAMILY_INET] = SMFIA_INET,
		                            [MILTER_FAMILY_INET6] = SMFIA_INET6 };

	milter_put_text(out, span_of(f->host ? f->host : ""));
	buf_add_byte(out, families[f->family]);
	if (f->family == MILTER_FAMILY_UNKNOWN)
		return;
	buf_add_byte(out, (uint8_t) (f->port >> 8));
	buf_add_byte(out, (uint8_t) f->port);
	milter_put_text(out, span_of(f->address ? f->address : ""));
}

static void put_text(struct buf *out, const struct milter_facts *f, const struct milter_words *w)
{
	milter_put_text(out, w->text);
}

/* "<" address ">" NUL *( argument NUL ) */
static void put_path(struct buf *out, const struct milter_facts *f, const struct milter_words *w)
{
	struct span rest = span_trim(w->more);

	buf_add_byte(out, '<');
	for (size_t i = 0; i < w->text.len; i++)
		buf_add_byte(out, w->text.p[i] ? w->text.p[i] : ' ');
	milter_put_text(out, SPAN_LIT(">"));
	while (rest.len) {
		struct span one = span_split(rest, ' ', &rest);

		if (one.len)
			milter_put_text(out, one);
	}
}

static void put_field(struct buf *out, const struct milter_facts *f, const struct milter_words *w)
{
	milter_put_text(out, w->text);
	milter_put_text(out, w->more);
}

static void put_bytes(struct buf *out, const struct milter_facts *f, const struct milter_words *w)
{
	buf_add(out, w->text);
}

typedef void put_fn(struct buf *out, const struct milter_facts *f, const struct milter_words *w);
static put_fn *const puts_[MILTER_STAGES] = {
	[MILTER_CONNECT] = put_connect, [MILTER_HELO] = put_text,    [MILTER_MAIL] = put_path,
	[MILTER_RCPT] = put_path,       [MILTER_DATA] = put_nothing, [MILTER_UNKNOWN] = put_text,
	[MILTER_HEADER] = put_field,    [MILTER_EOH] = put_nothing,  [MILTER_BODY] = put_bytes,
	[MILTER_END] = put_nothing,
};

bool milter_talk_say(struct milter_talk *t, struct buf *out, enum milter_stage stage,
                     const struct milter_facts *facts, const struct milter_words *words)
{
	size_t at;

	if (stage != t->stage)
		t->skip = false;
	t->stage = stage;
	t->ended_well = false;
	if (!milter_terms_want(&t->terms, stage) || t->skip)
		return false;
	milter_macros_add(out, stage, &t->terms, facts);
	at = milter_packet_begin(out, milter_stages[stage].letter);
	puts_[stage](out, facts, words);
	milter_packet_end(out, at);
	t->waiting = milter_terms_answer(&t->terms, stage);
	return t->waiting;
}

static void put_letter(struct buf *out, uint8_t letter)
{
	milter_packet_end(out, milter_packet_begin(out, letter));
}

void milter_talk_abort(struct buf *out)
{
	put_letter(out, SMFIC_ABORT);
}

void milter_talk_quit(struct buf *out)
{
	put_letter(out, SMFIC_QUIT);
}

void milter_talk_quit_nc(struct buf *out)
{
	put_letter(out, SMFIC_QUIT_NC);
}

/*
 * libmilter takes SMFIC_QUIT_NC at any time, and then leaves the next SMFIC_CONNECT without an answer; but not when
 * the last it did was to let a message go on.
 */
bool milter_talk_may_go_on(const struct milter_talk *t)
{
	return t->negotiated && !t->waiting && t->terms.version >= 6 && t->ended_well;
}

/* ---- what is heard ---- */

#define IN_MESSAGE                                                                         \
	(1u << MILTER_MAIL | 1u << MILTER_RCPT | 1u << MILTER_DATA | 1u << MILTER_HEADER | \
	 1u << MILTER_EOH | 1u << MILTER_BODY | 1u << MILTER_END)
#define ANYWHERE (IN_MESSAGE | 1u << MILTER_CONNECT | 1u << MILTER_HELO | 1u << MILTER_UNKNOWN)

static const struct {
	uint8_t letter;
	unsigned int stages; /* where it may be said */
	struct milter_verdict verdict;
} verdicts[] = {
	{ SMFIR_CONTINUE, ANYWHERE, { .action = MILTER_GO_ON } },
	{ SMFIR_ACCEPT, ANYWHERE, { .action = MILTER_ACCEPT } },
	{ SMFIR_REJECT, ANYWHERE, { MILTER_REFUSE, 550, "5.7.1", "Refused by a filter" } },
	{ SMFIR_TEMPFAIL,
	  ANYWHERE,
	  { MILTER_REFUSE, 451, "4.7.1", "Refused for now by a filter, try again later" } },
	{ SMFIR_SHUTDOWN, ANYWHERE, { MILTER_REFUSE, 421, "4.7.0", "Closed by a filter" } },
	{ SMFIR_CONN_FAIL, ANYWHERE, { .action = MILTER_DROP } },
	{ SMFIR_DISCARD, IN_MESSAGE, { .action = MILTER_DISCARD } },
	{ SMFIR_SKIP, 1u << MILTER_HEADER | 1u << MILTER_BODY, { .action = MILTER_GO_ON } },
};

static int unexpected(const struct milter_talk *t, const struct milter_packet *p, struct err *err)
{
	bool shown = p->letter > ' ' && p->letter < 0x7f;

	return err_set(err, POD_E_PROTOCOL,
	               shown ? "an answer \"%c\" that is out of place at %s"
	                     : "an answer %d that is out of place at %s",
	               p->letter, t->negotiated ? milter_stages[t->stage].name : "negotiation");
}

static int take_terms(struct milter_talk *t, struct arena *a, unsigned int protocol,
                      const struct milter_packet *p, struct milter_answer *ret, struct err *err)
{
	int r;

	if (p->letter != SMFIC_OPTNEG)
		return unexpected(t, p, err);
	r = milter_terms_parse(a, p->data, protocol, &t->terms, err);
	if (r < 0)
		return r;
	t->negotiated = true;
	t->waiting = false;
	ret->heard = MILTER_HEARD_TERMS;
	return 0;
}

static int take_verdict(struct milter_talk *t, struct arena *a, const struct milter_packet *p,
                        struct milter_answer *ret, struct err *err)
{
	ret->heard = MILTER_HEARD_VERDICT;
	t->waiting = false;
	if (p->letter == SMFIR_REPLYCODE)
		return milter_reply_parse(
			a,
			span_head(p->data, p->data.len ? p->data.len - (p->data.p[p->data.len - 1] == 0) : 0),
			&ret->verdict, err);
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
		if (verdicts[i].letter != p->letter)
			continue;
		if (!(verdicts[i].stages & 1u << t->stage) ||
		    (p->letter == SMFIR_SKIP && !(t->terms.steps & SMFIP_SKIP)))
			break;
		t->skip = p->letter == SMFIR_SKIP;
		ret->verdict = verdicts[i].verdict;
		t->ended_well = t->stage == MILTER_END && p->letter == SMFIR_CONTINUE;
		return 0;
	}
	return unexpected(t, p, err);
}

int milter_talk_take(struct milter_talk *t, struct arena *a, unsigned int protocol,
                     const struct milter_packet *p, struct milter_answer *ret, struct err *err)
{
	int r;

	*ret = (struct milter_answer){ 0 };
	if (!t->waiting)
		return unexpected(t, p, err);
	if (!t->negotiated)
		return take_terms(t, a, protocol, p, ret, err);
	if (p->letter == SMFIR_PROGRESS) {
		ret->heard = MILTER_HEARD_PROGRESS;
		return 0;
	}
	r = t->stage == MILTER_END ? milter_edit_parse(a, p, &t->terms, &ret->edit, err) : 0;
	if (r == 1)
		ret->heard = MILTER_HEARD_EDIT;
	return r == 0 ? take_verdict(t, a, p, ret, err) : r < 0 ? r : 0;
}

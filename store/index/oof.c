#include "store/index/oof.h"

#include "base/log.h"
#include "store/index/folders.h"
#include "store/index/states.h"
#include "storeproto/oof.h"

#define ANSWERED_MAX 2000 /* senders that are remembered: the newest */
#define WRITTEN_MAX                                                                             \
	2000 /* of the user's own messages, those that are asked for whom they know: the newest \
	      */

/* A state's value; empty where there is none. */
static int read_state(struct batch *b, const struct user_state *u, const char *name, struct span *ret_value,
                      struct err *err)
{
	struct state_row row;
	struct state_file f;
	int r = state_row_get(&b->txn, &b->vol->t, u->info.no, span_of(name), &row, err);

	*ret_value = SPAN_NONE;
	if (r == -POD_E_NOTFOUND)
		return 0;
	if (r == 0)
		r = state_file_read(b->vol->dir, u->id, span_of(name), row.version, b->a, &f, err);
	if (r == 0)
		*ret_value = f.value;
	return r;
}

static struct span domain_of(struct span address)
{
	size_t at = address.len;

	while (at > 0 && address.p[at - 1] != '@')
		at--;
	return span_skip(address, at);
}

/* Users of another domain of the pod may be another house's. */
static bool same_domain(struct span x, struct span y)
{
	return span_eq_nocase(domain_of(x), domain_of(y));
}

/* ---- whom the user has written to ---- */

static int find_sent(struct batch *b, const struct user_state *u, uint32_t *ret_mailbox, struct err *err)
{
	KV_CURSOR c = { 0 };
	struct span key, value;
	struct key k;
	int r = kv_cursor_open(&b->txn, b->vol->t.names, &c, err);

	key_mailbox(&k, u->info.no);
	if (r == 0)
		r = kv_cursor_seek(&c, key_span(&k), &key, &value);
	for (; r == 0 && key_get_u32(key, 0) == u->info.no; r = kv_cursor_next(&c, &key, &value)) {
		struct mailbox_info info;
		uint32_t id;

		if (value.len != sizeof(id))
			return err_set(err, POD_E_CORRUPT, "index: a row of names is damaged");
		memcpy(&id, value.p, sizeof(id));
		r = mailbox_get(&b->txn, &b->vol->t, id, &info, err);
		if (r == 0 && strcmp(info.special_use, "\\Sent") == 0) {
			*ret_mailbox = id;
			return 1;
		}
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

/* As an ENVELOPE has it: (name route "local" "domain"). */
static struct span as_in_envelope(struct arena *a, struct span address)
{
	struct span domain = domain_of(address);

	if (domain.len + 2 > address.len)
		return SPAN_NONE;
	return span_of(arena_printf(a, "\"" SPAN_FMT "\" \"" SPAN_FMT "\")",
	                            SPAN_ARG(span_head(address, address.len - domain.len - 1)),
	                            SPAN_ARG(domain)));
}

/* Looks at the envelopes of what is in Sent. 1: the address is in one of them. */
static int is_known(struct batch *b, const struct user_state *u, struct span address, struct err *err)
{
	struct span wanted = as_in_envelope(b->a, address), key, value;
	struct mailbox_counts counts;
	KV_CURSOR c = { 0 };
	uint32_t sent = 0;
	struct key k;
	int r = wanted.p ? find_sent(b, u, &sent, err) : 0;

	if (r <= 0)
		return r;
	r = counts_get(&b->txn, &b->vol->t, sent, &counts, err);
	if (r == 0)
		r = kv_cursor_open(&b->txn, b->vol->t.mail, &c, err);
	if (r < 0)
		return r;
	key_mail_uid(&k, sent, MAIL_ENVELOPE,
	             counts.uidnext > WRITTEN_MAX ? counts.uidnext - WRITTEN_MAX : 1);
	for (r = kv_cursor_seek(&c, key_span(&k), &key, &value);
	     r == 0 && mail_key_is(key, sent, MAIL_ENVELOPE); r = kv_cursor_next(&c, &key, &value))
		if (span_find_nocase(value, wanted) != SIZE_MAX)
			return 1;
	return r == -POD_E_NOTFOUND ? 0 : r;
}

/* ---- which answer ---- */

static const Podstore__OofText *enabled(const Podstore__Oof *o, enum oof_audience who)
{
	const Podstore__OofText *t = oof_text(o, who);

	return t && t->enabled && span_trim(span_of(t->text)).len ? t : NULL;
}

static bool same_text(const Podstore__OofText *x, const Podstore__OofText *y)
{
	return x == y || (x && y && x->html == y->html && strcmp(x->text, y->text) == 0);
}

/* *ret_text NULL: none. */
static int choose(struct batch *b, const struct user_state *u, const struct change *c, const Podstore__Oof *o,
                  const Podstore__OofText **ret_text, struct err *err)
{
	const Podstore__OofText *known = enabled(o, OOF_EXTERNAL_KNOWN), *others = enabled(o, OOF_EXTERNAL);
	int r = 0;

	if (c->u.deliver.internal && same_domain(c->u.deliver.reply_to, span_of(u->info.address)))
		*ret_text = enabled(o, OOF_INTERNAL);
	else if (same_text(known, others))
		*ret_text = others;
	else {
		r = is_known(b, u, c->u.deliver.reply_to, err);
		*ret_text = r == 1 ? known : others;
	}
	return r < 0 ? r : 0;
}

/* ---- who was answered ---- */

/* What is still of weight; *ret_known: the sender is among them. */
static int read_answered(struct batch *b, const struct user_state *u, const Podstore__Oof *o,
                         struct span sender, Podstore__OofAnswered **ret, bool *ret_known, struct err *err)
{
	ProtobufCAllocator al = oof_allocator(b->a);
	Podstore__OofAnswered *m;
	struct span value;
	size_t n = 0;
	int r = read_state(b, u, OOF_ANSWERED_STATE, &value, err);

	if (r < 0)
		return r;
	m = podstore__oof_answered__unpack(&al, value.len, value.p ? value.p : (const uint8_t *) "");
	if (!m)
		return err_set(err, POD_E_CORRUPT, "who was answered cannot be read");
	/* Other words are news to those who had the ones before. */
	if (m->set_at_ms != o->set_at_ms)
		m->n_answers = 0;
	m->set_at_ms = o->set_at_ms;
	*ret_known = false;
	for (size_t i = m->n_answers > ANSWERED_MAX ? m->n_answers - ANSWERED_MAX : 0; i < m->n_answers;
	     i++) {
		if (m->answers[i]->at_s + (int64_t) b->vol->o.oof_repeat_s <= b->now)
			continue;
		*ret_known = *ret_known || span_eq_nocase(span_of(m->answers[i]->to), sender);
		m->answers[n++] = m->answers[i];
	}
	m->n_answers = n;
	*ret = m;
	return 0;
}

static int write_answered(struct batch *b, struct user_state *u, Podstore__OofAnswered *m, struct span sender,
                          struct err *err)
{
	struct state_put put = { .name = SPAN_LIT(OOF_ANSWERED_STATE) };
	Podstore__OofAnswer **all =
		arena_grow(b->a, m->answers, m->n_answers, m->n_answers + 1, sizeof(*all));
	Podstore__OofAnswer *one = arena_new(b->a, Podstore__OofAnswer);
	uint64_t version;
	uint8_t *p;

	if (!all || !one)
		return err_set(err, POD_E_NOMEM, "an answer");
	podstore__oof_answer__init(one);
	one->to = arena_str(b->a, sender);
	one->at_s = b->now;
	m->answers = all;
	m->answers[m->n_answers++] = one;
	p = one->to ? arena_alloc(b->a, podstore__oof_answered__get_packed_size(m)) : NULL;
	if (!p)
		return err_set(err, POD_E_NOMEM, "an answer");
	put.value = span_make(p, podstore__oof_answered__pack(m, p));
	return states_put(b, u, &put, &version, err);
}

/* ---- all of it ---- */

static int fill(const struct user_state *u, const struct change *c, const Podstore__OofText *t,
                struct deliver_recipient *rcpt, struct err *err)
{
	struct deliver_answer *answer = arena_new(c->a, struct deliver_answer);

	if (answer)
		*answer = (struct deliver_answer){ .text = arena_str(c->a, span_of(t->text)),
			                           .html = t->html,
			                           .address = arena_str(c->a, span_of(u->info.address)),
			                           .name = arena_str(c->a, span_of(u->info.display_name)) };
	if (!answer || !answer->text || !answer->address || !answer->name)
		return err_set(err, POD_E_NOMEM, "an answer");
	rcpt->answer = answer;
	return 0;
}

static int decide(struct batch *b, struct user_state *u, const struct change *c,
                  struct deliver_recipient *rcpt, struct err *err)
{
	struct span sender = c->u.deliver.reply_to, value;
	const Podstore__OofText *text = NULL;
	Podstore__OofAnswered *answered = NULL;
	Podstore__Oof *o;
	bool known = false;
	int r = read_state(b, u, OOF_STATE, &value, err);

	if (r < 0 || !value.len)
		return r;
	r = oof_unpack(b->a, value, &o, err);
	if (r < 0 || !oof_is_on(o, b->now))
		return r;
	r = choose(b, u, c, o, &text, err);
	if (r < 0 || !text)
		return r;
	r = read_answered(b, u, o, sender, &answered, &known, err);
	if (r < 0 || known)
		return r;
	r = write_answered(b, u, answered, sender, err);
	return r < 0 ? r : fill(u, c, text, rcpt, err);
}

int oof_answer(struct batch *b, struct user_state *u, const struct change *c, struct deliver_recipient *rcpt)
{
	struct err err = { 0 };
	int r;

	if (!rcpt->may_answer || !c->u.deliver.reply_to.len || folders_check(b, NULL) < 0 ||
	    batch_check_room(b, NULL) < 0)
		return 0;
	r = decide(b, u, c, rcpt, &err);
	if (r < 0)
		log_event(NULL, LOGL_ERROR, "oof.failed", F_SPAN("user", u->id), F_ERR(&err));
	return b->hard;
}

/* What a milter wants to change: kept until its last word, then done to the message and noted of the
 * envelope. */
#include "mta/milter/chain.h"

static int grow(struct arena *a, struct milter_edit **items, size_t n, size_t *cap)
{
	size_t want = *cap ? 2 * *cap : 8;
	struct milter_edit *grown;

	if (n < *cap)
		return 0;
	grown = arena_grow(a, *items, n, want, sizeof(*grown));
	if (!grown)
		return -POD_E_NOMEM;
	*items = grown;
	*cap = want;
	return 0;
}

/* The chunks of a new body make one. */
static int add_body(struct milter_member *m, struct span bytes, struct err *err)
{
	const struct milter_set *set = m->filter->set;

	if (!m->body)
		m->body = spool_create(set->memory_per_message, set->tmp_dir);
	return m->body ? spool_add(m->body, bytes, err)
	               : err_set(err, POD_E_NOMEM, "no memory for a new body");
}

int milter_changes_note(struct milter_member *m, const struct milter_edit *e, struct err *err)
{
	if (e->kind == MILTER_REPLACE_BODY)
		return add_body(m, e->value, err);
	if (grow(m->chain->arena, &m->edits, m->n_edits, &m->cap_edits) < 0)
		return err_set(err, POD_E_NOMEM, "it wants more changes than there is memory for");
	m->edits[m->n_edits++] = *e;
	return 0;
}

static int note_envelope(struct milter_chain *c, const struct milter_edit *e)
{
	if (grow(c->arena, &c->edits, c->n_edits, &c->cap_edits) < 0)
		return -POD_E_NOMEM;
	c->edits[c->n_edits++] = *e;
	return 0;
}

static int apply(struct milter_member *m, const struct milter_edit *e)
{
	struct milter_chain *c = m->chain;
	bool space = milter_terms_leading_space(&m->talk.terms);

	switch (e->kind) {
	case MILTER_ADD_HEADER: return milter_message_insert(&c->message, SIZE_MAX, e->name, e->value, space);
	case MILTER_INSERT_HEADER:
		return milter_message_insert(&c->message, e->index, e->name, e->value, space);
	case MILTER_CHANGE_HEADER:
		return milter_message_change(&c->message, e->name, e->index, e->value, space);
	case MILTER_ADD_RCPT:
	case MILTER_DELETE_RCPT:
	case MILTER_CHANGE_SENDER: return note_envelope(c, e);
	case MILTER_QUARANTINE:
		if (!c->quarantine)
			c->quarantine = arena_str(c->arena, e->value);
		return c->quarantine ? 0 : -POD_E_NOMEM;
	case MILTER_REPLACE_BODY:
	case MILTER_EDITS: break;
	}
	return 0;
}

static void log_edits(const struct milter_member *m)
{
	for (size_t i = 0; i < m->n_edits; i++)
		log_event(m->chain->log, LOGL_DEBUG, "milter.edit", F_STR("milter", m->filter->conf.name),
		          F_STR("edit", milter_edit_words[m->edits[i].kind]),
		          F_SPAN("name", m->edits[i].name), F_SPAN("value", m->edits[i].value));
}

int milter_changes_apply(struct milter_member *m)
{
	int r = 0;

	log_edits(m);
	for (size_t i = 0; r == 0 && i < m->n_edits; i++)
		r = apply(m, &m->edits[i]);
	if (r == 0 && m->body) {
		milter_message_replace_body(&m->chain->message, m->body);
		m->body = NULL;
	}
	return r;
}

void milter_changes_forget(struct milter_member *m)
{
	m->edits = NULL;
	m->n_edits = m->cap_edits = 0;
	m->body = spool_free(m->body);
}

#include <string.h>

#include "mta/podfilter/filter_internal.h"
#include "mta/podfilter/weights.h"

#define MESSAGE_ARENA (16u << 20)
#define HEADERS_BYTES (2u << 20) /* fields beyond are in the spool only */
#define SPOOL_MEMORY  (128u << 10)

const char *verdict_name(enum verdict v)
{
	static const char *const names[] = { "clean", "junk", "quarantine", "tempfail", "reject" };

	return names[v];
}

static const char *keep(struct arena *a, const char *s)
{
	char *copy = s ? arena_str(a, span_of(s)) : NULL;

	return copy ? copy : "";
}

struct message *message_create(struct session *s, const char *trace, struct span sender, const char *login)
{
	struct arena *a = arena_create(MESSAGE_ARENA);
	struct message *m = a ? arena_new(a, struct message) : NULL;

	if (m)
		m->spool = spool_create(SPOOL_MEMORY, s->filter->tmp_dir);
	if (!m || !m->spool) {
		(void) arena_free(a);
		return NULL;
	}
	m->session = s;
	m->arena = a;
	m->trace = keep(a, trace);
	m->sender = arena_str(a, sender) ?: "";
	m->login = login && *login ? keep(a, login) : NULL;
	m->log.parent = &s->log;
	m->log.fields[0] = F_STR("trace", m->trace);
	m->recipients_end = &m->recipients;
	m->headers_end = &m->headers;
	m->findings_end = &m->findings;
	m->edits_end = &m->edits;
	s->message = m;
	return m;
}

struct message *message_free(struct message *m)
{
	if (!m)
		return NULL;
	for (size_t i = 0; filter_checks[i]; i++)
		if (m->of_check[i] && filter_checks[i]->message_done)
			filter_checks[i]->message_done(m);
	(void) spool_free(m->spool);
	(void) arena_free(m->arena);
	return NULL;
}

int message_add_recipient(struct message *m, struct span address, struct recipient **ret_recipient)
{
	struct recipient *r = arena_new(m->arena, struct recipient);

	if (!r)
		return -POD_E_NOMEM;
	r->address = arena_str(m->arena, address) ?: "";
	*m->recipients_end = r;
	m->recipients_end = &r->next;
	m->recipients_n++;
	*ret_recipient = r;
	return 0;
}

/* The field as it stands in the message: a fold is CRLF again. */
static char *value_with_crlf(struct arena *a, const char *value)
{
	size_t len = strlen(value), bare = 0;
	char *out, *to;

	for (size_t i = 0; i < len; i++)
		bare += value[i] == '\n' && (i == 0 || value[i - 1] != '\r');
	out = to = arena_alloc(a, len + bare + 1);
	for (size_t i = 0; out && i < len; i++) {
		if (value[i] == '\n' && (i == 0 || value[i - 1] != '\r'))
			*to++ = '\r';
		*to++ = value[i];
	}
	return out;
}

int message_take_header(struct message *m, const char *name, const char *value, struct header **ret_header)
{
	struct header *h = NULL;
	struct err err = { 0 };
	char *text;
	int r;

	m->headers_cut |= arena_used(m->arena) > HEADERS_BYTES;
	if (!m->headers_cut && (h = arena_new(m->arena, struct header)) != NULL) {
		h->name = span_of(keep(m->arena, name));
		text = value_with_crlf(m->arena, value);
		h->value = span_of(text ? text : "");
		*m->headers_end = h;
		m->headers_end = &h->next;
	}
	m->headers_n++;
	r = spool_add(m->spool, span_of(name), &err);
	r = r < 0 ? r : spool_add(m->spool, SPAN_LIT(":"), &err);
	r = r < 0 ? r : spool_add(m->spool, h ? h->value : span_of(value), &err);
	r = r < 0 ? r : spool_add(m->spool, SPAN_LIT("\r\n"), &err);
	*ret_header = h;
	return r;
}

void message_find_part(struct message *m, const char *symbol, int weight, double part, const char *text)
{
	struct finding *f = arena_new(m->arena, struct finding);

	if (!f)
		return;
	f->symbol = symbol;
	f->text = text ? keep(m->arena, text) : NULL;
	f->weight = (int) (weights_of(m->session->settings->weights, symbol, weight) * part);
	*m->findings_end = f;
	m->findings_end = &f->next;
	m->score += f->weight;
}

void message_find(struct message *m, const char *symbol, int weight, const char *text)
{
	message_find_part(m, symbol, weight, 1, text);
}

/* It may hold a file's name, and goes into replies and the queue. */
static const char *one_line(const char *kept)
{
	for (char *p = (char *) (uintptr_t) kept; *p; p++)
		if ((uint8_t) *p < ' ' || *p == 0x7f)
			*p = '?';
	return kept;
}

void message_force(struct message *m, enum verdict verdict, const char *text)
{
	if (verdict <= m->verdict && m->verdict_is_forced)
		return;
	m->verdict_is_forced = true;
	if (verdict > m->verdict)
		m->verdict = verdict;
	m->verdict_text = one_line(keep(m->arena, text));
}

/* With the space behind the colon, which the mta leaves to us (SMFIP_HDR_LEADSPC). */
static const char *keep_value(struct message *m, const char *value)
{
	if (!value)
		return NULL;
	return value[0] == ' ' ? keep(m->arena, value) : arena_printf(m->arena, " %s", value) ?: "";
}

static void edit_add(struct message *m, enum edit_kind kind, unsigned int index, const char *name,
                     const char *value)
{
	struct edit *e = arena_new(m->arena, struct edit);

	if (!e)
		return;
	*e = (struct edit){
		.kind = kind, .name = keep(m->arena, name), .value = keep_value(m, value), .index = index
	};
	*m->edits_end = e;
	m->edits_end = &e->next;
}

void message_insert_header(struct message *m, unsigned int index, const char *name, const char *value)
{
	edit_add(m, EDIT_INSERT, index, name, value);
}

void message_add_header(struct message *m, const char *name, const char *value)
{
	edit_add(m, EDIT_ADD, 0, name, value);
}

void message_delete_header(struct message *m, const char *name, unsigned int nth)
{
	edit_add(m, EDIT_CHANGE, nth, name, NULL);
}

void message_progress(struct message *m)
{
	if (m->session->filter->progress)
		m->session->filter->progress(m);
}

/*
 * What the verdict is in the message: X-Spam is ours, the store files by it, so those that came along are
 * removed; with it the words of other filters that readers might take for ours.
 */
#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "mta/podfilter/checks.h"

static const struct span ours[] = { SPAN_LIT("X-Spam"), SPAN_LIT("X-Spam-Flag"), SPAN_LIT("X-Spam-Status"),
	                            SPAN_LIT("X-Spam-Score"), SPAN_LIT("X-Spam-Level") };

#define OURS (sizeof(ours) / sizeof(ours[0]))

/* How many there are of each; counted rather than looked up, since not every field of a large header is kept.
 */
struct counts {
	unsigned int n[OURS];
	bool said_yes; /* X-Spam: yes */
};

static void verdict_header(struct message *m, const struct header *h)
{
	size_t self = check_self(&check_verdict);
	struct counts *c = m->of_check[self];

	for (size_t i = 0; i < OURS; i++) {
		if (!span_eq_nocase(h->name, ours[i]))
			continue;
		if (!c)
			m->of_check[self] = c = arena_new(m->arena, struct counts);
		if (!c)
			continue;
		c->n[i]++;
		c->said_yes |= i == 0 && span_eq_nocase(span_trim(h->value), SPAN_LIT("yes"));
	}
}

/* A filter of the admin's that stands before us says so with the same field; strangers' are believed with it,
 * to their harm. */
static void verdict_judge(struct message *m)
{
	const struct filter_conf *conf = &m->session->settings->conf->filter;
	const struct counts *c = m->of_check[check_self(&check_verdict)];

	if (conf->junk_headers_of_rspamd && c && c->said_yes)
		message_find(m, "RSPAMD", (int) conf->junk_score * 100, NULL);
}

/* From the last to the first: each removal renumbers those behind it. */
static void remove_ours(struct message *m)
{
	const struct counts *c = m->of_check[check_self(&check_verdict)];

	for (size_t i = 0; c && i < OURS; i++)
		for (unsigned int n = c->n[i]; n > 0; n--)
			message_delete_header(m, (const char *) ours[i].p, n);
}

static void add_status(struct message *m)
{
	_cleanup_buf_ struct buf text = { .limit = 4000 };

	buf_printf(&text, "%s, score=%.2f", m->verdict >= VERDICT_JUNK ? "Yes" : "No", m->score / 100.0);
	for (const struct finding *f = m->findings; f; f = f->next)
		buf_printf(&text, "%s%s=%.2f", f == m->findings ? "\n tests=" : ",\n ", f->symbol,
		           f->weight / 100.0);
	message_insert_header(m, 1, "X-Spam-Status", buf_str(&text));
}

static void verdict_edit(struct message *m)
{
	remove_ours(m);
	if (m->session->direction != DIRECTION_IN)
		return;
	add_status(m);
	if (m->verdict == VERDICT_JUNK)
		message_insert_header(m, 1, "X-Spam", "yes");
}

const struct check check_verdict = {
	.name = "verdict",
	.directions = CHECK_ALL,
	.header = verdict_header,
	.judge = verdict_judge,
	.edit = verdict_edit,
};

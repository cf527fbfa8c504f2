#include "podctl/drill/check.h"

#include <stdlib.h>

#include "podctl/drill/imap.h"

#define TIMEOUT_MS 60000

struct tally {
	const char *run;
	size_t until;
	struct ledger_entry *promised; /* as it was before the mailboxes were looked at */
	uint8_t *seen;                 /* how often each was found, up to 2 */
	bool *flagged;
};

static void count(void *arg, uint32_t uid, const char *subject, bool flagged)
{
	struct tally *t = arg;
	size_t n = load_number(t->run, subject);

	if (n >= t->until)
		return;
	t->seen[n] += t->seen[n] < 2;
	t->flagged[n] |= flagged;
}

static int read_all(const struct load_options *o, struct tally *t, struct err *err)
{
	struct talk *w = malloc(sizeof(*w));
	int r = w ? 0 : err_set(err, POD_E_NOMEM, "drill");

	for (size_t i = 0; r == 0 && i < LOAD_USERS; i++) {
		r = imap_open(w, &o->imap, o->users[i].address, o->users[i].password, TIMEOUT_MS, err);
		if (r == 0)
			r = imap_fetch(w, 1, count, t, err);
		if (r == 0)
			talk_close(w);
	}
	free(w);
	return r;
}

static struct check_result compare(const struct tally *t)
{
	struct check_result c = { 0 };

	for (size_t n = 0; n < t->until; n++) {
		const struct ledger_entry e = t->promised[n];

		c.doubled += t->seen[n] > 1;
		if (!e.acknowledged_ms)
			continue;
		c.checked++;
		if (!t->seen[n]) {
			c.missing++;
			if (!c.missing_oldest_ms || e.acknowledged_ms < c.missing_oldest_ms)
				c.missing_oldest_ms = e.acknowledged_ms;
		}
		c.flags_checked += e.flagged;
		c.flags_missing += e.flagged && t->seen[n] && !t->flagged[n];
	}
	return c;
}

int check_once(const struct load_options *o, size_t until, struct check_result *ret, struct err *err)
{
	struct tally t = { .run = o->run,
		           .until = until,
		           .promised = calloc(until + 1, sizeof(*t.promised)),
		           .seen = calloc(until + 1, 1),
		           .flagged = calloc(until + 1, sizeof(bool)) };
	int r = t.promised && t.seen && t.flagged ? 0 : err_set(err, POD_E_NOMEM, "drill");

	for (size_t n = 0; r == 0 && n < until; n++)
		t.promised[n] = ledger_get(o->ledger, n);
	if (r == 0)
		r = read_all(o, &t, err);
	if (r == 0)
		*ret = compare(&t);
	free(t.promised);
	free(t.seen);
	free(t.flagged);
	return r;
}

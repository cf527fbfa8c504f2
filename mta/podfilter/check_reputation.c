/*
 * Reputation as a finding, and what is learnt from the verdict. Learnt is what the message alone came to:
 * were the reputation's own points in it, one bad day would feed itself.
 */
#include <stdio.h>

#include "base/clock.h"
#include "mta/podfilter/checks.h"
#include "mta/podfilter/sender.h"

#define SYMBOL "REPUTATION"
#define POINTS 500 /* of the worst reputation; the best takes away as many */

/* Our own opinion counts less than a user's (training.c): it may be wrong. */
#define SPAM_COUNTS 1.0
#define GOOD_COUNTS 0.5

static void reputation_judge(struct message *m)
{
	struct sender_reputation r;
	struct sender who;
	char text[64];

	sender_of(m->session, &m->auth, &who);
	r = sender_look_up(filter_memory(m->session), &who, clock_wall_s(), sender_half_life_s(m->session));
	(void) snprintf(text, sizeof(text), "%.2f", r.rating);
	if (r.rating > 0.05 || r.rating < -0.05)
		message_find_part(m, SYMBOL, POINTS, -r.rating, text);
}

static int score_without_us(const struct message *m)
{
	int score = m->score;

	for (const struct finding *f = m->findings; f; f = f->next)
		if (span_eq(span_of(f->symbol), SPAN_LIT(SYMBOL)))
			score -= f->weight;
	return score;
}

static void reputation_learn(struct message *m)
{
	unsigned int junk = m->session->settings->conf->filter.junk_score;
	bool spam = m->verdict_is_forced ? m->verdict >= VERDICT_QUARANTINE
	                                 : junk && score_without_us(m) >= (int) junk * 100;
	struct sender who;

	if (m->verdict == VERDICT_TEMPFAIL)
		return; /* it comes again */
	sender_of(m->session, &m->auth, &who);
	(void) sender_note(filter_memory(m->session), &who, spam ? REPUTATION_SPAM : REPUTATION_GOOD,
	                   spam ? SPAM_COUNTS : GOOD_COUNTS, clock_wall_s(), sender_half_life_s(m->session));
}

const struct check check_reputation = {
	.name = "reputation",
	.directions = CHECK_IN,
	.judge = reputation_judge,
	.learn = reputation_learn,
};

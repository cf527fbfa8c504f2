/* From findings to a verdict. */
#include "mta/podfilter/filter_internal.h"

static bool reaches(const struct message *m, unsigned int points)
{
	return points && m->score >= (int) points * 100;
}

void message_decide(struct message *m)
{
	const struct filter_conf *c = &m->session->settings->conf->filter;
	enum verdict by_score = reaches(m, c->reject_score)       ? VERDICT_REJECT
	                        : reaches(m, c->quarantine_score) ? VERDICT_QUARANTINE
	                        : reaches(m, c->junk_score)       ? VERDICT_JUNK
	                                                          : VERDICT_CLEAN;

	/* Of what our own users send, only what a check forces is held back: no stranger's opinion counts
	 * there. */
	if (m->session->direction == DIRECTION_IN && by_score > m->verdict) {
		m->verdict = by_score;
		m->verdict_is_forced = false;
		m->verdict_text = NULL;
	}
}

/* From findings to a verdict. */
#include "mta/podfilter/filter_internal.h"

static bool reaches(const struct message *m, unsigned int points)
{
	return points && m->score >= (int) points * 100;
}

enum verdict verdict_of_action(enum filter_action action)
{
	static const enum verdict verdicts[] = {
		[FILTER_ACTION_NONE] = VERDICT_CLEAN,
		[FILTER_ACTION_JUNK] = VERDICT_JUNK,
		[FILTER_ACTION_QUARANTINE] = VERDICT_QUARANTINE,
		[FILTER_ACTION_TEMPFAIL] = VERDICT_TEMPFAIL,
		[FILTER_ACTION_REJECT] = VERDICT_REJECT,
	};

	return verdicts[action];
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

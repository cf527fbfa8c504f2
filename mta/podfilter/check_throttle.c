/* Before any content: how many connections a client may have, by his reputation, and how often he may guess
 * recipients. */
#include "base/clock.h"
#include "mta/podfilter/checks.h"
#include "mta/podfilter/filter_internal.h"
#include "mta/podfilter/sender.h"
#include "mta/podfilter/throttle.h"

#define GOOD_RATING 0.3
#define BAD_RATING  (-0.3)

struct throttled {
	struct key key;
	bool entered;
	unsigned int unknown; /* recipients that there are not */
};

static double factor_of(double rating)
{
	return rating > GOOD_RATING ? 5 : rating < BAD_RATING ? 0.2 : 1;
}

static double limit(unsigned int option, double factor)
{
	double n = option * factor;

	return option == 0 ? 1e9 : n < 1 ? 1 : n;
}

static enum answer throttle_connect(struct session *s)
{
	const struct filter_conf *c = &s->settings->conf->filter;
	struct throttled *t = arena_new(s->arena, struct throttled);
	struct sender who;
	struct throttle_limits limits;
	enum throttle_answer answer;
	double factor;

	if (!t || !reputation_address_key(REPUTATION_ADDRESS, &s->client, &t->key))
		return ANSWER_GO_ON;
	s->of_check[check_self(&check_throttle)] = t;
	sender_of(s, NULL, &who);
	factor = factor_of(
		sender_look_up(filter_memory(s), &who, clock_wall_s(), sender_half_life_s(s)).rating);
	limits = (struct throttle_limits){ limit(c->connections_per_client, factor),
		                           limit(c->connection_rate, factor) };
	answer = throttle_enter(s->filter->throttle, &t->key, &limits, clock_mono_ms());
	t->entered = answer == THROTTLE_PASS;
	if (answer == THROTTLE_TOO_MANY)
		session_reply(s, "421", "4.7.0", "Too many connections from %s; try again later",
		              s->client_text);
	if (answer == THROTTLE_TOO_FAST)
		session_reply(s, "421", "4.7.0", "Connections from %s come too fast; try again later",
		              s->client_text);
	return answer == THROTTLE_PASS ? ANSWER_GO_ON : ANSWER_TEMPFAIL;
}

static void note(struct session *s, enum reputation_count what)
{
	struct sender who;

	sender_of(s, NULL, &who);
	(void) sender_note(filter_memory(s), &who, what, 1, clock_wall_s(), sender_half_life_s(s));
}

static void throttle_rcpt_refused(struct message *m, struct span address)
{
	struct throttled *t = m->session->of_check[check_self(&check_throttle)];

	if (t)
		t->unknown++;
	note(m->session, REPUTATION_UNKNOWN);
}

static void throttle_unknown(struct session *s)
{
	note(s, REPUTATION_ERROR);
}

static enum answer guessed_enough(struct session *s)
{
	const struct throttled *t = s->of_check[check_self(&check_throttle)];
	unsigned int max = s->settings->conf->filter.max_unknown_recipients;

	if (!t || !max || t->unknown < max)
		return ANSWER_GO_ON;
	session_reply(s, "421", "4.7.0", "Too many unknown recipients; try again later");
	return ANSWER_TEMPFAIL;
}

static enum answer throttle_mail(struct message *m)
{
	return guessed_enough(m->session);
}

static enum answer throttle_rcpt(struct message *m, const struct recipient *r)
{
	return guessed_enough(m->session);
}

static void throttle_session_done(struct session *s)
{
	struct throttled *t = s->of_check[check_self(&check_throttle)];

	if (t->entered)
		throttle_leave(s->filter->throttle, &t->key);
}

const struct check check_throttle = {
	.name = "throttle",
	.directions = CHECK_IN,
	.connect = throttle_connect,
	.unknown = throttle_unknown,
	.mail = throttle_mail,
	.rcpt = throttle_rcpt,
	.rcpt_refused = throttle_rcpt_refused,
	.session_done = throttle_session_done,
};

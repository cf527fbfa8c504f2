/*
 * Greylisting, of those whom nothing speaks for: no good reputation, no DNSWL, no domain that SPF vouches for
 * and that good mail has come from before.
 */
#include "base/clock.h"
#include "mta/podfilter/check_dns_lists.h"
#include "mta/podfilter/checks.h"
#include "mta/podfilter/greylist.h"
#include "mta/podfilter/sender.h"

#define KNOWN_GOOD 0.2
#define SUSPICIOUS (-0.2)
#define PASSED     0.4 /* good messages, by now, of a domain that passed before */

static struct greylist_times times_of(const struct filter_conf *c)
{
	return (struct greylist_times){ (int64_t) (c->greylist_delay_ms / 1000),
		                        (int64_t) (c->greylist_window_ms / 1000),
		                        (int64_t) (c->greylist_lifetime_ms / 1000) };
}

static bool domain_passed_before(const struct message *m, int64_t now_s)
{
	struct sender domain = { .n = 1, .kinds = { REPUTATION_DOMAIN } };
	struct sender_reputation r;

	if (!m->auth.spf_domain ||
	    !reputation_name_key(REPUTATION_DOMAIN, span_of(m->auth.spf_domain), &domain.keys[0]))
		return false;
	r = sender_look_up(filter_memory(m->session), &domain, now_s, sender_half_life_s(m->session));
	return r.rating > 0 && r.sum.counts[REPUTATION_GOOD] >= PASSED;
}

static bool has_to_wait(const struct message *m, int64_t now_s)
{
	const struct session *s = m->session;
	enum greylist_whom whom = s->settings->conf->filter.greylist;
	struct sender who;
	double rating;

	if (whom == GREYLIST_NOBODY || !s->client.len || dns_lists_good(s))
		return false;
	sender_of(s, &m->auth, &who);
	rating = sender_look_up(filter_memory(s), &who, now_s, sender_half_life_s(s)).rating;
	if (whom == GREYLIST_SUSPICIOUS)
		return rating < SUSPICIOUS || dns_lists_bad(s);
	return rating < KNOWN_GOOD && !domain_passed_before(m, now_s);
}

struct attempt {
	struct greylist_times times;
	int64_t now_s, wait_s;
};

static size_t attempt(void *arg, struct span old, uint8_t *value)
{
	struct attempt *a = arg;

	a->wait_s = greylist_try(old, &a->times, a->now_s, value);
	return GREYLIST_BYTES;
}

/* Seconds to wait; 0 also where the memory cannot tell: mail is to flow. */
static int64_t wait_of(const struct message *m, const char *recipient)
{
	const struct session *s = m->session;
	struct attempt a = { times_of(&s->settings->conf->filter), clock_wall_s(), 0 };
	struct key network, key;

	if (!has_to_wait(m, a.now_s) || !reputation_address_key(REPUTATION_NETWORK, &s->client, &network))
		return 0;
	greylist_key(key_span(&network), span_of(m->sender), span_of(recipient), &key);
	return memory_change(filter_memory(s), MEMORY_GREYLIST, &key, attempt, &a) < 0 ? 0 : a.wait_s;
}

/*
 * A message from <> is let go on until its end: others check with an empty sender whether an address is
 * there, and would take a "not yet" for a "no".
 */
static enum answer greylist_rcpt(struct message *m, const struct recipient *r)
{
	int64_t wait_s = m->sender[0] ? wait_of(m, r->address) : 0;

	if (!wait_s)
		return ANSWER_GO_ON;
	session_reply(m->session, "450", "4.7.1", "Greylisted: please try again in %lld seconds",
	              (long long) wait_s);
	return ANSWER_TEMPFAIL;
}

static void greylist_judge(struct message *m)
{
	if (m->sender[0])
		return;
	for (const struct recipient *r = m->recipients; r; r = r->next)
		if (wait_of(m, r->address))
			message_force(m, VERDICT_TEMPFAIL, "Greylisted: please try again later");
}

/* ---- forgetting ---- */

struct pruning {
	struct memory *m;
	struct attempt now;
};

static bool forget_over(void *arg, struct span key, struct span value)
{
	const struct pruning *p = arg;
	struct key k = { .len = 0 };

	(void) key_bytes(&k, key);
	return !greylist_is_over(value, &p->now.times, p->now.now_s) ||
	       memory_put(p->m, MEMORY_GREYLIST, &k, SPAN_NONE) == 0;
}

int greylist_prune(struct memory *m, const struct filter_conf *c, struct key *from, size_t max,
                   struct err *err)
{
	struct pruning p = { m, { times_of(c), clock_wall_s(), 0 } };

	return memory_walk(m, MEMORY_GREYLIST, from, max, forget_over, &p, err);
}

const struct check check_greylist = {
	.name = "greylist",
	.directions = CHECK_IN,
	.rcpt = greylist_rcpt,
	.judge = greylist_judge,
};

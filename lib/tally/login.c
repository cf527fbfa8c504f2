#include "tally/login.h"

#define FIRST_MS 1000
#define FORGET_MS (30 * 60 * 1000)
#define KNOWN_MS (30 * 86400 * INT64_C(1000))
#define KNOWN_FREE 5
#define KNOWN_LONGEST_MS 10000

#define KIND_USER "login user"
#define KIND_NETWORK "login network"
#define KIND_PAIR "login pair"
#define KIND_KNOWN "login known"

static const struct tally_patience with_known = { KNOWN_FREE, FIRST_MS, KNOWN_LONGEST_MS, FORGET_MS };

static struct tally_patience with_strangers(const struct login_rules *rules, uint32_t factor)
{
	return (struct tally_patience){ rules->free * factor, FIRST_MS, rules->longest_ms, FORGET_MS };
}

static bool is_known(struct tally *t, const struct login_try *try, int64_t now_ms)
{
	struct tally_key known = tally_key2(t, KIND_KNOWN, try->user, try->network);

	return tally_is_marked(t, &known, now_ms);
}

int login_may_try(struct tally *t, const struct login_rules *rules, const struct login_try *try, int64_t now_ms,
                  uint32_t *ret_wait_ms)
{
	struct tally_patience user = with_strangers(rules, 1), network = with_strangers(rules, LOGIN_NETWORK_FACTOR);
	struct tally_key pair = tally_key2(t, KIND_PAIR, try->user, try->network);
	struct tally_key u = tally_key(t, KIND_USER, try->user), n = tally_key(t, KIND_NETWORK, try->network);
	int r;

	if (is_known(t, try, now_ms))
		return tally_try(t, &pair, &with_known, now_ms, ret_wait_ms);
	r = try->network.len ? tally_try(t, &n, &network, now_ms, ret_wait_ms) : 0;
	return r < 0 ? r : tally_try(t, &u, &user, now_ms, ret_wait_ms);
}

void login_failed(struct tally *t, const struct login_rules *rules, const struct login_try *try, int64_t now_ms)
{
	struct tally_patience user = with_strangers(rules, 1), network = with_strangers(rules, LOGIN_NETWORK_FACTOR);
	struct tally_key pair = tally_key2(t, KIND_PAIR, try->user, try->network);
	struct tally_key u = tally_key(t, KIND_USER, try->user), n = tally_key(t, KIND_NETWORK, try->network);

	if (is_known(t, try, now_ms)) {
		tally_failed(t, &pair, &with_known, now_ms);
		return;
	}
	if (try->network.len)
		tally_failed(t, &n, &network, now_ms);
	tally_failed(t, &u, &user, now_ms);
}

void login_succeeded(struct tally *t, const struct login_try *try, int64_t now_ms)
{
	struct tally_key known = tally_key2(t, KIND_KNOWN, try->user, try->network);
	struct tally_key pair = tally_key2(t, KIND_PAIR, try->user, try->network);

	tally_mark(t, &known, now_ms + KNOWN_MS);
	tally_clear(t, &pair);
}

void login_forgive(struct tally *t, struct span user)
{
	struct tally_key u = tally_key(t, KIND_USER, user);

	tally_clear(t, &u);
}

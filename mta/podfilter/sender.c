#include "mta/podfilter/sender.h"

/* Evidence below which a record is forgotten: a message of seven half-lives ago, or an unknown recipient of
 * five. */
#define FORGET_BELOW 0.01

static void add_address(struct sender *who, enum reputation_kind kind, const struct net_addr *addr)
{
	if (reputation_address_key(kind, addr, &who->keys[who->n]))
		who->kinds[who->n++] = kind;
}

static void add_name(struct sender *who, enum reputation_kind kind, const char *name)
{
	if (name && reputation_name_key(kind, span_of(name), &who->keys[who->n]))
		who->kinds[who->n++] = kind;
}

void sender_of(const struct session *s, const struct authentication *auth, struct sender *ret_sender)
{
	const char *dkim = auth ? auth->dkim_domain : NULL, *spf = auth ? auth->spf_domain : NULL;

	ret_sender->n = 0;
	add_address(ret_sender, REPUTATION_ADDRESS, &s->client);
	add_address(ret_sender, REPUTATION_NETWORK, &s->client);
	add_name(ret_sender, REPUTATION_DOMAIN, dkim);
	if (!dkim || !spf || !span_eq_nocase(span_of(dkim), span_of(spf)))
		add_name(ret_sender, REPUTATION_DOMAIN, spf);
	if (!dkim && !spf)
		add_name(ret_sender, REPUTATION_HELO, s->helo);
}

struct sender_reputation sender_look_up(struct memory *m, const struct sender *who, int64_t now_s,
                                        double half_life_s)
{
	struct reputation records[SENDER_KEYS_MAX];
	struct sender_reputation result;
	uint8_t value[MEMORY_VALUE_MAX];

	for (size_t i = 0; i < who->n; i++) {
		int len = memory_get(m, MEMORY_REPUTATION, &who->keys[i], value);

		reputation_unpack(span_make(value, len > 0 ? (size_t) len : 0), &records[i]);
		reputation_decay(&records[i], now_s, half_life_s);
	}
	result.sum = reputation_combine(who->kinds, records, who->n);
	result.rating = reputation_rating(&result.sum);
	return result;
}

struct note {
	enum reputation_count what;
	double n;
	int64_t now_s;
	double half_life_s;
};

static size_t add_note(void *arg, struct span old, uint8_t *value)
{
	const struct note *n = arg;
	struct reputation r;

	reputation_unpack(old, &r);
	reputation_decay(&r, n->now_s, n->half_life_s);
	reputation_add(&r, n->what, n->n);
	reputation_pack(&r, value);
	return REPUTATION_BYTES;
}

int sender_note(struct memory *m, const struct sender *who, enum reputation_count what, double n,
                int64_t now_s, double half_life_s)
{
	struct note note = { what, n, now_s, half_life_s };
	int r = 0;

	for (size_t i = 0; r == 0 && i < who->n; i++)
		r = memory_change(m, MEMORY_REPUTATION, &who->keys[i], add_note, &note);
	return r;
}

double sender_half_life_s(const struct session *s)
{
	return (double) s->settings->conf->filter.reputation_half_life_ms / 1000;
}

/* ---- forgetting ---- */

struct pruning {
	struct memory *m;
	double below;
	int64_t now_s;
	double half_life_s;
};

static bool forget_faded(void *arg, struct span key, struct span value)
{
	struct pruning *p = arg;
	struct reputation r;
	struct key k = { .len = 0 };

	reputation_unpack(value, &r);
	reputation_decay(&r, p->now_s, p->half_life_s);
	if (reputation_evidence(&r) >= p->below)
		return true;
	(void) key_bytes(&k, key);
	return memory_put(p->m, MEMORY_REPUTATION, &k, SPAN_NONE) == 0;
}

/* Over the limit the bar is the higher the more there is too much, so that the table shrinks whatever is in
 * it. */
static double bar(uint64_t count, uint64_t entries_max)
{
	double below = FORGET_BELOW;

	for (uint64_t n = entries_max; n < count && below < 1e6; n += entries_max / 20 + 1)
		below *= 4;
	return below;
}

int sender_prune(struct memory *m, struct key *from, size_t max, uint64_t entries_max, int64_t now_s,
                 double half_life_s, struct err *err)
{
	struct pruning p = { m, bar(memory_count(m, MEMORY_REPUTATION), entries_max), now_s, half_life_s };

	return memory_walk(m, MEMORY_REPUTATION, from, max, forget_faded, &p, err);
}

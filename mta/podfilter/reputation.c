#include "mta/podfilter/reputation.h"

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>

/* A wrong recipient or command says less than a message. */
static const double badness[REPUTATION_COUNTS] = {
	[REPUTATION_SPAM] = 1.0, [REPUTATION_UNKNOWN] = 0.3, [REPUTATION_ERROR] = 0.1
};

/* So many messages would have to come before a rating is half of what they say. */
#define DOUBT 5.0
#define FADED 0.001

void reputation_decay(struct reputation *r, int64_t now_s, double half_life_s)
{
	double factor;

	if (r->at_s && now_s > r->at_s) {
		factor = exp2(-(double) (now_s - r->at_s) / half_life_s);
		for (size_t i = 0; i < REPUTATION_COUNTS; i++)
			r->counts[i] = r->counts[i] * factor < FADED ? 0 : r->counts[i] * factor;
	}
	if (now_s > r->at_s)
		r->at_s = now_s;
}

void reputation_add(struct reputation *r, enum reputation_count what, double n)
{
	r->counts[what] += n;
}

static double bad_of(const struct reputation *r)
{
	double sum = 0;

	for (size_t i = 0; i < REPUTATION_COUNTS; i++)
		sum += r->counts[i] * badness[i];
	return sum;
}

double reputation_evidence(const struct reputation *r)
{
	return r->counts[REPUTATION_GOOD] + bad_of(r);
}

static double share_of(enum reputation_kind kind)
{
	switch (kind) {
	case REPUTATION_ADDRESS:
	case REPUTATION_DOMAIN: return 1.0;
	case REPUTATION_NETWORK: return 0.2;
	case REPUTATION_HELO: return 0.2;
	}
	return 0;
}

struct reputation reputation_combine(const enum reputation_kind *kinds, const struct reputation *records,
                                     size_t n)
{
	struct reputation sum = { 0 };

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < REPUTATION_COUNTS; k++)
			sum.counts[k] += share_of(kinds[i]) * records[i].counts[k];
		if (records[i].at_s > sum.at_s)
			sum.at_s = records[i].at_s;
	}
	return sum;
}

double reputation_rating(const struct reputation *r)
{
	double good = r->counts[REPUTATION_GOOD], bad = bad_of(r);

	return (good - bad) / (good + bad + DOUBT);
}

/* ---- bytes: a version, the time in 8 bytes, four counts in thousandths of 4 bytes, all big-endian ---- */

#define VERSION 1

static void put(uint8_t *to, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = (uint8_t) (v >> (8 * (bytes - 1 - i)));
}

static uint64_t get(const uint8_t *from, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | from[i];
	return v;
}

void reputation_pack(const struct reputation *r, uint8_t bytes[REPUTATION_BYTES])
{
	bytes[0] = VERSION;
	put(bytes + 1, (uint64_t) r->at_s, 8);
	for (size_t i = 0; i < REPUTATION_COUNTS; i++) {
		double thousandths = r->counts[i] * 1000;

		put(bytes + 9 + 4 * i, thousandths >= UINT32_MAX ? UINT32_MAX : (uint64_t) thousandths, 4);
	}
}

void reputation_unpack(struct span bytes, struct reputation *ret_reputation)
{
	*ret_reputation = (struct reputation){ 0 };
	if (bytes.len != REPUTATION_BYTES || bytes.p[0] != VERSION)
		return;
	ret_reputation->at_s = (int64_t) get(bytes.p + 1, 8);
	for (size_t i = 0; i < REPUTATION_COUNTS; i++)
		ret_reputation->counts[i] = (double) get(bytes.p + 9 + 4 * i, 4) / 1000;
}

/* ---- keys: the kind's letter, then the address's leading bytes (4 of IPv4, 3 of its network, 8 and 6) or a
 * name ---- */

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static struct span address_bytes(const struct net_addr *addr)
{
	const struct sockaddr_in6 *in6 = (const void *) &addr->ss;

	if (addr->len && addr->ss.ss_family == AF_INET)
		return span_make(&((const struct sockaddr_in *) (const void *) &addr->ss)->sin_addr, 4);
	if (!addr->len || addr->ss.ss_family != AF_INET6)
		return SPAN_NONE;
	if (memcmp(&in6->sin6_addr, mapped, sizeof(mapped)) == 0)
		return span_make((const uint8_t *) &in6->sin6_addr + 12, 4);
	return span_make(&in6->sin6_addr, 16);
}

bool reputation_address_key(enum reputation_kind kind, const struct net_addr *addr, struct key *ret_key)
{
	struct span bytes = address_bytes(addr);
	bool whole = kind == REPUTATION_ADDRESS;
	size_t len = bytes.len == 4 ? (whole ? 4 : 3) : (whole ? 8 : 6);
	uint8_t letter = (uint8_t) kind;

	if (!bytes.len)
		return false;
	ret_key->len = 0;
	(void) key_bytes(ret_key, span_make(&letter, 1));
	(void) key_bytes(ret_key, span_head(bytes, len));
	return true;
}

bool reputation_name_key(enum reputation_kind kind, struct span name, struct key *ret_key)
{
	uint8_t letter = (uint8_t) kind, lower[255];

	if (name.len && name.p[name.len - 1] == '.')
		name.len--;
	if (!name.len || name.len > sizeof(lower))
		return false;
	for (size_t i = 0; i < name.len; i++)
		lower[i] = ascii_lower(name.p[i]);
	ret_key->len = 0;
	(void) key_bytes(ret_key, span_make(&letter, 1));
	(void) key_bytes(ret_key, span_make(lower, name.len));
	return true;
}

enum reputation_kind reputation_key_text(struct span key, char *buf, size_t size)
{
	uint8_t bytes[16] = { 0 };
	char text[INET6_ADDRSTRLEN];
	size_t len = key.len - 1;

	if (key.len < 2)
		return 0;
	if (key.p[0] == REPUTATION_DOMAIN || key.p[0] == REPUTATION_HELO) {
		(void) snprintf(buf, size, SPAN_FMT, SPAN_ARG(span_skip(key, 1)));
		return (enum reputation_kind) key.p[0];
	}
	if ((key.p[0] != REPUTATION_ADDRESS && key.p[0] != REPUTATION_NETWORK) || len > 8)
		return 0;
	memcpy(bytes, key.p + 1, len);
	if (!inet_ntop(len <= 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text)))
		return 0;
	if (len == 4)
		(void) snprintf(buf, size, "%s", text);
	else
		(void) snprintf(buf, size, "%s/%zu", text, len * 8);
	return (enum reputation_kind) key.p[0];
}

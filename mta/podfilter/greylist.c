#include "mta/podfilter/greylist.h"

#include <openssl/evp.h>

#define VERSION 1

/* A version, the first try and the last message that passed (0: none has), each 8 bytes, big-endian. */
struct record {
	int64_t first_s, passed_s;
};

static int64_t get(const uint8_t *from)
{
	uint64_t v = 0;

	for (size_t i = 0; i < 8; i++)
		v = v << 8 | from[i];
	return (int64_t) v;
}

static void put(uint8_t *to, int64_t v)
{
	for (size_t i = 0; i < 8; i++)
		to[i] = (uint8_t) ((uint64_t) v >> (8 * (7 - i)));
}

static struct record unpack(struct span bytes)
{
	if (bytes.len != GREYLIST_BYTES || bytes.p[0] != VERSION)
		return (struct record){ 0 };
	return (struct record){ get(bytes.p + 1), get(bytes.p + 9) };
}

static bool is_over(const struct record *r, const struct greylist_times *t, int64_t now_s)
{
	return r->passed_s ? now_s - r->passed_s > t->lifetime_s : now_s - r->first_s > t->window_s;
}

bool greylist_is_over(struct span record, const struct greylist_times *t, int64_t now_s)
{
	struct record r = unpack(record);

	return is_over(&r, t, now_s);
}

int64_t greylist_try(struct span old, const struct greylist_times *t, int64_t now_s,
                     uint8_t bytes[GREYLIST_BYTES])
{
	struct record r = unpack(old);
	int64_t wait;

	if (!r.first_s || is_over(&r, t, now_s))
		r = (struct record){ .first_s = now_s };
	wait = r.passed_s ? 0 : r.first_s + t->delay_s - now_s;
	if (wait <= 0) {
		wait = 0;
		r.passed_s = now_s;
	}
	bytes[0] = VERSION;
	put(bytes + 1, r.first_s);
	put(bytes + 9, r.passed_s);
	return wait;
}

/* Addresses are long and nobody's business: a hash of them is the key. */
void greylist_key(struct span network, struct span sender, struct span recipient, struct key *ret_key)
{
	const struct span parts[] = { network, sender, recipient };
	uint8_t digest[EVP_MAX_MD_SIZE] = { 0 };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL)) {
		for (size_t i = 0; i < 3; i++) {
			for (size_t k = 0; k < parts[i].len; k++) {
				uint8_t c = i == 0 ? parts[i].p[k] : ascii_lower(parts[i].p[k]);

				(void) EVP_DigestUpdate(ctx, &c, 1);
			}
			(void) EVP_DigestUpdate(ctx, "\0", 1);
		}
		(void) EVP_DigestFinal_ex(ctx, digest, NULL);
	}
	EVP_MD_CTX_free(ctx);
	ret_key->len = 0;
	(void) key_bytes(ret_key, span_make(digest, 16));
}

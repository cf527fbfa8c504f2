#include "store/auth/remember.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/id.h"

#define SETS 512u
#define TRIPLE_MAX 2048
#define WAYS 8u /* 4,096 digests: a volume's 1,000 users with some devices each */

struct digest {
	uint8_t bytes[SHA256_DIGEST_LENGTH];
	uint64_t until_ms; /* 0: free */
};

struct remember {
	pthread_mutex_t lock;
	uint64_t for_ms;
	uint8_t key[SHA256_DIGEST_LENGTH];
	struct digest sets[SETS][WAYS];
};

struct remember *remember_create(uint64_t for_ms)
{
	struct remember *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->for_ms = for_ms;
	random_bytes(m->key, sizeof(m->key));
	(void) pthread_mutex_init(&m->lock, NULL);
	return m;
}

struct remember *remember_free(struct remember *m)
{
	if (m) {
		(void) pthread_mutex_destroy(&m->lock);
		OPENSSL_cleanse(m, sizeof(*m));
		free(m);
	}
	return NULL;
}

/* The lengths go in too, so that no two triples are the same bytes. Larger ones than there can be are not kept. */
static bool digest_make(const struct remember *m, struct span user_id, uint64_t version, struct span password,
                        uint8_t ret[SHA256_DIGEST_LENGTH])
{
	uint64_t numbers[] = { version, user_id.len, password.len };
	uint8_t bytes[TRIPLE_MAX], *end = bytes;
	bool done;

	if (user_id.len > sizeof(bytes) - sizeof(numbers) ||
	    password.len > sizeof(bytes) - sizeof(numbers) - user_id.len)
		return false;
	end = mempcpy(end, numbers, sizeof(numbers));
	end = mempcpy(end, user_id.p, user_id.len);
	end = mempcpy(end, password.p, password.len);
	done = HMAC(EVP_sha256(), m->key, sizeof(m->key), bytes, (size_t) (end - bytes), ret, NULL) != NULL;
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return done;
}

static struct digest *set_of(struct remember *m, const uint8_t digest[SHA256_DIGEST_LENGTH])
{
	return m->sets[(digest[0] | (unsigned int) digest[1] << 8) % SETS];
}

void remember_add(struct remember *m, struct span user_id, uint64_t credential_version, struct span password,
                  uint64_t now_ms)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct digest *set, *oldest;

	if (m->for_ms == 0 || !digest_make(m, user_id, credential_version, password, digest))
		return;
	set = oldest = set_of(m, digest);
	(void) pthread_mutex_lock(&m->lock);
	for (size_t i = 1; i < WAYS; i++)
		if (set[i].until_ms < oldest->until_ms)
			oldest = &set[i];
	memcpy(oldest->bytes, digest, sizeof(digest));
	oldest->until_ms = now_ms + m->for_ms;
	(void) pthread_mutex_unlock(&m->lock);
}

bool remember_has(struct remember *m, struct span user_id, uint64_t credential_version, struct span password,
                  uint64_t now_ms)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	const struct digest *set;
	bool has = false;

	if (m->for_ms == 0 || !digest_make(m, user_id, credential_version, password, digest))
		return false;
	set = set_of(m, digest);
	(void) pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < WAYS; i++) {
		bool same = CRYPTO_memcmp(set[i].bytes, digest, sizeof(digest)) == 0;

		has |= same && set[i].until_ms > now_ms;
	}
	(void) pthread_mutex_unlock(&m->lock);
	return has;
}

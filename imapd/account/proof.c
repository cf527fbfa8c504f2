#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/id.h"
#include "imapd/account/internal.h"

/* The user's id is a part of it, so that two users' equal passwords do not show. Without memory it fits
 * nothing. */
struct proof proof_make(const struct accounts *as, const char *user_id, struct span password)
{
	struct proof p = { 0 };
	_cleanup_buf_ struct buf text = BUF_INIT;
	unsigned int len = 0;

	buf_add(&text, span_make(user_id, strlen(user_id) + 1));
	buf_add(&text, password);
	if (text.failed || !HMAC(EVP_sha256(), as->key, sizeof(as->key), text.p, text.len, p.bytes, &len))
		random_bytes(p.bytes, sizeof(p.bytes));
	OPENSSL_cleanse(text.p, text.len);
	return p;
}

bool proof_same(const struct proof *a, const struct proof *b)
{
	return CRYPTO_memcmp(a->bytes, b->bytes, PROOF_BYTES) == 0;
}

bool proof_known(const struct account *ac, const struct proof *p)
{
	bool known = false;

	for (unsigned int i = 0; i < ac->proofs_n; i++)
		known |= proof_same(&ac->proofs[i], p);
	return known;
}

void proof_remember(struct account *ac, const struct proof *p)
{
	ac->proofs[ac->proof_next] = *p;
	ac->proof_next = (ac->proof_next + 1) % PROOFS;
	if (ac->proofs_n < PROOFS)
		ac->proofs_n++;
}

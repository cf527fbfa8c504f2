#include "mta/podfilter/auth/signing_key.h"

#include "base/base64.h"
#include "mta/podfilter/auth/canon.h"

int signing_key_sign(const struct signing_key *key, struct arena *a, struct span bytes,
                     struct span *ret_base64, struct err *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t hash[CANON_HASH_SIZE], sig[PUBLIC_KEY_RSA_BITS_MAX / 8];
	size_t len = sizeof(sig);
	int good = 0;

	if (key->type == KEY_ED25519) {
		(void) EVP_Digest(bytes.p, bytes.len, hash, NULL, EVP_sha256(), NULL);
		bytes = span_make(hash, sizeof(hash));
	}
	if (ctx &&
	    EVP_DigestSignInit(ctx, NULL, key->type == KEY_RSA ? EVP_sha256() : NULL, NULL, key->pkey) == 1)
		good = EVP_DigestSign(ctx, sig, &len, bytes.p, bytes.len);
	EVP_MD_CTX_free(ctx);
	if (good != 1)
		return err_set(err, POD_E_INTERNAL, "signing with %s._domainkey.%s", key->selector,
		               key->domain);
	*ret_base64 = base64_encode(a, span_make(sig, len));
	return ret_base64->p ? 0 : err_set(err, POD_E_NOMEM, "signature");
}

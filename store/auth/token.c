#include "store/auth/auth_internal.h"

#include <endian.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

/*
 * A token: u8 version, u64 expiry (seconds since 1970), u64 credential version (both big-endian), the user id
 * to the end, and before that HMAC-SHA-256 of it all under the volume's secret.
 */
#define TOKEN_VERSION 1
#define HEAD_SIZE 17
#define USER_ID_MAX 64

static bool sign(const struct auth *au, struct span body, uint8_t ret[SHA256_DIGEST_LENGTH])
{
	return HMAC(EVP_sha256(), au->secret, sizeof(au->secret), body.p, body.len, ret, NULL) != NULL;
}

struct span auth_token_make(const struct auth *au, struct arena *a, struct span user_id, uint64_t credential_version,
                            int64_t now_s)
{
	size_t len = SHA256_DIGEST_LENGTH + HEAD_SIZE + user_id.len;
	uint8_t *t = arena_alloc(a, len), *body = t ? t + SHA256_DIGEST_LENGTH : NULL;
	uint64_t expiry = htobe64((uint64_t) (now_s + AUTH_TOKEN_LIFE_S)), version = htobe64(credential_version);

	if (!t)
		return SPAN_NONE;
	body[0] = TOKEN_VERSION;
	memcpy(body + 1, &expiry, sizeof(expiry));
	memcpy(body + 9, &version, sizeof(version));
	memcpy(body + HEAD_SIZE, user_id.p, user_id.len);
	return sign(au, span_make(body, HEAD_SIZE + user_id.len), t) ? span_make(t, len) : SPAN_NONE;
}

int auth_token_check(const struct auth *au, struct arena *a, struct span token, int64_t now_s, struct span *ret_user_id,
                     uint64_t *ret_credential_version)
{
	struct span body = span_skip(token, SHA256_DIGEST_LENGTH), user_id;
	uint8_t mac[SHA256_DIGEST_LENGTH];
	uint64_t expiry, version;

	if (body.len <= HEAD_SIZE || body.len > HEAD_SIZE + USER_ID_MAX)
		return -POD_E_AUTH;
	if (!sign(au, body, mac) || CRYPTO_memcmp(mac, token.p, sizeof(mac)) != 0 || body.p[0] != TOKEN_VERSION)
		return -POD_E_AUTH;
	memcpy(&expiry, body.p + 1, sizeof(expiry));
	memcpy(&version, body.p + 9, sizeof(version));
	if ((int64_t) be64toh(expiry) <= now_s)
		return -POD_E_AUTH;
	user_id = arena_dup(a, span_skip(body, HEAD_SIZE));
	if (!user_id.p)
		return -POD_E_NOMEM;
	*ret_user_id = user_id;
	*ret_credential_version = be64toh(version);
	return 0;
}

/* ---- URLs (RFC 4467) ---- */

/* The first octet says which algorithm it is, so that there can be others (RFC 4467 7). */
#define URL_ALGORITHM 1

int auth_url_token(const uint8_t key[AUTH_URL_KEY_SIZE], struct span text, uint8_t ret_token[AUTH_URL_TOKEN_SIZE])
{
	ret_token[0] = URL_ALGORITHM;
	return HMAC(EVP_sha256(), key, AUTH_URL_KEY_SIZE, text.p, text.len, ret_token + 1, NULL) ? 0 : -POD_E_INTERNAL;
}

bool auth_url_token_check(const uint8_t key[AUTH_URL_KEY_SIZE], struct span text, struct span token)
{
	uint8_t good[AUTH_URL_TOKEN_SIZE];

	return token.len == sizeof(good) && auth_url_token(key, text, good) == 0 &&
	       CRYPTO_memcmp(good, token.p, sizeof(good)) == 0;
}

#include "store/auth/auth_internal.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/id.h"

#define SALT_SIZE 16
#define YESCRYPT "$y$"

static int password_valid(struct span password, struct err *err)
{
	if (password.len == 0)
		return err_set(err, POD_E_SYNTAX, "a password is not empty");
	if (password.len > AUTH_PASSWORD_MAX)
		return err_set(err, POD_E_SYNTAX, "a password has at most %d bytes", AUTH_PASSWORD_MAX);
	for (size_t i = 0; i < password.len; i++)
		if (password.p[i] < 0x20 || password.p[i] == 0x7f)
			return err_set(err, POD_E_SYNTAX, "a password has no control characters");
	return 0;
}

/* crypt(3) wants a string; this one is wiped when it is done with. */
static char *password_string(struct span password)
{
	char *s = password.len <= AUTH_PASSWORD_MAX ? malloc(password.len + 1) : NULL;

	if (s) {
		memcpy(s, password.p, password.len);
		s[password.len] = 0;
	}
	return s;
}

static void password_wipe(char *s)
{
	if (s)
		OPENSSL_cleanse(s, strlen(s));
	free(s);
}

static void wipe_crypt_data(struct crypt_data **d)
{
	if (*d)
		OPENSSL_cleanse(*d, sizeof(**d));
	free(*d);
}

static int crypt_hash_make(struct arena *a, const char *password, const char **ret_hash, struct err *err)
{
	_cleanup_(wipe_crypt_data) struct crypt_data *data = calloc(1, sizeof(*data));
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *hash;

	if (!data)
		return err_set(err, POD_E_NOMEM, "no memory for a password hash");
	if (!crypt_gensalt_rn(YESCRYPT, 0, NULL, 0, setting, sizeof(setting)))
		return err_set(err, POD_E_UNSUPPORTED, "libcrypt has no yescrypt");
	hash = crypt_rn(password, setting, data, sizeof(*data));
	if (!hash)
		return err_set(err, POD_E_INTERNAL, "the password could not be hashed");
	*ret_hash = arena_str(a, span_of(hash));
	return *ret_hash ? 0 : err_set(err, POD_E_NOMEM, "no memory for a password hash");
}

bool auth_password_check(const char *crypt_hash, struct span password)
{
	_cleanup_(wipe_crypt_data) struct crypt_data *data = calloc(1, sizeof(*data));
	char *s = memchr(password.p, 0, password.len) ? NULL : password_string(password);
	const char *hash = data && s ? crypt_rn(s, crypt_hash, data, sizeof(*data)) : NULL;
	/* Of equal length for one setting, so comparing what is there tells nothing about the password. */
	bool good = hash && strlen(hash) == strlen(crypt_hash) && CRYPTO_memcmp(hash, crypt_hash, strlen(hash)) == 0;

	password_wipe(s);
	return good;
}

/* ---- SCRAM ---- */

static const char *base64(struct arena *a, const uint8_t *p, size_t len)
{
	char *text = arena_alloc(a, 4 * ((len + 2) / 3) + 1);

	if (text)
		(void) EVP_EncodeBlock((unsigned char *) text, p, (int) len);
	return text;
}

int scram_format(struct arena *a, struct span salt, unsigned int iterations, const uint8_t stored[32],
                 const uint8_t server[32], const char **ret_scram)
{
	const char *salt64 = base64(a, salt.p, salt.len);
	const char *stored64 = base64(a, stored, SHA256_DIGEST_LENGTH), *server64 = base64(a, server, SHA256_DIGEST_LENGTH);
	const char *scram;

	if (!salt64 || !stored64 || !server64)
		return -POD_E_NOMEM;
	scram = arena_printf(a, "SCRAM-SHA-256$%u:%s$%s:%s", iterations, salt64, stored64, server64);
	if (!scram)
		return -POD_E_NOMEM;
	*ret_scram = scram;
	return 0;
}

/*
 * RFC 5802 3:  SaltedPassword := Hi(Normalize(password), salt, i)   ClientKey := HMAC(SaltedPassword, "Client Key")
 *              StoredKey := H(ClientKey)                            ServerKey := HMAC(SaltedPassword, "Server Key")
 */
int auth_scram_keys(struct arena *a, struct span password, struct span salt, unsigned int iterations,
                    const char **ret_scram)
{
	uint8_t salted[SHA256_DIGEST_LENGTH], client[SHA256_DIGEST_LENGTH], stored[SHA256_DIGEST_LENGTH],
		server[SHA256_DIGEST_LENGTH];
	bool done = PKCS5_PBKDF2_HMAC((const char *) password.p, (int) password.len, salt.p, (int) salt.len,
	                              (int) iterations, EVP_sha256(), sizeof(salted), salted) == 1 &&
	            HMAC(EVP_sha256(), salted, sizeof(salted), (const unsigned char *) "Client Key", 10, client, NULL) &&
	            HMAC(EVP_sha256(), salted, sizeof(salted), (const unsigned char *) "Server Key", 10, server, NULL) &&
	            SHA256(client, sizeof(client), stored);

	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client, sizeof(client));
	return done ? scram_format(a, salt, iterations, stored, server, ret_scram) : -POD_E_NOMEM;
}

int auth_password_set(struct arena *a, struct span password, struct auth_credentials *ret, struct err *err)
{
	struct auth_credentials c = { 0 };
	uint8_t salt[SALT_SIZE];
	char *s;
	int r = password_valid(password, err);

	if (r < 0)
		return r;
	s = password_string(password);
	if (!s)
		return err_set(err, POD_E_NOMEM, "no memory for a password");
	r = crypt_hash_make(a, s, &c.crypt_hash, err);
	password_wipe(s);
	if (r < 0)
		return r;
	random_bytes(salt, sizeof(salt));
	r = auth_scram_keys(a, password, span_make(salt, sizeof(salt)), AUTH_SCRAM_ITERATIONS, &c.scram);
	if (r < 0)
		return err_set(err, POD_E_NOMEM, "no memory for SCRAM keys");
	*ret = c;
	return 0;
}

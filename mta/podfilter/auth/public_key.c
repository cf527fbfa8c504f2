#include "mta/podfilter/auth/public_key.h"

#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "mta/podfilter/auth/canon.h"
#include "mta/podfilter/auth/tags.h"

static const char *const algorithms[] = { [KEY_RSA] = "rsa-sha256", [KEY_ED25519] = "ed25519-sha256" };

int key_algorithm_parse(struct span algorithm, enum key_type *ret_type)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (span_eq_nocase(algorithm, span_of(algorithms[i]))) {
			*ret_type = (enum key_type) i;
			return 0;
		}
	return -POD_E_UNSUPPORTED;
}

const char *key_algorithm_name(enum key_type type)
{
	return algorithms[type];
}

/* SubjectPublicKeyInfo as all publish it; the bare RSAPublicKey that RFC 6376 3.6.1 names is read too. */
static EVP_PKEY *rsa_key(struct span der)
{
	const unsigned char *p = der.p;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long) der.len);

	if (!key) {
		p = der.p;
		key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long) der.len);
	}
	if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

static int key_of_bytes(enum key_type type, struct span bytes, struct public_key *key, struct err *err)
{
	if (type == KEY_ED25519)
		key->pkey = bytes.len == 32
		                    ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes.p, bytes.len)
		                    : NULL;
	else
		key->pkey = rsa_key(bytes);
	if (!key->pkey)
		return err_set(err, POD_E_SYNTAX, "p= holds no %s key", type == KEY_RSA ? "RSA" : "Ed25519");
	key->type = type;
	key->bits = (unsigned int) EVP_PKEY_get_bits(key->pkey);
	if (type == KEY_RSA && (key->bits < PUBLIC_KEY_RSA_BITS_MIN || key->bits > PUBLIC_KEY_RSA_BITS_MAX)) {
		int r = err_set(err, POD_E_DENIED, "the RSA key has %u bits; %d to %d are accepted",
		                key->bits, PUBLIC_KEY_RSA_BITS_MIN, PUBLIC_KEY_RSA_BITS_MAX);

		public_key_done(key);
		return r;
	}
	return 0;
}

static int type_of(const struct tag_list *tags, enum key_type *ret_type, struct err *err)
{
	struct span k = SPAN_LIT("rsa"), v = SPAN_LIT("DKIM1"), h, s;

	(void) tags_find(tags, "k", &k);
	(void) tags_find(tags, "v", &v);
	if (!span_eq(v, SPAN_LIT("DKIM1")))
		return err_set(err, POD_E_SYNTAX, "v=%.*s is not DKIM1", (int) (v.len < 20 ? v.len : 20),
		               v.p);
	if (tags_find(tags, "h", &h) && !tags_list_has(h, SPAN_LIT("sha256")))
		return err_set(err, POD_E_DENIED, "h= does not allow sha256");
	if (tags_find(tags, "s", &s) && !tags_list_has(s, SPAN_LIT("email")) &&
	    !tags_list_has(s, SPAN_LIT("*")))
		return err_set(err, POD_E_DENIED, "s= does not allow email");
	if (span_eq_nocase(k, SPAN_LIT("rsa")))
		*ret_type = KEY_RSA;
	else if (span_eq_nocase(k, SPAN_LIT("ed25519")))
		*ret_type = KEY_ED25519;
	else
		return err_set(err, POD_E_DENIED, "k=%.*s is not known", (int) (k.len < 20 ? k.len : 20),
		               k.p);
	return 0;
}

int public_key_parse(struct arena *a, struct span record, struct public_key *ret_key, struct err *err)
{
	struct public_key key = { 0 };
	struct tag_list tags;
	struct span p, bytes;
	enum key_type type = KEY_RSA;
	int r = tags_parse(a, record, &tags, err);

	if (r < 0 || (r = type_of(&tags, &type, err)) < 0)
		return r;
	if (!tags_find(&tags, "p", &p))
		return err_set(err, POD_E_SYNTAX, "a key record without p=");
	if (p.len == 0)
		return err_set(err, POD_E_NOTFOUND, "the key is revoked");
	r = base64_decode(a, tags_squeeze(a, p), &bytes);
	if (r < 0)
		return err_set(err, (enum pod_error) - r, "p= is no base64");
	r = key_of_bytes(type, bytes, &key, err);
	if (r < 0)
		return r;
	key.testing = tags_list_has(tags_get(&tags, "t"), SPAN_LIT("y"));
	*ret_key = key;
	return 0;
}

/* RFC 6376 3.6.2.2: several records are not defined; the first that is one is taken. */
static int first_good(struct arena *a, const struct dns_answer *answer, struct public_key *ret_key,
                      struct err *err)
{
	int r = -POD_E_NOTFOUND;

	for (size_t i = 0; i < answer->n && i < 8 && r < 0; i++)
		r = public_key_parse(a, answer->txt[i], ret_key, err);
	return r;
}

int public_key_find(const struct lookup *l, struct arena *a, struct span selector, struct span domain,
                    struct public_key *ret_key, struct err *err)
{
	const char *name =
		arena_printf(a, SPAN_FMT "._domainkey." SPAN_FMT, SPAN_ARG(selector), SPAN_ARG(domain));
	struct dns_answer answer;
	int r;

	if (!name)
		return err_set(err, POD_E_NOMEM, "key lookup");
	answer = lookup_ask(l, DNS_TXT, name, a);
	if (lookup_failed(&answer))
		return err_set(err, POD_E_UNAVAILABLE, "%.128s: %s", name,
		               *answer.why ? answer.why : "the DNS does not answer");
	if (answer.n == 0)
		return err_set(err, POD_E_NOTFOUND, "%.128s: no key in the DNS", name);
	r = first_good(a, &answer, ret_key, err);
	return r < 0 ? err_wrap(err, r, "%.128s", name) : 0;
}

void public_key_done(struct public_key *key)
{
	EVP_PKEY_free(key->pkey);
	key->pkey = NULL;
}

int public_key_check(const struct public_key *key, struct arena *a, struct span signed_bytes,
                     struct span signature, struct err *err)
{
	uint8_t hash[CANON_HASH_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct span sig;
	int good = 0, r = base64_decode(a, tags_squeeze(a, signature), &sig);

	/* RFC 8463 3: Ed25519 signs the hash, as if that were the message */
	if (r == 0 && key->type == KEY_ED25519) {
		(void) EVP_Digest(signed_bytes.p, signed_bytes.len, hash, NULL, EVP_sha256(), NULL);
		signed_bytes = span_make(hash, sizeof(hash));
	}
	if (r == 0 && ctx &&
	    EVP_DigestVerifyInit(ctx, NULL, key->type == KEY_RSA ? EVP_sha256() : NULL, NULL, key->pkey) == 1)
		good = EVP_DigestVerify(ctx, sig.p, sig.len, signed_bytes.p, signed_bytes.len);
	EVP_MD_CTX_free(ctx);
	if (r < 0)
		return err_set(err, (enum pod_error) - r, "b= is no base64");
	return good == 1 ? 0 : err_set(err, POD_E_AUTH, "the signature does not match");
}

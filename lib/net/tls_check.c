#include "net/tls_check.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "net/stream_internal.h"
#include "net/tls_internal.h"

enum { USAGE_TA = 2, USAGE_EE = 3, SELECTOR_CERT = 0, SELECTOR_KEY = 1, MATCHING_FULL = 0 };

/* RFC 6698 2.1.3, by matching type; 0: as long as what is matched. */
static const size_t digest_bytes[] = { [MATCHING_FULL] = 0, [1] = 32, [2] = 64 };

static bool is_certificate(struct span s)
{
	const unsigned char *p = s.p;
	X509 *cert = d2i_X509(NULL, &p, (long) s.len);
	bool whole = cert && p == s.p + s.len;

	X509_free(cert);
	return whole;
}

static bool is_key(struct span s)
{
	const unsigned char *p = s.p;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long) s.len);
	bool whole = key && p == s.p + s.len;

	EVP_PKEY_free(key);
	return whole;
}

bool tls_dane_is_usable(const struct tls_dane_record *r)
{
	bool good;

	if ((r->usage != USAGE_TA && r->usage != USAGE_EE) || r->selector > SELECTOR_KEY ||
	    r->matching >= ARRAY_SIZE(digest_bytes))
		return false;
	if (r->matching != MATCHING_FULL)
		return r->data.len == digest_bytes[r->matching];
	good = r->data.len > 0 && (r->selector == SELECTOR_KEY ? is_key(r->data) : is_certificate(r->data));
	ERR_clear_error();
	return good;
}

int tls_dane_digest(const char *cert_file, uint8_t ret_digest[32], struct err *err)
{
	BIO *file = BIO_new_file(cert_file, "r");
	X509 *cert = file ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL;
	unsigned char *der = NULL;
	int len = cert ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : -1;
	bool good = len > 0 && EVP_Digest(der, (size_t) len, ret_digest, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	X509_free(cert);
	(void) BIO_free(file);
	return good ? 0 : tls_err(err, POD_E_CONFIG, "certificate %s", cert_file);
}

/* The names that one of is in the certificate; the first is set already where DANE did it. */
static bool add_names(SSL *ssl, const struct tls_check *check, size_t from)
{
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	for (size_t i = from; i < check->names_n; i++)
		if (SSL_add1_host(ssl, check->names[i]) != 1)
			return false;
	return true;
}

/* RFC 7672 3.1.1: with DANE-EE neither names nor dates count, what the record says does. */
static bool set_dane(SSL *ssl, const struct tls_check *check)
{
	bool any = false;

	if (check->names_n == 0 || SSL_dane_enable(ssl, check->names[0]) <= 0)
		return false;
	(void) SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	for (size_t i = 0; i < check->records_n; i++) {
		const struct tls_dane_record *r = &check->records[i];
		int n = SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching, r->data.p, r->data.len);

		if (n < 0)
			return false;
		any |= n > 0;
	}
	return any && add_names(ssl, check, 1);
}

/* Of an SSL that has no names yet: an address is compared with the certificate's addresses. */
static bool set_names(SSL *ssl, const struct tls_check *check)
{
	if (check->names_n == 1 && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), check->names[0]) == 1)
		return true;
	ERR_clear_error();
	return check->names_n > 0 && add_names(ssl, check, 0);
}

SSL *tls_check_ssl(struct tls_context *ctx, const struct tls_check *check)
{
	SSL *ssl = tls_client_ssl(ctx);
	bool good;

	if (!ssl)
		return NULL;
	SSL_set_verify(ssl, check->watch ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	good = check->kind == TLS_CHECK_DANE ? set_dane(ssl, check) : set_names(ssl, check);
	if (good && check->sni)
		good = SSL_set_tlsext_host_name(ssl, check->sni) == 1;
	if (good && check->resume)
		tls_resume_use(ssl, check->resume);
	if (!good)
		SSL_free(ssl);
	return good ? ssl : NULL;
}

int stream_start_tls_check(struct stream *s, struct tls_context *tls, const struct tls_check *check,
                           struct err *err)
{
	return stream_start_tls_ssl(s, tls_check_ssl(tls, check), err);
}

static const struct {
	long code; /* X509_V_ERR_* */
	enum tls_verdict verdict;
} codes[] = {
	{ X509_V_OK, TLS_VERDICT_GOOD },
	{ X509_V_ERR_HOSTNAME_MISMATCH, TLS_VERDICT_HOST_MISMATCH },
	{ X509_V_ERR_IP_ADDRESS_MISMATCH, TLS_VERDICT_HOST_MISMATCH },
	{ X509_V_ERR_CERT_HAS_EXPIRED, TLS_VERDICT_EXPIRED },
	{ X509_V_ERR_CERT_NOT_YET_VALID, TLS_VERDICT_EXPIRED },
	{ X509_V_ERR_DANE_NO_MATCH, TLS_VERDICT_NO_MATCH },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, TLS_VERDICT_UNTRUSTED },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, TLS_VERDICT_UNTRUSTED },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, TLS_VERDICT_UNTRUSTED },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, TLS_VERDICT_UNTRUSTED },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, TLS_VERDICT_UNTRUSTED },
	{ X509_V_ERR_CERT_UNTRUSTED, TLS_VERDICT_UNTRUSTED },
	{ X509_V_ERR_CERT_REJECTED, TLS_VERDICT_UNTRUSTED },
	{ X509_V_ERR_CERT_REVOKED, TLS_VERDICT_UNTRUSTED },
	{ X509_V_ERR_INVALID_CA, TLS_VERDICT_UNTRUSTED },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, TLS_VERDICT_UNTRUSTED },
};

/* Without a certificate the result is X509_V_OK, too. */
enum tls_verdict stream_tls_verdict(const struct stream *s)
{
	long code = s->ssl ? SSL_get_verify_result(s->ssl) : X509_V_ERR_UNSPECIFIED;

	if (code == X509_V_OK &&
	    (!s->ssl || !SSL_is_init_finished(s->ssl) || !SSL_get0_peer_certificate(s->ssl)))
		return TLS_VERDICT_OTHER;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].code == code)
			return codes[i].verdict;
	return TLS_VERDICT_OTHER;
}

const char *tls_verdict_name(enum tls_verdict v)
{
	static const char *const names[TLS_VERDICTS] = {
		[TLS_VERDICT_GOOD] = "good",         [TLS_VERDICT_HOST_MISMATCH] = "host mismatch",
		[TLS_VERDICT_EXPIRED] = "expired",   [TLS_VERDICT_UNTRUSTED] = "untrusted",
		[TLS_VERDICT_NO_MATCH] = "no match", [TLS_VERDICT_OTHER] = "failed",
	};

	return names[v];
}

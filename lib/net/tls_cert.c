#include "net/tls_cert.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"

static void free_x509(X509 **x)
{
	X509_free(*x);
}

static void free_store(X509_STORE **store)
{
	X509_STORE_free(*store);
}

static void free_context(X509_STORE_CTX **context)
{
	X509_STORE_CTX_free(*context);
}

static void free_stack(STACK_OF(X509) * *stack)
{
	sk_X509_pop_free(*stack, X509_free);
}

static X509 *read_der(struct span der)
{
	const unsigned char *p = der.p;

	return d2i_X509(NULL, &p, (long) der.len);
}

static const struct {
	int code; /* X509_V_ERR_* */
	enum tls_cert_verdict verdict;
} codes[] = {
	{ X509_V_OK, TLS_CERT_GOOD },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, TLS_CERT_BAD_SIGNATURE },
	{ X509_V_ERR_CERT_HAS_EXPIRED, TLS_CERT_EXPIRED },
	{ X509_V_ERR_CERT_NOT_YET_VALID, TLS_CERT_EXPIRED },
	{ X509_V_ERR_CERT_REVOKED, TLS_CERT_REVOKED },
	{ X509_V_ERR_UNABLE_TO_GET_CRL, TLS_CERT_UNKNOWN },
	{ X509_V_ERR_INVALID_PURPOSE, TLS_CERT_WRONG_PURPOSE },
	{ X509_V_ERR_INVALID_CA, TLS_CERT_NO_CHAIN },
	{ X509_V_ERR_PATH_LENGTH_EXCEEDED, TLS_CERT_NO_CHAIN },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, TLS_CERT_NO_CHAIN },
};

static enum tls_cert_verdict verdict_of(int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i].code == code)
			return codes[i].verdict;
	return TLS_CERT_UNTRUSTED;
}

enum tls_cert_verdict tls_cert_judge_mail(struct span certificate, const struct span *chain, size_t n)
{
	_cleanup_(free_x509) X509 *x = read_der(certificate);
	_cleanup_(free_store) X509_STORE *store = X509_STORE_new();
	_cleanup_(free_context) X509_STORE_CTX *context = X509_STORE_CTX_new();
	_cleanup_(free_stack) STACK_OF(X509) *between = sk_X509_new_null();

	if (!x)
		return TLS_CERT_MALFORMED;
	for (size_t i = 0; between && i < n; i++) {
		X509 *one = read_der(chain[i]);

		if (one && sk_X509_push(between, one) == 0)
			X509_free(one);
	}
	if (!store || !context || !between || X509_STORE_set_default_paths(store) != 1 ||
	    X509_STORE_CTX_init(context, store, x, between) != 1)
		return TLS_CERT_UNKNOWN;
	(void) X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SMIME_SIGN);
	return X509_verify_cert(context) == 1 ? TLS_CERT_GOOD : verdict_of(X509_STORE_CTX_get_error(context));
}

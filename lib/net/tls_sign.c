/* Signed documents (CMS, RFC 5652), with the certificate that a server shows. */
#include <openssl/cms.h>

#include "base/cleanup.h"
#include "net/tls_internal.h"

static void free_cms(CMS_ContentInfo **cms)
{
	CMS_ContentInfo_free(*cms);
}

static void free_bio(BIO **bio)
{
	(void) BIO_free(*bio);
}

static void free_ssl(SSL **ssl)
{
	SSL_free(*ssl);
}

int tls_sign(struct tls_context *ctx, struct span text, struct buf *out, struct err *err)
{
	_cleanup_(free_ssl) SSL *ssl = tls_accept_ssl(ctx); /* it has the identity */
	_cleanup_(free_bio) BIO *in = BIO_new_mem_buf(text.p, (int) text.len);
	_cleanup_(free_bio) BIO *der = BIO_new(BIO_s_mem());
	_cleanup_(free_cms) CMS_ContentInfo *cms = NULL;
	STACK_OF(X509) *chain = NULL;
	char *bytes;
	long len;

	if (!ssl || !in || !der)
		return err_set(err, POD_E_NOMEM, "signing");
	(void) SSL_get0_chain_certs(ssl, &chain);
	cms = CMS_sign(SSL_get_certificate(ssl), SSL_get_privatekey(ssl), chain, in, CMS_BINARY);
	if (!cms || i2d_CMS_bio(der, cms) != 1)
		return tls_err(err, POD_E_INTERNAL, "signing");
	len = BIO_get_mem_data(der, &bytes);
	buf_add(out, span_make(bytes, (size_t) len));
	return out->failed ? -POD_E_NOMEM : 0;
}

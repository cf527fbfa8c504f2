/* What a connection says about itself: channel bindings, the peer's name, protocol and cipher. */
#include <openssl/x509.h>
#include <stdio.h>

#include "net/tls_internal.h"

int tls_binding_exporter(SSL *ssl, uint8_t ret_bytes[32])
{
	static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 2; the context is empty */

	if (SSL_version(ssl) < TLS1_3_VERSION || !SSL_is_init_finished(ssl))
		return -POD_E_UNSUPPORTED;
	if (SSL_export_keying_material(ssl, ret_bytes, 32, label, sizeof(label) - 1, NULL, 0, 1) != 1) {
		ERR_clear_error();
		return -POD_E_UNSUPPORTED;
	}
	return 0;
}

/* RFC 5929 4.1: the hash of the certificate's signature algorithm, SHA-256 in place of MD5 and SHA-1. */
static const EVP_MD *binding_hash(X509 *cert)
{
	int hash = NID_undef;

	if (X509_get_signature_info(cert, &hash, NULL, NULL, NULL) != 1)
		return NULL;
	if (hash == NID_md5 || hash == NID_sha1)
		return EVP_sha256();
	return EVP_get_digestbynid(hash);
}

int tls_binding_end_point(SSL *ssl, uint8_t ret_bytes[64], size_t *ret_len)
{
	X509 *cert = SSL_is_server(ssl) ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
	const EVP_MD *md = cert ? binding_hash(cert) : NULL;
	unsigned int len = 0;

	if (!md || EVP_MD_get_size(md) > 64 || X509_digest(cert, md, ret_bytes, &len) != 1) {
		ERR_clear_error();
		return -POD_E_UNSUPPORTED;
	}
	*ret_len = len;
	return 0;
}

static void common_name(const X509_NAME *name, char *buf, size_t size)
{
	int len = name ? X509_NAME_get_text_by_NID(name, NID_commonName, buf, (int) size) : -1;

	/* A NUL inside the name would make it look like another one. */
	if (len < 0 || (size_t) len != strlen(buf))
		buf[0] = '\0';
}

static X509 *verified_peer(SSL *ssl)
{
	return SSL_get_verify_result(ssl) == X509_V_OK ? SSL_get0_peer_certificate(ssl) : NULL;
}

void tls_peer_name(SSL *ssl, char *buf, size_t size)
{
	X509 *cert = verified_peer(ssl);

	common_name(cert ? X509_get_subject_name(cert) : NULL, buf, size);
}

void tls_facts_of(SSL *ssl, struct tls_facts *f)
{
	X509 *cert = verified_peer(ssl);

	(void) snprintf(f->version, sizeof(f->version), "%s", SSL_get_version(ssl));
	(void) snprintf(f->cipher, sizeof(f->cipher), "%s", SSL_get_cipher_name(ssl));
	(void) snprintf(f->bits, sizeof(f->bits), "%d", SSL_get_cipher_bits(ssl, NULL));
	common_name(cert ? X509_get_subject_name(cert) : NULL, f->subject, sizeof(f->subject));
	common_name(cert ? X509_get_issuer_name(cert) : NULL, f->issuer, sizeof(f->issuer));
}

void tls_describe(SSL *ssl, char *buf, size_t size)
{
	(void) snprintf(buf, size, "%s %s", SSL_get_version(ssl), SSL_get_cipher_name(ssl));
}

/*
 * TLS, set up once for the whole product: TLS 1.2 and up, SNI, session tickets that all workers of a host
 * can resume, reload without restart. A tls_context is immutable once made and reference counted: a reload
 * makes a new one, running connections keep theirs. One thread at a time per SSL; contexts are thread-safe.
 */
#ifndef POD_NET_TLS_H
#define POD_NET_TLS_H

#include <openssl/ssl.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

struct tls_context;

struct tls_server_options {
	const char *cert_file, *key_file; /* PEM; the default certificate, chain included */
	const char *sni_dir; /* NAME.pem + NAME.key for further names ("_.example.org" is a wildcard); may be
	                        NULL */
	const char *client_ca_file; /* demand a client certificate signed by this CA; may be NULL */
	uint8_t ticket_key[80];     /* shared by the workers; all zero: each context makes its own */
	bool tls13_only;
};

struct tls_client_options {
	const char *ca_file;              /* NULL: the system's */
	const char *cert_file, *key_file; /* our own identity; may be NULL */
	bool tls13_only;
};

/* Keys are read now: call before privileges go. Errors name the file and the reason in words. */
int tls_server_create(const struct tls_server_options *o, struct tls_context **ret_ctx, struct err *err);
int tls_client_create(const struct tls_client_options *o, struct tls_context **ret_ctx, struct err *err);
struct tls_context *tls_ref(struct tls_context *ctx);
struct tls_context *tls_unref(struct tls_context *ctx);

/* A new SSL in accept state, or in connect state with SNI and host name verification for name. */
SSL *tls_accept_ssl(struct tls_context *ctx);
SSL *tls_connect_ssl(struct tls_context *ctx, const char *name);
/* Accepts only a client whose certificate (options' client_ca_file) is for one of the names; n 0: nobody. */
SSL *tls_accept_ssl_from(struct tls_context *ctx, const char *const *names, size_t n);

/* Channel bindings for SCRAM-*-PLUS. 0 and the bytes, or -POD_E_UNSUPPORTED. */
int tls_binding_exporter(SSL *ssl, uint8_t ret_bytes[32]); /* RFC 9266 tls-exporter, TLS 1.3 */
int tls_binding_end_point(SSL *ssl, uint8_t ret_bytes[64],
                          size_t *ret_len); /* RFC 5929 tls-server-end-point */
/* The common name of the peer's verified certificate, "" where there is none. */
void tls_peer_name(SSL *ssl, char *buf, size_t size);
/* What a milter is told of a session: protocol, cipher and its bits; of a peer's verified certificate, else
 * "". */
struct tls_facts {
	char version[16], cipher[64], bits[8];
	char subject[256], issuer[256]; /* common names */
};
void tls_facts_of(SSL *ssl, struct tls_facts *ret_facts);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384", for logs and Received. */
void tls_describe(SSL *ssl, char *buf, size_t size);

/* A text as a signed document (CMS SignedData, DER) with the default certificate of a server's context. */
int tls_sign(struct tls_context *ctx, struct span text, struct buf *out, struct err *err);

/* Why the last OpenSSL call failed, in words; ssl may be NULL. Empties the thread's error queue. Returns buf. */
char *tls_error_text(SSL *ssl, char *buf, size_t size);

/*
 * Makes a private CA and a server certificate (ECDSA P-256) for the names and addresses given, at first
 * start of a pod: dir/ca.pem, ca.key (0600), server.pem, server.key. Files that are there stay as they are.
 */
int tls_make_self_signed(const char *dir, const char *const *names, size_t n, struct err *err);
/*
 * An identity of one of the pod's own processes, signed by the same CA: its common name and DNS name is name. Where the
 * certificate is there it stays as it is.
 */
int tls_make_identity(const char *dir, const char *cert_path, const char *key_path, const char *name, struct err *err);

#endif

#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "net/tls_internal.h"

/* RFC 9325 4.2: forward secrecy and authenticated encryption; TLS 1.3's own suites are all fine. */
#define TLS12_CIPHERS     "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS            "X25519:P-256:P-384"
#define TICKET_LIFETIME_S (12 * 3600)

struct tls_context {
	SSL_CTX *ctx;
	atomic_uint refs;
};

char *tls_error_text(SSL *ssl, char *buf, size_t size)
{
	unsigned long e = ERR_peek_error(); /* the first is the cause; those behind it say who met it */
	long verify = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
	const char *data = "", *reason;
	int flags = 0;

	(void) ERR_peek_error_data(&data, &flags);
	reason = ERR_SYSTEM_ERROR(e) ? strerror(ERR_GET_REASON(e)) : ERR_reason_error_string(e);
	if (verify != X509_V_OK)
		(void) snprintf(buf, size, "%s", X509_verify_cert_error_string(verify));
	else
		(void) snprintf(buf, size, "%s%s%s", reason ? reason : "TLS failed", *data ? ": " : "",
		                flags & ERR_TXT_STRING ? data : "");
	ERR_clear_error();
	return buf;
}

int tls_err(struct err *err, enum pod_error code, const char *fmt, ...)
{
	char what[200], why[200];
	va_list ap;

	va_start(ap, fmt);
	(void) vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(err, code, "%s: %s", what, tls_error_text(NULL, why, sizeof(why)));
}

int tls_load_identity(SSL_CTX *ctx, const char *cert_file, const char *key_file, struct err *err)
{
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
		return tls_err(err, POD_E_CONFIG, "certificate %s", cert_file);
	if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
		return tls_err(err, POD_E_CONFIG, "key %s", key_file);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return tls_err(err, POD_E_CONFIG, "key %s does not belong to %s", key_file, cert_file);
	return 0;
}

static void ctx_freep(SSL_CTX **ctx)
{
	SSL_CTX_free(*ctx);
}

/* What holds for both sides. Buffers go when a connection is idle: 34 KiB of each that does nothing. */
static SSL_CTX *ctx_new(const SSL_METHOD *method, int min_version, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx || SSL_CTX_set_min_proto_version(ctx, min_version) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, TLS12_CIPHERS) != 1 || SSL_CTX_set1_groups_list(ctx, GROUPS) != 1) {
		SSL_CTX_free(ctx);
		(void) tls_err(err, POD_E_INTERNAL, "TLS set-up");
		return NULL;
	}
	(void) SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                                     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Our protocols tell themselves where they end, so a missing close_notify is just a close. */
	(void) SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                        SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void) SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

static int min_version(bool tls13_only)
{
	return tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION;
}

static bool all_zero(const uint8_t *p, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= p[i];
	return any == 0;
}

/*
 * Tickets instead of a cache: the state is with the client, and any worker with the key resumes it.
 * Where client certificates are demanded each connection shows its own: those are few and live long.
 */
static int set_tickets(SSL_CTX *ctx, const struct tls_server_options *o, struct err *err)
{
	uint8_t key[sizeof(o->ticket_key)];
	int r;

	if (o->client_ca_file) {
		(void) SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(ctx, 0) == 1 ? 0
		                                            : tls_err(err, POD_E_INTERNAL, "session tickets");
	}
	if (all_zero(o->ticket_key, sizeof(o->ticket_key)))
		return 0; /* OpenSSL has made one of its own for this context */
	memcpy(key, o->ticket_key, sizeof(key));
	r = SSL_CTX_set_tlsext_ticket_keys(ctx, key, sizeof(key)) == 1
	            ? 0
	            : tls_err(err, POD_E_INTERNAL, "ticket key");
	OPENSSL_cleanse(key, sizeof(key));
	return r;
}

static int set_client_ca(SSL_CTX *ctx, const char *file, struct err *err)
{
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);

	if (!names || SSL_CTX_load_verify_file(ctx, file) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return tls_err(err, POD_E_CONFIG, "client CA %s", file);
	}
	SSL_CTX_set_client_CA_list(ctx, names);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return 0;
}

/* A context as the options say, but without a certificate. */
static SSL_CTX *server_ctx(void *arg, struct err *err)
{
	static const unsigned char id[] = "podmail";
	const struct tls_server_options *o = arg;
	_cleanup_(ctx_freep) SSL_CTX *ctx = ctx_new(TLS_server_method(), min_version(o->tls13_only), err);

	if (!ctx)
		return NULL;
	/* The client knows best whether it has AES in hardware. */
	(void) SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	(void) SSL_CTX_set_timeout(ctx, TICKET_LIFETIME_S);
	if (SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, 1) != 1) {
		(void) tls_err(err, POD_E_INTERNAL, "TLS set-up");
		return NULL;
	}
	if (set_tickets(ctx, o, err) < 0 ||
	    (o->client_ca_file && set_client_ca(ctx, o->client_ca_file, err) < 0))
		return NULL;
	return take_ptr(ctx);
}

static int context_wrap(SSL_CTX **ctx, struct tls_context **ret_ctx, struct err *err)
{
	struct tls_context *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(err, POD_E_NOMEM, "TLS context");
	c->ctx = take_ptr(*ctx);
	atomic_init(&c->refs, 1);
	*ret_ctx = c;
	return 0;
}

int tls_server_create(const struct tls_server_options *o, struct tls_context **ret_ctx, struct err *err)
{
	struct tls_server_options copy = *o;
	struct err local = { 0 }, *e = err ? err : &local; /* its code is the result below */
	_cleanup_(ctx_freep) SSL_CTX *ctx = server_ctx(&copy, e);
	int r;

	if (!ctx)
		return -e->code;
	r = tls_load_identity(ctx, o->cert_file, o->key_file, e);
	if (r == 0 && o->sni_dir)
		r = tls_names_load(ctx, o->sni_dir, server_ctx, &copy, e);
	OPENSSL_cleanse(copy.ticket_key, sizeof(copy.ticket_key));
	return r < 0 ? r : context_wrap(&ctx, ret_ctx, err);
}

int tls_client_create(const struct tls_client_options *o, struct tls_context **ret_ctx, struct err *err)
{
	struct err local = { 0 }, *e = err ? err : &local;
	_cleanup_(ctx_freep) SSL_CTX *ctx = ctx_new(TLS_client_method(), min_version(o->tls13_only), e);
	int r = 0;

	if (!ctx)
		return -e->code;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_dane_enable(ctx) <= 0) /* which changes nothing for those that have no records */
		r = tls_err(e, POD_E_INTERNAL, "DANE");
	else if (o->ca_file && SSL_CTX_load_verify_file(ctx, o->ca_file) != 1)
		r = tls_err(e, POD_E_CONFIG, "CA %s", o->ca_file);
	else if (!o->ca_file && SSL_CTX_set_default_verify_paths(ctx) != 1)
		r = tls_err(e, POD_E_CONFIG, "the system's CAs");
	if (r == 0 && o->cert_file)
		r = tls_load_identity(ctx, o->cert_file, o->key_file, e);
	return r < 0 ? r : context_wrap(&ctx, ret_ctx, err);
}

struct tls_context *tls_ref(struct tls_context *ctx)
{
	atomic_fetch_add(&ctx->refs, 1);
	return ctx;
}

struct tls_context *tls_unref(struct tls_context *ctx)
{
	if (ctx && atomic_fetch_sub(&ctx->refs, 1) == 1) {
		SSL_CTX_free(ctx->ctx);
		free(ctx);
	}
	return NULL;
}

SSL *tls_accept_ssl(struct tls_context *ctx)
{
	SSL *ssl = SSL_new(ctx->ctx);

	if (ssl)
		SSL_set_accept_state(ssl);
	return ssl;
}

/* RFC 6066 3: a host name goes into SNI, an address must not. Either is verified. */
static int set_peer_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
		return 1;
	ERR_clear_error();
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set_tlsext_host_name(ssl, name) == 1 && X509_VERIFY_PARAM_set1_host(param, name, 0) == 1;
}

SSL *tls_client_ssl(struct tls_context *ctx)
{
	SSL *ssl = SSL_new(ctx->ctx);

	if (ssl)
		SSL_set_connect_state(ssl);
	return ssl;
}

SSL *tls_connect_ssl(struct tls_context *ctx, const char *name)
{
	SSL *ssl = tls_client_ssl(ctx);

	if (!ssl)
		return NULL;
	if (!set_peer_name(ssl, name)) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

SSL *tls_accept_ssl_from(struct tls_context *ctx, const char *const *names, size_t n)
{
	SSL *ssl = n ? tls_accept_ssl(ctx) : NULL; /* a list without names would let everybody in */

	if (!ssl)
		return NULL;
	X509_VERIFY_PARAM_set_hostflags(SSL_get0_param(ssl), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	for (size_t i = 0; i < n; i++)
		if (!*names[i] || X509_VERIFY_PARAM_add1_host(SSL_get0_param(ssl), names[i], 0) != 1) {
			SSL_free(ssl);
			return NULL;
		}
	return ssl;
}

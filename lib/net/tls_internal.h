/* Inside lib/net: what the tls_*.c files and stream_io.c share. */
#ifndef POD_NET_TLS_INTERNAL_H
#define POD_NET_TLS_INTERNAL_H

#include <openssl/err.h>

#include "net/tls.h"

struct tls_names;

/* Sets err from tls_error_text, behind the printf text. */
int tls_err(struct err *err, enum pod_error code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* In connect state, its names yet to be set. */
SSL *tls_client_ssl(struct tls_context *ctx);

/* Certificate chain and key of one identity. */
int tls_load_identity(SSL_CTX *ctx, const char *cert_file, const char *key_file, struct err *err);

/*
 * Further certificates by name. make_ctx makes an SSL_CTX set up like the default one; the names then belong
 * to default_ctx and are freed with it, so that running connections keep what they were accepted with.
 */
int tls_names_load(SSL_CTX *default_ctx, const char *dir, SSL_CTX *(*make_ctx)(void *arg, struct err *err),
                   void *arg, struct err *err);

#endif

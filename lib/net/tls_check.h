/*
 * What a client wants to know of a server's certificate where "one of our CAs, and this name" is not the
 * question: mail to other servers (RFC 7672, RFC 8461). The context is one of tls_client_create.
 */
#ifndef POD_NET_TLS_CHECK_H
#define POD_NET_TLS_CHECK_H

#include "net/stream.h"
#include "net/tls_resume.h"

enum tls_check_kind {
	TLS_CHECK_NAMES, /* signed by a CA of the context, for one of the names (RFC 6125) */
	TLS_CHECK_DANE,  /* as one of the records says (RFC 7671); names are looked at with usage 2 only */
};

struct tls_dane_record { /* RFC 6698 2.1 */
	uint8_t usage, selector, matching;
	struct span data;
};

struct tls_check {
	enum tls_check_kind kind;
	/* The handshake goes on whatever the certificate is; stream_tls_verdict says how it would have ended.
	 */
	bool watch;
	const char *sni; /* NULL: none is sent, for an address */
	const char *const *names;
	size_t names_n; /* at least one */
	const struct tls_dane_record *records;
	size_t records_n;
	struct tls_resume *resume; /* of an earlier session that had to show the same; may be NULL */
};

enum tls_verdict {
	TLS_VERDICT_GOOD,
	TLS_VERDICT_HOST_MISMATCH, /* for another name */
	TLS_VERDICT_EXPIRED,       /* or not valid yet */
	TLS_VERDICT_UNTRUSTED,     /* by nobody we know, or revoked */
	TLS_VERDICT_NO_MATCH,      /* no record fits */
	TLS_VERDICT_OTHER,         /* no TLS at all came of it, no certificate, a broken one */
	TLS_VERDICTS
};

/*
 * Whether a record can be used for mail (RFC 7672 3.1): usage 2 or 3, a selector and a matching type that we
 * know, a digest of the right length, a key or certificate that can be read.
 */
bool tls_dane_is_usable(const struct tls_dane_record *r);

/* The digest of a certificate's key that a TLSA record 3 1 1 has: of the first one in a PEM file.
 * -POD_E_CONFIG. */
int tls_dane_digest(const char *cert_file, uint8_t ret_digest[32], struct err *err);

/* STARTTLS, client side, as stream_start_tls_client. The check is copied. */
int stream_start_tls_check(struct stream *s, struct tls_context *tls, const struct tls_check *check,
                           struct err *err);
/* In on_tls and after it, and in on_end of a handshake that failed. */
enum tls_verdict stream_tls_verdict(const struct stream *s);
const char *tls_verdict_name(enum tls_verdict v); /* "host mismatch" */

/* A connection set up for a check; NULL where memory is out. */
SSL *tls_check_ssl(struct tls_context *ctx, const struct tls_check *check);

#endif

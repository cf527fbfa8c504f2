/*
 * Judging certificates that are none of a connection's: those of people, for S/MIME. Against the CAs of the
 * system. Thread-safe.
 */
#ifndef POD_NET_TLS_CERT_H
#define POD_NET_TLS_CERT_H

#include "base/err.h"
#include "base/span.h"

enum tls_cert_verdict {
	TLS_CERT_GOOD,
	TLS_CERT_MALFORMED, /* no certificate at all */
	TLS_CERT_BAD_SIGNATURE,
	TLS_CERT_UNTRUSTED,     /* issued by nobody whom the system trusts */
	TLS_CERT_NO_CHAIN,      /* an issuer in between is missing or wrong */
	TLS_CERT_WRONG_PURPOSE, /* not for mail */
	TLS_CERT_EXPIRED,
	TLS_CERT_REVOKED,
	TLS_CERT_UNKNOWN, /* its revocation cannot be found out */
};

/* A certificate for signing and encrypting mail (DER), with those between it and a CA: n of them, DER as
 * well. */
enum tls_cert_verdict tls_cert_judge_mail(struct span certificate, const struct span *chain, size_t n);

#endif

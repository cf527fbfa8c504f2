/* _smtp._tls.DOMAIN: where reports on TLS with the domain go (RFC 8460 3). Pure. */
#ifndef POD_MTA_TLSRPT_RECORD_H
#define POD_MTA_TLSRPT_RECORD_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

#define TLSRPT_RUA_MAX 10 /* of one domain; more are left aside */

struct tlsrpt_rua {
	const char *uri;  /* as in the record */
	bool mail;        /* else https */
	const char *to;   /* mail: the address */
	const char *host; /* https */
	uint16_t port;
	const char *path; /* with what is behind it; "/" where there is none */
};

/*
 * Reads the TXT records of the name; the result lives in a. URIs of other kinds, and malformed ones, are left
 * out. -POD_E_NOTFOUND  no such record, or more than one (then none counts) -POD_E_SYNTAX    it names no
 * place that can be reported to -POD_E_NOMEM
 */
int tlsrpt_record_parse(const struct span *txt, size_t n, struct arena *a,
                        struct tlsrpt_rua ret_rua[TLSRPT_RUA_MAX], size_t *ret_n);

#endif

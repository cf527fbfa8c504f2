/* A report on TLS with one domain on one day (RFC 8460 4): the JSON, compressed, and the mail around it.
 * Pure. */
#ifndef POD_MTA_TLSRPT_DOCUMENT_H
#define POD_MTA_TLSRPT_DOCUMENT_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "mta/tlspolicy/tlspolicy.pb-c.h"

struct tlsrpt_about {
	const char *domain;
	uint32_t day; /* since 1970, in UTC */
	const char *organization, *contact, *hostname;
};

/* Adds a row of counts to "policies" of a report, as RFC 8460 4.4 has it. -POD_E_NOMEM. */
int tlsrpt_policy_add(json_t *policies, const char *domain, const Tlspolicy__Sessions *row);
/* The whole report; policies is taken. NULL where memory is out. */
json_t *tlsrpt_document(const struct tlsrpt_about *about, json_t *policies);
/* Compressed (RFC 1952). -POD_E_NOMEM. */
int tlsrpt_compress(const json_t *document, struct buf *out);
/*
 * The mail that carries it (RFC 8460 5.3), in CRLF form: for a report that must arrive it asks for no TLS
 * (RFC 8689 5). trace: of this message. -POD_E_NOMEM.
 */
int tlsrpt_letter(const struct tlsrpt_about *about, const char *from, const char *to, const char *trace,
                  int64_t now_s, struct span compressed, struct buf *out);

#endif

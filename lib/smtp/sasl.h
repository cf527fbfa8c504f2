/* The client's side of SASL, by libsasl2: PLAIN, LOGIN and SCRAM-SHA-256. One thread. */
#ifndef POD_SMTP_SASL_H
#define POD_SMTP_SASL_H

#include "base/err.h"
#include "base/span.h"

struct smtp_sasl;

/*
 * Begins with the best of the offered mechanisms (names, a space between them). cleartext: PLAIN and LOGIN
 * may be used. *ret_mechanism lives as long as the exchange. -POD_E_UNSUPPORTED: none in common;
 * -POD_E_NOMEM, -POD_E_INTERNAL.
 */
int smtp_sasl_start(const char *server, const char *login, const char *password, const char *offered,
                    bool cleartext, struct smtp_sasl **ret_sasl, const char **ret_mechanism, struct err *err);
/* Our first message, where the mechanism has one; SPAN_NONE where not. Valid until the next call. */
struct span smtp_sasl_first(const struct smtp_sasl *s);
/* The answer to a challenge, both without base64; valid until the next call. -POD_E_AUTH: the server is not
 * whom it says. */
int smtp_sasl_step(struct smtp_sasl *s, struct span challenge, struct span *ret_answer, struct err *err);
/* Whether our side is content: a server that says yes too early has proven nothing. */
bool smtp_sasl_is_done(const struct smtp_sasl *s);
struct smtp_sasl *smtp_sasl_free(struct smtp_sasl *s); /* NULL is fine; returns NULL */

#endif

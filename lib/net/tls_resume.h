/* Sessions of earlier connections, which a client resumes (RFC 8446 2.2): the next handshake is shorter. */
#ifndef POD_NET_TLS_RESUME_H
#define POD_NET_TLS_RESUME_H

#include "net/tls.h"

/* What was found of the server's certificate is kept with it: to be used only where the same had to be shown.
 */
struct tls_resume;

/* Once bytes came in behind the handshake: that is when servers hand sessions out. NULL: there is none. */
struct tls_resume *tls_resume_of(SSL *ssl);
void tls_resume_use(SSL *ssl,
                    struct tls_resume *session); /* before the handshake; session stays the caller's */
struct tls_resume *tls_resume_free(struct tls_resume *session); /* NULL is fine; returns NULL */
bool tls_resume_was_used(SSL *ssl);

#endif

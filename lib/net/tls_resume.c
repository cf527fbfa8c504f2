#include "net/tls_resume.h"

/* A struct tls_resume is an SSL_SESSION: the name only keeps OpenSSL out of other folders. */
static SSL_SESSION *inner(struct tls_resume *s)
{
	return (SSL_SESSION *) (void *) s;
}

struct tls_resume *tls_resume_of(SSL *ssl)
{
	SSL_SESSION *s = SSL_get1_session(ssl);

	if (s && !SSL_SESSION_is_resumable(s)) {
		SSL_SESSION_free(s);
		s = NULL;
	}
	return (struct tls_resume *) (void *) s;
}

void tls_resume_use(SSL *ssl, struct tls_resume *session)
{
	(void) SSL_set_session(ssl, inner(session)); /* one that does not fit means a full handshake */
}

struct tls_resume *tls_resume_free(struct tls_resume *session)
{
	SSL_SESSION_free(inner(session));
	return NULL;
}

bool tls_resume_was_used(SSL *ssl)
{
	return SSL_session_reused(ssl) == 1;
}

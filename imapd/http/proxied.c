/*
 * HTTPS behind a load balancer: a PROXY header in clear before the TLS handshake. evhttp accepts by itself
 * and gives the socket straight to TLS, so the header is read where TLS reads: by a BIO that is put in front
 * of the socket's when the handshake begins, and from then on passes on what it gets.
 */
#include <openssl/bio.h>
#include <stdlib.h>

#include "imapd/http/internal.h"

/* The header that is coming in. */
struct proxied {
	struct http_conn *conn; /* valid while TLS reads */
	struct proxy_header header;
};

/* ---- the BIO; its data is NULL once the header is read ---- */

static int on_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

static int on_destroy(BIO *b)
{
	free(BIO_get_data(b));
	return 1;
}

/* 1: it is read. Where it is LOCAL or UNKNOWN, the proxy speaks for itself. */
static int read_header(BIO *b, struct proxied *p)
{
	struct net_addr peer = { .len = 0 }, local;
	int fd = -1, r;

	if (BIO_get_fd(BIO_next(b), &fd) < 0)
		return -POD_E_INTERNAL;
	r = proxy_header_read(&p->header, fd, &peer, &local);
	if (r > 0 && peer.len) {
		p->conn->peer = malloc(sizeof(peer));
		if (!p->conn->peer)
			return -POD_E_NOMEM;
		*p->conn->peer = peer;
	}
	return r > 0 ? 1 : r;
}

static void refuse(const struct proxied *p, int r)
{
	log_event(NULL, LOGL_NOTICE, "http.proxy_header", F_UINT("http", p->conn->id), F_CODE(r));
}

static int on_read(BIO *b, char *data, int len)
{
	struct proxied *p = BIO_get_data(b);
	int r;

	BIO_clear_retry_flags(b);
	r = p ? read_header(b, p) : 1;
	if (r == 0)
		BIO_set_retry_read(b);
	if (r < 0)
		refuse(p, r);
	if (r <= 0)
		return -1;
	free(p);
	BIO_set_data(b, NULL);
	r = BIO_read(BIO_next(b), data, len);
	BIO_copy_next_retry(b);
	return r;
}

static long on_ctrl(BIO *b, int what, long n, void *p)
{
	return BIO_next(b) ? BIO_ctrl(BIO_next(b), what, n, p) : 0;
}

/* NULL where memory is out. */
static const BIO_METHOD *method(void)
{
	static BIO_METHOD *m;

	if (m)
		return m;
	m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_FILTER, "PROXY header");
	if (m && (!BIO_meth_set_create(m, on_create) || !BIO_meth_set_destroy(m, on_destroy) ||
	          !BIO_meth_set_read(m, on_read) || !BIO_meth_set_ctrl(m, on_ctrl))) {
		BIO_meth_free(m);
		m = NULL;
	}
	return m;
}

/* ---- when it is put there ---- */

static bool is_trusted(const struct http_conn *c, int fd)
{
	struct net_addr addr = { .len = sizeof(addr.ss) };

	if (getpeername(fd, (struct sockaddr *) &addr.ss, &addr.len) < 0)
		return false;
	net_addr_unmap(&addr);
	return net_set_has(c->http->proxy_from, &addr);
}

static int put_in_front(SSL *ssl, struct http_conn *c)
{
	struct proxied *p = calloc(1, sizeof(*p));
	BIO *b = p && method() ? BIO_new(method()) : NULL, *socket = SSL_get_rbio(ssl);

	if (!b) {
		free(p);
		return -POD_E_NOMEM;
	}
	p->conn = c;
	BIO_set_data(b, p);
	(void) BIO_up_ref(socket); /* the SSL object lets go of it as its own and holds it as a part of b */
	(void) BIO_push(b, socket);
	SSL_set0_rbio(ssl, b);
	return 0;
}

/* Nothing has been read yet. One for whom there is no memory gets no further: his header is no TLS. */
static void on_handshake(const SSL *ssl, int where, int value)
{
	struct http_conn *c = http_conn_of_ssl(ssl);
	int fd = SSL_get_fd(ssl);

	if (where != SSL_CB_HANDSHAKE_START || !c || c->met || fd < 0)
		return;
	c->met = true;
	if (is_trusted(c, fd))
		(void) put_in_front((SSL *) (uintptr_t) ssl, c);
}

void http_conn_meet(SSL *ssl)
{
	SSL_set_info_callback(ssl, on_handshake);
}

/*
 * The header is read where TLS reads: by a BIO that is put in front of the socket's when the handshake
 * begins, and from then on passes on what it gets.
 */
#include "net/tls_proxied.h"

#include <openssl/bio.h>
#include <stdlib.h>

/* What an SSL object is to do when its handshake begins; goes with it. */
struct expecting {
	const struct net_set *from;
	tls_proxied_fn *fn;
	void *arg;
	bool met; /* it was looked where the connection comes from */
};

/* The header that is coming in. */
struct proxied {
	struct expecting *e; /* valid while TLS reads */
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

static int read_header(BIO *b, struct proxied *p)
{
	struct net_addr peer = { .len = 0 }, local;
	int fd = -1, r;

	if (BIO_get_fd(BIO_next(b), &fd) < 0)
		return -POD_E_INTERNAL;
	r = proxy_header_read(&p->header, fd, &peer, &local);
	if (r != 0)
		p->e->fn(p->e->arg, r < 0 ? r : 0, r > 0 && peer.len ? &peer : NULL);
	return r;
}

static int on_read(BIO *b, char *data, int len)
{
	struct proxied *p = BIO_get_data(b);
	int r;

	BIO_clear_retry_flags(b);
	r = p ? read_header(b, p) : 1;
	if (r == 0)
		BIO_set_retry_read(b);
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

static int expecting_index = -1;

static void on_ssl_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	free(ptr);
}

static bool is_trusted(const struct expecting *e, int fd)
{
	struct net_addr addr = { .len = sizeof(addr.ss) };

	if (getpeername(fd, (struct sockaddr *) &addr.ss, &addr.len) < 0)
		return false;
	net_addr_unmap(&addr);
	return net_set_has(e->from, &addr);
}

static int put_in_front(SSL *ssl, struct expecting *e)
{
	struct proxied *p = calloc(1, sizeof(*p));
	BIO *b = p && method() ? BIO_new(method()) : NULL, *socket = SSL_get_rbio(ssl);

	if (!b) {
		free(p);
		return -POD_E_NOMEM;
	}
	p->e = e;
	BIO_set_data(b, p);
	(void) BIO_up_ref(socket); /* the SSL object lets go of it as its own and holds it as a part of b */
	(void) BIO_push(b, socket);
	SSL_set0_rbio(ssl, b);
	return 0;
}

/* Nothing has been read yet. One for whom there is no memory gets no further: his header is no TLS. */
static void on_handshake(const SSL *ssl, int where, int value)
{
	struct expecting *e = SSL_get_ex_data(ssl, expecting_index);
	int fd = SSL_get_fd(ssl);

	if (where != SSL_CB_HANDSHAKE_START || e->met || fd < 0)
		return;
	e->met = true;
	if (is_trusted(e, fd) && put_in_front((SSL *) (uintptr_t) ssl, e) < 0)
		e->fn(e->arg, -POD_E_NOMEM, NULL);
}

int tls_expect_proxy(SSL *ssl, const struct net_set *from, tls_proxied_fn *fn, void *arg)
{
	struct expecting *e = calloc(1, sizeof(*e));

	if (expecting_index < 0)
		expecting_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_ssl_free);
	if (!e || expecting_index < 0 || SSL_set_ex_data(ssl, expecting_index, e) != 1) {
		free(e);
		return -POD_E_NOMEM;
	}
	*e = (struct expecting){ .from = from, .fn = fn, .arg = arg };
	SSL_set_info_callback(ssl, on_handshake);
	return 0;
}

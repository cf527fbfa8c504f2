#include "podctl/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/listener.h"

/* What each service says first, and what has to be said before where it waits for the client. */
static const struct probe {
	bool tls;
	const char *say, *hear;
} probes[CONF_LISTENERS] = {
	[CONF_LISTEN_SMTP] = { false, "", "220 " },
	[CONF_LISTEN_LMTP] = { false, "", "220 " },
	[CONF_LISTEN_SUBMISSION] = { false, "", "220 " },
	[CONF_LISTEN_SUBMISSIONS] = { true, "", "220 " },
	[CONF_LISTEN_IMAP] = { false, "", "* OK" },
	[CONF_LISTEN_IMAPS] = { true, "", "* OK" },
	[CONF_LISTEN_HTTPS] = { true, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", "HTTP/1." },
	[CONF_LISTEN_ADMIN] = { false, "GET /status HTTP/1.0\r\nHost: localhost\r\n\r\n", "HTTP/1." },
	[CONF_LISTEN_METRICS] = { false, "GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n", "HTTP/1." },
};

const char *probe_host(const struct conf_endpoint *endpoint)
{
	if (strcmp(endpoint->host, "*") == 0 || strcmp(endpoint->host, "0.0.0.0") == 0)
		return "127.0.0.1";
	return strcmp(endpoint->host, "::") == 0 ? "::1" : endpoint->host;
}

static int connect_to(const struct conf_endpoint *e, unsigned int timeout_ms, int *ret_fd, struct err *err)
{
	const struct timeval tv = { .tv_sec = timeout_ms / 1000,
		                    .tv_usec = (suseconds_t) (timeout_ms % 1000) * 1000 };
	const char *host = probe_host(e);
	_cleanup_(closep) int fd = -1;
	struct net_addr addr;
	char text[NET_ADDR_TEXT_SIZE];
	int r;

	(void) snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, e->port);
	r = net_addr_parse(span_of(text), &addr, err);
	if (r < 0)
		return r;
	fd = socket(addr.ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0 ||
	    connect(fd, (struct sockaddr *) &addr.ss, addr.len) < 0)
		return err_errno(err, errno, "%s on %s", e->name, text);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Reads until as many bytes are there as the greeting's beginning has. */
static int hear(const struct conf_endpoint *e, int fd, SSL *ssl, const char *want, struct err *err)
{
	char got[16] = "";
	size_t have = 0, len = strlen(want);

	while (have < len) {
		ssize_t n = ssl ? SSL_read(ssl, got + have, (int) (len - have))
		                : read(fd, got + have, len - have);

		if (n <= 0)
			return err_set(err, POD_E_TIMEOUT, "%s on port %u gives no greeting", e->name,
			               e->port);
		have += (size_t) n;
	}
	return memcmp(got, want, len) == 0
	               ? 0
	               : err_set(err, POD_E_PROTOCOL, "%s on port %u answers \"%s\"", e->name, e->port, got);
}

static int talk(const struct conf_endpoint *e, const struct probe *probe, int fd, SSL *ssl, struct err *err)
{
	size_t len = strlen(probe->say);
	ssize_t n;

	if (ssl && (SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1))
		return err_set(err, POD_E_UNAVAILABLE, "%s on port %u: no TLS handshake", e->name, e->port);
	n = len == 0 ? 0 : ssl ? SSL_write(ssl, probe->say, (int) len) : write(fd, probe->say, len);
	if (n != (ssize_t) len)
		return err_set(err, POD_E_UNAVAILABLE, "%s on port %u takes nothing", e->name, e->port);
	return hear(e, fd, ssl, probe->hear, err);
}

int probe_service(const struct conf *conf, enum conf_listener which, struct tls_context *tls,
                  unsigned int timeout_ms, struct err *err)
{
	const struct conf_endpoint *e = conf_listen(conf, which);
	const struct probe *probe = &probes[which];
	_cleanup_(closep) int fd = -1;
	SSL *ssl = NULL;
	int r = e ? connect_to(e, timeout_ms, &fd, err) : 0;

	if (r < 0 || !e)
		return r;
	if (probe->tls) {
		ssl = tls_connect_ssl(tls, "localhost");
		if (!ssl)
			return err_set(err, POD_E_NOMEM, "TLS");
		SSL_set_verify(ssl, SSL_VERIFY_NONE,
		               NULL); /* whether it answers, not whose certificate it shows */
	}
	r = talk(e, probe, fd, ssl, err);
	SSL_free(ssl);
	return r;
}

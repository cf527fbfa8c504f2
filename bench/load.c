#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void) vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void) fputc('\n', stderr);
	exit(1);
}

double now_s(void)
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

/* ---- one connection ---- */

static SSL_CTX *tls_context(void)
{
	static SSL_CTX *ctx; /* made by the first caller, in main, before threads */

	if (!ctx) {
		ctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* each login is a full handshake */
	}
	return ctx;
}

void conn_open(struct conn *c, const struct load_options *o)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t) o->port) };
	int on = 1;

	memset(c, 0, sizeof(*c));
	(void) inet_pton(AF_INET, o->host, &sin.sin_addr);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *) &sin, sizeof(sin)) < 0)
		die("connect to %s:%d: %s", o->host, o->port, strerror(errno));
	(void) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (o->tls) {
		c->ssl = SSL_new(tls_context());
		SSL_set_fd(c->ssl, c->fd);
		if (SSL_connect(c->ssl) != 1)
			die("TLS handshake with %s:%d failed", o->host, o->port);
	}
}

void conn_close(struct conn *c)
{
	if (c->ssl) {
		(void) SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
	}
	(void) close(c->fd);
}

void conn_send(struct conn *c, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = c->ssl ? SSL_write(c->ssl, bytes, (int) len) : write(c->fd, bytes, len);

		if (n <= 0)
			die("the server closed while we wrote");
		bytes += n;
		len -= (size_t) n;
	}
}

void conn_sendf(struct conn *c, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conn_send(c, text, (size_t) n);
}

static void fill(struct conn *c)
{
	ssize_t n;

	if (c->from == c->to)
		c->from = c->to = 0;
	n = c->ssl ? SSL_read(c->ssl, c->in + c->to, (int) (sizeof(c->in) - c->to))
	           : read(c->fd, c->in + c->to, sizeof(c->in) - c->to);
	if (n <= 0)
		die("the server closed while we read");
	c->to += (size_t) n;
	c->bytes_in += (unsigned long long) n;
}

void conn_line(struct conn *c, char *line, size_t size)
{
	size_t n = 0;

	for (;;) {
		const char *at = c->in + c->from, *end = memchr(at, '\n', c->to - c->from);
		size_t len = end ? (size_t) (end - at) : c->to - c->from;
		size_t room = size - 1 - n, copy = len < room ? len : room;

		memcpy(line + n, at, copy);
		n += copy;
		c->from += len + (end ? 1 : 0);
		if (end)
			break;
		fill(c);
	}
	while (n && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
}

void conn_skip(struct conn *c, size_t len)
{
	while (len) {
		size_t have = c->to - c->from, take = have < len ? have : len;

		c->from += take;
		len -= take;
		if (len)
			fill(c);
	}
}

void user_name(const struct load_options *o, int n, char *name, size_t size)
{
	const char *at = strstr(o->user, "%d");

	if (!at)
		(void) snprintf(name, size, "%s", o->user);
	else
		(void) snprintf(name, size, "%.*s%d%s", (int) (at - o->user), o->user, n % o->users, at + 2);
}

/* ---- many at once ---- */

struct thread {
	pthread_t id;
	const struct load_options *o;
	load_fn *fn;
	int number, count;
	double *latencies;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	t->fn(t->o, t->number, t->count, t->latencies);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return x < y ? -1 : x > y;
}

void load_run(const struct load_options *o, load_fn *fn)
{
	struct thread *threads = calloc((size_t) o->connections, sizeof(*threads));
	double *latencies = calloc((size_t) o->count, sizeof(*latencies)), start, took;
	int given = 0;

	if (!threads || !latencies)
		die("out of memory");
	(void) tls_context();
	start = now_s();
	for (int i = 0; i < o->connections; i++) {
		int count = o->count / o->connections + (i < o->count % o->connections);

		threads[i] = (struct thread){ 0, o, fn, i, count, latencies + given };
		given += count;
		if (pthread_create(&threads[i].id, NULL, thread_main, &threads[i]) != 0)
			die("cannot start a thread");
	}
	for (int i = 0; i < o->connections; i++)
		(void) pthread_join(threads[i].id, NULL);
	took = now_s() - start;
	qsort(latencies, (size_t) o->count, sizeof(*latencies), by_value);
	printf("{\"count\":%d,\"seconds\":%.4f,\"per_second\":%.1f,\"median_ms\":%.3f,\"p99_ms\":%.3f}\n", o->count, took,
	       o->count / took, latencies[o->count / 2] * 1e3, latencies[(size_t) (o->count * 0.99)] * 1e3);
	free(latencies);
	free(threads);
}

/* ---- the command line ---- */

static void usage(void)
{
	die("usage: load smtp|logins|imap --port N [--host A] [--tls] [--lmtp] [--connections N] [--count N]\n"
	    "            [--users N] [--user NAME (with %%d)] [--password P] [--size BYTES] [imap commands...]");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "host", 1, NULL, 'h' },  { "port", 1, NULL, 'p' },  { "tls", 0, NULL, 't' },
		{ "lmtp", 0, NULL, 'l' },  { "connections", 1, NULL, 'c' }, { "count", 1, NULL, 'n' },
		{ "users", 1, NULL, 'u' }, { "user", 1, NULL, 'U' },  { "password", 1, NULL, 'P' },
		{ "size", 1, NULL, 's' },  { NULL, 0, NULL, 0 },
	};
	struct load_options o = { "127.0.0.1", 0, false, false, 1, 1, 1, 4096, "user%d@example.test", "secret", NULL };
	int c;

	(void) signal(SIGPIPE, SIG_IGN);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'h': o.host = optarg; break;
		case 'p': o.port = atoi(optarg); break;
		case 't': o.tls = true; break;
		case 'l': o.lmtp = true; break;
		case 'c': o.connections = atoi(optarg); break;
		case 'n': o.count = atoi(optarg); break;
		case 'u': o.users = atoi(optarg); break;
		case 'U': o.user = optarg; break;
		case 'P': o.password = optarg; break;
		case 's': o.size = (size_t) atol(optarg); break;
		default: usage();
		}
	}
	if (optind >= argc || o.port <= 0 || o.connections < 1 || o.count < o.connections || o.users < 1)
		usage();
	o.commands = (const char *const *) argv + optind + 1;
	if (strcmp(argv[optind], "smtp") == 0)
		load_run(&o, smtp_deliver);
	else if (strcmp(argv[optind], "logins") == 0)
		load_run(&o, imap_login);
	else if (strcmp(argv[optind], "imap") == 0)
		imap_commands(&o);
	else
		usage();
	return 0;
}

/*
 * The bench's own client: blocking sockets, one thread for each connection, the same for every server, and
 * none of podmail's code in it, so that what it measures is the server.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct load_options {
	const char *host;
	int port;
	bool tls, lmtp;
	int connections, count, users;
	size_t size;
	const char *user; /* may hold one %d: the user's number, 0 to users - 1 */
	const char *password;
	const char *const *commands; /* imap: NULL-ended */
};

struct conn {
	int fd;
	SSL *ssl;
	char in[65536];
	size_t from, to;
	unsigned long long bytes_in;
};

double now_s(void);
/* All of these end the program with a message where the server does not answer as it should. */
void conn_open(struct conn *c, const struct load_options *o);
void conn_close(struct conn *c);
void conn_send(struct conn *c, const char *bytes, size_t len);
void conn_sendf(struct conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line without its line end; cut where longer than size. */
void conn_line(struct conn *c, char *line, size_t size);
void conn_skip(struct conn *c, size_t len);
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void user_name(const struct load_options *o, int n, char *name, size_t size);

/* Runs fn on one thread for each connection; prints a JSON line of count, seconds, rate and latencies. */
typedef void load_fn(const struct load_options *o, int thread, int count, double *latencies);
void load_run(const struct load_options *o, load_fn *fn);

void smtp_deliver(const struct load_options *o, int thread, int count, double *latencies);
void imap_login(const struct load_options *o, int thread, int count, double *latencies);
void imap_commands(const struct load_options *o);

#endif

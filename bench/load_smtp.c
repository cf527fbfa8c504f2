/* Deliveries: one transaction after the other on each connection, commands pipelined as RFC 2920 allows. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect(struct conn *c, char class)
{
	char line[1024];

	do
		conn_line(c, line, sizeof(line));
	while (line[3] == '-');
	if (line[0] != class)
		die("expected %cxx, the server said: %s", class, line);
}

/* A message of the size asked for: an ordinary header, then lines of text. */
static char *make_message(const struct load_options *o, int thread, size_t *ret_len)
{
	static const char text[] = "The quick brown fox jumps over the lazy dog, and the mail goes through.\r\n";
	char *m = malloc(o->size + 1024);
	int n;

	if (!m)
		die("out of memory");
	n = sprintf(m,
	            "From: Bench <bench@example.com>\r\nTo: Somebody <somebody@example.test>\r\nSubject: message of thread %d\r\n"
	            "Date: Sat, 21 Nov 2026 03:00:00 +0000\r\nMessage-ID: <bench.%d.%p@example.com>\r\nMIME-Version: 1.0\r\n"
	            "Content-Type: text/plain; charset=utf-8\r\n\r\n",
	            thread, thread, (void *) m);
	while ((size_t) n < o->size) {
		memcpy(m + n, text, sizeof(text) - 1);
		n += (int) sizeof(text) - 1;
	}
	memcpy(m + n, ".\r\n", 3);
	*ret_len = (size_t) n + 3;
	return m;
}

void smtp_deliver(const struct load_options *o, int thread, int count, double *latencies)
{
	struct conn *c = malloc(sizeof(*c));
	size_t len;
	char *message = make_message(o, thread, &len), rcpt[256];

	if (!c)
		die("out of memory");
	conn_open(c, o);
	expect(c, '2');
	conn_sendf(c, "%s bench.example.com\r\n", o->lmtp ? "LHLO" : "EHLO");
	expect(c, '2');
	for (int i = 0; i < count; i++) {
		double start = now_s();

		user_name(o, thread + i * o->connections, rcpt, sizeof(rcpt));
		conn_sendf(c, "MAIL FROM:<bench@example.com>\r\nRCPT TO:<%s>\r\nDATA\r\n", rcpt);
		expect(c, '2');
		expect(c, '2');
		expect(c, '3');
		conn_send(c, message, len);
		expect(c, '2');
		latencies[i] = now_s() - start;
	}
	conn_sendf(c, "QUIT\r\n");
	expect(c, '2');
	conn_close(c);
	free(message);
	free(c);
}

/* Logins, and single commands timed from their first byte to their tagged answer. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads up to the tagged answer, over literals; returns whether it was OK. */
static bool finish(struct conn *c, const char *tag)
{
	char line[65536];
	size_t tag_len = strlen(tag);

	for (;;) {
		size_t len;
		char *brace;

		conn_line(c, line, sizeof(line));
		len = strlen(line);
		brace = len && line[len - 1] == '}' ? strrchr(line, '{') : NULL;
		if (brace)
			conn_skip(c, strtoul(brace + 1, NULL, 10));
		else if (strncmp(line, tag, tag_len) == 0 && line[tag_len] == ' ')
			return strncmp(line + tag_len + 1, "OK", 2) == 0;
	}
}

static void login(struct conn *c, const struct load_options *o, int n)
{
	char line[1024], user[256];

	user_name(o, n, user, sizeof(user));
	conn_line(c, line, sizeof(line));
	conn_sendf(c, "a LOGIN %s %s\r\n", user, o->password);
	if (!finish(c, "a"))
		die("login of %s failed", user);
}

void imap_login(const struct load_options *o, int thread, int count, double *latencies)
{
	struct conn *c = malloc(sizeof(*c));

	if (!c)
		die("out of memory");
	for (int i = 0; i < count; i++) {
		double start = now_s();

		conn_open(c, o);
		login(c, o, thread + i * o->connections);
		conn_sendf(c, "b LOGOUT\r\n");
		(void) finish(c, "b");
		conn_close(c);
		latencies[i] = now_s() - start;
	}
	free(c);
}

void imap_commands(const struct load_options *o)
{
	struct conn *c = malloc(sizeof(*c));

	if (!c)
		die("out of memory");
	conn_open(c, o);
	login(c, o, 0);
	for (int i = 0; o->commands[i]; i++) {
		unsigned long long before = c->bytes_in;
		double start = now_s();

		conn_sendf(c, "c%d %s\r\n", i, o->commands[i]);
		{
			char tag[16];

			(void) snprintf(tag, sizeof(tag), "c%d", i);
			if (!finish(c, tag))
				die("%s failed", o->commands[i]);
		}
		printf("{\"command\":\"%s\",\"ms\":%.3f,\"bytes\":%llu}\n", o->commands[i], (now_s() - start) * 1e3,
		       c->bytes_in - before);
	}
	conn_close(c);
	free(c);
}

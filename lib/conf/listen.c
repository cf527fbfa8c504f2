#include "conf/conf_internal.h"

static const struct {
	const char *name;
	size_t offset;     /* of the option in struct conf */
	unsigned int port; /* the well-known one, or ours */
} listeners[CONF_LISTENERS] = {
	[CONF_LISTEN_SMTP] = { "smtp", offsetof(struct conf, mta.smtp), 25 },
	[CONF_LISTEN_LMTP] = { "lmtp", offsetof(struct conf, mta.lmtp), 24 },
	[CONF_LISTEN_SUBMISSION] = { "submission", offsetof(struct conf, mta.submission), 587 },
	[CONF_LISTEN_SUBMISSIONS] = { "submissions", offsetof(struct conf, mta.submissions), 465 },
	[CONF_LISTEN_IMAP] = { "imap", offsetof(struct conf, imapd.imap), 143 },
	[CONF_LISTEN_IMAPS] = { "imaps", offsetof(struct conf, imapd.imaps), 993 },
	[CONF_LISTEN_HTTPS] = { "https", offsetof(struct conf, imapd.https), 443 },
	[CONF_LISTEN_ADMIN] = { "admin", offsetof(struct conf, podd.admin), 900 },
	[CONF_LISTEN_METRICS] = { "metrics", offsetof(struct conf, podd.metrics), 901 },
};

static const char *const *option(const struct conf *conf, size_t which)
{
	return (const char *const *) (const void *) ((const char *) conf + listeners[which].offset);
}

/* "[::1]:25" as "::1" and 25; conf_check_listen has seen that it is well-formed. */
static int split(struct arena *a, const char *address, struct conf_endpoint *e)
{
	const char *colon = strrchr(address, ':');
	struct span host = span_make(address, (size_t) (colon - address));
	uint32_t port = 0;

	if (host.p[0] == '[')
		host = span_make(host.p + 1, host.len - 2);
	(void) span_to_u32(span_of(colon + 1), &port);
	e->address = address;
	e->host = arena_str(a, host);
	e->port = port;
	return e->host ? 0 : -POD_E_NOMEM;
}

static int from_defaults(struct arena *a, const struct pod_conf *pod, unsigned int port,
                         struct conf_endpoint *e)
{
	e->host = pod->listen_address;
	e->port = pod->base_port + port;
	e->address = arena_printf(a, strchr(e->host, ':') ? "[%s]:%u" : "%s:%u", e->host, e->port);
	return e->address ? 0 : -POD_E_NOMEM;
}

static bool same_place(const struct conf_endpoint *a, const struct conf_endpoint *b)
{
	if (!a->address || !b->address || a->port != b->port)
		return false;
	return strcmp(a->host, "*") == 0 || strcmp(b->host, "*") == 0 || strcmp(a->host, b->host) == 0;
}

static void check_clashes(struct conf_loaded *l, struct problems *problems)
{
	for (size_t i = 0; i < CONF_LISTENERS; i++)
		for (size_t j = 0; j < i; j++) {
			unsigned int line = conf_line_of(l, option(&l->conf, i));

			if (same_place(&l->endpoints[i], &l->endpoints[j]))
				problem_add(problems, line ? line : conf_line_of(l, option(&l->conf, j)),
				            "%s and %s would both listen on %s", listeners[j].name,
				            listeners[i].name, l->endpoints[i].address);
		}
}

void conf_derive_endpoints(struct conf_loaded *l, struct problems *problems)
{
	for (size_t i = 0; i < CONF_LISTENERS; i++) {
		const char *address = *option(&l->conf, i);
		struct conf_endpoint *e = &l->endpoints[i];
		int r = 0;

		e->name = listeners[i].name;
		if (address[0] == '\0')
			r = from_defaults(l->arena, &l->conf.pod, listeners[i].port, e);
		else if (strcmp(address, "none") != 0)
			r = split(l->arena, address, e);
		problems->nomem |= r < 0;
	}
	if (!problems->nomem)
		check_clashes(l, problems);
}

const struct conf_endpoint *conf_listen(const struct conf *conf, enum conf_listener which)
{
	const struct conf_loaded *l = (const struct conf_loaded *) (const void *) conf;

	return l->endpoints[which].address ? &l->endpoints[which] : NULL;
}

const char *conf_listener_name(enum conf_listener which)
{
	return listeners[which].name;
}

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mta/podfilter/filter_internal.h"

#define SESSION_ARENA (64u << 10)

static const char *keep(struct arena *a, const char *s)
{
	char *copy = arena_str(a, span_of(s));

	return copy ? copy : "";
}

/* Nobody's mail comes in on a submission port without a login, and LMTP is for neighbours. */
static enum direction direction_of(const struct session *s, const char *daemon)
{
	static const struct {
		const char *daemon;
		enum direction direction;
	} doors[] = { { "submission", DIRECTION_OUT },
		      { "submissions", DIRECTION_OUT },
		      { "lmtp", DIRECTION_TRUSTED } };

	for (size_t i = 0; daemon && i < sizeof(doors) / sizeof(doors[0]); i++)
		if (strcmp(daemon, doors[i].daemon) == 0)
			return doors[i].direction;
	return s->client.len && net_set_has(s->settings->trusted, &s->client) ? DIRECTION_TRUSTED
	                                                                      : DIRECTION_IN;
}

struct session *session_create(struct filter *f, const struct net_addr *client, const char *client_name,
                               const char *daemon, const char *mta_name)
{
	char text[NET_ADDR_TEXT_SIZE] = "";
	struct arena *a = arena_create(SESSION_ARENA);
	struct session *s = a ? arena_new(a, struct session) : NULL;

	if (!s) {
		(void) arena_free(a);
		return NULL;
	}
	s->filter = f;
	s->arena = a;
	s->settings = settings_take(f);
	if (client) {
		s->client = *client;
		(void) net_addr_host(client, text, sizeof(text));
	}
	s->client_text = keep(a, text);
	s->client_name = keep(a, client_name ? client_name : "");
	s->mta_name = keep(a, mta_name ? mta_name : "");
	s->direction = direction_of(s, daemon);
	s->log.fields[0] = F_STR("peer", s->client_text);
	return s;
}

struct session *session_free(struct session *s)
{
	if (!s)
		return NULL;
	s->message = message_free(s->message);
	for (size_t i = 0; filter_checks[i]; i++)
		if (s->of_check[i] && filter_checks[i]->session_done)
			filter_checks[i]->session_done(s);
	settings_release(s->filter, s->settings);
	(void) arena_free(s->arena);
	return NULL;
}

void session_reply(struct session *s, const char *code, const char *status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void) vsnprintf(s->reply_text, sizeof(s->reply_text), fmt, ap);
	va_end(ap);
	/* libmilter takes "%" for a directive and no control characters (smfi_setreply); replies are ASCII.
	 */
	for (char *p = s->reply_text; *p; p++)
		if (*p == '%' || (uint8_t) *p < ' ' || (uint8_t) *p >= 0x7f)
			*p = '?';
	(void) snprintf(s->reply_code, sizeof(s->reply_code), "%s", code);
	(void) snprintf(s->reply_status, sizeof(s->reply_status), "%s", status);
}

bool check_applies(const struct check *c, const struct session *s)
{
	return c->directions & (1u << s->direction);
}

size_t check_self(const struct check *c)
{
	size_t i = 0;

	while (filter_checks[i] != c)
		i++;
	return i;
}

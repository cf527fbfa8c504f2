#include "imapd/http/pages.h"

static void reply(struct http_exchange *x, const char *type, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	if (!body || evbuffer_add(body, text, strlen(text)) < 0)
		http_abandon(x);
	else
		http_reply(x, 200, type, body);
	if (body)
		evbuffer_free(body);
}

void page_front(void *arg, struct http_exchange *x)
{
	reply(x, "text/html; charset=utf-8",
	      "<!doctype html><title>podmail</title><h1>podmail</h1>"
	      "<p>Mail is served over IMAP, SMTP submission and Exchange ActiveSync here.</p>\n");
}

/* Whether that is the host of a hosted domain's policy. */
static bool is_policy_host(const struct pages *p, const char *host)
{
	static const struct span prefix = SPAN_LIT("mta-sts.");
	struct span name = span_of(host);

	return span_starts_nocase(name, prefix) &&
	       directory_domain_find(p->directory, span_skip(name, prefix.len), NULL) == 0;
}

void page_policy(void *arg, struct http_exchange *x)
{
	const struct pages *p = arg;
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (is_policy_host(p, http_host(x)) && conf_sts_policy(p->conf, &text))
		reply(x, "text/plain", buf_str(&text));
	else
		http_reply_text(x, 404, "There is no such page.");
}

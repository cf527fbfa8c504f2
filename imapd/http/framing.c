#include <string.h>

#include "imapd/http/internal.h"

static bool is_number(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_digit(s.p[i]))
			return false;
	return s.len > 0;
}

bool http_framing_is_clear(const struct evkeyvalq *headers, bool is_1_0)
{
	unsigned int lengths = 0, codings = 0;

	for (const struct evkeyval *h = headers->tqh_first; h; h = h->next.tqe_next) {
		struct span name = span_of(h->key), value = span_of(h->value);

		/* RFC 9112 5.1: another reader could take the name without its space. */
		if (strpbrk(h->key, " \t"))
			return false;
		if (span_eq_nocase(name, SPAN_LIT("Content-Length")) && (lengths++ || !is_number(value)))
			return false;
		if (span_eq_nocase(name, SPAN_LIT("Transfer-Encoding")) &&
		    (codings++ || !span_eq_nocase(value, SPAN_LIT("chunked"))))
			return false;
	}
	return !codings || (!lengths && !is_1_0);
}

bool http_body_is_plain(const struct evkeyvalq *headers)
{
	const char *coding = evhttp_find_header(headers, "Content-Encoding");

	return !coding || !*coding || strcasecmp(coding, "identity") == 0;
}

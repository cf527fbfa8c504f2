/* Options of section filter that are small languages of their own. */
#include <arpa/inet.h>

#include "conf/filter.h"
#include "conf/item.h"

/* points := ["-"] 1*DIGIT ["." 1*2DIGIT] */
static int points_parse(struct span text, int *ret_hundredths)
{
	bool minus = text.len && text.p[0] == '-';
	struct span fraction, whole = span_split(span_skip(text, minus ? 1 : 0), '.', &fraction);
	uint32_t units, parts = 0;

	if (span_to_u32(whole, &units) < 0 || units > 1000)
		return -POD_E_SYNTAX;
	if (fraction.p && (fraction.len > 2 || span_to_u32(fraction, &parts) < 0))
		return -POD_E_SYNTAX;
	if (fraction.len == 1)
		parts *= 10;
	*ret_hundredths = (int) (units * 100 + parts) * (minus ? -1 : 1);
	return 0;
}

static struct span word_next(struct span *rest)
{
	*rest = span_trim(*rest);
	return span_split(*rest, ' ', rest);
}

static bool is_symbol(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!((s.p[i] >= 'A' && s.p[i] <= 'Z') || ascii_is_digit(s.p[i]) || s.p[i] == '_'))
			return false;
	return s.len > 0 && s.len < 64;
}

int filter_weight_parse(struct span text, struct filter_weight *ret_weight, struct err *err)
{
	struct span rest = text, symbol = word_next(&rest), points = word_next(&rest);
	int hundredths;

	if (!is_symbol(symbol) || points_parse(points, &hundredths) < 0 || span_trim(rest).len)
		return err_set(err, POD_E_SYNTAX, "a symbol and its points such as DNSBL 4.5 are expected");
	*ret_weight = (struct filter_weight){ symbol, hundredths };
	return 0;
}

int conf_check_weight(struct span value, struct err *err)
{
	struct filter_weight w;

	return filter_weight_parse(value, &w, err);
}

static int address_parse(struct span text, uint32_t *ret_addr)
{
	char buf[INET_ADDRSTRLEN];
	struct in_addr in;

	if (text.len == 0 || text.len >= sizeof(buf))
		return -POD_E_SYNTAX;
	memcpy(buf, text.p, text.len);
	buf[text.len] = '\0';
	if (inet_pton(AF_INET, buf, &in) != 1)
		return -POD_E_SYNTAX;
	*ret_addr = ntohl(in.s_addr);
	return 0;
}

/* codes := IPv4 [ "-" last | "/" bits | "&" bits ] */
static int codes_parse(struct span text, struct filter_dns_list *l)
{
	static const char marks[] = "-/&";
	struct span number, address = text;
	uint32_t n = 0;
	char mark = '\0';

	for (size_t i = 0; marks[i] && !mark; i++) {
		address = span_split(text, (uint8_t) marks[i], &number);
		if (number.p)
			mark = marks[i];
	}
	if (address_parse(address, &l->addr) < 0 || (mark && span_to_u32(number, &n) < 0))
		return -POD_E_SYNTAX;
	l->mask = mark == '/' && n <= 32       ? (n ? UINT32_MAX << (32 - n) : 0)
	          : mark == '&' || mark == '-' ? 0xffffff00
	                                       : UINT32_MAX;
	l->first = 0;
	l->last = 255;
	if (mark == '-') {
		l->first = (uint8_t) l->addr;
		l->last = (uint8_t) n;
	}
	l->bits = mark == '&' ? (uint8_t) n : 0;
	l->addr &= l->mask;
	return (mark == '/' && n > 32) || (mark != '/' && n > 255) || l->first > l->last ||
	                       (mark == '&' && !n)
	               ? -POD_E_SYNTAX
	               : 0;
}

int filter_dns_list_parse(struct span text, struct filter_dns_list *ret_list, struct err *err)
{
	struct span rest = text, zone = word_next(&rest), points = word_next(&rest), codes = word_next(&rest);
	struct filter_dns_list l = { .zone = zone, .addr = 0x7f000000, .mask = 0xff000000, .last = 255 };

	if (conf_check_dns_name(zone, NULL) < 0 || points_parse(points, &l.hundredths) < 0 ||
	    (codes.len && codes_parse(codes, &l) < 0) || span_trim(rest).len)
		return err_set(err, POD_E_SYNTAX,
		               "a zone, its points and maybe answers such as bl.example 4 127.0.0.2-11 are "
		               "expected");
	*ret_list = l;
	return 0;
}

int conf_check_dns_list(struct span value, struct err *err)
{
	struct filter_dns_list l;

	return filter_dns_list_parse(value, &l, err);
}

int conf_check_extension(struct span value, struct err *err)
{
	for (size_t i = 0; i < value.len; i++)
		if (!ascii_is_alpha(value.p[i]) && !ascii_is_digit(value.p[i]))
			return err_set(err, POD_E_SYNTAX,
			               "extensions without a dot such as exe are expected");
	return 0;
}

int conf_check_http_url_or_empty(struct span value, struct err *err)
{
	if (!value.len || span_starts_nocase(value, SPAN_LIT("http://")) ||
	    span_starts_nocase(value, SPAN_LIT("https://")))
		return 0;
	return err_set(err, POD_E_SYNTAX, "a URL such as http://127.0.0.1:11334 is expected");
}

/* A service that we connect to: "unix:/path" or an address with a port. */
int conf_check_peer_or_empty(struct span value, struct err *err)
{
	if (!value.len || (span_starts_nocase(value, SPAN_LIT("unix:/")) && value.len < 100))
		return 0;
	if (conf_check_listen(value, NULL) == 0 && value.p[0] != '*' &&
	    !span_eq_nocase(value, SPAN_LIT("none")))
		return 0;
	return err_set(err, POD_E_SYNTAX,
	               "unix:/PATH or an address with a port such as 127.0.0.1:3310 is expected");
}

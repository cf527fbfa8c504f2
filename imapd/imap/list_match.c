#include "imapd/imap/list_match.h"

static bool same_byte(uint8_t a, uint8_t b, bool nocase)
{
	return a == b || (nocase && ascii_lower(a) == ascii_lower(b));
}

/* Where to go on after a mismatch: the wildcard takes one more byte of the name. */
struct retry {
	size_t pattern; /* behind the wildcard */
	size_t name;    /* what the wildcard took so far ends here */
	bool set;
};

/*
 * Only the last wildcard of each kind is ever tried again: what an earlier '*' could take, a later one can
 * too; and an earlier '%' can not get past the '/' at which a later one had to stop.
 */
bool imap_list_match(struct span pattern, struct span name)
{
	bool nocase = span_starts_nocase(name, SPAN_LIT("INBOX")) && (name.len == 5 || name.p[5] == '/');
	struct retry star = { 0 }, percent = { 0 };
	size_t p = 0, n = 0;

	for (;;) {
		if (p < pattern.len && pattern.p[p] == '*') {
			star = (struct retry){ ++p, n, true };
			percent.set = false;
		} else if (p < pattern.len && pattern.p[p] == '%') {
			percent = (struct retry){ ++p, n, true };
		} else if (p < pattern.len && n < name.len &&
		           same_byte(pattern.p[p], name.p[n], nocase && n < 5)) {
			p++;
			n++;
		} else if (p == pattern.len && n == name.len) {
			return true;
		} else if (percent.set && percent.name < name.len && name.p[percent.name] != '/') {
			n = ++percent.name;
			p = percent.pattern;
		} else if (star.set && star.name < name.len) {
			n = ++star.name;
			p = star.pattern;
			percent.set = false;
		} else {
			return false;
		}
	}
}

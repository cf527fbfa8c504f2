/*
 * Addresses: RFC 5321 paths for the envelope, RFC 5322 lists for headers. Pure,
 * thread-safe, non-recursive.
 */
#ifndef POD_MIME_ADDRESS_H
#define POD_MIME_ADDRESS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

/* An address of the envelope (RFC 5321 Mailbox, RFC 6531 for UTF-8). */
struct address {
	struct span local;  /* unquoted */
	struct span domain; /* empty for <> and <postmaster> */
};

/*
 * Parses what stands between < and > in MAIL FROM and RCPT TO, source routes accepted and dropped
 * (RFC 5321 4.1.1.3). The null path "" gives two empty spans. utf8: allow SMTPUTF8 (RFC 6531) forms.
 * -POD_E_SYNTAX with words in err; -POD_E_LIMIT over the sizes of RFC 5321 4.5.3.1. Results in a.
 */
int address_parse_path(struct arena *a, struct span path, bool utf8, struct address *ret_address,
                       struct err *err);
/* "local@domain" in canonical form, the local part quoted where it must be; for protocol and log. */
struct span address_format(struct arena *a, const struct address *address);
/* The form directory look-ups use: domain lower-case, local part lower-case too (as all mail services do). */
struct span address_key(struct arena *a, const struct address *address);

/* One entry of an RFC 5322 address-list as IMAP's ENVELOPE needs it (RFC 3501 7.4.2). */
struct address_entry {
	enum { ADDRESS_MAILBOX, ADDRESS_GROUP_START, ADDRESS_GROUP_END } kind;
	struct span name;  /* unquoted, encoded words left as they are; the group's at GROUP_START */
	struct span route; /* obs-route or empty */
	struct span local, domain;
};

struct address_list {
	struct address_entry *entries;
	size_t n;
};

#define ADDRESS_LIST_MAX 10000

/*
 * Parses whatever is there as well as it can be parsed: it never fails on bytes, only with NOMEM, or LIMIT
 * over ADDRESS_LIST_MAX entries. Where a part of an address is missing it is empty: "Bob" gives local "Bob"
 * and no domain, "Bob Smith" a name alone. A comment serves as the name where there is no other.
 */
int address_list_parse(struct arena *a, struct span value, struct address_list *ret_list);

#endif

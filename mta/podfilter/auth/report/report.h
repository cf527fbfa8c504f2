/*
 * Aggregate reports of DMARC (RFC 7489 7.2): for each domain that asks for it, once a day, who sent mail in
 * its name and what became of it. Rows are gathered in LMDB, counted by what they have in common; a report is
 * made of a day's.
 */
#ifndef PODFILTER_AUTH_REPORT_H
#define PODFILTER_AUTH_REPORT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "mta/podfilter/auth/lookup.h"
#include "mta/podfilter/auth/results/results.h"

/* ---- gathering (store.c) ---- */

struct report_store;

#define REPORT_KEEP_DAYS   14    /* days that stay, to be sent again by hand */
#define REPORT_PENDING_MAX 20000 /* rows that wait for a flush; more are not counted */
#define REPORT_ROWS_MAX    50000 /* of one report */

/* dir is made where it is missing. */
int report_store_open(const char *dir, struct report_store **ret_store, struct err *err);
/* Flushes. NULL is fine; returns NULL. */
struct report_store *report_store_close(struct report_store *s);

/*
 * Counts a message whose domain wants reports; others are not looked at. Waits for nothing: what was added is
 * on the disk after the next flush. vouched_for: an ARC chain was why the policy was not followed. By any
 * thread.
 */
void report_store_add(struct report_store *s, const struct auth_results *r, bool vouched_for, int64_t now_s);
/* Writes what was added, in one commit. By one thread at a time. */
int report_store_flush(struct report_store *s, struct err *err);
/* Forgets days before this one. */
int report_store_prune(struct report_store *s, uint32_t first_day, struct err *err);

/* Days are since 1970, in UTC. */
uint32_t report_day_of(int64_t now_s);
int report_day_parse(const char *text, uint32_t *ret_day); /* "2026-11-26"; -POD_E_SYNTAX */
#define REPORT_DAY_SIZE 16
char *report_day_format(uint32_t day, char buf[REPORT_DAY_SIZE]);

/* What one report is about. */
struct report_domain {
	const char *domain;
	const char *policy; /* JSON: p, sp, adkim, aspf, pct, fo, rua, as it was last seen */
	uint64_t messages;
	bool sent;
};

/* Calls fn for each domain of a day, in order, until it returns non-zero, which is then returned. */
typedef int report_domain_fn(void *arg, const struct report_domain *domain);
int report_store_each_domain(struct report_store *s, struct arena *a, uint32_t day, report_domain_fn *fn,
                             void *arg, struct err *err);
/* The same for the rows of a domain on a day: JSON as row.c makes it, and how many messages it stands for. */
typedef int report_row_fn(void *arg, struct span row, uint64_t count);
int report_store_each_row(struct report_store *s, uint32_t day, const char *domain, report_row_fn *fn,
                          void *arg, struct err *err);
/* A report of this domain and day has gone out. */
int report_store_set_sent(struct report_store *s, uint32_t day, const char *domain, struct err *err);

/* ---- one message as a row (row.c) ---- */

/* Compact JSON with its keys in order, so that equal rows are equal bytes; NULL: memory is out. To be freed.
 */
char *report_row(const struct auth_results *r, bool vouched_for);
char *report_policy(const struct dmarc_answer *dmarc);

/* ---- the document (xml.c) ---- */

struct report_about {
	const char *organization, *contact; /* who reports: a name, an address */
	const char *domain;
	const char *id; /* unique: letters, digits, "." and "-" */
	uint32_t day;
	const char *policy; /* of struct report_domain */
};

void report_xml_begin(struct buf *out, const struct report_about *about);
/* -POD_E_CORRUPT: the row is none. */
int report_xml_row(struct buf *out, struct span row, uint64_t count);
void report_xml_end(struct buf *out);

/* ---- to whom (destination.c) ---- */

#define REPORT_DESTINATIONS_MAX 5 /* RFC 7489 6.2 has two as the least */

struct report_destination {
	const char *address;
	uint64_t size_max; /* of a report; 0: any */
};

/* The mailto: URIs of rua= (6.4); others are left out. */
size_t report_destinations(struct arena *a, const char *rua,
                           struct report_destination ret[REPORT_DESTINATIONS_MAX]);
/*
 * Whether an address wants reports about a domain (7.1): it is of the same organization, or its domain says
 * so. 0, -POD_E_DENIED: it does not; -POD_E_UNAVAILABLE: not known now. Words in err.
 */
int report_destination_check(const struct dmarc *d, const struct lookup *l, struct arena *a,
                             const char *domain, const char *address, struct err *err);

/* ---- the mail (letter.c) ---- */

/* The document compressed (RFC 1952). -POD_E_NOMEM. */
int report_compress(struct span document, struct buf *out, struct err *err);
/* A message with the compressed document (7.2.1.1), CRLF line ends, without signatures. */
void report_letter(struct buf *out, const struct report_about *about, const char *from, const char *to,
                   struct span compressed, int64_t now_s);

#endif

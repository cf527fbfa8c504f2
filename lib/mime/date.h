/*
 * Dates of RFC 5322 (with its obsolete forms), of IMAP and of RFC 3339. Pure and thread-safe; independent of
 * the locale.
 */
#ifndef POD_MIME_DATE_H
#define POD_MIME_DATE_H

#include "base/span.h"

struct mail_date {
	int64_t unix_s; /* seconds since 1970, UTC */
	int zone_min;   /* the zone it was written in, minutes east of Greenwich */
};

/* RFC 5322 date-time including obs-date; -POD_E_SYNTAX where no date can be made of it. */
int date_parse_rfc5322(struct span s, struct mail_date *ret_date);
/* "Fri, 21 Nov 2026 02:56:43 +0000"; buf holds DATE_RFC5322_SIZE. Returns buf. */
#define DATE_RFC5322_SIZE 40
char *date_format_rfc5322(struct mail_date d, char *buf, size_t size);

/*
 * IMAP date-time, "21-Nov-2026 02:56:43 +0000" (RFC 3501), without the quotes; and IMAP
 * date, "21-Nov-2026".
 */
int date_parse_imap(struct span s, struct mail_date *ret_date);
#define DATE_IMAP_SIZE 32
char *date_format_imap(struct mail_date d, char *buf, size_t size);
/* The day as days since 1970, for SEARCH's comparisons that disregard time and zone. */
int date_parse_imap_day(struct span s, int32_t *ret_days);
/*
 * RFC 3339 date-time, "2026-11-21T02:56:43Z", with fractions (dropped) and offsets; -POD_E_SYNTAX. It is written
 * in UTC; buf holds DATE_RFC3339_SIZE. Returns buf.
 */
int date_parse_rfc3339(struct span s, struct mail_date *ret_date);
#define DATE_RFC3339_SIZE 32
char *date_format_rfc3339(int64_t unix_s, char *buf, size_t size);
/* The calendar day the date names in its own zone. */
int32_t date_day(struct mail_date d);

#endif

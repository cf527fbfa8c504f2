/*
 * Delivery status notifications (RFC 3461, 3464, 3462; with UTF-8 addresses RFC 6533): what the sender is told about
 * recipients that failed, are late, or (where asked for) got it. Pure: no I/O but reading the message it is about.
 */
#ifndef POD_MTA_QUEUE_REPORT_H
#define POD_MTA_QUEUE_REPORT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "mta/queue/queue.pb-c.h"

enum report_kind { REPORT_FAILED, REPORT_DELAYED, REPORT_DELIVERED, REPORT_RELAYED, REPORT_EXPANDED, REPORT_KINDS };

/* What a report says to people, in one language (report_words.c). All UTF-8. */
struct report_words {
	const char *language; /* "de" */
	const char *from; /* the display name of the sender */
	const char *intro; /* "This is the mail system at %s." */
	const char *id; /* "The message's id here was %s." */
	const char *until; /* of a late message: "It is tried until %s." */
	struct {
		const char *subject, *text;
	} kinds[REPORT_KINDS];
};

/* "de", "de-AT"; NULL: that is not one of ours. */
const struct report_words *report_words_of(const char *language);

struct report {
	const char *hostname; /* Reporting-MTA */
	const char *trace; /* of the report itself */
	const char *to; /* whom it is for; NULL: the item's sender */
	int64_t now_s;
	int64_t until_s; /* until when late recipients are tried; 0: not said */
	const Queue__Item *item; /* the message it is about */
	const struct report_words *words;
	/* Which recipients it speaks of, one kind for each; n of them, the same order as told. */
	const struct report_line {
		const Queue__Recipient *rcpt;
		enum report_kind kind;
	} *lines;
	size_t n;
	int body_fd; /* the message, for its header (or all of it, where RET=FULL asked for it) */
};

/* Whether the sender wants to hear of this (RFC 3461 4.1): never about a message from nobody. */
bool report_is_wanted(const Queue__Item *item, const Queue__Recipient *rcpt, enum report_kind kind);
/*
 * The whole message, in CRLF form. *ret_utf8: its header has UTF-8 (it needs SMTPUTF8); *ret_body8: any part of it.
 * -POD_E_NOMEM, -POD_E_IO.
 */
int report_write(const struct report *rep, struct buf *out, bool *ret_utf8, bool *ret_body8, struct err *err);
/* "5.2.2" of a recipient, in the class of the kind. buf holds 16. */
const char *report_status(const Queue__Recipient *r, enum report_kind kind, char *buf, size_t size);

/* ---- report_text.c: how words become mail ---- */

bool report_is_ascii(struct span s);
/* A header field's words (RFC 2047 where they need it), folded. */
void report_add_words(struct buf *out, const char *utf8);
/* Text with LF or CRLF as a body in quoted-printable (RFC 2045 6.7). */
void report_add_quoted(struct buf *out, struct span text);
/* xtext undone (RFC 3461 section 4); what does not belong into a header line is shown as "?". */
void report_add_from_xtext(struct buf *out, const char *xtext);

#endif

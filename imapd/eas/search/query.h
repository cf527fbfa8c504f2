/*
 * What people type to find mail, FreeText, read as the keyword query language does (KQL): words and "phrases"
 * that must all be there, OR between two, NOT or "-" before one, from: to: cc: bcc: subject: body:
 * participants: before one, and hasattachment:true. Words are found anywhere in a word, in any case; a star
 * at the end means nothing more. Pure.
 */
#ifndef POD_IMAPD_EAS_SEARCH_QUERY_H
#define POD_IMAPD_EAS_SEARCH_QUERY_H

#include "base/arena.h"
#include "base/err.h"

#define SEARCH_TERMS_MAX 100
#define SEARCH_TEXT_MAX  4096 /* bytes of a query */

enum search_place {
	SEARCH_ANYWHERE, /* header and body */
	SEARCH_FROM,
	SEARCH_TO,
	SEARCH_CC,
	SEARCH_BCC,
	SEARCH_SUBJECT,
	SEARCH_IN_BODY,
	SEARCH_PARTICIPANTS, /* from, to, cc, bcc */
	SEARCH_ATTACHMENT,   /* that there is one: no text */
};

struct search_term {
	enum search_place place;
	bool negated;
	bool or_before;   /* it or the term before it */
	struct span text; /* folded (imapd/imap/search_text.h) */
};

struct search_query {
	struct search_term *terms;
	size_t n;  /* 0: everything */
	bool body; /* some term may need the message's body */
};

/* -POD_E_LIMIT: too long, or too many terms; -POD_E_NOMEM. Whatever is there has a meaning. Results in a. */
int search_query_read(struct arena *a, struct span text, struct search_query *ret_query);

/* ---- held against a message ---- */

/* Folded texts of a message. */
struct search_texts {
	struct span from, to, cc, bcc, subject;
	bool has_attachments;
	bool has_body; /* body is known */
	struct span body;
};

enum search_answer { SEARCH_NO, SEARCH_YES, SEARCH_UNKNOWN /* without its body */ };
enum search_answer search_query_match(const struct search_query *q, const struct search_texts *t);

#endif

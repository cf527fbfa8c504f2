/*
 * SEARCH (RFC 3501 6.4.4, RFC 4731, RFC 7162 3.1.5): the keys as a tree, and how a message is held against
 * it. Pure; nesting and number of keys are bounded.
 */
#ifndef POD_IMAPD_IMAP_SEARCH_KEYS_H
#define POD_IMAPD_IMAP_SEARCH_KEYS_H

#include "imapd/imap/seqset.h"

#define IMAP_SEARCH_DEPTH_MAX 32
#define IMAP_SEARCH_KEYS_MAX  1000

enum imap_search_kind {
	SEARCH_AND, /* of its children */
	SEARCH_OR,
	SEARCH_NOT,
	SEARCH_ALL,
	SEARCH_SEQS,
	SEARCH_UIDS,
	SEARCH_FLAG,    /* bit */
	SEARCH_KEYWORD, /* text */
	SEARCH_RECENT,
	SEARCH_BEFORE, /* day, of the internal date */
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_SENTBEFORE, /* day, of the Date field */
	SEARCH_SENTON,
	SEARCH_SENTSINCE,
	SEARCH_LARGER, /* number */
	SEARCH_SMALLER,
	SEARCH_MODSEQ,
	SEARCH_HEADER, /* name, text */
	SEARCH_BODY,   /* text */
	SEARCH_TEXT,
};

struct imap_search_key {
	enum imap_search_kind kind;
	struct imap_search_key *child, *next; /* first child; next of the same parent */
	struct imap_seqset set;
	struct imap_ranges uids; /* of SEQS and UIDS, once resolved */
	uint32_t bit; /* of FLAG; of KEYWORD once resolved, 0 where the mailbox has no such keyword */
	int32_t day;
	uint64_t number;
	struct span name, text; /* text: UTF-8, folded for comparison (search_text.h) */
};

#define IMAP_RETURN_MIN   1u
#define IMAP_RETURN_MAX   2u
#define IMAP_RETURN_ALL   4u
#define IMAP_RETURN_COUNT 8u

struct imap_search {
	bool esearch; /* RETURN was given */
	uint32_t returns;
	bool modseq;                  /* a MODSEQ key: results carry the highest one */
	uint32_t columns;             /* enum store_column that the keys need */
	bool bodies;                  /* some key may need the message's file */
	struct imap_search_key *root; /* an AND */
};

/* Everything after "SEARCH". -POD_E_UNSUPPORTED: a charset we do not know (BADCHARSET). */
int imap_search_parse(struct imap_parser *p, struct imap_search *ret_search);

/*
 * Turns sets into uids of the view and keywords into bits. -POD_E_SYNTAX: a sequence number out of range.
 */
int imap_search_resolve(struct arena *a, struct imap_search *search, const struct imap_view *v,
                        char *const *keywords, size_t keywords_n);

#endif

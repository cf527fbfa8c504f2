/*
 * The grammar of RFC 3501 section 9, taken from a whole command in memory (literals included). Every function
 * takes what it names off p->in and returns 0, or -POD_E_SYNTAX with words for the BAD reply in p->error, or
 * -POD_E_NOMEM / -POD_E_LIMIT. Results live in p->a or point into the command. Nothing recurses. Pure.
 */
#ifndef POD_IMAPD_IMAP_PARSE_H
#define POD_IMAPD_IMAP_PARSE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

struct imap_parser {
	struct span in; /* what is left */
	struct arena *a;
	const char *error; /* a literal, or in a */
};

#define IMAP_PARSER(span_, arena_) ((struct imap_parser){ .in = (span_), .a = (arena_) })

/* Sets the words and returns -POD_E_SYNTAX. */
int imap_parse_fail(struct imap_parser *p, const char *error);

/* The next byte, or -1 at the end; nothing is taken. */
static inline int imap_peek(const struct imap_parser *p)
{
	return p->in.len > 0 ? p->in.p[0] : -1;
}

/* Takes c where it is next. */
static inline bool imap_take_byte(struct imap_parser *p, uint8_t c)
{
	if (imap_peek(p) != c)
		return false;
	p->in = span_skip(p->in, 1);
	return true;
}

/* Takes the word (any case) where it is next and no longer atom begins with it. */
bool imap_take_word(struct imap_parser *p, const char *word);

int imap_parse_space(struct imap_parser *p); /* exactly one SP */
int imap_parse_byte(struct imap_parser *p, uint8_t c);
int imap_parse_end(struct imap_parser *p); /* nothing may be left */

int imap_parse_tag(struct imap_parser *p, struct span *ret_tag);
int imap_parse_atom(struct imap_parser *p, struct span *ret_atom);
/* Quoted or literal. */
int imap_parse_string(struct imap_parser *p, struct span *ret_string);
int imap_parse_astring(struct imap_parser *p, struct span *ret_string);
/* NIL gives SPAN_NONE (pointer NULL). */
int imap_parse_nstring(struct imap_parser *p, struct span *ret_string);
/* list-mailbox: an astring that may hold % and *. */
int imap_parse_list_mailbox(struct imap_parser *p, struct span *ret_pattern);
int imap_parse_number(struct imap_parser *p, uint32_t *ret_number);
int imap_parse_number64(struct imap_parser *p, uint64_t *ret_number); /* up to 2^63-1, as RFC 7162 has it */
int imap_parse_nz_number(struct imap_parser *p, uint32_t *ret_number);

/*
 * A mailbox name as the client writes it, in modified UTF-7, turned into UTF-8 with INBOX upper-case
 * (RFC 3501 5.1). -POD_E_SYNTAX for what no encoder writes.
 */
#define IMAP_MAILBOX_NAME_MAX 1000
int imap_parse_mailbox(struct imap_parser *p, struct span *ret_name);
/* The UTF-8 form of a name or pattern in modified UTF-7; SPAN_NONE where it is not one. */
struct span imap_mailbox_decode(struct arena *a, struct span name);

/* date: "1-Feb-1994" with or without quotes, as days since 1970. */
int imap_parse_day(struct imap_parser *p, int32_t *ret_day);
/* date-time in quotes, as seconds since 1970. */
int imap_parse_date_time(struct imap_parser *p, int64_t *ret_unix_s);

/* Flags: system flags as bits, keywords by name. \Recent and unknown \Flags are errors (RFC 3501 2.3.2). */
#define IMAP_KEYWORDS_PER_COMMAND 64
#define IMAP_KEYWORD_LENGTH       100
struct imap_flags {
	uint32_t system; /* enum store_flag */
	struct span *keywords;
	size_t keywords_n;
};
/* "(" [flag *(SP flag)] ")" */
int imap_parse_flag_list(struct imap_parser *p, struct imap_flags *ret_flags);
/* flag-list, or flags without parentheses as STORE allows. */
int imap_parse_store_flags(struct imap_parser *p, struct imap_flags *ret_flags);
/* The bit of "\Seen" and so on, any case; 0 where it is none. */
uint32_t imap_system_flag(struct span name);

/* The header of a literal at the end of a line (without its CRLF): {n} or {n+}. False where there is none. */
bool imap_literal_header(struct span line, uint64_t *ret_size, bool *ret_sync);

bool imap_is_atom_byte(uint8_t c);

#endif

/* RFC 5322 address lists taken one entry at a time. Internal to lib/mime; see address.h for the entries. */
#ifndef POD_MIME_ADDRESS_LIST_H
#define POD_MIME_ADDRESS_LIST_H

#include "mime/address.h"

struct address_word {
	struct span text; /* without the quotes of a quoted string, escapes still in */
	bool quoted, at;  /* at: it is the "@" between local part and domain */
	bool spaced;      /* white space or a comment stood before it */
};

struct address_reader {
	struct arena *a;
	struct span rest;
	bool in_group;
	struct address_word first_words[8]; /* more than these are in the arena */
	struct address_word *words;         /* of the entry being read */
	size_t words_n, words_cap;
	struct span comment; /* the last one of the entry, inside its parentheses */
};

/* The reader points into itself and so is not to be copied. */
void address_reader_init(struct address_reader *r, struct arena *a, struct span value);
/* 1 and the next entry, 0 at the end, -POD_E_NOMEM. */
int address_reader_next(struct address_reader *r, struct address_entry *ret_entry);

/* ---- words: address_words.c ---- */

/* Takes words up to a byte of `stops`, which is left in r->rest and returned; 0 at the end of the bytes. */
int address_take_words(struct address_reader *r, const char *stops, uint8_t *ret_stop);

/* Whether word i hangs together with the one before it: nothing between, or a dot on either side. */
bool address_words_tied(const struct address_word *w, size_t i);

/* Words as one text, one space where there was any; where `tight`, none between words that are tied. */
int address_join_words(struct address_reader *r, const struct address_word *w, size_t n, bool tight,
                       struct span *ret_text);
/* As a local part or a domain is put together: tight. */
int address_join_tight(struct address_reader *r, const struct address_word *w, size_t n,
                       struct span *ret_text);

#endif

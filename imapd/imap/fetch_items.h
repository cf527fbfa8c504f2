/* What a FETCH asks for (RFC 3501 6.4.5, RFC 7162 3.1.4): parsed, and what the store has to give for it.
 * Pure. */
#ifndef POD_IMAPD_IMAP_FETCH_ITEMS_H
#define POD_IMAPD_IMAP_FETCH_ITEMS_H

#include "imapd/imap/parse.h"
#include "mime/mime.h"

#define IMAP_FETCH_ITEMS_MAX 256
#define IMAP_FIELD_NAMES_MAX 256

enum imap_fetch_kind {
	FETCH_FLAGS,
	FETCH_UID,
	FETCH_INTERNALDATE,
	FETCH_SIZE,
	FETCH_ENVELOPE,
	FETCH_BODYSTRUCTURE,
	FETCH_BODY, /* without extension data */
	FETCH_MODSEQ,
	FETCH_SECTION, /* BODY[...] and the RFC822 items */
};

enum imap_section_fields { SECTION_ALL_FIELDS, SECTION_FIELDS, SECTION_FIELDS_NOT };

struct imap_section {
	uint32_t *path; /* part numbers */
	size_t path_n;
	enum mime_section what;
	enum imap_section_fields fields; /* of a HEADER */
	struct span *names;
	size_t names_n;
	bool partial;
	uint32_t partial_from, partial_len;
	struct span label; /* as it stands in the response: "BODY[TEXT]<0>", "RFC822.HEADER" */
};

struct imap_fetch_item {
	enum imap_fetch_kind kind;
	struct imap_section *section; /* FETCH_SECTION */
};

struct imap_fetch_items {
	struct imap_fetch_item *items;
	size_t n;
	uint32_t columns;        /* enum store_column that the items need */
	bool flags, uid, modseq; /* asked for */
	bool sets_seen;          /* a section without PEEK */
	bool bodies;             /* some section needs the message's file */
};

/* "ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")" */
int imap_fetch_items_parse(struct imap_parser *p, struct imap_fetch_items *ret_items);
/* Adds UID or MODSEQ, which other parts of the command imply, where it is not there. */
int imap_fetch_items_add(struct imap_parser *p, struct imap_fetch_items *items, enum imap_fetch_kind kind);
/* Whether the section is a list of header fields that the index has. */
bool imap_section_is_cached(const struct imap_section *section);

#endif

/* A FETCH under way: what its parts (cmd_fetch.c, fetch_rows.c, fetch_body.c) share. */
#ifndef POD_IMAPD_IMAP_FETCH_H
#define POD_IMAPD_IMAP_FETCH_H

#include "imapd/imap/bodies.h"
#include "imapd/imap/fetch_items.h"
#include "imapd/imap/seqset.h"
#include "imapd/imap/session.h"

#define FETCH_BATCH      64 /* messages whose rows are held while their bodies are read */
#define FETCH_FLAGS_MEMO 16
#define FETCH_FLAGS_TEXT 120

/* One message's columns; spans live as long as the answer (or the batch) they came in. */
struct fetch_row {
	uint32_t seq, uid, flags;
	uint64_t modseq, size;
	int64_t internal_date;
	struct span envelope, bodystructure, headers;
};

/* Flags as text, by their bits: a mailbox has few combinations. */
struct flags_memo {
	uint32_t key;
	uint16_t len; /* 0: not in use */
	char text[FETCH_FLAGS_TEXT];
};

struct fetch {
	struct imap_session *s;
	Podstore__Fetch request;
	struct imap_fetch_items items;
	struct imap_ranges uids;
	uint64_t changed_since;
	bool marks_seen;      /* sections without PEEK in a mailbox that may be changed */
	bool by_seq;          /* sequence numbers were given: one that is gone is worth a NO */
	uint32_t asked, told; /* messages */
	uint32_t last_uid;    /* of the last row told: a repeated request starts from the beginning */
	struct imap_view_cursor cursor;
	struct imap_call *call; /* the FETCH, while it is running */
	bool paused;
	struct flags_memo memo[FETCH_FLAGS_MEMO];

	/* with bodies: one batch after the other */
	struct arena *batch;
	uint32_t next_uid; /* where the next batch begins */
	struct fetch_row *rows;
	uint32_t *row_uids;
	size_t rows_n;
	Podstore__StoreFlags seen;
	struct imap_bodies bodies;
	int failed; /* -POD_E_* of the last message that could not be read */
};

/* Tells the rows of an answer as they come. */
void fetch_rows_start(struct fetch *f);
/* Reads rows, then bodies, batch by batch. */
void fetch_bodies_start(struct fetch *f);
/* All told: the tagged reply. */
void fetch_end(struct fetch *f);

/* Row i of an answer whose columns are all there. */
bool fetch_rows_are_whole(const Podstore__Rows *rows, uint32_t columns);
struct fetch_row fetch_row_of(const Podstore__Rows *rows, size_t i, uint32_t columns);

/* "* 12 FETCH (", the items that need no body, in their order; sections by tell_section. */
typedef void fetch_section_fn(struct fetch *f, struct imap_out *o, const struct fetch_row *row,
                              const struct imap_section *section, void *arg);
void fetch_tell_row(struct fetch *f, struct imap_out *o, const struct fetch_row *row, bool flags_changed,
                    fetch_section_fn *tell_section, void *arg);
/* A section answered from the cached header fields. */
void fetch_tell_cached_section(struct fetch *f, struct imap_out *o, const struct fetch_row *row,
                               const struct imap_section *section, void *arg);
/* Those fields of a header that the section asks for, and the empty line. */
int fetch_filter_header(struct arena *a, struct span header, const struct imap_section *section,
                        struct span *ret);
/* "BODY[...] {n}" + CRLF + bytes, cut to the section's partial. */
void fetch_tell_bytes(struct imap_out *o, const struct imap_section *section, struct span bytes);
/* Cuts [*off, *off + *len) down to the section's partial. */
void fetch_cut_partial(const struct imap_section *section, uint64_t *off, uint64_t *len);

#endif

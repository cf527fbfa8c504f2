/* Holds a message against search keys, first by what the index has, then by its bytes. Pure. */
#ifndef POD_IMAPD_IMAP_SEARCH_MATCH_H
#define POD_IMAPD_IMAP_SEARCH_MATCH_H

#include "imapd/imap/search_keys.h"
#include "mime/mime.h"

enum imap_match { MATCH_NO, MATCH_YES, MATCH_NEEDS_BYTES };

struct imap_search_message {
	uint32_t uid, flags;
	bool recent;
	uint64_t modseq, size;
	int64_t internal_date;
	struct span headers; /* cached fields */
	/* once read: */
	bool has_bytes;
	struct span bytes;
	struct mime_tree tree;
};

/* scratch: for decoded text; the caller resets it. */
enum imap_match imap_search_match(struct arena *scratch, const struct imap_search_key *key,
                                  const struct imap_search_message *m);

#endif

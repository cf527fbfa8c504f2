/* A SEARCH under way: shared by cmd_search.c (command and result) and search_run.c (the walk over messages).
 */
#ifndef POD_IMAPD_IMAP_SEARCH_H
#define POD_IMAPD_IMAP_SEARCH_H

#include "imapd/imap/bodies.h"
#include "imapd/imap/search_match.h"
#include "imapd/imap/session.h"

#define SEARCH_BATCH 512 /* messages whose rows are held while bodies are read */

struct search {
	struct imap_session *s;
	struct imap_search what;
	Podstore__Fetch request;
	struct imap_view_cursor cursor;
	struct arena *scratch; /* text of one message */
	/* results */
	struct imap_ranges_writer found; /* uids, or sequence numbers */
	uint32_t count;
	uint64_t modseq; /* highest of those found */
	int failed;      /* -POD_E_* */
	/* with bodies: one batch after the other */
	struct arena *batch;
	uint32_t next_uid, last_uid;
	struct imap_search_message *open; /* those the index could not decide */
	uint32_t *open_uids;
	size_t open_n;
	struct imap_bodies bodies;
};

void search_run(struct search *f);
/* All looked at: tells the result (cmd_search.c). */
void search_end(struct search *f);

#endif

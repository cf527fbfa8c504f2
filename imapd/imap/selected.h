/* The selected mailbox of a session: its view, keywords, and what the client was told of it. */
#ifndef POD_IMAPD_IMAP_SELECTED_H
#define POD_IMAPD_IMAP_SELECTED_H

#include "imapd/imap/imap.h"
#include "imapd/imap/out.h"
#include "imapd/imap/view.h"

#define IMAP_OWN_MAX 256

/* A change this session made and told the client of itself; not to be told again (RFC 3501 6.4.6, .SILENT).
 */
struct imap_own_change {
	uint32_t first, last; /* uids */
	uint32_t flags;
	uint64_t modseq;
};

struct imap_selected {
	uint32_t mailbox; /* id */
	char *name;       /* UTF-8 */
	bool read_only;
	struct imap_view view;
	uint32_t uidvalidity, uidnext;
	uint32_t recent_from; /* uids from here on are \Recent */
	uint64_t modseq;      /* what the view shows */
	uint64_t announced;   /* the newest commit the store told of */
	bool stale;           /* ask, whatever was announced */
	struct imap_call *watch;
	Podstore__Watch watch_request; /* lives as long as the call */
	char **keywords;
	size_t keywords_n;
	struct imap_own_change *own;
	size_t own_n;
	bool syncing;
};

/* Takes ownership of nothing; copies. NULL where memory is out. */
struct imap_selected *imap_selected_create(const Podstore__MailboxOpenReply *reply, bool read_only);
struct imap_selected *imap_selected_free(struct imap_selected *m);

/*
 * This session changed the mailbox of that name itself. Where it is the selected one (m may be NULL) the
 * change is told before the reply, not when the store gets round to announcing it (RFC 3501 6.3.11).
 */
void imap_selected_touch(struct imap_selected *m, const char *name);
int imap_selected_set_keywords(struct imap_selected *m, char *const *keywords, size_t n);
uint32_t imap_selected_recent(const struct imap_selected *m); /* how many messages are \Recent */

/* Remembers and recognises own changes. When there are too many the oldest are forgotten: told twice, no
 * harm. */
void imap_selected_own_add(struct imap_selected *m, uint32_t uid, uint32_t flags, uint64_t modseq);
bool imap_selected_own_has(const struct imap_selected *m, uint32_t uid, uint32_t flags, uint64_t modseq);

/* "(\Seen $Junk)". */
void imap_out_flags(struct imap_out *o, const struct imap_selected *m, uint32_t flags, bool recent);
/* "FLAGS (...)" and "OK [PERMANENTFLAGS (...)]", untagged. */
void imap_out_flag_names(struct imap_out *o, const struct imap_selected *m);

#endif

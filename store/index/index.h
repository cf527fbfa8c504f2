/*
 * One volume's mail: Maildir files and the LMDB index over them, behind one door. store/service asks here on
 * behalf of clients, and nothing here knows the store protocol or a socket.
 *
 * Threads. Reads (volume_get_*, volume_fetch, ...) run on any thread, each in a read snapshot of its own.
 * Changes are struct change: prepared on any thread (volume_stage_body writes the bytes), submitted with
 * volume_submit, gathered by the one committing writer thread, made durable together, and finished by their
 * done callback, on the writer's thread, only after the commit is on stable storage.
 *
 * How a commit is made durable (the order is the promise):
 *   1. bodies were written to unnamed files (O_TMPFILE) by the threads that received them; small ones wait in memory;
 *   2. the writer gives each its UID and links it into staging/ under its final name, which carries
 *      everything a rebuild needs; of small ones it makes the file there;
 *   3. what file names do not say yet (flags, expunges, moves of folders) goes to names.journal;
 *   4. one syncfs(2) makes all file data and names of the batch durable;
 *   5. one LMDB commit makes the index durable; then answers go out;
 *   6. write-behind moves files from staging/ to their Maildir, and renames those whose flags changed, without
 *      hurry: a row in the pending table says what is still to be done, and both places are looked at.
 * Deliveries of small messages alone take one flush instead: after 2 they are durable in a journal, answers go out, and 4
 * to 6 follow for all of them a little later (ahead.h).
 * After a crash: what that journal has is put into staging/ and the index again. What is in staging/ and in the index is
 * moved, what is not in the index was never acknowledged and is removed.
 */
#ifndef POD_STORE_INDEX_INDEX_H
#define POD_STORE_INDEX_INDEX_H

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"
#include "base/span.h"

struct volume;
struct volume_event;

/* The steps of a commit and of what follows it, in order. */
enum volume_step {
	VOLUME_STEP_STAGE, /* a body's unnamed file, or the writer's of a small one */
	VOLUME_STEP_LINK, /* a name in staging/ */
	VOLUME_STEP_AHEAD, /* a batch of deliveries into their journal, instead of what follows: see ahead.h */
	VOLUME_STEP_JOURNAL, /* a frame of names.journal */
	VOLUME_STEP_SYNC, /* syncfs, or the journal's own flush where no file has changed */
	VOLUME_STEP_COMMIT, /* of the index */
	VOLUME_STEP_COMMITTED, /* durable, not yet answered */
	VOLUME_STEP_FOLDER, /* a folder or small file is moved to its place */
	VOLUME_STEP_ANSWERED,
	VOLUME_STEP_PLACE, /* a message is moved to its place */
	VOLUME_STEP_UNLINK, /* an expunged message's file goes */
	VOLUME_STEP_CLEAR, /* rows of what was written behind go, in a commit */
	VOLUME_STEP_TRASH, /* a deleted folder goes */
	VOLUME_STEPS
};

struct volume_options {
	const char *path;
	const char *name; /* for a new volume's volume.json */
	/* Fencing token that it is served under. Newer than the last one: it was taken over (succession.h). 0: none. */
	uint64_t token;
	uint64_t map_bytes;
	unsigned int users_max; /* 1 to 1000 */
	unsigned int write_behind_ms;
	/* Deliveries that are durable in their journal (ahead.h) wait so long for the index; 0: they go to both at once. */
	unsigned int settle_ms;
	unsigned int delivery_memory_days;
	uint64_t oof_repeat_s; /* who was told that a user is away is not told again for so long */
	unsigned int commit_changes_max; /* 0: 512 */
	unsigned int commit_window_ms; /* 0: only those just answered are waited for, a part of a commit's time */
	/*
	 * Mailboxes changed (after a commit of the index), on the writer's thread: one call per commit, and one for what
	 * went ahead of it. mailbox 0: the user's list of mailboxes.
	 */
	void (*on_changed)(void *arg, const struct volume_event *events, size_t n);
	/* Whether on_changed tells somebody of this user's: then mail to him waits for no settle_ms. May be wrong. NULL: no. */
	bool (*is_watched)(void *arg, const char *user_id);
	void *arg;
	/*
	 * For fault tests; NULL in service. Called before each step, on the thread that takes it: may end the process,
	 * or return an errno for the step to fail with (0: go on).
	 */
	int (*on_step)(void *arg, enum volume_step step);
	void *step_arg;
};

struct volume_event {
	const char *user_id; /* valid during the call */
	uint32_t mailbox;
	uint64_t highestmodseq;
	bool account; /* not a mailbox (which is 0): his password, or a state that an admin wrote */
};

/* Makes an empty volume in a folder that is empty or missing: volume.json and the folders. */
int volume_create(const char *path, const char *name, struct err *err);
/* Opens (lock held: a second process is refused with BUSY), recovers from a crash, starts the writer. */
int volume_open(const struct volume_options *o, struct volume **ret_vol, struct err *err);
/* Commits what was submitted, writes behind, stops threads. */
struct volume *volume_close(struct volume *vol);
const char *volume_id(const struct volume *vol);
/* Secret of the volume for session tokens: 32 bytes made with the volume, kept in volume.key (0600). */
struct span volume_secret(const struct volume *vol);
/* NULL, or why it takes no changes any more (an I/O error: the promise could not be kept). */
const char *volume_broken(const struct volume *vol);

struct volume_counts {
	uint32_t users;
	uint64_t messages, bytes, commits, pending;
};
int volume_count(struct volume *vol, struct volume_counts *ret, struct err *err);

/*
 * What was delivered shows in all that is read here, to who was told of it, but in the counts of volume_count and
 * volume_user_get: these never wait, and may be as old as settle_ms. This waits until they are not: a user's, or (empty)
 * all.
 */
void volume_refresh(struct volume *vol, struct span user_id);
/* Waits until files and names are as the index says of all that was committed before; a broken volume is not waited for. */
void volume_settle(struct volume *vol);

/* ---- users ---- */

struct volume_user {
	const char *user_id; /* [a-z0-9._-]{1,64}, the folder's name */
	const char *address, *display_name;
	uint64_t quota_bytes; /* 0: none */
	uint64_t used_bytes;
	uint32_t messages, mailboxes;
	int64_t created, last_login; /* last_login 0: never; not of ADD and SET */
	/* Credentials, as in account.json; see store/auth. */
	const char *crypt_hash; /* crypt(5), yescrypt */
	const char *scram; /* "SCRAM-SHA-256$iterations:salt$stored:server" (RFC 5803) */
	uint64_t credential_version; /* changes with every password; part of session tokens */
};
int volume_user_get(struct volume *vol, struct arena *a, struct span user_id, struct volume_user *ret, struct err *err);
typedef int volume_user_fn(void *arg, const struct volume_user *user);
int volume_user_each(struct volume *vol, volume_user_fn *fn, void *arg, struct err *err);

/* The user has logged in now. Costs no commit: see logins.h. */
void volume_note_login(struct volume *vol, struct span user_id);

/* ---- reading ---- */

struct volume_mailbox {
	uint32_t id, uidvalidity, uidnext;
	const char *name, *special_use;
	bool subscribed, exists, has_children;
	uint64_t highestmodseq, bytes;
	uint32_t messages, unseen, recent_from; /* recent_from: uids from here on nobody has selected yet */
	const char *const *keywords; /* STORE_KEYWORDS_MAX or fewer; the index is the bit */
	size_t keywords_n;
	struct guid guid;
};
struct volume_mailboxes {
	struct volume_mailbox *items; /* INBOX first, then by name */
	size_t n;
};
int volume_mailbox_list(struct volume *vol, struct arena *a, struct span user_id, struct volume_mailboxes *ret,
                        struct err *err);
int volume_mailbox_get(struct volume *vol, struct arena *a, struct span user_id, struct span name,
                       struct volume_mailbox *ret, struct err *err);
int volume_mailbox_get_id(struct volume *vol, struct arena *a, struct span user_id, uint32_t id,
                          struct volume_mailbox *ret, struct err *err);

struct uid_range {
	uint32_t first, last;
};
struct uid_ranges {
	struct uid_range *r; /* ascending, disjoint */
	size_t n;
};
/*
 * What a session must know of a mailbox it opens, in one snapshot. SELECT claims \Recent, EXAMINE looks only; a claim is
 * kept in memory (recent.h) and waits for no commit. Cheap for the usual, nearly contiguous mailbox.
 */
enum volume_open_mode { VOLUME_SELECT, VOLUME_EXAMINE };
struct volume_opened {
	struct volume_mailbox mailbox;
	struct uid_ranges uids; /* all there are */
	uint32_t first_unseen; /* 0: all are seen */
	uint32_t first_recent; /* uids from here on are \Recent in this session; 0: none */
};
int volume_mailbox_open(struct volume *vol, struct arena *a, struct span user_id, struct span name,
                        enum volume_open_mode mode, struct volume_opened *ret, struct err *err);

/* One message. Spans point into the read snapshot: valid during the callback. */
struct volume_row {
	uint32_t uid, flags; /* flags: enum store_flag and keyword bits */
	uint64_t modseq, size;
	int64_t internal_date, save_date;
	struct guid guid;
	struct span envelope, bodystructure, parts, headers; /* empty unless asked for */
};
typedef int volume_row_fn(void *arg, const struct volume_row *row); /* non-zero ends the walk */
/*
 * Walks rows in uid order in one snapshot; columns: enum store_column (the large ones are read only where
 * asked for); changed_since 0 for all. A user's mailbox only: -POD_E_NOTFOUND where it is somebody else's.
 */
int volume_fetch(struct volume *vol, struct span user_id, uint32_t mailbox, const struct uid_ranges *uids,
                 uint32_t columns, uint64_t changed_since, volume_row_fn *fn, void *arg, struct err *err);

/* What happened since a modseq: rows by fn (by change log, not by a scan), vanished uids, counts. */
struct volume_changes {
	struct volume_mailbox mailbox;
	struct uid_ranges vanished;
	bool incomplete; /* the log does not reach back: uids holds all there are */
	struct uid_ranges uids;
};
int volume_changes(struct volume *vol, struct arena *a, struct span user_id, uint32_t mailbox, uint64_t since,
                   uint32_t columns, volume_row_fn *fn, void *arg, struct volume_changes *ret, struct err *err);

/* The message's file, open for reading; *ret_parts in a. */
int volume_body_open(struct volume *vol, struct arena *a, struct span user_id, uint32_t mailbox, uint32_t uid,
                     int *ret_fd, uint64_t *ret_size, struct span *ret_parts, struct err *err);

/* The access key of a mailbox (RFC 4467 2). -POD_E_NOTFOUND: nothing of it was signed since the last reset. */
#define VOLUME_URL_KEY_SIZE 32
int volume_url_key(struct volume *vol, uint32_t mailbox, uint8_t ret_key[VOLUME_URL_KEY_SIZE], struct err *err);

/* A small named value kept with the user's account: see states.h. */
struct volume_state {
	struct span name;
	uint64_t version; /* another with every change, and never one that was before */
	int64_t changed; /* seconds since 1970 */
	uint32_t size;
	struct span value; /* of GET */
};
/* -POD_E_NOTFOUND; -POD_E_CORRUPT where its file is lost. Spans in a. */
int volume_state_get(struct volume *vol, struct arena *a, struct span user_id, struct span name, struct volume_state *ret,
                     struct err *err);
/* Those whose name begins with prefix, in name order, without values. */
int volume_state_list(struct volume *vol, struct arena *a, struct span user_id, struct span prefix,
                      struct volume_state **ret_items, size_t *ret_n, struct err *err);

/* ---- changing ---- */

/*
 * A body on its way in: an unnamed file on the volume, not yet durable, or bytes that the writer makes a file of when
 * it knows the name.
 */
struct volume_body {
	int fd; /* -1: not yet a file */
	uint64_t size;
	bool held; /* in memory: */
	struct span header, bytes;
};
/* Writes header (may be empty) and bytes, or header and fd's first fd_size bytes, into a new unnamed file. */
int volume_stage_body(struct volume *vol, struct span header, struct span bytes, int fd, uint64_t fd_size,
                      struct volume_body *ret_body, struct err *err);
/* The same of a message another tool wrote: all of fd, with CRLF line ends. */
int volume_stage_crlf(struct volume *vol, int fd, struct volume_body *ret_body, struct err *err);
/* A body that stays in memory until the writer has it: nothing is copied, both must live until done was called. */
#define VOLUME_BODY_HELD_MAX (64u << 10)
struct volume_body volume_hold_body(struct span header, struct span bytes);
void volume_body_done(struct volume_body *body);

struct volume_summary {
	struct span envelope, bodystructure, parts, headers;
};

enum change_kind {
	CHANGE_DELIVER,
	CHANGE_APPEND,
	CHANGE_FLAGS,
	CHANGE_COPY,
	CHANGE_EXPUNGE,
	CHANGE_MAILBOX_CREATE,
	CHANGE_MAILBOX_DELETE,
	CHANGE_MAILBOX_RENAME,
	CHANGE_MAILBOX_SUBSCRIBE,
	CHANGE_URL_KEY,   /* the mailbox's access key (RFC 4467), made where there is none */
	CHANGE_URL_RESET, /* it is no more; name empty: of all the user's mailboxes */
	CHANGE_USER_ADD,
	CHANGE_USER_SET,
	CHANGE_USER_REMOVE,
	CHANGE_STATE_PUT, /* all puts, or -POD_E_CONFLICT and none */
	CHANGE_STATE_DELETE, /* all with a prefix */
	/* The volume's own: */
	CHANGE_CLEAR, /* write-behind did what was pending */
	CHANGE_FORGET, /* fsck: the files of these uids are gone; as EXPUNGE, \Deleted or not */
	CHANGE_RECOUNT, /* fsck: the mailbox's and the user's counters from its records */
	CHANGE_LESSONS_DONE, /* lessons that were learnt go */
	CHANGE_KINDS
};

/* What goes back to who wrote to a user who is away (oof.h). */
struct deliver_answer {
	const char *text, *address, *name;
	bool html;
};

struct deliver_recipient {
	struct span user_id, mailbox, detail;
	uint32_t flags;
	bool may_answer; /* the message names them */
	size_t body; /* index into bodies: recipients with equal headers share one */
	/* results */
	int code;
	uint32_t uid, uidvalidity;
	bool repeated;
	const struct deliver_answer *answer; /* NULL: none; in the change's arena */
};

/*
 * A change and its result. Spans and arrays are in arena a, which lives until done was called and takes the
 * results' memory too. Belongs to the volume between volume_submit and done.
 */
struct cleared; /* see write_behind.c */

/* What a user's move into Junk or out of it says (lessons.h), the oldest first, numbers from `from` on. user_id in a. */
struct volume_lesson {
	uint64_t number;
	int64_t at_s;
	struct span user_id; /* empty: the mailbox is gone */
	uint32_t mailbox, uid;
	bool spam;
};
int volume_lessons(struct volume *vol, struct arena *a, uint64_t from, struct volume_lesson *lessons, size_t max,
                   size_t *ret_n, struct err *err);

struct state_put {
	struct span name, value;
	bool remove; /* that it is not there is no error */
	bool expects; /* only if its version is this (0: it is not there): */
	uint64_t expected;
	uint64_t version; /* result; 0: it is not there now */
};

struct change {
	enum change_kind kind;
	struct arena *a;
	void (*done)(struct change *c); /* on the writer's thread; code and err are set */
	void *owner;
	int code;
	struct err err;
	struct span user_id; /* all but DELIVER */
	uint32_t mailbox; /* FLAGS, COPY, EXPUNGE: by id */
	struct uid_ranges uids; /* FLAGS, COPY, EXPUNGE (n 0: all \Deleted) */
	uint64_t highestmodseq; /* result */
	struct guid id; /* DELIVER, APPEND, COPY: repeated ones are answered as the first; all zero: none */
	struct change *next; /* the volume's */
	union {
		struct {
			struct volume_body *bodies;
			size_t bodies_n;
			struct volume_summary summary;
			struct deliver_recipient *rcpts;
			size_t rcpts_n;
			int64_t internal_date;
			struct span reply_to; /* who is answered where a recipient is away; empty: nobody */
			bool internal; /* a user of the pod, who logged in to send it */
		} deliver; /* a failed recipient does not fail the others */
		struct {
			struct span name;
			struct volume_body body;
			struct volume_summary summary;
			uint32_t flags;
			const struct span *keywords;
			size_t keywords_n;
			int64_t internal_date;
			/*
			 * A message that was here before comes back: id is its GUID, and that a request had it as
			 * its id is no reason to do nothing.
			 */
			bool restores;
			bool over_quota; /* the quota does not count */
			uint32_t uid, uidvalidity; /* results */
		} append;
		struct {
			enum { CHANGE_FLAGS_SET, CHANGE_FLAGS_ADD, CHANGE_FLAGS_REMOVE } mode;
			uint32_t flags;
			const struct span *keywords;
			size_t keywords_n;
			bool unchanged_since_set;
			uint64_t unchanged_since;
			/* results */
			struct volume_row *rows;
			size_t rows_n;
			struct uid_ranges modified;
			struct volume_mailbox after;
		} flags;
		struct {
			struct span target;
			bool move;
			/* results */
			uint32_t uidvalidity;
			struct uid_ranges source, dest;
		} copy;
		struct {
			uint64_t done; /* the last one that is learnt */
		} lessons;
		struct {
			struct uid_ranges expunged; /* result */
		} expunge;
		struct {
			struct span name, new_name, special_use;
			bool subscribed;
			bool adopt; /* fsck's CREATE: of a folder that is there */
			struct volume_mailbox after; /* result of CREATE */
		} mailbox_op;
		struct {
			struct span name;
			/* results of KEY */
			uint8_t key[VOLUME_URL_KEY_SIZE];
			uint32_t uidvalidity;
		} url_key;
		struct {
			struct state_put *puts;
			size_t puts_n;
			bool by_admin; /* whoever watches the user hears of it */
			struct span prefix; /* DELETE */
			size_t removed; /* result of DELETE */
		} state;
		struct {
			const struct cleared *rows;
			size_t rows_n;
		} clear;
		struct {
			struct volume_user user; /* ADD: all of it; SET: what set_ flags say */
			bool set_address, set_display_name, set_quota, set_credentials;
		} user_op;
	} u;
};

/* Hands a change to the writer; any thread. done is always called, exactly once. */
void volume_submit(struct volume *vol, struct change *c);

/* ---- repair ---- */

struct fsck_report {
	uint64_t users, messages, repaired, problems;
	void (*problem)(void *arg, const char *text); /* may be NULL */
	void (*progress)(void *arg, const struct fsck_report *so_far);
	void *arg;
};
/* Compares files and index; with repair mends either (and takes in messages dropped into new/). user_id empty: all. */
int volume_fsck(struct volume *vol, struct span user_id, bool repair, struct fsck_report *report, struct err *err);
/* Offline: makes index/ anew from the files alone. The volume must not be open. */
int volume_rebuild(const char *path, struct fsck_report *report, struct err *err);
/*
 * Whether the volume at path lacks its index while all else is there: what an admin who deleted it, or a copy of the
 * mail alone, leaves behind. Opening it fails until it is rebuilt.
 */
bool volume_lacks_index(const char *path);

/*
 * Parses a message's file with the sandboxed parser process (store/maildir/parser.h), for messages that did
 * not come through a front end. Results in a.
 */
int volume_parse_file(int fd, struct arena *a, struct volume_summary *ret, struct err *err);

#endif

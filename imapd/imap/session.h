/* What the parts of the protocol core share: the session, the command under way, replies. Stays in this
 * folder. */
#ifndef POD_IMAPD_IMAP_SESSION_H
#define POD_IMAPD_IMAP_SESSION_H

#include "base/buf.h"
#include "imapd/imap/imap.h"
#include "imapd/imap/input.h"
#include "imapd/imap/out.h"
#include "imapd/imap/parse.h"
#include "imapd/imap/selected.h"

enum imap_state { IMAP_NOT_AUTHENTICATED = 1, IMAP_AUTHENTICATED = 2, IMAP_SELECTED = 4, IMAP_CLOSING = 8 };

enum imap_mode {
	IMAP_TAKES_COMMANDS,
	IMAP_BUSY,              /* a command waits for the store */
	IMAP_TAKES_LINE,        /* a command waits for a line of its own (AUTHENTICATE, IDLE) */
	IMAP_TAKES_LITERAL,     /* APPEND waits for the message */
	IMAP_TAKES_COMMAND_END, /* and for the rest of its line */
};

#define IMAP_TAG_MAX     127
#define IMAP_ARENA_LIMIT (64u << 20)

struct imap_command;

struct imap_session {
	const struct imap_settings *settings;
	const struct imap_host_ops *ops;
	void *host;
	const struct log *log;
	enum imap_state state;
	enum imap_mode mode;
	bool tls, can_start_tls, cleartext_auth;
	bool condstore; /* RFC 7162: the client knows of modseqs */
	unsigned int bad_commands, failed_logins;
	struct imap_input input;

	/* The command under way; memory of a goes when it is done. */
	struct arena *a;
	const struct imap_command *command;
	bool uid;   /* UID FETCH and so on */
	void *data; /* the command's own */
	void (*on_line)(struct imap_session *s, struct span line);
	void (*on_writable)(struct imap_session *s);
	void (*on_abort)(struct imap_session *s); /* frees what is not in the arena */
	struct span reply; /* "OK ..." for the tag, kept while changes are being told */
	char tag[IMAP_TAG_MAX + 1];

	struct imap_selected *selected; /* in IMAP_SELECTED */
};

/* ---- commands (command.c) ---- */

#define IMAP_CMD_UID         1u /* also as UID NAME */
#define IMAP_CMD_SYNC        2u /* changes of the mailbox may be told before the tagged reply */
#define IMAP_CMD_ASKS        4u /* and the store is asked for them even if it announced none */
#define IMAP_CMD_SYNC_IF_UID 8u /* as SYNC, in its UID form only (RFC 3501 7.4.1) */

struct imap_command {
	const char *name;
	/* Parses what follows the name and acts; ends, now or in a callback, with one imap_reply_*(). */
	void (*run)(struct imap_session *s, struct imap_parser *p);
	unsigned int states; /* where it is legal */
	unsigned int flags;
};

/* Runs the command in s->input (complete). */
void imap_command_run(struct imap_session *s);
/* The row for the words after a tag, "UID" being taken off: NULL where there is none. */
const struct imap_command *imap_command_find(struct imap_parser *p, bool *ret_uid);

/* ---- replies (reply.c) ---- */

/* End the command under way: changes of the mailbox go first where it allows them. text may begin with a
 * [code]. */
void imap_reply_ok(struct imap_session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same with a response code of any length. */
void imap_reply_ok_code(struct imap_session *s, const char *code, const char *text);
void imap_reply_no(struct imap_session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void imap_reply_bad(struct imap_session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* BAD with the parser's words, or what -POD_E_NOMEM and -POD_E_LIMIT say. */
void imap_reply_parse(struct imap_session *s, const struct imap_parser *p, int r);
/* NO (or BAD) with the response code that belongs to the store's error (status.c). */
void imap_reply_store(struct imap_session *s, const struct store_reply *reply);
void imap_reply_error(struct imap_session *s, int code);
void imap_untagged(struct imap_session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The tagged reply goes out, and all that belonged to the command goes away. */
void imap_reply_finish(struct imap_session *s);
/* "+ text" */
void imap_continue(struct imap_session *s, const char *text);

/* What a -POD_E_* code is to a client: "NO", "[OVERQUOTA] text". */
struct imap_status {
	const char *condition, *text;
};
struct imap_status imap_status_of(int code);

/* ---- the store ---- */

/* Asks the store. Where memory is out the command ends with NO; false then. */
bool imap_ask(struct imap_session *s, enum store_method method, ProtobufCMessage *request,
              store_reply_fn *fn);
struct imap_call *imap_call(struct imap_session *s, enum store_method method, ProtobufCMessage *request,
                            struct span blob, int fd, store_reply_fn *fn, void *arg);
/* uids as the schema has them: an array of pointers, in the command's arena. NULL where memory is out. */
struct imap_ranges;
Podstore__UidRange **imap_uid_ranges(struct arena *a, const struct imap_ranges *ranges);
/* A NUL-ended copy in the command's arena; "" where memory is out, which the store refuses as a name. */
char *imap_str(struct imap_session *s, struct span text);

static inline struct evbuffer *imap_output(struct imap_session *s)
{
	return s->ops->output(s->host);
}

/* ---- the selected mailbox (sync.c) ---- */

/* Tells the client what happened in the mailbox, then calls then. */
void imap_sync(struct imap_session *s, void (*then)(struct imap_session *s));
bool imap_sync_needed(const struct imap_session *s);
/* Watches the selected mailbox for commits. */
void imap_watch(struct imap_session *s);
/* Leaves the selected mailbox. */
void imap_unselect(struct imap_session *s);
/* First use of CONDSTORE (RFC 7162 3.1): modseqs are told from now on. */
void imap_enable_condstore(struct imap_session *s);
/* A change was told while the client is in IDLE (cmd_idle.c). */
void imap_idle_on_changed(struct imap_session *s);

/* ---- capabilities (cmd_capability.c) ---- */
const char *imap_capabilities(const struct imap_session *s);

/* Closes; further input is thrown away. */
void imap_close(struct imap_session *s);

#endif

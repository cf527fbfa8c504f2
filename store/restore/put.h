/* Messages of a source on their way into a mailbox: copied, parsed and committed together, as many as one
 * commit takes. */
#ifndef POD_STORE_RESTORE_PUT_H
#define POD_STORE_RESTORE_PUT_H

#include "store/maildir/parser.h"
#include "store/restore/restore.h"

struct put;

struct put_target {
	struct volume *vol;
	const struct source *source;
	struct parser *parser;
	struct span user_id, mailbox; /* canonical; it is there */
	bool over_quota;
	/* Of each message, once it is durable (code 0, uid) or is known not to be. */
	void (*done)(void *arg, const struct source_message *m, int code, uint32_t uid, const char *text);
	void *arg;
};

/* NULL where memory is out. What the target points to lives longer. */
struct put *put_create(const struct put_target *t);
/* Waits for nothing: puts what was flushed is done, what was not is forgotten. */
struct put *put_free(struct put *p);
/* Prepares one message of the mailbox, and commits where enough are together. An error ends the restore. */
int put_message(struct put *p, const struct source_mailbox *from, const struct source_message *m,
                struct err *err);
/* Commits what is left. */
int put_flush(struct put *p, struct err *err);

#endif

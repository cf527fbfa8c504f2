/*
 * Messages that did not come through a front end are parsed by a child process that can read one pipe, write another
 * and nothing else (lib/proc, sandbox_parser): the process that holds a volume never parses mail. One child serves
 * many messages, of one user: a message that took it over could lie about that user's mail only. One thread at a time.
 */
#ifndef POD_STORE_MAILDIR_PARSER_H
#define POD_STORE_MAILDIR_PARSER_H

#include "base/arena.h"
#include "base/err.h"

struct parser;

struct parsed {
	struct span envelope, bodystructure, parts, headers;
	struct span message_id, subject, from; /* for finding and showing: see mime_summary. What the child says they are. */
};

/* No process yet: the first message starts it. NULL where memory is out. */
struct parser *parser_create(void);
/* Ends the child. NULL is fine; returns NULL. */
struct parser *parser_free(struct parser *p);
/*
 * The summary of the message that fd holds, from its start; spans in a. -POD_E_LIMIT: larger than is parsed at all;
 * -POD_E_TIMEOUT, -POD_E_CORRUPT: the child was ended, and the next message gets another.
 */
int parser_run(struct parser *p, int fd, struct arena *a, struct parsed *ret, struct err *err);

#endif

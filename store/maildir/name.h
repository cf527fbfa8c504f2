/*
 * Names of message files. A name carries what a rebuild needs:
 *   <time>.<guid>.<host>,S=<size>,W=<size>,U=<uid>[:2,<flags>]
 * S and W are Maildir++'s size on disk and size with CRLF, the same here since messages are kept with CRLF.
 * A message without flags lives in new/ without the last part, one with flags in cur/. Flags: D F R S T, then a
 * to z for the mailbox's keywords, in ASCII order. Pure, thread-safe.
 */
#ifndef POD_STORE_MAILDIR_NAME_H
#define POD_STORE_MAILDIR_NAME_H

#include "base/id.h"
#include "base/span.h"

#define MAILDIR_HOST_MAX 63
/* Holds any name that maildir_name_format makes, with the NUL. */
#define MAILDIR_NAME_SIZE 256

struct maildir_name {
	int64_t time; /* seconds since 1970: the internal date */
	struct guid guid;
	struct span host; /* 1 to MAILDIR_HOST_MAX of [A-Za-z0-9_-]; points into the parsed text */
	uint64_t size;
	uint32_t uid;
	uint32_t flags; /* enum store_flag and keyword bits */
};

/* The host must be valid. Returns the length. */
size_t maildir_name_format(const struct maildir_name *n, char text[MAILDIR_NAME_SIZE]);
/* A name of that form; -POD_E_SYNTAX for any other (another tool's). uid 0 is refused. */
int maildir_name_parse(struct span text, struct maildir_name *ret_name);
/* The flags of any tool's name: what stands behind ":2,"; letters we do not know are left out. */
uint32_t maildir_flags_parse(struct span text);
/* The host part made of any text: what is not allowed becomes '-'. */
void maildir_host_make(struct span text, char host[MAILDIR_HOST_MAX + 1]);

/* The subfolder a message with these flags lives in: "new" or "cur". */
static inline const char *maildir_subfolder(uint32_t flags)
{
	return flags ? "cur" : "new";
}

/*
 * Names in staging/, where messages are linked before they are committed: the mailbox's id in eight hex digits,
 * a dot, and the message's name.
 */
#define STAGED_NAME_SIZE (MAILDIR_NAME_SIZE + 9)
size_t staged_name_format(uint32_t mailbox, const struct maildir_name *n, char text[STAGED_NAME_SIZE]);
int staged_name_parse(struct span text, uint32_t *ret_mailbox, struct maildir_name *ret_name);

#endif

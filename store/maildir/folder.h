/*
 * Mailbox names and the Maildir++ folders they live in. A name is UTF-8 with '/' between levels and INBOX in
 * capitals; its folder, inside the user's Maildir, is "." for INBOX and ".A.B" for A/B, each level in modified
 * UTF-7 with its dots shifted, so that every name has one folder. Pure, thread-safe.
 */
#ifndef POD_STORE_MAILDIR_FOLDER_H
#define POD_STORE_MAILDIR_FOLDER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define FOLDER_LEVELS_MAX 32
/* The longest folder name, which a file system limits; with the NUL. */
#define FOLDER_SIZE 256

/*
 * The one spelling of a name from a client: INBOX in any case becomes INBOX, a last '/' goes (RFC 3501 6.3.3).
 * -POD_E_SYNTAX: empty, an empty level, not UTF-8, a control character; -POD_E_LIMIT: too long or too deep.
 */
int mailbox_name_canonical(struct arena *a, struct span name, struct span *ret_name, struct err *err);
/* The folder of a canonical name. -POD_E_LIMIT: longer than a file name may be. */
int maildir_folder_format(struct span name, char folder[FOLDER_SIZE]);
/* The canonical name of a folder; -POD_E_SYNTAX where none has that folder. Appended to out. */
int maildir_folder_parse(struct span folder, struct buf *out);

#endif

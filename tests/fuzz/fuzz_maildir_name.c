/*
 * Names of files and folders, as any tool may have left them in a Maildir. What parses must be formatted to a name that
 * parses to the same; a folder's name must lead back to the folder.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/maildir/folder.h"
#include "store/maildir/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_file(struct span text)
{
	struct maildir_name n, again;
	char out[MAILDIR_NAME_SIZE];

	(void) maildir_flags_parse(text);
	if (maildir_name_parse(text, &n) < 0)
		return;
	if (maildir_name_parse(span_make(out, maildir_name_format(&n, out)), &again) < 0 || again.uid != n.uid ||
	    again.flags != n.flags || again.size != n.size || again.time != n.time || !guid_eq(&again.guid, &n.guid))
		abort();
}

static void check_staged(struct span text)
{
	struct maildir_name n, again;
	char out[STAGED_NAME_SIZE];
	uint32_t mailbox = 0, mailbox_again = 0;

	if (staged_name_parse(text, &mailbox, &n) < 0)
		return;
	if (staged_name_parse(span_make(out, staged_name_format(mailbox, &n, out)), &mailbox_again, &again) < 0 ||
	    mailbox != mailbox_again)
		abort();
}

static void check_folder(struct span text)
{
	_cleanup_buf_ struct buf name = BUF_INIT, again = BUF_INIT;
	char folder[FOLDER_SIZE];

	if (maildir_folder_parse(text, &name) < 0)
		return;
	if (maildir_folder_format(buf_span(&name), folder) < 0 || !span_eq(span_of(folder), text) ||
	    maildir_folder_parse(span_of(folder), &again) < 0 || !span_eq(buf_span(&again), buf_span(&name)))
		abort();
}

/* A name from a client that is taken has a folder, and the folder has that name. */
static void check_client_name(struct span text)
{
	_cleanup_buf_ struct buf again = BUF_INIT;
	char folder[FOLDER_SIZE];
	struct arena *a = arena_create(1 << 16);
	struct span name;

	if (a && mailbox_name_canonical(a, text, &name, NULL) == 0 &&
	    (maildir_folder_format(name, folder) < 0 || maildir_folder_parse(span_of(folder), &again) < 0 ||
	     !span_eq(buf_span(&again), name)))
		abort();
	(void) arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct span text = span_make(data, len);

	check_file(text);
	check_staged(text);
	check_folder(text);
	check_client_name(text);
	return 0;
}

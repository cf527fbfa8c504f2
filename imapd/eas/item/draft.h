/*
 * Drafts that clients of 16.0 and up write by Sync (MS-ASEMAIL 3.1.5.7, MS-ASAIRS Attachments): what an Add
 * or a Change says, and the MIME message that it becomes. Pure.
 */
#ifndef POD_IMAPD_EAS_ITEM_DRAFT_H
#define POD_IMAPD_EAS_ITEM_DRAFT_H

#include "base/id.h"
#include "imapd/eas/item/body.h"

#define EAS_DRAFT_FILES_MAX 500

/* A file that is attached. */
struct eas_draft_file {
	struct span client_id, name, type, content_id;
	bool shown; /* inside the body */
	struct span bytes;
	const char *path; /* in the message, once that is composed (reference.h) */
};

/* SPAN_NONE is said nowhere: of a draft that is changed it stays as it was. */
struct eas_draft {
	struct span to, cc, bcc, reply_to, subject, importance;
	enum eas_body_type body_type; /* 0: the body is not said */
	struct span body;
	struct eas_draft_file *files;
	size_t files_n;
	struct span *removed; /* FileReferences */
	size_t removed_n;
	bool said; /* anything at all */
};

/* Reads ApplicationData; -POD_E_SYNTAX, _LIMIT, _NOMEM. Results in a, and in the document. */
int eas_draft_read(struct arena *a, const struct wbxml_node *data, struct eas_draft *ret_draft);

/* Who writes, and when. */
struct eas_draft_frame {
	const char *from; /* address; of a draft that is changed its own From stays */
	struct guid id;   /* of its Message-ID and boundaries */
	int64_t now_s;
	const char *folder_id; /* of the FileReferences that are removed */
	uint32_t uid;
};

/* Sets the paths of the files of a draft that is new, as compose does. -POD_E_NOMEM. */
int eas_draft_place_files(struct arena *a, const struct eas_draft *d);

/*
 * The message, CRLF-ended lines; base is the draft that is changed, or NULL. -POD_E_NOTFOUND: a file that is
 * to be removed is none of it; -POD_E_NOMEM. The paths of d's files are set.
 */
int eas_draft_compose(struct arena *a, const struct eas_draft *d, const struct eas_message *base,
                      const struct eas_draft_frame *frame, struct buf *out);

#endif

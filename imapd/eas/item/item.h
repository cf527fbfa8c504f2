/*
 * Mail as ActiveSync's Email class (MS-ASEMAIL, MS-ASAIRS): messages of the store written as ApplicationData
 * at every version of the protocol, and what clients do to them. This is the door of the room: what is behind
 * it is pure and knows neither store nor fibers; these functions ask the store for what the index does not
 * have, and so may suspend the fiber that calls them.
 */
#ifndef POD_IMAPD_EAS_ITEM_ITEM_H
#define POD_IMAPD_EAS_ITEM_ITEM_H

#include "imapd/eas/item/options.h"
#include "imapd/eas/item/reference.h"
#include "storeproto/storeproto.h"

struct eas_request;
struct eas_multipart;

/* A folder that items are in. What it points at outlives the command. */
struct eas_item_place {
	const char *folder_id; /* as the client knows it */
	uint32_t mailbox;      /* Mailbox.id */
	const char *name;      /* of the mailbox */
	char *const *keywords; /* of the mailbox, by number */
	size_t keywords_n;
	bool drafts; /* its special use is \Drafts: 16.x clients write there */
};

/* The place of a mailbox whose folder's id is folder_id. In a, and pointing into mailbox. -POD_E_NOMEM. */
int eas_item_place_of(struct arena *a, const Podstore__Mailbox *mailbox, struct span folder_id,
                      struct eas_item_place *ret_place);

/* ---- server to client ---- */

/* The columns of Rows that an item is made of. Without STORE_COL_GUID flags' reminders are not found. */
#define EAS_ITEM_COLUMNS                                                                        \
	(STORE_COL_FLAGS | STORE_COL_INTERNAL_DATE | STORE_COL_SIZE | STORE_COL_BODYSTRUCTURE | \
	 STORE_COL_PARTS | STORE_COL_HEADERS | STORE_COL_GUID)
/* Of those, what eas_item_write_changed needs. */
#define EAS_ITEM_CHANGE_COLUMNS (STORE_COL_FLAGS | STORE_COL_GUID)

/* A message. Spans are borrowed: from a row, as eas_item_of_row leaves them, or copied by who keeps them. */
struct eas_item {
	const struct eas_item_place *place;
	uint32_t uid, flags;
	int64_t internal_date;
	uint64_t size;
	struct span bodystructure, parts, headers, guid;
};

/* Row i of rows that were fetched with these columns; -POD_E_PROTOCOL where the row lacks some of them. */
int eas_item_of_row(const struct eas_item_place *place, const Podstore__Rows *rows, size_t i,
                    uint32_t columns, struct eas_item *ret_item);

/*
 * Writes the item's properties to rq->out, inside the element that is open there (ApplicationData,
 * Properties). The message itself is opened only for a body, an invitation or a report. Where it fails,
 * nothing was written: -POD_E_NOTFOUND: it was expunged meanwhile; others: the store's.
 */
int eas_item_write(struct eas_request *rq, const struct eas_item *item, const struct eas_item_options *o);

/* The same for a client that has the item: what may have changed, that is Read, Flag, Categories and the last
 * verb. */
int eas_item_write_changed(struct eas_request *rq, const struct eas_item *item,
                           const struct eas_item_options *o);

/* How ItemOperations and Search want it written. */
struct eas_item_output {
	const struct wbxml_node *schema; /* a Schema element: only the properties that it names; NULL: all */
	struct eas_multipart *multipart; /* where body data goes; NULL: into the document */
};
int eas_item_write_as(struct eas_request *rq, const struct eas_item *item, const struct eas_item_options *o,
                      const struct eas_item_output *how);

/* ---- client to server ---- */

/* A file that was attached to a draft: what the client calls it, and its FileReference. */
struct eas_item_file {
	struct span client_id;
	const char *reference;
};

struct eas_item_result {
	unsigned int status;               /* of Sync: 1, 4, 5, 6, 8, 9 or, from 14.0 on, of MS-ASCMD 2.2.2 */
	uint32_t uid;                      /* the item's now: a draft that was changed is another message */
	uint64_t modseq;                   /* highest that this change made in the mailbox; 0: unchanged */
	bool gone;                         /* a draft that was sent (Email2:Send) is no more in the folder */
	const struct eas_item_file *files; /* that were attached; in the request's arena */
	size_t files_n;
};

/*
 * A Change of Sync: Read, Flag and Categories of any message; in Drafts from 16.0 on all of it, which
 * replaces the message, and Send. command is the Change element.
 */
void eas_item_change(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                     const struct wbxml_node *command, struct eas_item_result *ret_result);

/*
 * An Add of Sync: a draft (16.0). Status 6 elsewhere: mail is sent by SendMail. command is the Add element;
 * its ClientId makes a repeated one the same message as long as the store remembers it.
 */
void eas_item_add(struct eas_request *rq, const struct eas_item_place *place,
                  const struct wbxml_node *command, struct eas_item_result *ret_result);

/* The files of an Add that made the message uid before. */
void eas_item_added(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                    const struct wbxml_node *command, struct eas_item_result *result);

/*
 * Notes what was done with a message (Email2:LastVerbExecuted): 1 answered, 2 answered to all, 3 forwarded;
 * sets \Answered or $Forwarded. 0 or -POD_E_*.
 */
int eas_item_note_verb(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                       unsigned int verb);

#endif

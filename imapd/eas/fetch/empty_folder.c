/* EmptyFolderContents: all messages of a folder, and where asked its subfolders, are deleted for good. */
#include "imapd/eas/fetch/internal.h"
#include "imapd/eas/folder/folder.h"

/* Only what was there when it was asked for: what arrives meanwhile stays. */
static int empty_mailbox(struct eas_request *rq, const Podstore__Mailbox *box)
{
	Podstore__StoreFlags mark = PODSTORE__STORE_FLAGS__INIT;
	Podstore__Expunge expunge = PODSTORE__EXPUNGE__INIT;
	Podstore__UidRange range = PODSTORE__UID_RANGE__INIT, *ranges[] = { &range };
	int r;

	if (box->uidnext <= 1)
		return 0;
	range.first = 1;
	range.last = box->uidnext - 1;
	mark.mailbox = expunge.mailbox = box->id;
	mark.n_uids = expunge.n_uids = 1;
	mark.uids = expunge.uids = ranges;
	mark.mode = PODSTORE__FLAG_MODE__FLAGS_ADD;
	mark.flags = STORE_FLAG_DELETED;
	r = account_call(rq->account, rq->a, STORE_STORE_FLAGS, &mark.base, NULL, NULL);
	return r == 0 ? account_call(rq->account, rq->a, STORE_EXPUNGE, &expunge.base, NULL, NULL) : r;
}

static bool is_below(const char *name, const char *parent)
{
	size_t n = strlen(parent);

	return strncmp(name, parent, n) == 0 && name[n] == '/';
}

static int delete_mailbox(struct eas_request *rq, char *name)
{
	Podstore__MailboxDelete request = PODSTORE__MAILBOX_DELETE__INIT;

	request.name = name;
	return account_call(rq->account, rq->a, STORE_MAILBOX_DELETE, &request.base, NULL, NULL);
}

/* Names come in order, so that from the end children go before their parents. A special folder stays:
 * -POD_E_DENIED. */
static int delete_below(struct eas_request *rq, const char *parent)
{
	Podstore__MailboxList list = PODSTORE__MAILBOX_LIST__INIT;
	const Podstore__MailboxListReply *reply;
	const ProtobufCMessage *message;
	int r = account_call(rq->account, rq->a, STORE_MAILBOX_LIST, &list.base, &message, NULL), first = 0;

	if (r < 0)
		return r;
	reply = (const Podstore__MailboxListReply *) message;
	for (size_t i = reply->n_mailboxes; i-- > 0;) {
		const Podstore__Mailbox *box = reply->mailboxes[i];

		if (!is_below(box->name, parent) || !box->exists)
			continue;
		r = box->special_use && *box->special_use ? -POD_E_DENIED : delete_mailbox(rq, box->name);
		if (r < 0 && r != -POD_E_NOTFOUND && first == 0)
			first = r;
	}
	return first;
}

static unsigned int run(struct eas_request *rq, struct span folder_id, bool subfolders)
{
	const Podstore__Mailbox *box;
	int r = eas_folder_find(rq, folder_id, &box, NULL);

	if (r == 0)
		r = empty_mailbox(rq, box);
	if (r < 0)
		return fetch_status_of(r);
	if (subfolders && delete_below(rq, box->name) < 0)
		return FETCH_PARTLY;
	return FETCH_OK;
}

void fetch_empty_folder(struct eas_request *rq, const struct wbxml_node *operation)
{
	const struct wbxml_node *options = wbxml_child(operation, ITEMOPERATIONS_OPTIONS);
	struct span folder_id = wbxml_child_text(operation, AIRSYNC_COLLECTIONID);
	unsigned int status = FETCH_PROTOCOL_ERROR;
	bool subfolders = false;

	if (folder_id.len > 0 &&
	    wbxml_child_bool(options, ITEMOPERATIONS_DELETESUBFOLDERS, false, &subfolders) == 0)
		status = run(rq, folder_id, subfolders);
	wbxml_open(&rq->out, ITEMOPERATIONS_EMPTYFOLDERCONTENTS);
	wbxml_uint(&rq->out, ITEMOPERATIONS_STATUS, status);
	if (folder_id.p)
		wbxml_text(&rq->out, AIRSYNC_COLLECTIONID, folder_id);
	wbxml_close(&rq->out);
}

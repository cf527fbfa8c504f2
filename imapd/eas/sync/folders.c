#include "imapd/eas/sync/folders.h"

#include "imapd/eas/eas.h"

int eas_sync_folders_load(struct eas_request *rq, struct eas_sync_folders *ret, struct err *err)
{
	Podstore__MailboxList m = PODSTORE__MAILBOX_LIST__INIT;
	const ProtobufCMessage *reply = NULL;
	int r;

	m.status = true;
	r = account_call(rq->account, rq->a, STORE_MAILBOX_LIST, &m.base, &reply, err);
	if (r == 0)
		ret->list = (const Podstore__MailboxListReply *) reply;
	return r;
}

static int take(struct eas_request *rq, const Podstore__Mailbox *m, struct eas_sync_folder *ret)
{
	*ret = (struct eas_sync_folder){
		.place = { .folder_id = arena_str(rq->a, span_of(m->guid)),
		           .mailbox = m->id,
		           .name = m->name,
		           .keywords = m->keywords,
		           .keywords_n = m->n_keywords,
		           .drafts = strcmp(m->special_use, "\\Drafts") == 0 },
		.uidvalidity = m->uidvalidity,
		.messages = m->messages,
		.modseq = m->highestmodseq,
	};
	return ret->place.folder_id ? 0 : -POD_E_NOMEM;
}

int eas_sync_folders_find(struct eas_request *rq, const struct eas_sync_folders *f, struct span id,
                          struct eas_sync_folder *ret)
{
	for (size_t i = 0; i < f->list->n_mailboxes; i++) {
		const Podstore__Mailbox *m = f->list->mailboxes[i];

		if (m->exists && span_eq(span_of(m->guid), id))
			return take(rq, m, ret);
	}
	return -POD_E_NOTFOUND;
}

/* By what it is for; where none is, by its name. */
int eas_sync_folders_trash(struct eas_request *rq, const struct eas_sync_folders *f,
                           struct eas_sync_folder *ret)
{
	const Podstore__Mailbox *named = NULL;

	for (size_t i = 0; i < f->list->n_mailboxes; i++) {
		const Podstore__Mailbox *m = f->list->mailboxes[i];

		if (m->exists && strcmp(m->special_use, "\\Trash") == 0)
			return take(rq, m, ret);
		if (m->exists && strcmp(m->name, "Trash") == 0)
			named = m;
	}
	return named ? take(rq, named, ret) : -POD_E_NOTFOUND;
}

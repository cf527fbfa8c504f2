#include "imapd/eas/send/source.h"

#include "imapd/eas/folder/folder.h"

static enum send_status status_of(int r)
{
	switch (-r) {
	case POD_E_NONE: return SEND_OK;
	case POD_E_NOTFOUND:
	case POD_E_SYNTAX: return SEND_NOT_FOUND;
	case POD_E_UNAVAILABLE:
	case POD_E_TIMEOUT:
	case POD_E_BUSY: return SEND_RETRY_LATER;
	default: return SEND_SERVER_ERROR;
	}
}

/* The item's id names its folder; where the request names another one, the two do not belong together. */
static int find(struct eas_request *rq, const struct source_name *name, struct source *s, struct err *err)
{
	struct span id = name->long_id.len ? name->long_id : name->item_id, folder;
	const Podstore__Mailbox *box = NULL;
	int r = eas_item_parse_server_id(id, &folder, &s->uid);

	if (r == 0 && name->folder_id.len && !span_eq(name->folder_id, folder))
		r = -POD_E_NOTFOUND;
	if (r == 0)
		r = eas_folder_find(rq, folder, &box, err);
	if (r < 0)
		return r;
	s->place = (struct eas_item_place){ .folder_id = arena_str(rq->a, folder),
		                            .mailbox = box->id,
		                            .name = box->name,
		                            .keywords = box->keywords,
		                            .keywords_n = box->n_keywords,
		                            .drafts = strcmp(box->special_use, "\\Drafts") == 0 };
	return s->place.folder_id ? 0 : -POD_E_NOMEM;
}

enum send_status eas_source_open(struct eas_request *rq, const struct source_name *name, struct source *ret)
{
	struct source s = { 0 };
	struct err err = { 0 };
	int r = find(rq, name, &s, &err);

	if (r == 0)
		r = account_body_open(rq->account, s.place.mailbox, s.uid, &s.body, &err);
	if (r < 0)
		log_event(&rq->log, LOGL_INFO, "eas.source_missing", F_CODE(r), F_ERR(&err));
	else
		*ret = s;
	return status_of(r);
}

void eas_source_done(struct source *s)
{
	account_body_done(&s->body);
}

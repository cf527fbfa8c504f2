#include "imapd/eas/folder/change.h"

#include <string.h>

#include "imapd/eas/folder/folder.h"

#define TRIES          8 /* against other requests of the same device */
#define NAME_MAX_BYTES 256
/* A name with a slash in it would be two to the store: it gets the sign that looks most like it (U+2215). */
#define SLASH_INSTEAD "\xe2\x88\x95"

int folder_tree(struct eas_request *rq, struct eas_tree *ret_tree, struct err *err)
{
	Podstore__MailboxList request = PODSTORE__MAILBOX_LIST__INIT;
	const ProtobufCMessage *message = NULL;
	int r = account_call(rq->account, rq->a, STORE_MAILBOX_LIST, &request.base, &message, err);

	if (r == 0 && eas_tree_make(rq->a, (const Podstore__MailboxListReply *) message, ret_tree) < 0)
		r = err_set(err, POD_E_NOMEM, "folders");
	return r;
}

int eas_folder_find(struct eas_request *rq, struct span id, const Podstore__Mailbox **ret_mailbox,
                    struct err *err)
{
	Podstore__MailboxList request = PODSTORE__MAILBOX_LIST__INIT;
	const ProtobufCMessage *message = NULL;
	const Podstore__MailboxListReply *list;
	int r;

	request.status = true;
	r = account_call(rq->account, rq->a, STORE_MAILBOX_LIST, &request.base, &message, err);
	if (r < 0)
		return r;
	list = (const Podstore__MailboxListReply *) message;
	for (size_t i = 0; i < list->n_mailboxes; i++)
		if (list->mailboxes[i]->exists && span_eq(span_of(list->mailboxes[i]->guid), id)) {
			*ret_mailbox = list->mailboxes[i];
			return 0;
		}
	return err_set(err, POD_E_NOTFOUND, "there is no folder " SPAN_FMT, SPAN_ARG(span_head(id, 64)));
}

const char *eas_folder_state_name(struct eas_request *rq, const char *id)
{
	return arena_printf(rq->a, "eas/%s/sync/%s", rq->device_id, id);
}

int eas_folder_changed(struct eas_request *rq, bool *ret_changed, struct err *err)
{
	struct hierarchy h;
	struct eas_tree tree;
	struct eas_tree_diff diff;
	int r = hierarchy_load(rq, &h, err);

	if (r == 0)
		r = folder_tree(rq, &tree, err);
	if (r == 0 && eas_tree_compare(rq->a, &h.now.tree, &tree, &diff) < 0)
		r = err_set(err, POD_E_NOMEM, "folders");
	if (r == 0)
		*ret_changed = h.now.number == 0 || !eas_tree_diff_is_empty(&diff);
	return r;
}

/* ---- answers ---- */

void folder_status(struct eas_request *rq, struct folder_change *c, enum folder_status status)
{
	eas_answer_status(rq, c->root, status);
}

void folder_fail(struct eas_request *rq, enum wbxml_tag root, int code)
{
	if (code == -POD_E_UNAVAILABLE || code == -POD_E_TIMEOUT || code == -POD_E_BUSY ||
	    code == -POD_E_AUTH || code == -POD_E_NOMEM)
		eas_answer_error(rq, root, code);
	else
		eas_answer_status(rq, root, FOLDER_SERVER_ERROR);
}

static void answer(struct eas_request *rq, const struct folder_change *c, const char *server_id)
{
	char key[EAS_SYNC_KEY_SIZE];

	hierarchy_key(&c->h, key);
	wbxml_open(&rq->out, c->root);
	wbxml_uint(&rq->out, FOLDERHIERARCHY_STATUS, FOLDER_OK);
	wbxml_str(&rq->out, FOLDERHIERARCHY_SYNCKEY, key);
	if (server_id)
		wbxml_str(&rq->out, FOLDERHIERARCHY_SERVERID, server_id);
	wbxml_close(&rq->out);
}

/* ---- reading ---- */

bool folder_change_text(struct eas_request *rq, struct folder_change *c, enum wbxml_tag tag,
                        struct span *ret_text)
{
	const struct wbxml_node *node = wbxml_child(rq->body, tag);

	if (!node || node->first || node->text.len == 0 || wbxml_again(node)) {
		folder_status(rq, c, FOLDER_MALFORMED);
		return false;
	}
	*ret_text = node->text;
	return true;
}

bool folder_change_begin(struct eas_request *rq, enum wbxml_tag root, struct folder_change *ret_c)
{
	struct err err = { 0 };
	int r;

	*ret_c = (struct folder_change){ .root = root };
	if (!folder_change_text(rq, ret_c, FOLDERHIERARCHY_SYNCKEY, &ret_c->sync_key))
		return false;
	r = hierarchy_load(rq, &ret_c->h, &err);
	if (r == 0)
		r = folder_tree(rq, &ret_c->tree, &err);
	if (r < 0) {
		log_event(&rq->log, LOGL_WARNING, "eas.folders_failed", F_ERR(&err));
		folder_fail(rq, root, r);
		return false;
	}
	ret_c->key = hierarchy_judge(&ret_c->h, ret_c->sync_key);
	return true;
}

int folder_path(struct eas_request *rq, const struct eas_folder *parent, struct span name, char **ret_path)
{
	_cleanup_buf_ struct buf path = BUF_INIT;

	name = span_trim(name);
	if (name.len == 0 || name.len > NAME_MAX_BYTES)
		return -POD_E_SYNTAX;
	if (parent)
		buf_printf(&path, "%s/", parent->path);
	for (size_t i = 0; i < name.len; i++) {
		if (name.p[i] < 0x20 || name.p[i] == 0x7f)
			return -POD_E_SYNTAX;
		if (name.p[i] == '/')
			buf_add_str(&path, SLASH_INSTEAD);
		else
			buf_add_byte(&path, name.p[i]);
	}
	*ret_path = path.failed ? NULL : arena_str(rq->a, buf_span(&path));
	return *ret_path ? 0 : -POD_E_NOMEM;
}

/* ---- what was done ---- */

/*
 * Not before the device is known to have let go: until then it may repeat what it did in the folder, and is
 * answered out of that state.
 */
static int forget_items(struct eas_request *rq, const struct folder_change *c, struct err *err)
{
	size_t n;
	const char **names = hierarchy_let_go(rq->a, &c->h, c->key, &c->tree, &n);

	for (size_t i = 0; names && i < n; i++) {
		names[i] = eas_folder_state_name(rq, names[i]);
		if (!names[i])
			names = NULL;
	}
	return names ? account_states_remove(rq->account, rq->a, names, n, err)
	             : err_set(err, POD_E_NOMEM, "folders");
}

int folder_change_step(struct eas_request *rq, struct folder_change *c, const struct eas_tree *next,
                       struct err *err)
{
	int r = forget_items(rq, c, err);

	if (r < 0)
		return r;
	if (next)
		hierarchy_step(&c->h, c->key, next);
	else
		c->h.before = (struct hierarchy_generation){ 0 };
	return hierarchy_save(rq, &c->h, err);
}

static int step(struct eas_request *rq, struct folder_change *c, const struct folder_alteration *did,
                struct err *err)
{
	const struct eas_tree *base = hierarchy_base(&c->h, c->key);
	struct eas_tree next;
	int r = did->put ? eas_tree_with(rq->a, base, did->put, &next)
	                 : eas_tree_without(rq->a, base, did->remove, &next);

	if (r < 0)
		return err_set(err, POD_E_NOMEM, "folders");
	return folder_change_step(rq, c, &next, err);
}

void folder_change_end(struct eas_request *rq, struct folder_change *c, const struct folder_alteration *did,
                       const char *server_id)
{
	struct err err = { 0 };
	int r = step(rq, c, did, &err);

	for (int i = 0; i < TRIES && r == -POD_E_CONFLICT; i++) {
		r = hierarchy_load(rq, &c->h, &err);
		if (r < 0)
			break;
		c->key = hierarchy_judge(&c->h, c->sync_key);
		if (c->key != HIERARCHY_KEY_NOW && c->key != HIERARCHY_KEY_BEFORE) {
			folder_status(rq, c, FOLDER_BAD_KEY);
			return;
		}
		r = step(rq, c, did, &err);
	}
	if (r < 0) {
		log_event(&rq->log, LOGL_WARNING, "eas.folders_failed", F_ERR(&err));
		folder_fail(rq, c->root, r);
		return;
	}
	answer(rq, c, server_id);
}

void folder_change_again(struct eas_request *rq, struct folder_change *c, const char *server_id)
{
	answer(rq, c, server_id);
}

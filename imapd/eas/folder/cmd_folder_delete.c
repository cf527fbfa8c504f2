/* FolderDelete (MS-ASCMD 2.2.1.3): a folder with all that is below it. */
#include "imapd/eas/folder/change.h"
#include "imapd/eas/folder/folder.h"

static int delete_one(struct eas_request *rq, const struct eas_folder *f, struct err *err)
{
	Podstore__MailboxDelete request = PODSTORE__MAILBOX_DELETE__INIT;
	int r;

	request.name = arena_str(rq->a, span_of(f->path));
	if (!request.name)
		return err_set(err, POD_E_NOMEM, "folders");
	r = account_call(rq->account, rq->a, STORE_MAILBOX_DELETE, &request.base, NULL, err);
	return r == -POD_E_NOTFOUND ? 0 : r;
}

/* One that everybody has is not lost with the folder it was moved to. */
static bool has_special(const struct eas_tree *t, struct span id)
{
	for (size_t i = 0; i < t->n; i++)
		if (!eas_folder_type_is_own(t->folders[i].type) &&
		    eas_tree_is_below(t, span_of(t->folders[i].id), id))
			return true;
	return false;
}

/* The children first: what is left when it fails in its middle is a tree, and the request can come again. */
static void delete_all(struct eas_request *rq, struct folder_change *c, struct span id)
{
	struct err err = { 0 };
	int r = 0;

	for (size_t i = c->tree.n; i > 0 && r == 0; i--)
		if (eas_tree_is_below(&c->tree, span_of(c->tree.folders[i - 1].id), id))
			r = delete_one(rq, &c->tree.folders[i - 1], &err);
	if (r < 0) {
		log_event(&rq->log, LOGL_INFO, "eas.folder_refused", F_ERR(&err));
		folder_fail(rq, c->root, r);
		return;
	}
	folder_change_end(rq, c, &(struct folder_alteration){ .remove = id }, NULL);
}

void eas_cmd_folder_delete(struct eas_request *rq)
{
	struct folder_change c;
	struct span id;
	const struct eas_folder *folder;

	if (!folder_change_begin(rq, FOLDERHIERARCHY_FOLDERDELETE, &c) ||
	    !folder_change_text(rq, &c, FOLDERHIERARCHY_SERVERID, &id))
		return;
	folder = eas_tree_find(&c.tree, id);
	if (c.key != HIERARCHY_KEY_NOW && c.key != HIERARCHY_KEY_BEFORE)
		folder_status(rq, &c, FOLDER_BAD_KEY);
	else if (c.key == HIERARCHY_KEY_BEFORE && !folder && eas_tree_find(&c.h.before.tree, id) &&
	         !eas_tree_find(&c.h.now.tree, id))
		folder_change_again(rq, &c, NULL); /* it was done when it came the first time */
	else if (!folder)
		folder_status(rq, &c, FOLDER_NOT_FOUND);
	else if (has_special(&c.tree, id))
		folder_status(rq, &c, FOLDER_SPECIAL);
	else
		delete_all(rq, &c, id);
}

/* FolderUpdate (MS-ASCMD 2.2.1.6): another name, another parent, or both. */
#include "imapd/eas/folder/change.h"
#include "imapd/eas/folder/folder.h"

struct updating {
	struct span id, parent, name;
};

static bool read_request(struct eas_request *rq, struct folder_change *c, struct updating *ret)
{
	return folder_change_text(rq, c, FOLDERHIERARCHY_SERVERID, &ret->id) &&
	       folder_change_text(rq, c, FOLDERHIERARCHY_PARENTID, &ret->parent) &&
	       folder_change_text(rq, c, FOLDERHIERARCHY_DISPLAYNAME, &ret->name);
}

/* Whether this request was carried out when it came the first time. */
static bool done_before(const struct folder_change *c, const struct updating *u)
{
	const struct eas_folder *f = eas_tree_find(&c->h.now.tree, u->id);

	return c->key == HIERARCHY_KEY_BEFORE && f && span_eq(span_of(f->parent), u->parent) &&
	       span_eq(span_of(f->name), u->name);
}

static void rename_it(struct eas_request *rq, struct folder_change *c, const struct updating *u,
                      const struct eas_folder *folder, const struct eas_folder *parent)
{
	Podstore__MailboxRename request = PODSTORE__MAILBOX_RENAME__INIT;
	struct eas_folder now = *folder;
	struct err err = { 0 };
	int r = folder_path(rq, parent, u->name, &request.new_name);

	request.name = arena_str(rq->a, span_of(folder->path));
	now.parent = parent ? parent->id : EAS_ROOT_ID;
	now.name = arena_str(rq->a, u->name);
	if (!request.name || !now.name)
		r = -POD_E_NOMEM;
	if (r == 0 && strcmp(request.name, request.new_name) != 0)
		r = account_call(rq->account, rq->a, STORE_MAILBOX_RENAME, &request.base, NULL, &err);
	if (r < 0)
		log_event(&rq->log, LOGL_INFO, "eas.folder_refused", F_ERR(&err));
	switch (r) {
	case 0: folder_change_end(rq, c, &(struct folder_alteration){ .put = &now }, NULL); break;
	case -POD_E_EXISTS: folder_status(rq, c, FOLDER_EXISTS); break;
	case -POD_E_SYNTAX: folder_status(rq, c, FOLDER_MALFORMED); break;
	case -POD_E_NOTFOUND: folder_status(rq, c, FOLDER_NOT_FOUND); break;
	default: folder_fail(rq, c->root, r);
	}
}

void eas_cmd_folder_update(struct eas_request *rq)
{
	struct folder_change c;
	struct updating u;
	const struct eas_folder *folder, *parent, *same;

	if (!folder_change_begin(rq, FOLDERHIERARCHY_FOLDERUPDATE, &c) || !read_request(rq, &c, &u))
		return;
	folder = eas_tree_find(&c.tree, u.id);
	parent = eas_tree_find(&c.tree, u.parent);
	same = eas_tree_child(&c.tree, u.parent, u.name);
	if (c.key != HIERARCHY_KEY_NOW && c.key != HIERARCHY_KEY_BEFORE)
		folder_status(rq, &c, FOLDER_BAD_KEY);
	else if (done_before(&c, &u))
		folder_change_again(rq, &c, NULL);
	else if (!folder)
		folder_status(rq, &c, FOLDER_NOT_FOUND);
	else if (!eas_folder_type_is_own(folder->type))
		folder_status(rq, &c, FOLDER_SPECIAL);
	else if ((!parent && !span_eq(u.parent, SPAN_LIT(EAS_ROOT_ID))) ||
	         eas_tree_is_below(&c.tree, u.parent, u.id))
		folder_status(rq, &c, FOLDER_NO_PARENT);
	else if (same && same != folder)
		folder_status(rq, &c, FOLDER_EXISTS);
	else
		rename_it(rq, &c, &u, folder, parent);
}

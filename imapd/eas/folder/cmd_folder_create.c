/* FolderCreate (MS-ASCMD 2.2.1.2). */
#include "imapd/eas/folder/change.h"
#include "imapd/eas/folder/folder.h"

struct creating {
	struct span parent, name;
	uint64_t type;
};

static bool read_request(struct eas_request *rq, struct folder_change *c, struct creating *ret)
{
	if (!folder_change_text(rq, c, FOLDERHIERARCHY_PARENTID, &ret->parent) ||
	    !folder_change_text(rq, c, FOLDERHIERARCHY_DISPLAYNAME, &ret->name))
		return false;
	if (wbxml_child_uint(rq->body, FOLDERHIERARCHY_TYPE, EAS_FOLDER_RECIPIENTS, &ret->type) == 1)
		return true;
	folder_status(rq, c, FOLDER_MALFORMED);
	return false;
}

/* Only a user's own mail folders; those that everybody has once cannot be asked for (2.2.3.186.2). */
static bool check_type(struct eas_request *rq, struct folder_change *c, const struct creating *n)
{
	const struct eas_class *class = eas_class_of_type((unsigned int) n->type);

	if (eas_folder_type_is_own((unsigned int) n->type))
		return true;
	folder_status(rq, c, class && n->type == class->user ? FOLDER_SPECIAL : FOLDER_MALFORMED);
	return false;
}

/* The folder that this request made when it came the first time. */
static const struct eas_folder *made_before(const struct folder_change *c, const struct creating *n)
{
	const struct eas_folder *f = eas_tree_child(&c->h.now.tree, n->parent, n->name);

	if (c->key != HIERARCHY_KEY_BEFORE || !f || eas_tree_find(&c->h.before.tree, span_of(f->id)))
		return NULL;
	return eas_tree_find(&c->tree, span_of(f->id)) ? f : NULL;
}

static void subscribe(struct eas_request *rq, char *path)
{
	Podstore__MailboxSubscribe request = PODSTORE__MAILBOX_SUBSCRIBE__INIT;
	struct err err = { 0 };

	request.name = path;
	request.subscribed = true;
	if (account_call(rq->account, rq->a, STORE_MAILBOX_SUBSCRIBE, &request.base, NULL, &err) < 0)
		log_event(&rq->log, LOGL_NOTICE, "eas.subscribe_failed",
		          F_ERR(&err)); /* it is there all the same */
}

static void refuse(struct eas_request *rq, struct folder_change *c, int r, const struct err *err)
{
	log_event(&rq->log, LOGL_INFO, "eas.folder_refused", F_ERR(err));
	if (r == -POD_E_EXISTS)
		folder_status(rq, c, FOLDER_EXISTS);
	else if (r == -POD_E_SYNTAX)
		folder_status(rq, c, FOLDER_MALFORMED);
	else
		folder_fail(rq, c->root, r);
}

static void create(struct eas_request *rq, struct folder_change *c, const struct creating *n,
                   const struct eas_folder *parent)
{
	Podstore__MailboxCreate request = PODSTORE__MAILBOX_CREATE__INIT;
	const ProtobufCMessage *message = NULL;
	struct eas_folder folder = { .type = EAS_FOLDER_MAIL };
	struct err err = { 0 };
	int r = folder_path(rq, parent, n->name, &request.name);

	if (r == 0)
		r = account_call(rq->account, rq->a, STORE_MAILBOX_CREATE, &request.base, &message, &err);
	if (r < 0) {
		refuse(rq, c, r, &err);
		return;
	}
	subscribe(rq, request.name);
	folder.id = ((const Podstore__Mailbox *) message)->guid;
	folder.parent = parent ? parent->id : EAS_ROOT_ID;
	folder.name = arena_str(rq->a, n->name);
	if (folder.name)
		folder_change_end(rq, c, &(struct folder_alteration){ .put = &folder }, folder.id);
	else
		folder_fail(rq, c->root, -POD_E_NOMEM);
}

void eas_cmd_folder_create(struct eas_request *rq)
{
	struct folder_change c;
	struct creating n;
	const struct eas_folder *parent, *before;

	if (!folder_change_begin(rq, FOLDERHIERARCHY_FOLDERCREATE, &c) || !read_request(rq, &c, &n) ||
	    !check_type(rq, &c, &n))
		return;
	before = made_before(&c, &n);
	parent = eas_tree_find(&c.tree, n.parent);
	if (c.key != HIERARCHY_KEY_NOW && c.key != HIERARCHY_KEY_BEFORE)
		folder_status(rq, &c, FOLDER_BAD_KEY);
	else if (before)
		folder_change_again(rq, &c, before->id);
	else if (!parent && !span_eq(n.parent, SPAN_LIT(EAS_ROOT_ID)))
		folder_status(rq, &c, FOLDER_NO_PARENT);
	else if (eas_tree_child(&c.tree, n.parent, n.name))
		folder_status(rq, &c, FOLDER_EXISTS);
	else
		create(rq, &c, &n, parent);
}

/* FolderSync (MS-ASCMD 2.2.1.5): what is new in the tree of folders since the device last asked. */
#include "imapd/eas/folder/change.h"
#include "imapd/eas/folder/folder.h"

#define TRIES 8

static void write_folder(struct wbxml_writer *w, enum wbxml_tag tag, const struct eas_folder *f)
{
	wbxml_open(w, tag);
	wbxml_str(w, FOLDERHIERARCHY_SERVERID, f->id);
	wbxml_str(w, FOLDERHIERARCHY_PARENTID, f->parent);
	wbxml_str(w, FOLDERHIERARCHY_DISPLAYNAME, f->name);
	wbxml_uint(w, FOLDERHIERARCHY_TYPE, f->type);
	wbxml_close(w);
}

static void write_changes(struct wbxml_writer *w, const struct eas_tree_diff *d)
{
	wbxml_open(w, FOLDERHIERARCHY_CHANGES);
	wbxml_uint(w, FOLDERHIERARCHY_COUNT, d->adds_n + d->updates_n + d->deletes_n);
	for (size_t i = 0; i < d->updates_n; i++)
		write_folder(w, FOLDERHIERARCHY_UPDATE, d->updates[i]);
	for (size_t i = 0; i < d->deletes_n; i++) {
		wbxml_open(w, FOLDERHIERARCHY_DELETE);
		wbxml_str(w, FOLDERHIERARCHY_SERVERID, d->deletes[i]->id);
		wbxml_close(w);
	}
	for (size_t i = 0; i < d->adds_n; i++)
		write_folder(w, FOLDERHIERARCHY_ADD, d->adds[i]);
	wbxml_close(w);
}

static void answer(struct eas_request *rq, const struct folder_change *c, const struct eas_tree_diff *d)
{
	char key[EAS_SYNC_KEY_SIZE];

	hierarchy_key(&c->h, key);
	wbxml_open(&rq->out, FOLDERHIERARCHY_FOLDERSYNC);
	wbxml_uint(&rq->out, FOLDERHIERARCHY_STATUS, FOLDER_OK);
	wbxml_str(&rq->out, FOLDERHIERARCHY_SYNCKEY, key);
	write_changes(&rq->out, d);
	wbxml_close(&rq->out);
}

/*
 * Makes a generation where there is something to tell. Nothing new leaves the key as it is; that the newest
 * key came shows that its answer arrived, and what was before it is not needed any more. A lost answer is
 * given again, word for word, unless the tree has changed since.
 */
static int advance(struct eas_request *rq, struct folder_change *c, const struct eas_tree_diff *d,
                   struct err *err)
{
	struct eas_tree_diff since;

	if (c->key == HIERARCHY_KEY_NOW && eas_tree_diff_is_empty(d)) {
		if (c->h.before.number == 0)
			return 0;
		return folder_change_step(rq, c, NULL, err);
	}
	if (c->key == HIERARCHY_KEY_BEFORE) {
		if (eas_tree_compare(rq->a, &c->h.now.tree, &c->tree, &since) < 0)
			return err_set(err, POD_E_NOMEM, "folders");
		if (eas_tree_diff_is_empty(&since))
			return 0;
	}
	return folder_change_step(rq, c, &c->tree, err);
}

/* 0: answered. */
static int try(struct eas_request *rq, struct err *err)
{
	struct folder_change c;
	struct eas_tree_diff d;
	int r;

	if (!folder_change_begin(rq, FOLDERHIERARCHY_FOLDERSYNC, &c))
		return 0;
	if (c.key == HIERARCHY_KEY_BAD) {
		folder_status(rq, &c, FOLDER_BAD_KEY);
		return 0;
	}
	if (eas_tree_compare(rq->a, hierarchy_base(&c.h, c.key), &c.tree, &d) < 0)
		return err_set(err, POD_E_NOMEM, "folders");
	r = advance(rq, &c, &d, err);
	if (r == 0)
		answer(rq, &c, &d);
	return r;
}

void eas_cmd_folder_sync(struct eas_request *rq)
{
	struct err err = { 0 };
	int r = try(rq, &err);

	for (int i = 0; i < TRIES && r == -POD_E_CONFLICT; i++)
		r = try(rq, &err);
	if (r < 0) {
		log_event(&rq->log, LOGL_WARNING, "eas.folders_failed", F_ERR(&err));
		folder_fail(rq, FOLDERHIERARCHY_FOLDERSYNC, r);
	}
}

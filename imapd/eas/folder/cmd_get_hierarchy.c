/* GetHierarchy (MS-ASCMD 2.2.1.8 of its versions up to 12.1): the folders as a list, for clients of 2.5. */
#include "imapd/eas/folder/change.h"
#include "imapd/eas/folder/folder.h"

void eas_cmd_get_hierarchy(struct eas_request *rq)
{
	struct eas_tree tree;
	struct err err = { 0 };
	int r = folder_tree(rq, &tree, &err);

	if (r < 0) {
		log_event(&rq->log, LOGL_WARNING, "eas.folders_failed", F_ERR(&err));
		eas_answer_error(rq, 0, r);
		return;
	}
	wbxml_open(&rq->out, FOLDERHIERARCHY_FOLDERS);
	for (size_t i = 0; i < tree.n; i++) {
		wbxml_open(&rq->out, FOLDERHIERARCHY_FOLDER);
		wbxml_str(&rq->out, FOLDERHIERARCHY_DISPLAYNAME, tree.folders[i].name);
		wbxml_str(&rq->out, FOLDERHIERARCHY_SERVERID, tree.folders[i].id);
		wbxml_uint(&rq->out, FOLDERHIERARCHY_TYPE, tree.folders[i].type);
		wbxml_str(&rq->out, FOLDERHIERARCHY_PARENTID, tree.folders[i].parent);
		wbxml_close(&rq->out);
	}
	wbxml_close(&rq->out);
}

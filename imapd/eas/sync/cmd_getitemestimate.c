/* GetItemEstimate (MS-ASCMD 2.2.1.9): how much the next Syncs of folders will tell; exact. */
#include "base/cleanup.h"
#include "imapd/eas/folder/folder.h"
#include "imapd/eas/sync/commands.h"
#include "imapd/eas/sync/filter.h"
#include "imapd/eas/sync/peek.h"
#include "imapd/eas/sync/request.h"
#include "imapd/eas/sync/shape.h"

enum { ESTIMATE_OK = 1, ESTIMATE_NO_FOLDER = 2, ESTIMATE_NOT_PRIMED = 3, ESTIMATE_BAD_KEY = 4 };

/* Until 12.1 filter and class stand in the collection itself. */
static const struct eas_shape_row rows[] = {
	/* clang-format off */
	{ GETITEMESTIMATE_GETITEMESTIMATE, GETITEMESTIMATE_COLLECTIONS,  EAS_SHAPE_PARENT, 1, 0 },
	{ GETITEMESTIMATE_COLLECTIONS,     GETITEMESTIMATE_COLLECTION,   EAS_SHAPE_PARENT, EAS_SHAPE_MANY, 0 },
	{ GETITEMESTIMATE_COLLECTION,      GETITEMESTIMATE_CLASS,        EAS_SHAPE_TEXT,   1, 0 },
	{ GETITEMESTIMATE_COLLECTION,      GETITEMESTIMATE_COLLECTIONID, EAS_SHAPE_TEXT,   1, 0 },
	{ GETITEMESTIMATE_COLLECTION,      AIRSYNC_SYNCKEY,              EAS_SHAPE_ANY,    1, 0 },
	{ GETITEMESTIMATE_COLLECTION,      AIRSYNC_FILTERTYPE,           EAS_SHAPE_NUMBER, 1, 0 },
	{ GETITEMESTIMATE_COLLECTION,      AIRSYNC_CONVERSATIONMODE,     EAS_SHAPE_BOOL,   1, 0 },
	{ GETITEMESTIMATE_COLLECTION,      AIRSYNC_OPTIONS,              EAS_SHAPE_PARENT, 2, 0 },
	{ AIRSYNC_OPTIONS,                 AIRSYNC_FILTERTYPE,           EAS_SHAPE_NUMBER, 1, 0 },
	{ AIRSYNC_OPTIONS,                 AIRSYNC_CLASS,                EAS_SHAPE_TEXT,   1, 0 },
	{ AIRSYNC_OPTIONS,                 AIRSYNC_MAXITEMS,             EAS_SHAPE_NUMBER, 1, 0 },
	/* clang-format on */
};

struct wanted {
	struct span id, key;
	bool has_filter, has_mode;
	unsigned int filter, mode;
};

static int read_filter(const struct wbxml_node *node, struct wanted *w)
{
	uint64_t filter;
	int r = wbxml_child_uint(node, AIRSYNC_FILTERTYPE, EAS_FILTER_MAX, &filter);

	if (r > 0) {
		w->has_filter = true;
		w->filter = (unsigned int) filter;
	}
	return r;
}

static void read_mode(const struct wbxml_node *node, struct wanted *w)
{
	bool mode = false;

	w->has_mode = wbxml_child(node, AIRSYNC_CONVERSATIONMODE) &&
	              wbxml_child_bool(node, AIRSYNC_CONVERSATIONMODE, false, &mode) >= 0;
	w->mode = mode ? EAS_FILTER_CONVERSATIONS : 0;
}

static bool read_collection(const struct wbxml_node *node, struct wanted *w)
{
	const struct wbxml_node *o = wbxml_child(node, AIRSYNC_OPTIONS);

	*w = (struct wanted){ .id = wbxml_child_text(node, GETITEMESTIMATE_COLLECTIONID),
		              .key = wbxml_child_text(node, AIRSYNC_SYNCKEY) };
	read_mode(node, w);
	for (; o; o = wbxml_again(o))
		if (eas_sync_options_are_mail(o) && read_filter(o, w) < 0)
			return false;
	return w->id.len && wbxml_child(node, AIRSYNC_SYNCKEY) && read_filter(node, w) >= 0;
}

static bool fits(const struct wbxml_node *body, size_t *ret_n)
{
	const struct wbxml_node *c =
		wbxml_child(wbxml_child(body, GETITEMESTIMATE_COLLECTIONS), GETITEMESTIMATE_COLLECTION);
	struct wanted w;
	size_t n = 0;

	if (!eas_shape_fits(body, rows, ARRAY_SIZE(rows)))
		return false;
	for (; c; c = wbxml_again(c), n++)
		if (!read_collection(c, &w))
			return false;
	*ret_n = n;
	return n > 0 && n <= EAS_COLLECTIONS_MAX;
}

static void write_response(struct eas_request *rq, const struct wanted *w, unsigned int status, uint64_t n)
{
	wbxml_open(&rq->out, GETITEMESTIMATE_RESPONSE);
	wbxml_uint(&rq->out, GETITEMESTIMATE_STATUS, status);
	if (status == ESTIMATE_OK) {
		wbxml_open(&rq->out, GETITEMESTIMATE_COLLECTION);
		if (rq->version < EAS_14_0)
			wbxml_str(&rq->out, GETITEMESTIMATE_CLASS, "Email");
		wbxml_text(&rq->out, GETITEMESTIMATE_COLLECTIONID, w->id);
		wbxml_uint(&rq->out, GETITEMESTIMATE_ESTIMATE, n);
		wbxml_close(&rq->out);
	}
	wbxml_close(&rq->out);
}

static int estimate(struct eas_request *rq, const struct eas_sync_folders *folders, const struct wanted *w,
                    struct err *err)
{
	static const unsigned int statuses[] = { [EAS_PEEKED] = ESTIMATE_OK,
		                                 [EAS_PEEK_NOT_PRIMED] = ESTIMATE_NOT_PRIMED,
		                                 [EAS_PEEK_BAD_KEY] = ESTIMATE_BAD_KEY };
	struct eas_sync_folder folder;
	struct eas_state stored = { 0 };
	struct eas_peek p = { .folder = &folder,
		              .stored = &stored,
		              .key = w->key,
		              .has_filter = w->has_filter,
		              .has_mode = w->has_mode && rq->version >= EAS_14_0,
		              .filter = w->filter,
		              .mode = w->mode };
	struct eas_peek_result found = { .how = EAS_PEEKED };
	int r = eas_sync_folders_find(rq, folders, w->id, &folder);

	if (r == 0) {
		stored.name = eas_folder_state_name(rq, folder.place.folder_id);
		r = stored.name ? eas_states_load(rq, &stored, 1, err) : -POD_E_NOMEM;
	}
	if (r == 0 && w->key.len == 0)
		found.how = EAS_PEEK_BAD_KEY;
	else if (r == 0)
		r = eas_peek_count(rq, &p, &found, err);
	if (r == -POD_E_NOTFOUND)
		write_response(rq, w, ESTIMATE_NO_FOLDER, 0);
	else if (r == 0)
		write_response(rq, w, statuses[found.how], found.n);
	return r == -POD_E_NOTFOUND ? 0 : r;
}

void eas_cmd_get_item_estimate(struct eas_request *rq)
{
	const struct wbxml_node *c =
		wbxml_child(wbxml_child(rq->body, GETITEMESTIMATE_COLLECTIONS), GETITEMESTIMATE_COLLECTION);
	struct eas_sync_folders folders;
	struct wanted w;
	struct err err = { 0 };
	size_t n;
	int r;

	if (!fits(rq->body, &n)) {
		eas_answer_status(rq, GETITEMESTIMATE_GETITEMESTIMATE, EAS_STATUS_INVALID_XML);
		return;
	}
	r = eas_sync_folders_load(rq, &folders, &err);
	if (r == 0)
		wbxml_open(&rq->out, GETITEMESTIMATE_GETITEMESTIMATE);
	for (; r == 0 && c; c = wbxml_again(c))
		if (read_collection(c, &w))
			r = estimate(rq, &folders, &w, &err);
	if (r == 0)
		wbxml_close(&rq->out);
	else
		eas_answer_error(rq, GETITEMESTIMATE_GETITEMESTIMATE, r);
}

#include "imapd/eas/sync/request.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "imapd/eas/eas.h"
#include "imapd/eas/state/sync_key.h"
#include "imapd/eas/sync/filter.h"
#include "imapd/eas/sync/shape.h"

#define ID_MAX 64u /* MS-ASCMD 2.2.3.30.5 */

static const struct eas_shape_row rows[] = {
	/* clang-format off */
	{ AIRSYNC_SYNC,        AIRSYNC_COLLECTIONS,       EAS_SHAPE_PARENT, 1, 0 },
	{ AIRSYNC_SYNC,        AIRSYNC_WAIT,              EAS_SHAPE_NUMBER, 1, 0 },
	{ AIRSYNC_SYNC,        AIRSYNC_HEARTBEATINTERVAL, EAS_SHAPE_NUMBER, 1, 0 },
	{ AIRSYNC_SYNC,        AIRSYNC_WINDOWSIZE,        EAS_SHAPE_NUMBER, 1, 0 },
	{ AIRSYNC_SYNC,        AIRSYNC_PARTIAL,           EAS_SHAPE_EMPTY,  1, 0 },
	{ AIRSYNC_COLLECTIONS, AIRSYNC_COLLECTION,        EAS_SHAPE_PARENT, EAS_SHAPE_MANY, 0 },
	{ AIRSYNC_COLLECTION,  AIRSYNC_CLASS,             EAS_SHAPE_TEXT,   1, 0 },
	{ AIRSYNC_COLLECTION,  AIRSYNC_SYNCKEY,           EAS_SHAPE_ANY,    1, 0 },
	{ AIRSYNC_COLLECTION,  AIRSYNC_NOTIFYGUID,        EAS_SHAPE_ANY,    1, 0 },
	{ AIRSYNC_COLLECTION,  AIRSYNC_COLLECTIONID,      EAS_SHAPE_TEXT,   1, 0 },
	{ AIRSYNC_COLLECTION,  AIRSYNC_SUPPORTED,         EAS_SHAPE_ANY,    1, 0 },
	{ AIRSYNC_COLLECTION,  AIRSYNC_DELETESASMOVES,    EAS_SHAPE_BOOL,   1, 0 },
	{ AIRSYNC_COLLECTION,  AIRSYNC_GETCHANGES,        EAS_SHAPE_BOOL,   1, 0 },
	{ AIRSYNC_COLLECTION,  AIRSYNC_WINDOWSIZE,        EAS_SHAPE_NUMBER, 1, 0 },
	{ AIRSYNC_COLLECTION,  AIRSYNC_CONVERSATIONMODE,  EAS_SHAPE_BOOL,   1, 0 },
	{ AIRSYNC_COLLECTION,  AIRSYNC_OPTIONS,           EAS_SHAPE_PARENT, 2, 0 },
	{ AIRSYNC_COLLECTION,  AIRSYNC_COMMANDS,          EAS_SHAPE_PARENT, 1, 0 },
	{ AIRSYNC_OPTIONS,     AIRSYNC_FILTERTYPE,        EAS_SHAPE_NUMBER, 1, 0 },
	{ AIRSYNC_OPTIONS,     AIRSYNC_CLASS,             EAS_SHAPE_TEXT,   1, 0 },
	{ AIRSYNC_OPTIONS,     AIRSYNC_CONFLICT,          EAS_SHAPE_NUMBER, 1, 0 },
	{ AIRSYNC_OPTIONS,     AIRSYNC_MIMESUPPORT,       EAS_SHAPE_NUMBER, 1, 0 },
	{ AIRSYNC_OPTIONS,     AIRSYNC_MIMETRUNCATION,    EAS_SHAPE_NUMBER, 1, 0 },
	{ AIRSYNC_OPTIONS,     AIRSYNC_TRUNCATION,        EAS_SHAPE_NUMBER, 1, 0 },
	{ AIRSYNC_OPTIONS,     AIRSYNC_RTFTRUNCATION,     EAS_SHAPE_NUMBER, 1, 0 },
	{ AIRSYNC_OPTIONS,     AIRSYNC_MAXITEMS,          EAS_SHAPE_NUMBER, 1, 0 },
	{ AIRSYNC_OPTIONS,     RIGHTSMANAGEMENT_RIGHTSMANAGEMENTSUPPORT, EAS_SHAPE_BOOL, 1, 0 },
	{ AIRSYNC_OPTIONS,     AIRSYNCBASE_BODYPREFERENCE,     EAS_SHAPE_PARENT, EAS_SHAPE_MANY, 0 },
	{ AIRSYNC_OPTIONS,     AIRSYNCBASE_BODYPARTPREFERENCE, EAS_SHAPE_PARENT, 1, 0 },
	{ AIRSYNCBASE_BODYPREFERENCE, AIRSYNCBASE_TYPE,           EAS_SHAPE_NUMBER, 1, 1 },
	{ AIRSYNCBASE_BODYPREFERENCE, AIRSYNCBASE_TRUNCATIONSIZE, EAS_SHAPE_NUMBER, 1, 2 },
	{ AIRSYNCBASE_BODYPREFERENCE, AIRSYNCBASE_ALLORNONE,      EAS_SHAPE_BOOL,   1, 3 },
	{ AIRSYNCBASE_BODYPREFERENCE, AIRSYNCBASE_PREVIEW,        EAS_SHAPE_NUMBER, 1, 4 },
	{ AIRSYNCBASE_BODYPARTPREFERENCE, AIRSYNCBASE_TYPE,           EAS_SHAPE_NUMBER, 1, 1 },
	{ AIRSYNCBASE_BODYPARTPREFERENCE, AIRSYNCBASE_TRUNCATIONSIZE, EAS_SHAPE_NUMBER, 1, 2 },
	{ AIRSYNCBASE_BODYPARTPREFERENCE, AIRSYNCBASE_ALLORNONE,      EAS_SHAPE_BOOL,   1, 3 },
	{ AIRSYNCBASE_BODYPARTPREFERENCE, AIRSYNCBASE_PREVIEW,        EAS_SHAPE_NUMBER, 1, 4 },
	{ AIRSYNC_COMMANDS,    AIRSYNC_ADD,               EAS_SHAPE_ANY,    EAS_SHAPE_MANY, 0 },
	{ AIRSYNC_COMMANDS,    AIRSYNC_CHANGE,            EAS_SHAPE_ANY,    EAS_SHAPE_MANY, 0 },
	{ AIRSYNC_COMMANDS,    AIRSYNC_DELETE,            EAS_SHAPE_ANY,    EAS_SHAPE_MANY, 0 },
	{ AIRSYNC_COMMANDS,    AIRSYNC_FETCH,             EAS_SHAPE_ANY,    EAS_SHAPE_MANY, 0 },
	/* clang-format on */
};

/* ---- options ---- */

bool eas_sync_options_are_mail(const struct wbxml_node *options)
{
	struct span class = wbxml_child_text(options, AIRSYNC_CLASS);

	return class.len == 0 || span_eq(class, SPAN_LIT("Email"));
}

static int read_block(const struct wbxml_node *options, struct eas_sync_options *o)
{
	uint64_t filter = o->filter, conflict = o->conflict;
	int r = wbxml_child_uint(options, AIRSYNC_FILTERTYPE, EAS_FILTER_MAX, &filter);

	if (r >= 0)
		r = wbxml_child_uint(options, AIRSYNC_CONFLICT, 1, &conflict);
	if (r < 0)
		return -POD_E_SYNTAX;
	o->filter = (unsigned int) filter;
	o->conflict = (unsigned int) conflict;
	return 0;
}

int eas_sync_options_read(const struct wbxml_node *options, struct eas_sync_options *o)
{
	int r = 0;

	for (; r == 0 && options; options = wbxml_again(options)) {
		struct span class = wbxml_child_text(options, AIRSYNC_CLASS);
		const struct wbxml_node *other = wbxml_again(options);

		if (other && span_eq(class, wbxml_child_text(other, AIRSYNC_CLASS)))
			return -POD_E_SYNTAX; /* one block for each class */
		if (eas_sync_options_are_mail(options))
			r = read_block(options, o);
		else if (!span_eq(class, SPAN_LIT("SMS")))
			r = -POD_E_SYNTAX;
	}
	return r;
}

/* ---- collections ---- */

static unsigned int window_of(uint64_t n)
{
	return n == 0 || n > EAS_WINDOW_MAX ? EAS_WINDOW_MAX : (unsigned int) n;
}

static const char *string(struct arena *a, const struct wbxml_node *node, enum wbxml_tag tag)
{
	return arena_str(a, wbxml_child_text(node, tag));
}

static bool class_fits(const struct eas_sync_collection *c)
{
	return !c->class || span_eq(span_of(c->class), SPAN_LIT("Email"));
}

/* A command that does not say what it is about could not be answered: there is nothing to name it by. */
static bool commands_have_ids(const struct wbxml_node *commands)
{
	for (const struct wbxml_node *c = commands ? commands->first : NULL; c; c = c->next)
		if (wbxml_child_text(c, c->tag == AIRSYNC_ADD ? AIRSYNC_CLIENTID : AIRSYNC_SERVERID).len == 0)
			return false;
	return true;
}

/* What is wrong with it by itself; 0: nothing. */
static int check(const struct wbxml_node *node, const struct eas_sync_collection *c)
{
	struct eas_sync_options o = { 0 };
	bool begins = strcmp(c->key, "0") == 0;

	if (!*c->id || strlen(c->id) > ID_MAX || !wbxml_child(node, AIRSYNC_SYNCKEY) ||
	    strlen(c->key) > EAS_SYNC_KEY_MAX)
		return -POD_E_SYNTAX;
	if (c->commands && (begins || !c->commands->first))
		return -POD_E_SYNTAX;
	if (wbxml_child(node, AIRSYNC_SUPPORTED) && !begins)
		return -POD_E_SYNTAX;
	if (!class_fits(c) || !commands_have_ids(c->commands))
		return -POD_E_SYNTAX;
	return eas_sync_options_read(c->options, &o);
}

static int read_collection(const struct wbxml_node *node, struct arena *a, struct eas_sync_collection *c)
{
	uint64_t window = EAS_WINDOW_DEFAULT;
	struct span class = wbxml_child_text(node, AIRSYNC_CLASS);
	int r;

	*c = (struct eas_sync_collection){ .id = string(a, node, AIRSYNC_COLLECTIONID),
		                           .key = string(a, node, AIRSYNC_SYNCKEY),
		                           .options = wbxml_child(node, AIRSYNC_OPTIONS),
		                           .commands = wbxml_child(node, AIRSYNC_COMMANDS),
		                           .listed = true };
	c->class = class.p ? arena_str(a, class) : NULL;
	if (!c->id || !c->key || (class.p && !c->class))
		return -POD_E_NOMEM;
	r = wbxml_child_uint(node, AIRSYNC_WINDOWSIZE, UINT64_MAX, &window);
	if (r >= 0)
		r = wbxml_child_bool(node, AIRSYNC_GETCHANGES, strcmp(c->key, "0") != 0, &c->get_changes);
	if (r >= 0)
		r = wbxml_child_bool(node, AIRSYNC_DELETESASMOVES, true, &c->deletes_as_moves);
	if (r >= 0)
		r = wbxml_child_bool(node, AIRSYNC_CONVERSATIONMODE, false, &c->conversations);
	c->window = window_of(window);
	return r < 0 ? -POD_E_SYNTAX : check(node, c);
}

static bool is_twice(const struct eas_sync_request *rq, const char *id)
{
	for (size_t i = 0; i < rq->n; i++)
		if (strcmp(rq->collections[i].id, id) == 0)
			return true;
	return false;
}

static int read_collections(const struct wbxml_node *list, struct arena *a, struct eas_sync_request *rq,
                            struct eas_sync_refusal *refusal)
{
	size_t n = 0;

	for (const struct wbxml_node *c = wbxml_child(list, AIRSYNC_COLLECTION); c; c = wbxml_again(c))
		n++;
	if (n > EAS_COLLECTIONS_MAX) {
		*refusal = (struct eas_sync_refusal){ EAS_SYNC_TOO_MANY, EAS_COLLECTIONS_MAX };
		return -POD_E_SYNTAX;
	}
	rq->collections = arena_array(a, n ? n : 1, sizeof(*rq->collections));
	if (!rq->collections)
		return -POD_E_NOMEM;
	for (const struct wbxml_node *node = wbxml_child(list, AIRSYNC_COLLECTION); node;
	     node = wbxml_again(node)) {
		struct eas_sync_collection c;
		int r = read_collection(node, a, &c);

		if (r == 0 && is_twice(rq, c.id))
			r = -POD_E_SYNTAX;
		if (r < 0)
			return r;
		rq->has_commands |= c.commands != NULL;
		rq->collections[rq->n++] = c;
	}
	return 0;
}

/* ---- the whole ---- */

/* The nearest value that is allowed is told where it is not. */
static bool wait_fits(uint64_t value, unsigned int min, unsigned int max, struct eas_sync_refusal *refusal)
{
	if (value >= min && value <= max)
		return true;
	*refusal = (struct eas_sync_refusal){ EAS_SYNC_WAIT, value < min ? min : max };
	return false;
}

static int read_wait(const struct wbxml_node *root, struct eas_sync_request *rq,
                     struct eas_sync_refusal *refusal)
{
	uint64_t wait = 0, heartbeat = 0;
	int has_wait = wbxml_child_uint(root, AIRSYNC_WAIT, UINT64_MAX, &wait);
	int has_heartbeat = wbxml_child_uint(root, AIRSYNC_HEARTBEATINTERVAL, UINT64_MAX, &heartbeat);

	if (has_wait < 0 || has_heartbeat < 0 || (has_wait && has_heartbeat))
		return -POD_E_SYNTAX;
	if ((has_wait && !wait_fits(wait, EAS_WAIT_MIN, EAS_WAIT_MAX, refusal)) ||
	    (has_heartbeat && !wait_fits(heartbeat, EAS_HEARTBEAT_MIN, EAS_HEARTBEAT_MAX, refusal)))
		return -POD_E_SYNTAX;
	rq->wait_s = (unsigned int) (has_wait ? wait * 60 : heartbeat);
	return 0;
}

static int read_root(const struct wbxml_node *root, struct eas_sync_request *rq,
                     struct eas_sync_refusal *refusal)
{
	uint64_t window = 0;
	int r = wbxml_child_uint(root, AIRSYNC_WINDOWSIZE, UINT64_MAX, &window);

	if (r < 0)
		return -POD_E_SYNTAX;
	rq->window = r > 0 ? window_of(window) : 0;
	rq->partial = wbxml_child(root, AIRSYNC_PARTIAL) != NULL;
	/* One that says nothing, and a Partial that says nothing beside. */
	if (!wbxml_child(root, AIRSYNC_COLLECTIONS) && (!rq->partial || !root->first->next))
		return -POD_E_SYNTAX;
	return read_wait(root, rq, refusal);
}

int eas_sync_request_read(const struct wbxml_node *root, struct arena *a,
                          struct eas_sync_request *ret_request, struct eas_sync_refusal *ret_refusal)
{
	struct eas_sync_request rq = { 0 };
	const struct wbxml_node *list = wbxml_child(root, AIRSYNC_COLLECTIONS);
	int r = -POD_E_SYNTAX;

	*ret_refusal = (struct eas_sync_refusal){ EAS_SYNC_PROTOCOL, 0 };
	if (root->tag == AIRSYNC_SYNC && eas_shape_fits(root, rows, ARRAY_SIZE(rows)))
		r = read_root(root, &rq, ret_refusal);
	if (r == 0 && list)
		r = read_collections(list, a, &rq, ret_refusal);
	if (r == 0 && list && rq.n == 0 && !rq.partial)
		r = -POD_E_SYNTAX;
	if (r == 0)
		*ret_request = rq;
	return r;
}

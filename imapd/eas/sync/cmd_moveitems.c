/* MoveItems (MS-ASCMD 2.2.1.12). A move is folded into the device's states of both folders (fold.h). */
#include "base/cleanup.h"
#include "base/id.h"
#include "imapd/eas/folder/folder.h"
#include "imapd/eas/sync/client.h"
#include "imapd/eas/sync/commands.h"
#include "imapd/eas/sync/fold.h"
#include "imapd/eas/sync/look.h"
#include "imapd/eas/sync/shape.h"
#include "imapd/eas/sync/states.h"

#define MEMORY    ((size_t) 256 << 20)
#define TRIES_MAX 8
#define MOVES_MAX 1000u

enum {
	MOVE_BAD_SOURCE = 1,
	MOVE_BAD_TARGET = 2,
	MOVE_DONE = 3,
	MOVE_SAME_FOLDER = 4,
	MOVE_FAILED = 5,
};

static const struct eas_shape_row rows[] = {
	/* clang-format off */
	{ MOVE_MOVEITEMS, MOVE_MOVE,     EAS_SHAPE_PARENT, EAS_SHAPE_MANY, 0 },
	{ MOVE_MOVE,      MOVE_SRCMSGID, EAS_SHAPE_TEXT,   1, 0 },
	{ MOVE_MOVE,      MOVE_SRCFLDID, EAS_SHAPE_TEXT,   1, 0 },
	{ MOVE_MOVE,      MOVE_DSTFLDID, EAS_SHAPE_TEXT,   EAS_SHAPE_MANY, 0 },
	/* clang-format on */
};

struct move {
	const struct wbxml_node *node;
	unsigned int status;
	const char *from_id, *to_id; /* as the device says them; NULL where it says none */
	struct eas_sync_folder from, to;
	uint32_t uid, to_uid;
	bool moved_now;           /* by this request: to be folded */
	uint32_t flags, to_flags; /* before and after it */
};

struct moving {
	struct eas_request *rq;
	struct arena *a;
	struct eas_sync_folders folders;
	struct move *moves;
	size_t n;
};

/* ---- one move ---- */

static int flags_of(struct moving *m, const struct eas_sync_folder *folder, uint32_t uid, uint32_t *ret,
                    struct err *err)
{
	struct eas_look_rows found;
	int r = eas_look_rows(m->rq, m->a, &folder->place, &uid, 1, EAS_ITEM_CHANGE_COLUMNS, &found, err);

	if (r == 0 && found.n == 0)
		r = err_set(err, POD_E_NOTFOUND, "the message is no more");
	if (r == 0)
		*ret = found.rows[0].item.flags;
	return r;
}

static const char *read_id(struct moving *m, struct span text)
{
	struct guid id;

	return guid_parse(text, &id) == 0 ? arena_str(m->a, text) : NULL;
}

/* What it is about; a status where that is nothing. */
static unsigned int read_move(struct moving *m, struct move *mv)
{
	const struct wbxml_node *target = wbxml_child(mv->node, MOVE_DSTFLDID);
	struct span folder;

	if (eas_item_parse_server_id(wbxml_child_text(mv->node, MOVE_SRCMSGID), &folder, &mv->uid) < 0 ||
	    !span_eq(folder, wbxml_child_text(mv->node, MOVE_SRCFLDID)))
		return MOVE_BAD_SOURCE;
	if (wbxml_again(target))
		return MOVE_FAILED;
	mv->from_id = read_id(m, folder);
	mv->to_id = read_id(m, target->text);
	if (eas_sync_folders_find(m->rq, &m->folders, folder, &mv->from) < 0)
		return MOVE_BAD_SOURCE;
	if (eas_sync_folders_find(m->rq, &m->folders, target->text, &mv->to) < 0)
		return MOVE_BAD_TARGET;
	return mv->from.place.mailbox == mv->to.place.mailbox ? MOVE_SAME_FOLDER : 0;
}

static bool is_fatal(int r)
{
	return r == -POD_E_UNAVAILABLE || r == -POD_E_TIMEOUT || r == -POD_E_AUTH || r == -POD_E_NOMEM;
}

/*
 * What is not there may be what this device moved when its answer was lost: then it is answered as the first
 * time, also where one of the two folders is gone since. Its states are folded already, so that it would
 * never hear that the message is not where it was. Else the status stays.
 */
static int find_moved(struct moving *m, struct move *mv, struct err *err)
{
	struct eas_state stored = { 0 };
	struct eas_collection_state state;
	const struct eas_moved *moved = NULL;
	int r;

	if (!mv->from_id || !mv->to_id)
		return 0;
	stored.name = eas_folder_state_name(m->rq, mv->from_id);
	r = stored.name ? eas_states_load(m->rq, &stored, 1, err) : err_set(err, POD_E_NOMEM, "move");
	if (r == 0 && stored.version && eas_collection_decode(stored.value, m->a, &state) == 0)
		moved = eas_collection_find_moved(&state, mv->uid);
	if (moved && strcmp(moved->to_folder, mv->to_id) == 0) {
		mv->to_uid = moved->to_uid;
		mv->status = MOVE_DONE;
	}
	return r;
}

/* The store answers a repeated move from its own memory: also then it is to be folded, for it may not have
 * been. */
static int move_one(struct moving *m, struct move *mv, struct err *err)
{
	int r = flags_of(m, &mv->from, mv->uid, &mv->flags, err);
	bool was_there = r == 0;

	if (r == 0 || r == -POD_E_NOTFOUND)
		r = eas_client_move(m->rq, &mv->from, mv->uid, &mv->to, &mv->to_uid, err);
	if (r == 0)
		r = flags_of(m, &mv->to, mv->to_uid, &mv->to_flags, err);
	if (r == 0) {
		if (!was_there)
			mv->flags = mv->to_flags;
		mv->status = MOVE_DONE;
		mv->moved_now = true;
		return 0;
	}
	if (is_fatal(r))
		return r;
	mv->status = r == -POD_E_NOTFOUND ? MOVE_BAD_SOURCE : MOVE_FAILED;
	return r == -POD_E_NOTFOUND ? find_moved(m, mv, err) : 0;
}

static int move_all(struct moving *m, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->n; i++) {
		struct move *mv = &m->moves[i];

		mv->status = read_move(m, mv);
		if (mv->status == 0)
			r = move_one(m, mv, err);
		else if (mv->status == MOVE_BAD_SOURCE || mv->status == MOVE_BAD_TARGET)
			r = find_moved(m, mv, err);
	}
	return r;
}

/* ---- folding ---- */

struct fold {
	struct eas_state *states; /* one for each folder */
	struct eas_collection_state *collections;
	const char **ids;
	size_t n;
};

static int fold_index(struct moving *m, struct fold *f, const char *id)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->ids[i], id) == 0)
			return 0;
	f->ids[f->n] = id;
	f->states[f->n] = (struct eas_state){ .name = eas_folder_state_name(m->rq, id) };
	return f->states[f->n++].name ? 0 : -POD_E_NOMEM;
}

static struct eas_collection_state *fold_find(const struct fold *f, const char *id)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->ids[i], id) == 0)
			return f->states[i].write ? &f->collections[i] : NULL;
	return NULL;
}

/* A device that does not synchronize a folder, or has to begin anew, has nothing to fold there. */
static int fold_load(struct moving *m, struct fold *f, struct err *err)
{
	int r;

	f->n = 0;
	f->ids = arena_array(m->a, 2 * m->n + 1, sizeof(*f->ids));
	f->states = arena_array(m->a, 2 * m->n + 1, sizeof(*f->states));
	f->collections = arena_array(m->a, 2 * m->n + 1, sizeof(*f->collections));
	if (!f->ids || !f->states || !f->collections)
		return err_set(err, POD_E_NOMEM, "move");
	for (size_t i = 0; i < m->n; i++)
		if (m->moves[i].moved_now && (fold_index(m, f, m->moves[i].from.place.folder_id) < 0 ||
		                              fold_index(m, f, m->moves[i].to.place.folder_id) < 0))
			return err_set(err, POD_E_NOMEM, "move");
	r = f->n ? eas_states_load(m->rq, f->states, f->n, err) : 0;
	for (size_t i = 0; r == 0 && i < f->n; i++)
		f->states[i].write = f->states[i].version &&
		                     eas_collection_decode(f->states[i].value, m->a, &f->collections[i]) == 0;
	return r;
}

static int fold_one(struct fold *f, const struct move *mv)
{
	struct eas_collection_state *from = fold_find(f, mv->from.place.folder_id);
	struct eas_collection_state *to = fold_find(f, mv->to.place.folder_id);
	const struct eas_fold fold = { mv->uid, mv->flags, mv->to_uid, mv->to_flags, mv->to.place.folder_id };
	uint32_t known = eas_engine_token(mv->to_flags);
	bool had = true;

	if (from && from->uidvalidity == mv->from.uidvalidity && eas_fold_out(from, &fold, &had, &known) < 0)
		return -POD_E_NOMEM;
	if (had && to && to->uidvalidity == mv->to.uidvalidity)
		eas_fold_in(to, &fold, known);
	return 0;
}

static int fold_save(struct moving *m, struct fold *f, struct err *err)
{
	for (size_t i = 0; i < f->n; i++) {
		struct buf bytes = BUF_INIT;

		if (!f->states[i].write)
			continue;
		eas_collection_encode(&f->collections[i], &bytes);
		f->states[i].value = bytes.failed ? SPAN_NONE : arena_dup(m->a, buf_span(&bytes));
		buf_done(&bytes);
		if (!f->states[i].value.p)
			return err_set(err, POD_E_NOMEM, "move");
	}
	return eas_states_save(m->rq, f->states, f->n, err);
}

/* A Sync of the device may write its states at the same time: then it is folded into those. */
static int fold_all(struct moving *m, struct err *err)
{
	struct fold f;
	int r = -POD_E_CONFLICT;

	for (int tries = 0; r == -POD_E_CONFLICT && tries < TRIES_MAX; tries++) {
		r = fold_load(m, &f, err);
		for (size_t i = 0; r == 0 && i < m->n; i++)
			if (m->moves[i].moved_now && fold_one(&f, &m->moves[i]) < 0)
				r = err_set(err, POD_E_NOMEM, "move");
		if (r == 0)
			r = fold_save(m, &f, err);
	}
	return r;
}

/* ---- the request ---- */

static int read_all(struct moving *m)
{
	const struct wbxml_node *node = wbxml_child(m->rq->body, MOVE_MOVE);

	for (const struct wbxml_node *c = node; c; c = wbxml_again(c)) {
		if (!wbxml_child(c, MOVE_SRCMSGID) || !wbxml_child(c, MOVE_SRCFLDID) ||
		    !wbxml_child(c, MOVE_DSTFLDID))
			return -POD_E_SYNTAX;
		m->n++;
	}
	if (m->n == 0 || m->n > MOVES_MAX)
		return -POD_E_SYNTAX;
	m->moves = arena_array(m->a, m->n, sizeof(*m->moves));
	if (!m->moves)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < m->n; i++, node = wbxml_again(node))
		m->moves[i].node = node;
	return 0;
}

static void write_answer(const struct moving *m)
{
	struct eas_request *rq = m->rq;

	wbxml_open(&rq->out, MOVE_MOVEITEMS);
	for (size_t i = 0; i < m->n; i++) {
		const struct move *mv = &m->moves[i];

		wbxml_open(&rq->out, MOVE_RESPONSE);
		wbxml_text(&rq->out, MOVE_SRCMSGID, wbxml_child_text(mv->node, MOVE_SRCMSGID));
		wbxml_uint(&rq->out, MOVE_STATUS, mv->status);
		if (mv->status == MOVE_DONE)
			wbxml_str(&rq->out, MOVE_DSTMSGID, eas_item_server_id(rq->a, mv->to_id, mv->to_uid));
		wbxml_close(&rq->out);
	}
	wbxml_close(&rq->out);
}

static int run(struct moving *m, struct err *err)
{
	int r = m->a ? read_all(m) : -POD_E_NOMEM;

	if (r < 0)
		return err_set(err, (enum pod_error) - r, "a request to move");
	r = eas_sync_folders_load(m->rq, &m->folders, err);
	if (r == 0)
		r = move_all(m, err);
	return r < 0 ? r : fold_all(m, err);
}

void eas_cmd_move_items(struct eas_request *rq)
{
	struct moving m = { .rq = rq, .a = arena_create(MEMORY) };
	struct err err = { 0 };
	int r = eas_shape_fits(rq->body, rows, ARRAY_SIZE(rows)) ? run(&m, &err) : -POD_E_SYNTAX;

	if (r == 0)
		write_answer(&m);
	else if (r == -POD_E_SYNTAX)
		eas_answer_status(rq, MOVE_MOVEITEMS, EAS_STATUS_INVALID_XML);
	else
		eas_answer_error(rq, MOVE_MOVEITEMS, r);
	(void) arena_free(m.a);
}

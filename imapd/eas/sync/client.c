/*
 * What a device did to a folder (MS-ASCMD 2.2.3.32): carried out in the order in which it says it, deletions
 * at the end and together, and answered where the protocol wants an answer. Repeated after a lost answer, all
 * of it has the same result: an Add is known by its ClientId, the others find things as they should be.
 */
#include "imapd/eas/sync/client.h"

#include "imapd/eas/sync/replaced.h"
#include "imapd/eas/sync/sync.h"

struct command {
	const struct wbxml_node *node;
	uint32_t uid;    /* what it is about; of an Add, what it made */
	uint32_t named;  /* of a draft that was replaced: what the device still calls it */
	bool known;      /* the device has the message */
	uint32_t before; /* flags before it, and */
	bool was_there;
	unsigned int status;
	struct eas_item_result result;
	bool repeated; /* an Add, or a Change of a draft, that was made before */
};

struct commands {
	struct eas_sync_part *part;
	struct command *items;
	size_t n;
};

/* ---- reading them ---- */

/* 0 where the id is of another folder, or none at all. */
static uint32_t uid_of(const struct eas_sync_part *part, const struct wbxml_node *node)
{
	struct span folder;
	uint32_t uid = 0;

	if (eas_item_parse_server_id(wbxml_child_text(node, AIRSYNC_SERVERID), &folder, &uid) < 0 ||
	    !span_eq(folder, span_of(part->folder.place.folder_id)))
		return 0;
	return uid;
}

/* A device that repeats a deletion has, as of the key before, what is gone since. */
static bool is_known(const struct eas_sync_part *part, uint32_t uid)
{
	return eas_uidset_get(&part->at->have, uid, NULL) ||
	       (part->state.has_before && eas_uidset_get(&part->state.before.have, uid, NULL));
}

/* What is not there under its name any more may be a draft that the device changed. */
static void follow(const struct eas_sync_part *part, struct command *c)
{
	struct eas_replaced r = { 0 };

	c->named = c->uid;
	if (part->folder.place.drafts && c->uid)
		r = eas_replaced_find(part, c->uid);
	if (!r.uid)
		return;
	c->known = true;
	c->repeated = r.repeated && c->node->tag == AIRSYNC_CHANGE;
	c->uid = r.uid;
}

static int read_all(struct commands *cs)
{
	const struct wbxml_node *list = cs->part->asked->commands;
	size_t n = 0;

	for (const struct wbxml_node *c = list->first; c; c = c->next)
		n++;
	cs->items = arena_array(cs->part->a, n + 1, sizeof(*cs->items));
	if (!cs->items)
		return -POD_E_NOMEM;
	for (const struct wbxml_node *node = list->first; node; node = node->next) {
		struct command *c = &cs->items[cs->n++];

		c->node = node;
		c->status = EAS_SYNC_OK;
		if (node->tag == AIRSYNC_ADD)
			continue;
		c->uid = uid_of(cs->part, node);
		c->known = c->uid && is_known(cs->part, c->uid);
		follow(cs->part, c);
		if (!c->known && node->tag != AIRSYNC_FETCH)
			c->status = EAS_SYNC_NOT_FOUND;
	}
	return 0;
}

/* Rows of the messages that some commands are about; one that several are about is asked for once. */
static int read_rows(struct commands *cs, bool (*wanted)(const struct command *c), uint32_t columns,
                     struct eas_look_rows *ret, struct err *err)
{
	uint32_t *uids = arena_array(cs->part->a, cs->n + 1, sizeof(*uids));
	size_t n = 0;

	if (!uids)
		return err_set(err, POD_E_NOMEM, "commands");
	for (size_t i = 0; i < cs->n; i++)
		if (wanted(&cs->items[i]))
			uids[n++] = cs->items[i].uid;
	return eas_look_rows(cs->part->run->rq, cs->part->a, &cs->part->folder.place, uids, n, columns, ret,
	                     err);
}

/* ---- changes ---- */

/* Bits of the flags that a Change's data is about. */
static uint32_t bits_of(const struct wbxml_node *data)
{
	uint32_t bits = 0;

	for (const struct wbxml_node *p = data ? data->first : NULL; p; p = p->next) {
		if (p->tag == EMAIL_READ)
			bits |= STORE_FLAG_SEEN;
		else if (p->tag == EMAIL_FLAG)
			bits |= STORE_FLAG_FLAGGED;
		else if (p->tag == EMAIL_CATEGORIES)
			bits |= ~(uint32_t) STORE_FLAGS_SYSTEM;
	}
	return eas_engine_token(bits);
}

/* Read is one bit: where both say the same there is nothing to quarrel about. */
static bool wants_the_same(const struct wbxml_node *data, uint32_t flags)
{
	struct span read = wbxml_child_text(data, EMAIL_READ);

	return read.p && span_eq(read, flags & STORE_FLAG_SEEN ? SPAN_LIT("1") : SPAN_LIT("0"));
}

/* Whether somebody else changed, since the device last heard, what it wants to change. */
static bool conflicts(const struct eas_sync_part *part, const struct command *c)
{
	const struct wbxml_node *data = wbxml_child(c->node, AIRSYNC_APPLICATIONDATA);
	uint32_t knows = 0, theirs;

	if (part->state.conflict == 0 || !eas_uidset_get(&part->at->have, c->uid, &knows))
		return false;
	theirs = (knows ^ eas_engine_token(c->before)) & bits_of(data);
	if (theirs == STORE_FLAG_SEEN && wants_the_same(data, c->before))
		return false;
	return theirs != 0;
}

static void carry_out_change(struct eas_sync_part *part, struct command *c)
{
	eas_item_change(part->run->rq, &part->folder.place, c->uid, c->node, &c->result);
	c->status = c->result.status;
	part->acted |= c->status == EAS_SYNC_OK;
	if (c->status != EAS_SYNC_OK)
		eas_engine_refuse(part->at, c->uid, c->status);
}

/* 0, or -POD_E_NOMEM. */
static int change(struct eas_sync_part *part, struct command *c)
{
	if (c->repeated) {
		c->result.uid = 0; /* the device hears of what it became, not of what it was */
		return 0;
	}
	if (!wbxml_child(c->node, AIRSYNC_APPLICATIONDATA) && !wbxml_child(c->node, EMAIL2_SEND)) {
		c->status = EAS_SYNC_PROTOCOL;
	} else if (!c->was_there &&
	           !wbxml_child(c->node, EMAIL2_SEND)) { /* one that was sent is gone: item.h knows */
		c->status = EAS_SYNC_NOT_FOUND;
	} else if (part->at == &part->state.now && eas_engine_refusal(part->at, c->uid)) {
		c->status = eas_engine_refusal(part->at, c->uid);
	} else if (conflicts(part, c)) {
		c->status = EAS_SYNC_CONFLICT;
		eas_engine_refuse_conflict(part->at, c->uid, c->status);
	} else {
		carry_out_change(part, c);
	}
	if (c->status != EAS_SYNC_OK || c->result.gone || c->result.uid == c->uid)
		return 0;
	return eas_replaced_remember(part, c->named, c->result.uid);
}

/* ---- adds ---- */

static const struct eas_client_add *made_before(const struct eas_sync_part *part, struct span client_id)
{
	const struct eas_client_add *add = eas_generation_client_add(part->at, client_id);

	if (!add && part->how == EAS_SYNC_AGAIN)
		add = eas_generation_client_add(&part->state.now, client_id);
	return add;
}

static int add(struct eas_sync_part *part, struct command *c)
{
	struct span id = wbxml_child_text(c->node, AIRSYNC_CLIENTID);
	const struct eas_client_add *before = made_before(part, id);
	struct eas_client_add made;

	if (id.len > EAS_CLIENT_ID_MAX || !wbxml_child(c->node, AIRSYNC_APPLICATIONDATA)) {
		c->status = EAS_SYNC_PROTOCOL;
		return 0;
	}
	if (before) {
		c->uid = before->uid;
		c->status = before->status;
		c->repeated = true;
		if (c->uid)
			eas_item_added(part->run->rq, &part->folder.place, c->uid, c->node, &c->result);
	} else {
		eas_item_add(part->run->rq, &part->folder.place, c->node, &c->result);
		c->uid = c->result.gone ? 0 : c->result.uid;
		c->status = c->result.status;
	}
	if (c->status != EAS_SYNC_OK)
		return 0;
	part->acted = true;
	made = (struct eas_client_add){ arena_str(part->a, id), c->uid, c->status };
	if (!made.client_id)
		return -POD_E_NOMEM;
	return before && before == eas_generation_client_add(part->at, id)
	               ? 0
	               : eas_generation_remember_add(part->at, part->a, &made);
}

/* ---- all but deletions ---- */

static bool is_change(const struct command *c)
{
	return c->node->tag == AIRSYNC_CHANGE && c->status == EAS_SYNC_OK;
}

static int carry_out(struct commands *cs, struct err *err)
{
	struct eas_look_rows rows;
	int r = read_rows(cs, is_change, EAS_ITEM_CHANGE_COLUMNS, &rows, err);

	for (size_t i = 0; r == 0 && i < cs->n; i++) {
		struct command *c = &cs->items[i];
		const struct eas_look_row *row = eas_look_find(&rows, c->uid);

		c->was_there = row != NULL;
		c->before = row ? row->item.flags : 0;
		if (c->node->tag == AIRSYNC_ADD)
			r = add(cs->part, c);
		else if (is_change(c))
			r = change(cs->part, c);
	}
	return r < 0 && !(err && err->code) ? err_set(err, POD_E_NOMEM, "commands") : r;
}

/* ---- what the device now has ---- */

static bool is_to_know(const struct command *c)
{
	return c->status == EAS_SYNC_OK && c->uid &&
	       (c->node->tag == AIRSYNC_ADD ||
	        (c->node->tag == AIRSYNC_CHANGE && c->result.uid == c->uid && !c->result.gone));
}

/* Of its own message it knows what it said, and that a draft is read; others may have changed it since it was
 * added. */
static uint32_t known_of_add(const struct eas_sync_part *part, const struct command *c, uint32_t has)
{
	const uint32_t bits = bits_of(wbxml_child(c->node, AIRSYNC_APPLICATIONDATA));
	uint32_t knew;

	if (c->repeated && eas_uidset_get(&part->state.now.have, c->uid, &knew))
		return knew;
	return (has & bits) | ((STORE_FLAG_SEEN | STORE_FLAG_DRAFT) & ~bits);
}

static void know(struct eas_sync_part *part, const struct command *c, uint32_t flags)
{
	uint32_t has = eas_engine_token(flags);

	if (c->node->tag == AIRSYNC_CHANGE)
		eas_engine_own_change(part->at, c->uid,
		                      bits_of(wbxml_child(c->node, AIRSYNC_APPLICATIONDATA)), c->before,
		                      flags, c->result.modseq);
	else
		eas_engine_own(part->at, c->uid, known_of_add(part, c, has), has, c->result.modseq);
}

static int know_all(struct commands *cs, struct err *err)
{
	struct eas_look_rows rows;
	int r = read_rows(cs, is_to_know, EAS_ITEM_CHANGE_COLUMNS, &rows, err);

	for (size_t i = 0; r == 0 && i < cs->n; i++) {
		const struct command *c = &cs->items[i];
		const struct eas_look_row *row;

		if (!is_to_know(c))
			continue;
		row = eas_look_find(&rows, c->uid);
		if (row)
			know(cs->part, c, row->item.flags);
		else if (c->node->tag == AIRSYNC_ADD)
			eas_engine_own_removed(cs->part->at, c->uid);
	}
	return r;
}

/* ---- deletions ---- */

static bool is_deletion(const struct command *c)
{
	return c->node->tag == AIRSYNC_DELETE && c->status == EAS_SYNC_OK;
}

static int delete_all(struct commands *cs, struct err *err)
{
	struct eas_sync_part *part = cs->part;
	uint32_t *uids = arena_array(part->a, cs->n + 1, sizeof(*uids));
	size_t n = 0;
	int r;

	if (!uids)
		return err_set(err, POD_E_NOMEM, "commands");
	for (size_t i = 0; i < cs->n; i++)
		if (is_deletion(&cs->items[i]))
			uids[n++] = cs->items[i].uid;
	if (n == 0)
		return 0;
	r = eas_client_delete(part->run->rq, part->a, &part->run->folders, &part->folder,
	                      part->asked->deletes_as_moves, uids, n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		eas_engine_own_gone(part->at, uids[i]);
	part->acted |= r == 0;
	if (r == 0 || r == -POD_E_UNAVAILABLE || r == -POD_E_TIMEOUT || r == -POD_E_AUTH || r == -POD_E_NOMEM)
		return r;
	for (size_t i = 0; i < cs->n; i++)
		if (is_deletion(&cs->items[i]))
			cs->items[i].status =
				r == -POD_E_QUOTA || r == -POD_E_NOSPACE ? EAS_SYNC_NO_ROOM : EAS_SYNC_SERVER;
	return 0;
}

/* ---- answers ---- */

static bool is_answered(const struct command *c)
{
	return c->node->tag == AIRSYNC_ADD || c->node->tag == AIRSYNC_FETCH || c->status != EAS_SYNC_OK ||
	       c->result.files_n > 0;
}

static bool is_fetch(const struct command *c)
{
	return c->node->tag == AIRSYNC_FETCH && c->status == EAS_SYNC_OK && c->uid;
}

static void write_ids(struct eas_sync_part *part, const struct command *c)
{
	struct eas_request *rq = part->run->rq;

	if (c->node->tag == AIRSYNC_ADD) {
		if (wbxml_child(c->node, AIRSYNC_CLASS) && rq->version >= EAS_14_0)
			wbxml_text(&rq->out, AIRSYNC_CLASS, wbxml_child_text(c->node, AIRSYNC_CLASS));
		wbxml_text(&rq->out, AIRSYNC_CLIENTID, wbxml_child_text(c->node, AIRSYNC_CLIENTID));
		if (c->status == EAS_SYNC_OK && c->uid)
			wbxml_str(&rq->out, AIRSYNC_SERVERID,
			          eas_item_server_id(rq->a, part->folder.place.folder_id, c->uid));
	} else {
		wbxml_text(&rq->out, AIRSYNC_SERVERID, wbxml_child_text(c->node, AIRSYNC_SERVERID));
	}
}

/* By what name a file that was attached is known from now on (MS-ASAIRS 2.2.2.8). */
static void write_files(struct wbxml_writer *w, const struct eas_item_result *result)
{
	wbxml_open(w, AIRSYNC_APPLICATIONDATA);
	wbxml_open(w, AIRSYNCBASE_ATTACHMENTS);
	for (size_t i = 0; i < result->files_n; i++) {
		wbxml_open(w, AIRSYNCBASE_ATTACHMENT);
		wbxml_text(w, AIRSYNCBASE_CLIENTID, result->files[i].client_id);
		wbxml_str(w, AIRSYNCBASE_FILEREFERENCE, result->files[i].reference);
		wbxml_close(w);
	}
	wbxml_close(w);
	wbxml_close(w);
}

static int write_answer(struct eas_sync_part *part, const struct command *c, const struct eas_look_row *row)
{
	struct eas_request *rq = part->run->rq;
	struct wbxml_writer before;
	size_t len;
	int r = 0;

	wbxml_open(&rq->out, c->node->tag);
	write_ids(part, c);
	before = rq->out;
	len = rq->out.out->len;
	if (row) {
		wbxml_uint(&rq->out, AIRSYNC_STATUS, EAS_SYNC_OK);
		wbxml_open(&rq->out, AIRSYNC_APPLICATIONDATA);
		r = eas_item_write(rq, &row->item, &part->items);
		wbxml_close(&rq->out);
	}
	if (!row || r < 0) {
		rq->out = before;
		rq->out.out->len = len;
		wbxml_uint(&rq->out, AIRSYNC_STATUS,
		           r < 0 && r != -POD_E_NOTFOUND                               ? EAS_SYNC_SERVER
		           : c->node->tag == AIRSYNC_FETCH && c->status == EAS_SYNC_OK ? EAS_SYNC_NOT_FOUND
		                                                                       : c->status);
	}
	if (c->status == EAS_SYNC_OK && c->result.files_n > 0 && !c->result.gone)
		write_files(&rq->out, &c->result);
	wbxml_close(&rq->out);
	return r == -POD_E_UNAVAILABLE || r == -POD_E_TIMEOUT ? r : 0;
}

static int answer_all(struct commands *cs, struct err *err)
{
	struct eas_sync_run *run = cs->part->run;
	struct eas_look_rows rows;
	int r = read_rows(cs, is_fetch, EAS_ITEM_COLUMNS, &rows, err);

	for (size_t i = 0; r == 0 && i < cs->n; i++) {
		const struct command *c = &cs->items[i];

		if (!is_answered(c))
			continue;
		eas_sync_piece_begin(run, &cs->part->responses);
		r = write_answer(cs->part, c, is_fetch(c) ? eas_look_find(&rows, c->uid) : NULL);
		eas_sync_piece_end(run, &cs->part->responses);
		if (r < 0)
			return err_set(err, (enum pod_error) - r, "a message that was fetched");
	}
	return r;
}

int eas_sync_client_commands(struct eas_sync_part *part, struct err *err)
{
	struct commands cs = { .part = part };
	int r = read_all(&cs);

	if (r < 0)
		return err_set(err, POD_E_NOMEM, "commands");
	r = carry_out(&cs, err);
	if (r == 0)
		r = know_all(&cs, err);
	if (r == 0)
		r = delete_all(&cs, err);
	return r < 0 ? r : answer_all(&cs, err);
}

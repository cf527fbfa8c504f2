#include "imapd/eas/item/change.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "imapd/eas/eas.h"
#include "imapd/eas/item/draft_send.h"
#include "imapd/eas/item/draft_store.h"
#include "imapd/eas/item/notes.h"
#include "imapd/eas/item/rows.h"
#include "imapd/eas/item/status.h"

/* How often a change is tried that another one got ahead of. */
#define TRIES 5

/* ---- one message as it is ---- */

struct current {
	struct arena *a;
	struct eas_item_place place; /* with the keywords of now */
	struct eas_item item;
	uint64_t modseq;
	struct eas_flags flags;
	struct eas_note note;
};

/* Keywords that were made since the command looked at the mailbox. */
static int renew_place(struct eas_request *rq, struct current *c)
{
	Podstore__MailboxGet get = PODSTORE__MAILBOX_GET__INIT;
	const Podstore__Mailbox *box;
	const ProtobufCMessage *message;
	int r;

	get.name = arena_str(c->a, span_of(c->place.name));
	r = get.name ? account_call(rq->account, c->a, STORE_MAILBOX_GET, &get.base, &message, NULL)
	             : -POD_E_NOMEM;
	if (r < 0)
		return r;
	box = (const Podstore__Mailbox *) message;
	if (!box->exists || box->id != c->place.mailbox)
		return -POD_E_NOTFOUND;
	c->place.keywords = box->keywords;
	c->place.keywords_n = box->n_keywords;
	return eas_flags_of(&c->item, &c->flags) ? 0 : -POD_E_PROTOCOL;
}

static int read_note(struct eas_request *rq, struct current *c)
{
	struct eas_note kept;
	int r = eas_notes_get(rq, c->a, c->item.guid, &kept);

	c->note = (struct eas_note){ .flag = EAS_FLAG_NONE };
	if (r == 0)
		c->note = kept;
	return r == -POD_E_NOTFOUND || r == -POD_E_CORRUPT ? 0 : r;
}

static int read_current(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                        struct current *c)
{
	const uint32_t columns = STORE_COL_FLAGS | STORE_COL_MODSEQ | STORE_COL_GUID;
	const Podstore__Rows *rows;
	int r;

	c->place = *place;
	r = eas_rows_fetch(rq, c->a, place->mailbox, uid, columns, &rows);
	if (r == 0)
		r = eas_item_of_row(&c->place, rows, 0, columns, &c->item);
	if (r < 0)
		return r;
	c->modseq = rows->n_modseqs > 0 ? rows->modseqs[0] : 0;
	if (!eas_flags_of(&c->item, &c->flags))
		r = renew_place(rq, c);
	return r == 0 ? read_note(rq, c) : r;
}

/* ---- the change ---- */

/* All flags in one step, where nobody else has changed them meanwhile: -POD_E_CONFLICT. */
static int store_flags(struct eas_request *rq, const struct current *c, const struct eas_flags *flags,
                       uint64_t *ret_modseq)
{
	Podstore__StoreFlags store = PODSTORE__STORE_FLAGS__INIT;
	Podstore__UidRange range = PODSTORE__UID_RANGE__INIT, *ranges[] = { &range };
	char *keywords[ARRAY_SIZE(flags->keywords)];
	const Podstore__StoreFlagsReply *reply;
	const ProtobufCMessage *message;
	int r;

	range.first = range.last = c->item.uid;
	store.mailbox = c->place.mailbox;
	store.n_uids = 1;
	store.uids = ranges;
	store.mode = PODSTORE__FLAG_MODE__FLAGS_SET;
	store.flags = flags->system;
	for (size_t i = 0; i < flags->keywords_n; i++) {
		keywords[i] = arena_str(c->a, span_of(flags->keywords[i]));
		if (!keywords[i])
			return -POD_E_NOMEM;
	}
	store.n_keywords = flags->keywords_n;
	store.keywords = keywords;
	store.unchanged_since_set = true;
	store.unchanged_since = c->modseq;
	r = account_call(rq->account, c->a, STORE_STORE_FLAGS, &store.base, &message, NULL);
	if (r < 0)
		return r;
	reply = (const Podstore__StoreFlagsReply *) message;
	if (reply->n_modified > 0)
		return -POD_E_CONFLICT;
	if (!reply->rows || reply->rows->n_uids == 0)
		return -POD_E_NOTFOUND;
	*ret_modseq = reply->rows->n_modseqs > 0 ? reply->rows->modseqs[0] : reply->highestmodseq;
	return 0;
}

static bool has_values(const struct eas_note *note)
{
	for (size_t i = 0; i < EAS_FLAG_VALUES; i++)
		if (note->values[i].p)
			return true;
	return note->verb > 0;
}

/*
 * The note is kept before the flag is set: details of a flag that is not there say nothing, a flag without
 * its reminder would have lost it.
 */
static int keep_note(struct eas_request *rq, const struct current *c, const struct eas_note *after)
{
	return eas_notes_put(rq, c->item.guid, has_values(after) ? after : NULL);
}

static int apply_once(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                      const struct eas_change *change, uint64_t *ret_modseq)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(16u << 20);
	struct current c = { .a = a };
	struct eas_flags flags;
	struct eas_note after;
	int r = a ? read_current(rq, place, uid, &c) : -POD_E_NOMEM;

	if (r < 0)
		return r;
	after = c.note;
	flags = c.flags;
	if (change->flag)
		r = eas_flag_read(a, change->flag, clock_wall_s(), &after);
	if (r == 0 && change->flag)
		r = keep_note(rq, &c, &after);
	if (r < 0)
		return r;
	eas_flags_apply(a, change, &c.note, &after, &flags);
	return eas_flags_eq(&flags, &c.flags) ? 0 : store_flags(rq, &c, &flags, ret_modseq);
}

static int apply(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                 const struct eas_change *change, uint64_t *ret_modseq)
{
	int r = -POD_E_CONFLICT;

	for (int i = 0; r == -POD_E_CONFLICT && i < TRIES; i++)
		r = apply_once(rq, place, uid, change, ret_modseq);
	return r;
}

static void change_item(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                        const struct wbxml_node *command, struct eas_item_result *ret_result)
{
	const struct wbxml_node *data = wbxml_child(command, AIRSYNC_APPLICATIONDATA);
	struct eas_item_result result = { .uid = uid };
	struct eas_change change;
	int r = eas_change_read(rq->a, data, rq->version, &change);

	if (r == 0 && change.others && place->drafts && rq->version >= EAS_16_0) {
		eas_draft_change(rq, place, uid, command, &change, ret_result);
		return;
	}
	/* What else there is of a message is as it came. */
	if (r == 0 && change.others)
		r = -POD_E_SYNTAX;
	if (r == 0)
		r = apply(rq, place, uid, &change, &result.modseq);
	result.status = eas_item_status(r);
	*ret_result = result;
}

void eas_item_change(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                     const struct wbxml_node *command, struct eas_item_result *ret_result)
{
	bool goes = eas_draft_is_to_go(rq, place, command);
	struct span name = goes ? eas_draft_name(rq, place, uid, command) : SPAN_NONE;

	if (goes && eas_draft_has_gone(rq, name, ret_result))
		return;
	if (!goes || wbxml_child(command, AIRSYNC_APPLICATIONDATA))
		change_item(rq, place, uid, command, ret_result);
	else
		*ret_result = (struct eas_item_result){ .status = EAS_SYNC_OK, .uid = uid };
	if (goes && ret_result->status == EAS_SYNC_OK)
		eas_draft_go(rq, place, name, ret_result);
}

static int note_verb_once(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                          unsigned int verb)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(16u << 20);
	struct current c = { .a = a };
	struct eas_flags flags;
	struct eas_note after;
	uint64_t modseq;
	int r = a ? read_current(rq, place, uid, &c) : -POD_E_NOMEM;

	if (r < 0)
		return r;
	after = c.note;
	after.verb = verb;
	after.verb_s = clock_wall_s();
	flags = c.flags;
	eas_flags_set_verb(&flags, verb);
	r = keep_note(rq, &c, &after);
	if (r == 0)
		r = store_flags(rq, &c, &flags, &modseq);
	return r;
}

int eas_item_note_verb(struct eas_request *rq, const struct eas_item_place *place, uint32_t uid,
                       unsigned int verb)
{
	int r = -POD_E_CONFLICT;

	for (int i = 0; r == -POD_E_CONFLICT && i < TRIES; i++)
		r = note_verb_once(rq, place, uid, verb);
	return r;
}

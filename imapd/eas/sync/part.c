/* One folder of a Sync: which state the device has, what it did, what it is told, which key it gets. */
#include "base/id.h"
#include "imapd/eas/sync/filter.h"
#include "imapd/eas/sync/sync.h"

#define PART_MEMORY ((size_t) 256 << 20)
#define QUIET_ROWS  64 /* changes that were nothing to the device, before they are put behind it */
/* The same old key again and again: the answer does not arrive. It gets smaller, then a message is left out.
 */
#define SAME_MAX    3u
#define HALVING_MAX 10u
#define POISON      (SAME_MAX + HALVING_MAX + 3)

static int nomem(struct err *err)
{
	return err_set(err, POD_E_NOMEM, "sync state");
}

static void refuse(struct eas_sync_part *part, unsigned int status)
{
	part->status = status;
	part->tells = true;
}

static void set_key(struct eas_sync_part *part, uint64_t number)
{
	const struct eas_sync_key key = { part->state.epoch, number };

	eas_sync_key_format(&key, part->key);
}

/* ---- state ---- */

/* A state that cannot be read is none: the device starts anew. */
static bool load(struct eas_sync_part *part)
{
	struct eas_request *rq = part->run->rq;
	int r = part->stored->version ? eas_collection_decode(part->stored->value, part->a, &part->state)
	                              : -POD_E_NOTFOUND;

	if (r < 0 && r != -POD_E_NOTFOUND)
		log_event(&rq->log, LOGL_ERROR, "eas.state", F_STR("name", part->stored->name),
		          F_STR("why", err_code_text(r)));
	return r == 0;
}

static int begin(struct eas_sync_part *part)
{
	part->how = EAS_SYNC_BEGINS;
	eas_collection_init(&part->state, part->a);
	random_bytes(&part->state.epoch, sizeof(part->state.epoch));
	part->state.uidvalidity = part->folder.uidvalidity;
	part->state.now.number = 1;
	part->stored->write = true;
	part->tells = true;
	return 0;
}

/* Which of the two generations the key is of. */
static bool find_generation(struct eas_sync_part *part, const struct eas_sync_key *key)
{
	const struct eas_collection_state *s = &part->state;

	if (!load(part) || key->epoch != s->epoch || s->uidvalidity != part->folder.uidvalidity)
		return false;
	if (key->number == s->now.number)
		part->how = EAS_SYNC_GOES_ON;
	else if (s->has_before && key->number == s->before.number)
		part->how = EAS_SYNC_AGAIN;
	else
		return false;
	return true;
}

/*
 * The device does not say its key, and the one before the newest is what it is taken to have. Once is a lost
 * answer; again, it may be one that goes on with empty requests though it has read the answer: it is to say
 * its key.
 */
static bool is_stuck(const struct eas_sync_part *part)
{
	return part->how == EAS_SYNC_AGAIN && !part->asked->listed && part->state.replays > 0;
}

static int find_state(struct eas_sync_part *part)
{
	struct eas_sync_key key;

	if (eas_sync_key_parse(span_of(part->asked->key), &key) < 0) {
		refuse(part, EAS_SYNC_KEY);
		return 0;
	}
	if (key.number == 0)
		return begin(part);
	if (!find_generation(part, &key))
		refuse(part, EAS_SYNC_KEY);
	else if (is_stuck(part))
		refuse(part, EAS_SYNC_INCOMPLETE);
	return 0;
}

/* ---- options ---- */

static int read_item_options(struct eas_sync_part *part)
{
	struct span packed = part->state.item_options;
	const struct wbxml_node *o = part->asked->options;
	int r = 0;

	eas_item_options_init(&part->items, part->run->rq->version);
	if (!o)
		return packed.len ? eas_item_options_unpack(&packed, part->run->rq->version, &part->items)
		                  : 0;
	for (; r == 0 && o; o = wbxml_again(o))
		if (eas_sync_options_are_mail(o))
			r = eas_item_options_read(o, &part->items);
	return r;
}

/* ConversationMode is none of the options: a collection that does not say it does not want it. */
static void keep_mode(struct eas_sync_part *part)
{
	unsigned int before = part->state.filter;

	if (!part->asked->listed)
		return;
	part->state.filter &= ~EAS_FILTER_CONVERSATIONS;
	if (part->asked->conversations && part->run->rq->version >= EAS_14_0)
		part->state.filter |= EAS_FILTER_CONVERSATIONS;
	part->options_changed |= part->state.filter != before;
}

/* Those that were sent hold until others are. */
static int keep_options(struct eas_sync_part *part)
{
	struct eas_sync_options o = { 0, 1 };
	struct buf packed = BUF_INIT;
	struct span kept;

	if (!part->asked->options)
		return 0;
	eas_item_options_pack(&part->items, &packed);
	kept = packed.failed ? SPAN_NONE : arena_dup(part->a, buf_span(&packed));
	buf_done(&packed);
	if (!kept.p || eas_sync_options_read(part->asked->options, &o) < 0)
		return -POD_E_NOMEM;
	o.filter |= part->state.filter & EAS_FILTER_CONVERSATIONS;
	part->options_changed |= o.filter != part->state.filter || o.conflict != part->state.conflict ||
	                         !span_eq(kept, part->state.item_options);
	part->state.filter = o.filter;
	part->state.conflict = o.conflict;
	part->state.item_options = kept;
	return 0;
}

static int take_options(struct eas_sync_part *part, struct err *err)
{
	int r = read_item_options(part);

	if (r == -POD_E_UNSUPPORTED) {
		refuse(part, EAS_STATUS_BODY_PART_TYPE);
		return 0;
	}
	if (r == -POD_E_SYNTAX) {
		refuse(part, EAS_SYNC_PROTOCOL);
		return 0;
	}
	if (r < 0) /* what was kept is of another version of ours */
		eas_item_options_init(&part->items, part->run->rq->version);
	keep_mode(part);
	return keep_options(part) < 0 ? nomem(err) : 0;
}

/* ---- the answer ---- */

static size_t window(const struct eas_sync_part *part)
{
	size_t w =
		part->asked->window < part->run->window_left ? part->asked->window : part->run->window_left;
	unsigned int halvings = part->state.replays > SAME_MAX ? part->state.replays - SAME_MAX : 0;

	if (part->how != EAS_SYNC_AGAIN || halvings == 0 || w == 0)
		return w;
	w >>= halvings < HALVING_MAX ? halvings : HALVING_MAX;
	return w ? w : 1;
}

/* What no answer brought to the device in so many tries. */
static void leave_out(struct eas_sync_part *part, struct eas_plan *plan)
{
	const struct eas_request *rq = part->run->rq;

	if (part->how != EAS_SYNC_AGAIN || part->state.replays < POISON || plan->n == 0)
		return;
	log_event(&rq->log, LOGL_ERROR, "eas.left_out", F_STR("mailbox", part->folder.place.name),
	          F_UINT("uid", plan->steps[0].uid));
	eas_engine_told(&part->next, &plan->steps[0], 0, 0);
	plan->n = plan->first_row = 0;
}

/* rows: how many were looked at. */
static int tell_changes(struct eas_sync_part *part, size_t *rows, struct err *err)
{
	const struct eas_sent *lost = part->how == EAS_SYNC_AGAIN ? &part->state.now.sent : NULL;
	struct eas_plan plan;
	int r = eas_look_refresh(part->run->rq, &part->folder, &part->next, part->state.filter, rows, err);

	if (r < 0)
		return r;
	if (eas_engine_plan(&part->next, lost, window(part), part->a, &plan) < 0)
		return nomem(err);
	leave_out(part, &plan);
	r = eas_sync_tell(part, &plan, err);
	part->more = r == 0 && eas_engine_pending(&part->next) > 0;
	return r;
}

/* A new generation, whose key is what the answer says. */
static void step(struct eas_sync_part *part)
{
	eas_engine_step(&part->state, &part->next, part->how == EAS_SYNC_AGAIN);
	part->tells = true;
	part->stored->write = true;
}

/* What was learnt of the mailbox is kept where it was costly to learn. */
static void stay(struct eas_sync_part *part, size_t rows)
{
	const struct eas_generation *now = &part->state.now, *next = &part->next;
	bool learnt = next->listed != now->listed || next->filter != now->filter ||
	              next->cutoff != now->cutoff || rows > QUIET_ROWS;

	if (learnt)
		eas_engine_stay(&part->state, next);
	part->stored->write |= learnt || part->options_changed;
}

static int go_on(struct eas_sync_part *part, struct err *err)
{
	size_t rows = 0;
	int r = 0;

	eas_generation_copy(&part->next, part->how == EAS_SYNC_AGAIN ? &part->state.before : &part->state.now,
	                    part->a);
	part->at = &part->next;
	if (part->asked->commands)
		r = eas_sync_client_commands(part, err);
	if (r == 0 && part->asked->get_changes)
		r = tell_changes(part, &rows, err);
	if (r < 0)
		return r;
	if (eas_generation_failed(&part->next))
		return nomem(err);
	if (part->commands.n || part->asked->commands || part->more || part->how == EAS_SYNC_AGAIN)
		step(part);
	else
		stay(part, rows);
	return 0;
}

/* The answer of before, word for word as far as a client can see; then its key is the same, too. */
static int go_on_again(struct eas_sync_part *part, struct err *err)
{
	int r = 0;

	part->state.replays++;
	part->stored->write = true;
	if (!part->options_changed && part->state.replays <= SAME_MAX)
		r = eas_sync_tell_again(part, err);
	if (r < 0)
		return r;
	if (r == 0)
		return go_on(part, err);
	part->more = eas_engine_pending(&part->state.now) > 0;
	part->at = &part->state.now;
	part->tells = true;
	return part->asked->commands ? eas_sync_client_commands(part, err) : 0;
}

/* -POD_E_NOTFOUND here is the folder's: it went while it was looked at. */
static int run(struct eas_sync_part *part, struct err *err)
{
	int r = part->how == EAS_SYNC_AGAIN ? go_on_again(part, err) : go_on(part, err);

	if (r != -POD_E_NOTFOUND)
		return r;
	part->stored->write = false;
	refuse(part, EAS_SYNC_HIERARCHY);
	return 0;
}

static int keep_state(struct eas_sync_part *part, struct err *err)
{
	struct buf bytes = BUF_INIT;

	eas_collection_encode(&part->state, &bytes);
	part->stored->value = bytes.failed ? SPAN_NONE : arena_dup(part->run->rq->a, buf_span(&bytes));
	buf_done(&bytes);
	return part->stored->value.p ? 0 : nomem(err);
}

/* A folder that the device has a state of was there once. */
static int find_folder(struct eas_sync_part *part)
{
	int r = eas_sync_folders_find(part->run->rq, &part->run->folders, span_of(part->asked->id),
	                              &part->folder);

	if (r == -POD_E_NOTFOUND)
		refuse(part, part->stored->version ? EAS_SYNC_HIERARCHY : EAS_SYNC_NOT_FOUND);
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int eas_sync_part_run(struct eas_sync_part *part, struct err *err)
{
	int r;

	part->status = EAS_SYNC_OK;
	part->a = arena_create(PART_MEMORY);
	(void) snprintf(part->key, sizeof(part->key), "%s", part->asked->key);
	r = part->a ? find_folder(part) : -POD_E_NOMEM;
	if (r < 0)
		return nomem(err);
	if (part->status == EAS_SYNC_OK)
		r = find_state(part);
	if (r == 0 && part->status == EAS_SYNC_OK)
		r = take_options(part, err);
	if (r == 0 && part->status == EAS_SYNC_OK && part->how != EAS_SYNC_BEGINS)
		r = run(part, err);
	if (r < 0 || part->status != EAS_SYNC_OK) {
		part->stored->write = false;
		return r;
	}
	set_key(part, part->state.now.number);
	return part->stored->write ? keep_state(part, err) : 0;
}

void eas_sync_part_done(struct eas_sync_part *part)
{
	buf_done(&part->responses.bytes);
	buf_done(&part->commands.bytes);
	part->a = arena_free(part->a);
}

/* A key that is not good is answered with the beginning, as the status says. */
void eas_sync_part_write(struct eas_sync_part *part)
{
	struct wbxml_writer *out = &part->run->rq->out;

	wbxml_open(out, AIRSYNC_COLLECTION);
	if (part->run->rq->version < EAS_14_0)
		wbxml_str(out, AIRSYNC_CLASS, "Email");
	wbxml_str(out, AIRSYNC_SYNCKEY, part->status == EAS_SYNC_KEY ? "0" : part->key);
	wbxml_str(out, AIRSYNC_COLLECTIONID, part->asked->id);
	wbxml_uint(out, AIRSYNC_STATUS, part->status);
	if (part->status == EAS_SYNC_OK) {
		if (part->more)
			wbxml_empty(out, AIRSYNC_MOREAVAILABLE);
		eas_sync_piece_add(part->run, &part->responses, AIRSYNC_RESPONSES);
		eas_sync_piece_add(part->run, &part->commands, AIRSYNC_COMMANDS);
	}
	wbxml_close(out);
}

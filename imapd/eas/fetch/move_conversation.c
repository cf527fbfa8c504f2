/* Move of ItemOperations (14.0): all messages of a conversation, in whatever folders they are, go to one. */
#include "base/id.h"
#include "imapd/eas/fetch/internal.h"
#include "imapd/eas/folder/folder.h"
#include "imapd/eas/item/headers.h"
#include "imapd/eas/item/rows.h"

#define FOUND_MAX 10000u

/* Uids of the conversation in one mailbox, as ranges. */
struct found {
	struct arena *a, *scratch;
	struct span conversation;
	Podstore__UidRange **ranges;
	size_t n, cap;
	int failed;
};

static int add_uid(struct found *f, uint32_t uid)
{
	Podstore__UidRange *range;

	if (f->n > 0 && f->ranges[f->n - 1]->last + 1 == uid) {
		f->ranges[f->n - 1]->last = uid;
		return 0;
	}
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 16;
		Podstore__UidRange **grown = arena_grow(f->a, f->ranges, f->n, cap, sizeof(*grown));

		if (!grown || cap > FOUND_MAX)
			return grown ? -POD_E_LIMIT : -POD_E_NOMEM;
		f->ranges = grown;
		f->cap = cap;
	}
	range = arena_new(f->a, Podstore__UidRange);
	if (!range)
		return -POD_E_NOMEM;
	podstore__uid_range__init(range);
	range->first = range->last = uid;
	f->ranges[f->n++] = range;
	return 0;
}

static bool on_rows(void *arg, const Podstore__Rows *rows)
{
	struct found *f = arg;

	for (size_t i = 0; f->failed == 0 && i < rows->n_uids && i < rows->n_headers; i++) {
		uint8_t id[EAS_CONVERSATION_ID_SIZE];

		arena_reset(f->scratch);
		f->failed = eas_conversation_id(f->scratch,
		                                span_make(rows->headers[i].data, rows->headers[i].len), id);
		if (f->failed == 0 && span_eq(span_make(id, sizeof(id)), f->conversation))
			f->failed = add_uid(f, rows->uids[i]);
	}
	return f->failed == 0;
}

static int find_in(struct eas_request *rq, const Podstore__Mailbox *box, struct found *f)
{
	int r = 0;

	f->ranges = NULL;
	f->n = f->cap = 0;
	if (box->uidnext > 1)
		r = eas_rows_each(rq, f->a, box->id, 1, box->uidnext - 1, STORE_COL_HEADERS, on_rows, f,
		                  NULL);
	return r == 0 ? f->failed : r;
}

static int move(struct eas_request *rq, struct found *f, const Podstore__Mailbox *from, char *target)
{
	Podstore__Copy copy = PODSTORE__COPY__INIT;
	struct guid id = guid_new();

	copy.mailbox = from->id;
	copy.n_uids = f->n;
	copy.uids = f->ranges;
	copy.target = target;
	copy.move = true;
	copy.copy_id.data = id.b;
	copy.copy_id.len = ID_SIZE;
	return account_call(rq->account, f->a, STORE_COPY, &copy.base, NULL, NULL);
}

/* What was sent and what is being written stay where they belong. */
static bool stays(const Podstore__Mailbox *box, const Podstore__Mailbox *target)
{
	return !box->exists || box->id == target->id || strcmp(box->special_use, "\\Sent") == 0 ||
	       strcmp(box->special_use, "\\Drafts") == 0;
}

static int move_all(struct eas_request *rq, struct found *f, const Podstore__Mailbox *target,
                    size_t *ret_moved)
{
	Podstore__MailboxList list = PODSTORE__MAILBOX_LIST__INIT;
	const Podstore__MailboxListReply *reply;
	const ProtobufCMessage *message;
	int r;

	list.status = true;
	r = account_call(rq->account, f->a, STORE_MAILBOX_LIST, &list.base, &message, NULL);
	reply = r == 0 ? (const Podstore__MailboxListReply *) message : NULL;
	for (size_t i = 0; r == 0 && i < reply->n_mailboxes; i++) {
		if (stays(reply->mailboxes[i], target))
			continue;
		r = find_in(rq, reply->mailboxes[i], f);
		if (r == 0 && f->n > 0)
			r = move(rq, f, reply->mailboxes[i], target->name);
		*ret_moved += f->n;
	}
	return r;
}

static unsigned int run(struct eas_request *rq, struct span conversation, struct span target_id)
{
	struct found f = { .a = arena_create(64u << 20),
		           .scratch = arena_create(1u << 20),
		           .conversation = conversation };
	const Podstore__Mailbox *target;
	unsigned int status = FETCH_SERVER_ERROR;
	size_t moved = 0;
	int r;

	if (f.a && f.scratch) {
		r = eas_folder_find(rq, target_id, &target, NULL);
		r = r == 0 ? move_all(rq, &f, target, &moved) : r;
		status = r == 0 && moved == 0 ? FETCH_NOT_FOUND : fetch_status_of(r);
	}
	(void) arena_free(f.scratch);
	(void) arena_free(f.a);
	return status;
}

/*
 * MoveAlways says that what comes later is to go there, too. Without it the operation has no meaning
 * (MS-ASCMD 2.2.3.111: status 156); with it what is there is moved now. The element is empty: one that says
 * something is not understood. An id of another length is of no conversation that there is.
 */
void fetch_move_conversation(struct eas_request *rq, const struct wbxml_node *operation)
{
	const struct wbxml_node *options = wbxml_child(operation, ITEMOPERATIONS_OPTIONS);
	struct span conversation = wbxml_child_text(operation, ITEMOPERATIONS_CONVERSATIONID);
	struct span target = wbxml_child_text(operation, ITEMOPERATIONS_DSTFLDID);
	bool always = wbxml_child(options, ITEMOPERATIONS_MOVEALWAYS) != NULL;
	unsigned int status;

	if (conversation.len == 0 || target.len == 0 ||
	    wbxml_child_text(options, ITEMOPERATIONS_MOVEALWAYS).len > 0)
		status = FETCH_PROTOCOL_ERROR;
	else if (!always)
		status = FETCH_UNSUPPORTED;
	else if (conversation.len != EAS_CONVERSATION_ID_SIZE)
		status = FETCH_NOT_FOUND;
	else
		status = run(rq, conversation, target);
	wbxml_open(&rq->out, ITEMOPERATIONS_MOVE);
	wbxml_uint(&rq->out, ITEMOPERATIONS_STATUS, status);
	if (conversation.p)
		wbxml_opaque(&rq->out, ITEMOPERATIONS_CONVERSATIONID, conversation);
	wbxml_close(&rq->out);
}

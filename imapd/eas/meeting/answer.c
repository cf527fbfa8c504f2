#include "base/cleanup.h"
#include "base/clock.h"
#include "directory/directory.h"
#include "imapd/eas/item/body.h"
#include "imapd/eas/item/html.h"
#include "imapd/eas/item/rows.h"
#include "imapd/eas/meeting/internal.h"
#include "imapd/eas/send/send.h"
#include "imapd/eas/sync/client.h"
#include "mime/address.h"

#define SCRATCH_MAX ((size_t) 128 << 20)

/* An invitation in a message. */
struct invitation {
	struct eas_request *rq;
	const struct meeting_request *q;
	struct arena *a;
	struct eas_sync_folders folders;
	struct eas_sync_folder folder;
	uint32_t uid;
	struct span text; /* the iCalendar object */
	struct eas_meeting meeting;
};

static enum meeting_status status_of(int r)
{
	switch (-r) {
	case POD_E_NONE: return MEETING_OK;
	case POD_E_SYNTAX:
	case POD_E_NOTFOUND:
	case POD_E_CORRUPT: return MEETING_INVALID;
	case POD_E_NOMEM: return MEETING_SERVER_ERROR;
	default: return MEETING_MAILBOX_ERROR;
	}
}

/* ---- finding it ---- */

/* The item's id names its folder; where the request names another one, the two do not belong together. */
static int find(struct invitation *in)
{
	const struct meeting_request *q = in->q;
	struct span id = q->long_id.len ? q->long_id : q->request_id, folder;
	int r = eas_item_parse_server_id(id, &folder, &in->uid);

	if (r == 0 && q->collection_id.len && !span_eq(q->collection_id, folder))
		r = -POD_E_NOTFOUND;
	if (r == 0)
		r = eas_sync_folders_load(in->rq, &in->folders, NULL);
	return r == 0 ? eas_sync_folders_find(in->rq, &in->folders, folder, &in->folder) : r;
}

static int read_item(struct invitation *in, const struct eas_item *item)
{
	_cleanup_(account_body_done) struct account_body body = { .map = NULL };
	struct eas_layout layout;
	struct eas_message m;
	int r = eas_layout_read(in->a, item->bodystructure, &layout);

	if (r == 0 && layout.calendar == EAS_NO_PART)
		return -POD_E_NOTFOUND;
	if (r == 0)
		r = account_body_open(in->rq->account, in->folder.place.mailbox, in->uid, &body, NULL);
	if (r == 0)
		r = eas_message_open(in->a, body.bytes, item->parts, &layout, &m);
	if (r == 0)
		r = eas_message_invitation(in->a, &m, &in->text);
	if (r == 0) {
		in->text = arena_dup(in->a, in->text); /* the body goes */
		r = in->text.p ? eas_meeting_read(in->a, in->text, &in->meeting) : -POD_E_NOMEM;
	}
	return r == 0 && in->meeting.method != EAS_MEETING_REQUEST ? -POD_E_NOTFOUND : r;
}

/* ---- the organizer is told ---- */

static bool is_own(void *arg, struct span address)
{
	const struct eas_request *rq = arg;

	return directory_send_as_check(rq->parts->directory, span_of(account_address(rq->account)), address,
	                               NULL) == 0;
}

static int texts_of(struct invitation *in, struct meeting_mail *mail)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	mail->text = in->q->body.p ? in->q->body : SPAN_LIT("");
	if (!in->q->body_is_html)
		return 0;
	mail->html = mail->text;
	eas_html_to_text(mail->html, &text);
	mail->text = text.len ? arena_dup(in->a, buf_span(&text)) : SPAN_LIT("");
	return text.failed || !mail->text.p ? -POD_E_NOMEM : 0;
}

/* -POD_E_NOTFOUND: there is nobody by an address who could be told. */
static int organizer_of(struct invitation *in, struct meeting_mail *mail)
{
	struct address_list list = { NULL, 0 };
	int r = address_list_parse(in->a, in->meeting.organizer, &list);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		const struct address_entry *e = &list.entries[i];
		struct address address = { e->local, e->domain };

		if (e->kind != ADDRESS_MAILBOX || e->local.len == 0 || e->domain.len == 0)
			continue;
		mail->to_name = e->name;
		mail->to = address_format(in->a, &address);
		return mail->to.p ? 0 : -POD_E_NOMEM;
	}
	return r == 0 ? -POD_E_NOTFOUND : r;
}

static int write_mail(struct invitation *in, struct buf *out)
{
	struct guid id = guid_new();
	char boundary[ID_TEXT_SIZE];
	struct meeting_mail mail = { .from = account_address(in->rq->account),
		                     .summary = in->meeting.summary,
		                     .response = in->q->response,
		                     .boundary = boundary };
	int r = texts_of(in, &mail);
	const struct eas_meeting_answer answer = { .response = in->q->response,
		                                   .attendee = mail.from,
		                                   .is_own = is_own,
		                                   .arg = in->rq,
		                                   .comment = mail.text,
		                                   .now_s = clock_wall_s(),
		                                   .instance_s = in->q->instance_s,
		                                   .proposed_s = in->q->proposed_s,
		                                   .proposed_end_s = in->q->proposed_end_s };

	guid_format(&id, boundary);
	if (r == 0)
		r = organizer_of(in, &mail);
	if (r == 0)
		r = eas_meeting_answer_write(in->a, in->text, &answer, &mail.calendar, &mail.method);
	if (r == 0)
		meeting_mail_write(&mail, out);
	return r == 0 && out->failed ? -POD_E_NOMEM : r;
}

/* By what it says it is known again where its answer was lost. */
static const char *name_of(const struct invitation *in)
{
	return arena_printf(in->rq->a, "meeting:%u:%u:%u:%lld:%lld", in->folder.place.mailbox, in->uid,
	                    (unsigned int) in->q->response, (long long) in->q->instance_s,
	                    (long long) in->q->proposed_s);
}

static enum meeting_status tell(struct invitation *in)
{
	_cleanup_buf_ struct buf message = BUF_INIT;
	const char *name = name_of(in);
	struct send_order order = { .kind = COMPOSE_NEW, .save = true };
	enum send_status status;
	int r = name ? write_mail(in, &message) : -POD_E_NOMEM;

	if (r < 0)
		return status_of(r);
	order.client_id = span_of(name);
	order.mime = buf_span(&message);
	status = eas_send(in->rq, &order);
	if (status != SEND_OK)
		log_event(&in->rq->log, LOGL_NOTICE, "eas.meeting_not_answered", F_UINT("status", status));
	return status == SEND_OK ? MEETING_OK : MEETING_SERVER_ERROR;
}

/* ---- the invitation goes ---- */

/* -POD_E_NOTFOUND: there is no folder for what was deleted, or it is in there. */
static int trash_of(struct invitation *in, struct eas_sync_folder *ret)
{
	int r = eas_sync_folders_trash(in->rq, &in->folders, ret);

	return r == 0 && ret->place.mailbox == in->folder.place.mailbox ? -POD_E_NOTFOUND : r;
}

static int put_away(struct invitation *in)
{
	struct eas_sync_folder trash;
	uint32_t uid;
	int r = trash_of(in, &trash);

	if (r == 0)
		return eas_client_move(in->rq, &in->folder, in->uid, &trash, &uid, NULL);
	return r == -POD_E_NOTFOUND ? 0 : r; /* it stays where it is */
}

/* The answer to a request was lost and it is repeated: the store still knows where the invitation went. */
static enum meeting_status answered_before(struct invitation *in)
{
	struct eas_sync_folder trash;
	uint32_t uid;

	return trash_of(in, &trash) == 0 &&
	                       eas_client_move(in->rq, &in->folder, in->uid, &trash, &uid, NULL) == 0
	               ? MEETING_OK
	               : MEETING_INVALID;
}

static enum meeting_status answer(struct invitation *in)
{
	enum meeting_status status = MEETING_OK;
	bool one_of_many = in->q->instance_s != 0;

	if (one_of_many && !in->meeting.recurring)
		return MEETING_NOT_RECURRING;
	if (in->q->send)
		status = tell(in);
	/* Of a series the rest is still to be answered. */
	return status == MEETING_OK && !one_of_many ? status_of(put_away(in)) : status;
}

static enum meeting_status run(struct invitation *in)
{
	const Podstore__Rows *rows;
	struct eas_item item;
	int r = find(in);

	if (r < 0)
		return status_of(r);
	r = eas_rows_fetch(in->rq, in->a, in->folder.place.mailbox, in->uid, EAS_ITEM_COLUMNS, &rows);
	if (r == -POD_E_NOTFOUND)
		return answered_before(in);
	if (r == 0)
		r = eas_item_of_row(&in->folder.place, rows, 0, EAS_ITEM_COLUMNS, &item);
	if (r == 0)
		r = read_item(in, &item);
	return r < 0 ? status_of(r) : answer(in);
}

enum meeting_status meeting_answer(struct eas_request *rq, const struct meeting_request *q)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SCRATCH_MAX);
	struct invitation in = { .rq = rq, .q = q, .a = a };

	if (q->bad_date)
		return MEETING_BAD_DATE;
	return a ? run(&in) : MEETING_SERVER_ERROR;
}

/* SendMail, SmartReply and SmartForward (MS-ASCMD 2.2.1.17 to 19): requests of all versions become one order.
 */
#include "base/cleanup.h"
#include "base/fnv.h"
#include "imapd/eas/item/item.h"
#include "imapd/eas/send/send.h"
#include "imapd/eas/send/source.h"
#include "mime/date.h"
#include "mime/header.h"

/* What a request asks for. */
struct request {
	struct send_order order;
	struct source_name source; /* of a reply or forward */
};

/* ---- 14.0 and later: ComposeMail ---- */

static bool has(const struct wbxml_node *body, enum wbxml_tag tag)
{
	return wbxml_child(body, tag) != NULL;
}

/* MS-ASCMD 2.2.3.87: an instance of a recurring item; of mail there are none, but what it says has to be a
 * time. */
static enum send_status check_instance(const struct wbxml_node *source)
{
	const struct wbxml_node *id = wbxml_child(source, COMPOSEMAIL_INSTANCEID);
	struct mail_date date;

	return id && date_parse_rfc3339(id->text, &date) < 0 ? SEND_INVALID_DATE : SEND_OK;
}

static enum send_status read_source(const struct wbxml_node *body, struct request *q)
{
	const struct wbxml_node *source = wbxml_child(body, COMPOSEMAIL_SOURCE);

	if (!source)
		return SEND_INVALID_XML;
	q->source = (struct source_name){ .folder_id = wbxml_child_text(source, COMPOSEMAIL_FOLDERID),
		                          .item_id = wbxml_child_text(source, COMPOSEMAIL_ITEMID),
		                          .long_id = wbxml_child_text(source, COMPOSEMAIL_LONGID) };
	if (q->source.long_id.len && (q->source.folder_id.len || q->source.item_id.len))
		return SEND_INVALID_IDS;
	if (!q->source.long_id.len && !q->source.item_id.len)
		return SEND_INVALID_XML;
	return check_instance(source);
}

static enum send_status read_wbxml(const struct eas_request *rq, struct request *q)
{
	const struct wbxml_node *body = rq->body, *mime = wbxml_child(body, COMPOSEMAIL_MIME);
	struct span id = wbxml_child_text(body, COMPOSEMAIL_CLIENTID);

	if (!mime || !id.len || id.len > SEND_CLIENT_ID_MAX)
		return SEND_INVALID_XML;
	if (has(body, COMPOSEMAIL_ACCOUNTID))
		return SEND_ACCOUNT_ID; /* there is one account here, which has no id */
	q->order.mime = mime->text;
	q->order.client_id = id;
	q->order.save = has(body, COMPOSEMAIL_SAVEINSENTITEMS);
	q->order.replace = has(body, COMPOSEMAIL_REPLACEMIME);
	return q->order.kind == COMPOSE_NEW ? SEND_OK : read_source(body, q);
}

/* ---- before: message/rfc822, the rest in the query ---- */

/* There is no ClientId; a message that has an id of its own is known by that. */
static struct span id_of_message(struct arena *a, struct span mime)
{
	struct mime_field f;
	const char *id;

	if (!mime_field_find(mime_header_of(mime), SPAN_LIT("Message-ID"), &f) || !span_trim(f.value).len)
		return SPAN_NONE;
	id = arena_printf(a, "mime:%016llx:%zu", (unsigned long long) fnv64(FNV64_START, mime), mime.len);
	return id ? span_of(id) : SPAN_NONE;
}

static enum send_status read_rfc822(const struct eas_request *rq, struct request *q)
{
	q->order.mime = rq->raw;
	q->order.client_id = id_of_message(rq->a, rq->raw);
	q->order.save = rq->save_in_sent;
	q->source = (struct source_name){ .folder_id = span_of(rq->collection_id),
		                          .item_id = span_of(rq->item_id),
		                          .long_id = span_of(rq->long_id) };
	if (q->order.kind == COMPOSE_NEW || q->source.long_id.len || q->source.item_id.len)
		return SEND_OK;
	return SEND_INVALID_XML;
}

/* ---- all of them ---- */

/* Email2:LastVerbExecuted: 1 answered, 2 answered to all, 3 forwarded. */
static unsigned int verb_of(const struct send_order *order)
{
	return order->kind == COMPOSE_FORWARD ? 3 : order->n_rcpts > 1 ? 2 : 1;
}

static void note_verb(struct eas_request *rq, const struct request *q, const struct source *s)
{
	int r = eas_item_note_verb(rq, &s->place, s->uid, verb_of(&q->order));

	if (r < 0)
		log_event(&rq->log, LOGL_WARNING, "eas.verb_not_noted", F_CODE(r));
}

static enum send_status send_with_source(struct eas_request *rq, struct request *q)
{
	struct source s = { 0 };
	enum send_status status = eas_source_open(rq, &q->source, &s);

	if (status == SEND_OK) {
		q->order.original = s.body.bytes;
		status = eas_send(rq, &q->order);
		if (status == SEND_FAILED && q->order.kind == COMPOSE_REPLY)
			status = SEND_REPLY_FAILED;
		if (status == SEND_OK && q->order.n_rcpts)
			note_verb(rq, q, &s);
	}
	eas_source_done(&s);
	return status;
}

static void run(struct eas_request *rq, enum compose_kind kind, enum wbxml_tag root)
{
	struct request q = { .order = { .kind = kind } };
	enum send_status status = rq->version < EAS_14_0 ? read_rfc822(rq, &q) : read_wbxml(rq, &q);

	if (status == SEND_OK)
		status = kind == COMPOSE_NEW ? eas_send(rq, &q.order) : send_with_source(rq, &q);
	if (status == SEND_OK)
		eas_answer_empty(rq);
	else
		eas_answer_status(rq, root, status);
}

void eas_cmd_send_mail(struct eas_request *rq)
{
	run(rq, COMPOSE_NEW, COMPOSEMAIL_SENDMAIL);
}

void eas_cmd_smart_reply(struct eas_request *rq)
{
	run(rq, COMPOSE_REPLY, COMPOSEMAIL_SMARTREPLY);
}

void eas_cmd_smart_forward(struct eas_request *rq)
{
	run(rq, COMPOSE_FORWARD, COMPOSEMAIL_SMARTFORWARD);
}

#include "imapd/eas/send/send.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "imapd/eas/item/html.h"
#include "imapd/eas/send/hand_over.h"
#include "imapd/eas/send/remember.h"
#include "imapd/eas/send/sent_copy.h"

#define COMPOSE_ARENA (64u << 20)

static bool may_use(void *arg, struct span address)
{
	const struct eas_request *rq = arg;

	return !rq->parts->conf->submission.enforce_senders ||
	       directory_send_as_check(rq->parts->directory, span_of(account_address(rq->account)), address,
	                               NULL) == 0;
}

static int html_to_text(struct arena *a, struct span html, struct span *ret_text)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	eas_html_to_text(html, &text);
	*ret_text = text.failed ? SPAN_NONE : arena_dup(a, buf_span(&text));
	return ret_text->p || (!text.failed && !text.len) ? 0 : -POD_E_NOMEM;
}

static const char *display_name(struct eas_request *rq)
{
	const ProtobufCMessage *record;

	if (directory_get(rq->parts->directory, rq->a, DIRECTORY_USER, span_of(account_address(rq->account)),
	                  &record, NULL) < 0)
		return "";
	return ((const Directory__User *) record)->display_name;
}

static enum send_status status_of_compose(int r)
{
	switch (-r) {
	case POD_E_NONE: return SEND_OK;
	case POD_E_SYNTAX: return SEND_INVALID_MIME;
	case POD_E_NOTFOUND: return SEND_NO_RCPT;
	case POD_E_UNSUPPORTED: return SEND_RCPT_UNRESOLVED;
	default: return SEND_SERVER_ERROR;
	}
}

/* The message is out; that its copy could not be kept must not make the client send it again. */
static void keep_copy(struct eas_request *rq, const struct sending_id *s, const struct composed *c)
{
	struct err err = { 0 };

	if (sent_copy_put(rq, &s->id, buf_span(&c->sent), &err) < 0)
		log_event(&rq->log, LOGL_WARNING, "eas.sent_not_kept", F_ERR(&err));
}

static enum send_status send_composed(struct eas_request *rq, struct send_order *order,
                                      const struct sending_id *s, const struct composed *c)
{
	enum send_status status = send_hand_over(rq, c, &s->id);

	if (status != SEND_OK)
		return status;
	if (order->save)
		keep_copy(rq, s, c);
	sending_done(rq, s);
	order->n_rcpts = c->n_rcpts;
	return SEND_OK;
}

static enum send_status send_once(struct eas_request *rq, struct send_order *order,
                                  const struct sending_id *s)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(COMPOSE_ARENA);
	const struct compose_order o = { .kind = order->kind,
		                         .mime = order->mime,
		                         .replace = order->replace,
		                         .original = order->original,
		                         .login = account_address(rq->account),
		                         .name = display_name(rq),
		                         .may_use = may_use,
		                         .arg = rq,
		                         .html_to_text = html_to_text,
		                         .id = s->id,
		                         .now_s = clock_wall_s() };
	struct composed c = { 0 };
	enum send_status status = status_of_compose(a ? compose(a, &o, &c) : -POD_E_NOMEM);

	if (status == SEND_OK)
		status = send_composed(rq, order, s, &c);
	composed_done(&c);
	return status;
}

enum send_status eas_send(struct eas_request *rq, struct send_order *order)
{
	struct sending_id s = { .client_id = order->client_id };
	struct err err = { 0 };
	int r = sending_begin(rq, &s, &err);

	order->n_rcpts = 0;
	if (r < 0) {
		log_event(&rq->log, LOGL_ERROR, "eas.not_sent", F_ERR(&err));
		return r == -POD_E_UNAVAILABLE || r == -POD_E_TIMEOUT || r == -POD_E_CONFLICT
		               ? SEND_RETRY_LATER
		               : SEND_SERVER_ERROR;
	}
	if (s.done) {
		log_event(&rq->log, LOGL_INFO, "eas.sent_before");
		return SEND_OK;
	}
	return send_once(rq, order, &s);
}

#include "imapd/eas/answer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "imapd/http/http.h"

#define OUT_MAX       (64u << 20)
#define HEADER_LEN    4 /* of a document in which nothing was written */
#define RETRY_AFTER_S 30
#define WBXML_TYPE    "application/vnd.ms-sync.wbxml"

void eas_answer_init(struct eas_request *rq, struct eas_answer *answer)
{
	*answer = (struct eas_answer){ .kind = EAS_ANSWER_WBXML, .out = { .limit = OUT_MAX } };
	rq->answer = answer;
	wbxml_begin(&rq->out, &answer->out);
}

void eas_answer_done(struct eas_answer *answer)
{
	buf_done(&answer->out);
	if (answer->bytes)
		evbuffer_free(answer->bytes);
	answer->bytes = NULL;
}

/* ---- what commands say ---- */

static void begin_anew(struct eas_request *rq)
{
	rq->answer->kind = EAS_ANSWER_WBXML;
	buf_clear(&rq->answer->out);
	wbxml_begin(&rq->out, &rq->answer->out);
}

void eas_answer_empty(struct eas_request *rq)
{
	begin_anew(rq);
}

void eas_answer_http(struct eas_request *rq, int code)
{
	begin_anew(rq);
	rq->answer->kind = EAS_ANSWER_HTTP;
	rq->answer->code = code;
}

/* What older versions are told instead (MS-ASCMD 2.2.2): others are 500 there. */
static int http_of_status(unsigned int status)
{
	static const struct {
		unsigned int first, last;
		int code;
	} codes[] = {
		{ 101, 109, 400 }, { 111, 111, 503 }, { 112, 112, 403 }, { 113, 113, 507 }, { 114, 114, 503 },
		{ 115, 115, 507 }, { 123, 123, 404 }, { 124, 131, 403 }, { 133, 133, 503 }, { 137, 137, 501 },
		{ 138, 138, 505 }, { 139, 139, 403 }, { 140, 140, 449 }, { 141, 141, 403 }, { 142, 144, 449 },
		{ 145, 145, 403 }, { 149, 149, 400 }, { 177, 177, 403 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (status >= codes[i].first && status <= codes[i].last)
			return codes[i].code;
	return 500;
}

/* The tag of a page that is called Status. */
static enum wbxml_tag status_tag(enum wbxml_tag root)
{
	static const enum wbxml_tag tags[] = {
		AIRSYNC_STATUS,         MOVE_STATUS,
		GETITEMESTIMATE_STATUS, FOLDERHIERARCHY_STATUS,
		MEETINGRESPONSE_STATUS, RESOLVERECIPIENTS_STATUS,
		VALIDATECERT_STATUS,    PING_STATUS,
		PROVISION_STATUS,       SEARCH_STATUS,
		SETTINGS_STATUS,        ITEMOPERATIONS_STATUS,
		COMPOSEMAIL_STATUS,     FIND_STATUS,
	};

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		if (tags[i] >> 8 == root >> 8)
			return tags[i];
	return AIRSYNC_STATUS;
}

void eas_answer_status(struct eas_request *rq, enum wbxml_tag root, unsigned int status)
{
	if (status > 100 && (rq->version < EAS_14_0 || !root)) {
		eas_answer_http(rq, http_of_status(status));
		return;
	}
	begin_anew(rq);
	wbxml_open(&rq->out, root);
	wbxml_uint(&rq->out, status_tag(root), status);
	wbxml_close(&rq->out);
}

void eas_answer_error(struct eas_request *rq, enum wbxml_tag root, int code)
{
	switch (-code) {
	case POD_E_QUOTA: eas_answer_status(rq, root, EAS_STATUS_QUOTA); break;
	case POD_E_FULL:
	case POD_E_NOSPACE: eas_answer_http(rq, 507); break;
	case POD_E_AUTH: eas_answer_http(rq, 401); break;
	case POD_E_UNAVAILABLE:
	case POD_E_TIMEOUT: /* not 114: phones take that for the end of the account; this they try again */
	case POD_E_BUSY:
	case POD_E_NOMEM: eas_answer_http(rq, 503); break;
	default: eas_answer_status(rq, root, EAS_STATUS_SERVER_ERROR);
	}
}

void eas_answer_bytes(struct eas_request *rq, const char *type, struct evbuffer *body)
{
	begin_anew(rq);
	if (!rq->answer->bytes)
		rq->answer->bytes = evbuffer_new();
	if (!rq->answer->bytes || evbuffer_add_buffer(rq->answer->bytes, body) < 0) {
		eas_answer_http(rq, 503);
		return;
	}
	rq->answer->kind = EAS_ANSWER_BYTES;
	rq->answer->type = type;
}

void eas_answer_header(struct eas_request *rq, const char *name, const char *value)
{
	http_add_header(rq->exchange, name, value);
}

/* ---- sending ---- */

static void free_bytes(const void *data, size_t len, void *arg)
{
	free(arg);
}

/* Moves the document into an evbuffer, which frees it. NULL where memory is out. */
static struct evbuffer *take_document(struct eas_answer *answer)
{
	struct evbuffer *body = evbuffer_new();

	if (!body || answer->out.failed)
		goto failed;
	if (evbuffer_add_reference(body, answer->out.p, answer->out.len, free_bytes, answer->out.p) < 0)
		goto failed;
	answer->out = BUF_INIT;
	return body;
failed:
	if (body)
		evbuffer_free(body);
	return NULL;
}

static bool is_empty(const struct eas_answer *answer)
{
	return !answer->out.failed && answer->out.len <= HEADER_LEN;
}

int eas_answer_code(const struct eas_request *rq)
{
	const struct eas_answer *answer = rq->answer;

	if (answer->kind == EAS_ANSWER_HTTP)
		return answer->code;
	return answer->kind == EAS_ANSWER_WBXML && answer->out.failed ? 503 : 200;
}

size_t eas_answer_len(const struct eas_request *rq)
{
	const struct eas_answer *answer = rq->answer;

	if (answer->kind == EAS_ANSWER_BYTES)
		return evbuffer_get_length(answer->bytes);
	return answer->kind == EAS_ANSWER_WBXML && !is_empty(answer) ? answer->out.len : 0;
}

static void add_retry_after(struct eas_request *rq)
{
	char text[16];

	(void) snprintf(text, sizeof(text), "%u",
	                rq->answer->retry_after_s ? rq->answer->retry_after_s : RETRY_AFTER_S);
	http_add_header(rq->exchange, "Retry-After", text);
}

static void send_code(struct eas_request *rq, int code)
{
	if (code == 503)
		add_retry_after(rq);
	if (code == 401)
		http_add_header(rq->exchange, "WWW-Authenticate", EAS_CHALLENGE);
	http_reply(rq->exchange, code, NULL, NULL);
}

static void send_document(struct eas_request *rq)
{
	struct evbuffer *body = is_empty(rq->answer) ? NULL : take_document(rq->answer);

	if (body)
		http_reply(rq->exchange, 200, WBXML_TYPE, body);
	else
		send_code(rq, is_empty(rq->answer) ? 200 : 503);
	if (body)
		evbuffer_free(body);
}

void eas_answer_send(struct eas_request *rq)
{
	struct eas_answer *answer = rq->answer;

	switch (answer->kind) {
	case EAS_ANSWER_HTTP: send_code(rq, answer->code); break;
	case EAS_ANSWER_BYTES: http_reply(rq->exchange, 200, answer->type, answer->bytes); break;
	case EAS_ANSWER_WBXML: send_document(rq); break;
	case EAS_ANSWER_PARKED: break;
	}
}

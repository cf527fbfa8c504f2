/*
 * PartCount (4 bytes, little-endian), for each part its offset from the start of the body and its length,
 * then the parts; the first one is the document (MS-ASCMD 2.2.1.10.1).
 */
#include "base/cleanup.h"
#include "imapd/eas/fetch/internal.h"

static void put32(struct buf *out, uint64_t v)
{
	for (int shift = 0; shift < 32; shift += 8)
		buf_add_byte(out, (uint8_t) (v >> shift));
}

static void put_head(struct buf *head, size_t document_len, const struct eas_multipart *m)
{
	uint64_t at = 4 + 8 * (1 + (uint64_t) m->n);

	put32(head, 1 + m->n);
	put32(head, at);
	put32(head, document_len);
	at += document_len;
	for (uint32_t i = 0; i < m->n; i++) {
		put32(head, at);
		put32(head, m->lengths[i]);
		at += m->lengths[i];
	}
}

static int add(struct evbuffer *body, const struct buf *b)
{
	return b->len > 0 ? evbuffer_add(body, b->p, b->len) : 0;
}

void fetch_answer_multipart(struct eas_request *rq, struct eas_multipart *multipart)
{
	_cleanup_buf_ struct buf head = BUF_INIT;
	struct evbuffer *body = evbuffer_new();
	const struct buf *document = rq->out.out;

	put_head(&head, document->len, multipart);
	if (!body || head.failed || document->failed || multipart->bytes.failed || add(body, &head) < 0 ||
	    add(body, document) < 0 || add(body, &multipart->bytes) < 0)
		eas_answer_http(rq, 503);
	else
		eas_answer_bytes(rq, "application/vnd.ms-sync.multipart", body);
	if (body)
		evbuffer_free(body);
}

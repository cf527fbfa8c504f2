/* The mail around a report (RFC 7489 7.2.1.1). */
#include <inttypes.h>
#include <zlib.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/id.h"
#include "mime/date.h"
#include "mta/podfilter/auth/report/report.h"

#define GZIP_WINDOW (15 + 16) /* zlib's own way to say gzip */
#define LINE        76

int report_compress(struct span document, struct buf *out, struct err *err)
{
	z_stream z = { 0 };
	uint8_t *to;
	int r;

	if (document.len > UINT32_MAX / 2 ||
	    deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return err_set(err, POD_E_NOMEM, "compressing a report");
	to = buf_reserve(out, deflateBound(&z, document.len));
	z.next_in = (Bytef *) (uintptr_t) document.p; /* it does not write to it */
	z.avail_in = (uInt) document.len;
	z.next_out = to;
	z.avail_out = to ? (uInt) deflateBound(&z, document.len) : 0;
	r = to ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;
	if (r == Z_STREAM_END)
		out->len += z.total_out;
	(void) deflateEnd(&z);
	return r == Z_STREAM_END ? 0 : err_set(err, POD_E_NOMEM, "compressing a report");
}

static void add_base64(struct buf *out, struct span bytes)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(2 * bytes.len + 4096);
	struct span text = a ? base64_encode(a, bytes) : SPAN_NONE;

	if (!text.p)
		out->failed = true;
	for (; text.len; text = span_skip(text, LINE))
		buf_printf(out, SPAN_FMT "\r\n", SPAN_ARG(span_head(text, LINE)));
}

/* filename = receiver "!" policy-domain "!" begin-timestamp "!" end-timestamp ".xml.gz" */
static void add_attachment(struct buf *out, const struct report_about *about, struct span compressed)
{
	buf_printf(out,
	           "Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n"
	           "Content-Disposition: attachment;\r\n filename=\"%s!%s!%" PRIu64 "!%" PRIu64
	           ".xml.gz\"\r\n\r\n",
	           strchr(about->contact, '@') + 1, about->domain, (uint64_t) about->day * 86400,
	           ((uint64_t) about->day + 1) * 86400 - 1);
	add_base64(out, compressed);
}

void report_letter(struct buf *out, const struct report_about *about, const char *from, const char *to,
                   struct span compressed, int64_t now_s)
{
	char date[DATE_RFC5322_SIZE], day[REPORT_DAY_SIZE], id[ID_TEXT_SIZE];
	struct guid guid = guid_new();
	const char *host = strchr(from, '@') + 1;

	guid_format(&guid, id);
	buf_printf(out, "From: <%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n", from, to,
	           date_format_rfc5322((struct mail_date){ .unix_s = now_s }, date, sizeof(date)), id, host);
	/* nothing answers it, and nothing comes back: its envelope has the null path */
	buf_printf(out,
	           "Auto-Submitted: auto-generated\r\nSubject: Report Domain: %s\r\n Submitter: %s\r\n "
	           "Report-ID: <%s>\r\n",
	           about->domain, host, about->id);
	buf_printf(out, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n--%s\r\n",
	           id, id);
	buf_printf(out,
	           "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
	           "This is an aggregate report on mail that claims to be from\r\n%s\r\non %s (UTC), as its "
	           "DMARC record asks "
	           "for.\r\n\r\n--%s\r\n",
	           about->domain, report_day_format(about->day, day), id);
	add_attachment(out, about, compressed);
	buf_printf(out, "\r\n--%s--\r\n", id);
}

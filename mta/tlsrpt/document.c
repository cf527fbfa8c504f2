#include "mta/tlsrpt/document.h"

#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "mta/tlspolicy/demand.h"
#include "mta/tlspolicy/sessions.h"

#define BASE64_LINE 76

/* ---- JSON ---- */

static json_t *strings(char *const *from, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		(void) json_array_append_new(list, json_string(from[i]));
	return list;
}

static uint64_t failed_total(const Tlspolicy__Sessions *row)
{
	uint64_t total = row->failures_left_out;

	for (size_t i = 0; i < row->n_failures; i++)
		total += row->failures[i]->count;
	return total;
}

static void set_text(json_t *to, const char *name, const char *text)
{
	if (*text)
		(void) json_object_set_new(to, name, json_string(text));
}

static json_t *failure_json(const Tlspolicy__Failure *f)
{
	json_t *json = json_pack(
		"{s:s, s:I}", "result-type",
		tls_result_name(f->result < TLS_RESULTS ? f->result : TLS_RESULT_VALIDATION_FAILURE),
		"failed-session-count", (json_int_t) f->count);

	set_text(json, "sending-mta-ip", f->sending_ip);
	set_text(json, "receiving-mx-hostname", f->receiving_host);
	set_text(json, "receiving-mx-helo", f->receiving_helo);
	set_text(json, "receiving-ip", f->receiving_ip);
	set_text(json, "failure-reason-code", f->reason);
	return json;
}

static json_t *policy_json(const char *domain, const Tlspolicy__Sessions *row)
{
	json_t *json = json_pack("{s:s, s:s}", "policy-type",
	                         tls_source_name(row->source < TLS_SOURCES ? row->source : TLS_SOURCE_NONE),
	                         "policy-domain", domain);

	if (row->n_strings)
		(void) json_object_set_new(json, "policy-string", strings(row->strings, row->n_strings));
	if (row->n_patterns)
		(void) json_object_set_new(json, "mx-host", strings(row->patterns, row->n_patterns));
	return json;
}

int tlsrpt_policy_add(json_t *policies, const char *domain, const Tlspolicy__Sessions *row)
{
	json_t *failures = json_array();
	json_t *json = json_pack("{s:o, s:{s:I, s:I}}", "policy", policy_json(domain, row), "summary",
	                         "total-successful-session-count", (json_int_t) row->success,
	                         "total-failure-session-count", (json_int_t) failed_total(row));

	for (size_t i = 0; i < row->n_failures; i++)
		(void) json_array_append_new(failures, failure_json(row->failures[i]));
	if (json_array_size(failures) > 0)
		(void) json_object_set(json, "failure-details", failures);
	json_decref(failures);
	return json_array_append_new(policies, json) < 0 ? -POD_E_NOMEM : 0;
}

static void time_text(int64_t s, char text[40])
{
	time_t t = (time_t) s;
	struct tm tm;

	(void) gmtime_r(&t, &tm);
	(void) strftime(text, 40, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void id_text(const struct tlsrpt_about *about, char *text, size_t size)
{
	char day[40];

	time_text((int64_t) about->day * DAY_S, day);
	(void) snprintf(text, size, "%.10s.%s@%s", day, about->domain, about->hostname);
}

json_t *tlsrpt_document(const struct tlsrpt_about *about, json_t *policies)
{
	char from[40], to[40], id[600];

	time_text((int64_t) about->day * DAY_S, from);
	time_text((int64_t) about->day * DAY_S + DAY_S - 1, to);
	id_text(about, id, sizeof(id));
	return json_pack("{s:s, s:{s:s, s:s}, s:s, s:s, s:o}", "organization-name", about->organization,
	                 "date-range", "start-datetime", from, "end-datetime", to, "contact-info",
	                 about->contact, "report-id", id, "policies", policies);
}

/* ---- gzip ---- */

int tlsrpt_compress(const json_t *document, struct buf *out)
{
	_cleanup_(freep) char *text = json_dumps(document, JSON_COMPACT);
	z_stream z = { 0 };
	uLong bound;
	uint8_t *to;
	int r;

	/* 15 bits of window, and 16 for the header of gzip instead of zlib's */
	if (!text || deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -POD_E_NOMEM;
	z.next_in = (Bytef *) text;
	z.avail_in = (uInt) strlen(text);
	bound = deflateBound(&z, z.avail_in);
	to = buf_reserve(out, bound);
	z.next_out = to;
	z.avail_out = to ? (uInt) bound : 0;
	r = to ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;
	if (r == Z_STREAM_END)
		out->len += z.total_out;
	(void) deflateEnd(&z);
	return r == Z_STREAM_END ? 0 : -POD_E_NOMEM;
}

/* ---- the mail ---- */

/* RFC 8460 5.1: sender "!" domain "!" begin "!" end, and the kind. */
static void file_name(const struct tlsrpt_about *about, char *text, size_t size)
{
	int64_t begin = (int64_t) about->day * DAY_S;

	(void) snprintf(text, size, "%s!%s!%lld!%lld.json.gz", about->hostname, about->domain,
	                (long long) begin, (long long) (begin + DAY_S - 1));
}

static void add_head(const struct tlsrpt_about *about, const char *from, const char *to, const char *trace,
                     int64_t now_s, struct buf *out)
{
	time_t t = (time_t) now_s;
	char date[64], id[600];
	struct tm tm;

	(void) gmtime_r(&t, &tm);
	(void) strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	id_text(about, id, sizeof(id));
	buf_printf(out, "From: %s\r\nTo: %s\r\nDate: %s\r\nMessage-ID: <%s.tlsrpt@%s>\r\n", from, to, date,
	           trace, about->hostname);
	buf_printf(out, "Subject: Report Domain: %s\r\n Submitter: %s\r\n Report-ID: <%s>\r\n", about->domain,
	           about->hostname, id);
	buf_printf(out, "TLS-Report-Domain: %s\r\nTLS-Report-Submitter: %s\r\nTLS-Required: No\r\n",
	           about->domain, about->hostname);
	buf_printf(
		out,
		"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"tlsrpt-%s\"\r\n\r\n",
		trace);
}

static void add_text(const struct tlsrpt_about *about, const char *trace, struct buf *out)
{
	char day[40];

	time_text((int64_t) about->day * DAY_S, day);
	buf_printf(out,
	           "--tlsrpt-%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
	           "This is a report of %s on TLS with the mail servers of\r\n%s on %.10s (UTC), as RFC 8460 "
	           "describes "
	           "it.\r\nQuestions go to %s.\r\n\r\n",
	           trace, about->hostname, about->domain, day, about->contact);
}

static int add_attachment(const struct tlsrpt_about *about, const char *trace, struct span compressed,
                          struct buf *out)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(compressed.len * 2 + 4096);
	struct span text = a ? base64_encode(a, compressed) : SPAN_NONE;
	char name[600];

	if (!text.p)
		return -POD_E_NOMEM;
	file_name(about, name, sizeof(name));
	buf_printf(out,
	           "--tlsrpt-%s\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: "
	           "base64\r\n"
	           "Content-Disposition: attachment;\r\n filename=\"%s\"\r\n\r\n",
	           trace, name);
	for (size_t at = 0; at < text.len; at += BASE64_LINE) {
		buf_add(out, span_head(span_skip(text, at), BASE64_LINE));
		buf_add_str(out, "\r\n");
	}
	buf_printf(out, "\r\n--tlsrpt-%s--\r\n", trace);
	return 0;
}

int tlsrpt_letter(const struct tlsrpt_about *about, const char *from, const char *to, const char *trace,
                  int64_t now_s, struct span compressed, struct buf *out)
{
	int r;

	add_head(about, from, to, trace, now_s, out);
	add_text(about, trace, out);
	r = add_attachment(about, trace, compressed, out);
	return r < 0 || out->failed ? -POD_E_NOMEM : 0;
}

#include "mta/podfilter/auth/results/results.h"

#include <string.h>

/* token (RFC 2045 5.1), and "@" and "/" as in pvalue's own forms. */
static bool is_plain(const char *text)
{
	if (!*text)
		return false;
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p == 0x7f || strchr("()<>,;:\\\"[]?=", *p))
			return false;
	return true;
}

void results_add_value(struct buf *out, const char *text)
{
	if (is_plain(text)) {
		buf_add_str(out, text);
		return;
	}
	buf_add_byte(out, '"');
	for (const char *p = text; *p; p++) {
		uint8_t c = (uint8_t) *p;

		if (c < ' ' || c == 0x7f)
			continue;
		if (c == '"' || c == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, c);
	}
	buf_add_byte(out, '"');
}

void results_add_comment(struct buf *out, const char *text)
{
	if (!*text)
		return;
	buf_add_str(out, " (");
	for (const char *p = text; *p; p++) {
		uint8_t c = (uint8_t) *p;

		if (c < ' ' || c == 0x7f)
			continue;
		if (c == '(' || c == ')' || c == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, c);
	}
	buf_add_byte(out, ')');
}

static void add_property(struct buf *out, const char *name, const char *value)
{
	if (!*value)
		return;
	buf_printf(out, " %s=", name);
	results_add_value(out, value);
}

static void add_spf(struct buf *out, const struct spf_answer *spf, const char *value)
{
	buf_printf(out, ";\r\n\tspf=%s", spf_result_name(spf->result));
	results_add_comment(out, spf->why);
	add_property(out, spf->identity == SPF_HELO ? "smtp.helo" : "smtp.mailfrom", value);
}

static void add_signature(struct buf *out, const struct dkim_signature *s)
{
	buf_printf(out, ";\r\n\tdkim=%s", dkim_result_name(s->result));
	results_add_comment(out, s->testing && !*s->why ? "test key" : s->why);
	add_property(out, "header.d", s->domain);
	add_property(out, "header.s", s->selector);
	add_property(out, "header.a", s->algorithm);
	add_property(out, "header.b", s->b); /* RFC 6008 */
}

static void add_dkim(struct buf *out, const struct dkim_verdict *dkim)
{
	if (dkim->n == 0)
		buf_add_str(out, ";\r\n\tdkim=none");
	for (size_t i = 0; i < dkim->n; i++)
		add_signature(out, &dkim->signatures[i]);
}

static void add_dmarc(struct buf *out, const struct dmarc_answer *dmarc, enum disposition applied)
{
	buf_printf(out, ";\r\n\tdmarc=%s", dmarc_result_name(dmarc->result));
	if (dmarc->has_record && !*dmarc->why)
		buf_printf(out, " (p=%s sp=%s dis=%s)", disposition_name(dmarc->record.p),
		           disposition_name(dmarc->record.sp), disposition_name(applied));
	else
		results_add_comment(out, dmarc->why);
	add_property(out, "header.from", dmarc->from_domain);
}

/* RFC 8617 6.2 and 10.2: the sealer, and the address that a later one may want to judge it by. */
static void add_arc(struct buf *out, struct arena *a, const struct auth_results *r)
{
	const char *sealed = arena_printf(a, "i=%u d=" SPAN_FMT, r->arc.chain->n, SPAN_ARG(r->arc.sealer));

	buf_printf(out, ";\r\n\tarc=%s", arc_result_name(r->arc.result));
	results_add_comment(out, r->arc.result == ARC_PASS && sealed ? sealed : r->arc.why);
	add_property(out, "smtp.remote-ip", r->client);
}

struct span results_format(struct arena *a, const struct auth_results *r)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	results_add_value(&out, r->authserv_id);
	add_spf(&out, &r->spf, r->spf.identity == SPF_HELO ? r->helo : r->sender);
	if (r->spf.identity == SPF_MAILFROM)
		add_spf(&out, &r->helo_spf, r->helo);
	add_dkim(&out, &r->dkim);
	add_dmarc(&out, &r->dmarc, r->applied);
	if (r->arc.result != ARC_NONE)
		add_arc(&out, a, r);
	return out.failed ? SPAN_NONE : arena_dup(a, buf_span(&out));
}

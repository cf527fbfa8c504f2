/* Reports of DMARC for one day: made, signed, and sent to who asked for them. */
#include <inttypes.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mime/header.h"
#include "mta/podfilter/control/control_internal.h"

#define DOCUMENT_MAX (64u << 20)
#define LETTER_ARENA (256u << 20)
#define DAY_ARENA    (64u << 20)

struct round {
	struct control *c;
	const struct conf *conf;
	uint32_t day;
	bool again;
	const char *from, *organization;
	json_t *out; /* an array: what was done for each domain */
	int r;       /* the worst that happened */
};

static const char *from_of(struct arena *a, const struct conf *conf)
{
	const char *from = conf->auth.dmarc_report_from;

	return *from ? from : arena_printf(a, "postmaster@%s", conf->pod.domain);
}

static int add_row(void *arg, struct span row, uint64_t count)
{
	struct buf *out = arg;

	/* a row that cannot be read is left out: the others are as true as before */
	(void) report_xml_row(out, row, count);
	return 0;
}

static int make_document(struct round *round, const struct report_about *about, struct buf *compressed,
                         struct err *err)
{
	_cleanup_buf_ struct buf xml = { .limit = DOCUMENT_MAX };
	int r;

	report_xml_begin(&xml, about);
	r = report_store_each_row(round->c->o.reports, about->day, about->domain, add_row, &xml, err);
	report_xml_end(&xml);
	if (r == 0 && xml.failed)
		r = err_set(err, POD_E_LIMIT, "the report is larger than %u MiB", DOCUMENT_MAX >> 20);
	return r == 0 ? report_compress(buf_span(&xml), compressed, err) : r;
}

static int send_to(struct round *round, const struct report_about *about, const struct report_destination *to,
                   struct span compressed, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(LETTER_ARENA);
	_cleanup_buf_ struct buf letter = BUF_INIT, message = BUF_INIT;
	int r = a ? report_destination_check(round->c->o.auth->dmarc, &round->c->o.lookup, a, about->domain,
	                                     to->address, err)
	          : err_set(err, POD_E_NOMEM, "report");

	if (r == 0 && to->size_max && compressed.len > to->size_max)
		r = err_set(err, POD_E_LIMIT, "the report is larger than %s takes", to->address);
	if (r < 0)
		return r;
	report_letter(&letter, about, round->from, to->address, compressed, clock_wall_s());
	if (letter.failed)
		return err_set(err, POD_E_NOMEM, "report");
	/* Signed: without that most receivers do not take a report. */
	r = mailauth_sign_own(round->c->o.auth, a, buf_span(&letter), "", &message, NULL, err);
	buf_add(&message, buf_span(&letter));
	if (r == 0 && message.failed)
		r = err_set(err, POD_E_NOMEM, "report");
	return r == 0 ? control_send(round->c, a, round->conf, buf_span(&message), to->address, err) : r;
}

static const char *rua_of(struct arena *a, const char *policy)
{
	json_t *json = json_loads(policy, 0, NULL);
	const char *rua = json_string_value(json_object_get(json, "rua"));

	rua = rua ? arena_str(a, span_of(rua)) : "";
	json_decref(json);
	return rua ? rua : "";
}

/* One domain's report to all of its addresses. 0: one of them has it, or none is to get it; else it is tried
 * again. */
static int send_all(struct round *round, struct arena *a, const struct report_about *about,
                    struct span compressed, json_t *out)
{
	struct report_destination to[REPORT_DESTINATIONS_MAX];
	size_t n = report_destinations(a, rua_of(a, about->policy), to);
	bool sent = false, later = false;

	for (size_t i = 0; i < n; i++) {
		struct err err = { 0 };
		int r = send_to(round, about, &to[i], compressed, &err);

		sent |= r == 0;
		later |= r == -POD_E_UNAVAILABLE || r == -POD_E_TIMEOUT || r == -POD_E_NOMEM;
		(void) json_array_append_new(out, json_pack("{s:s, s:s}", "address", to[i].address, "status",
		                                            r == 0 ? "queued" : err_text(&err)));
		log_event(NULL, r == 0 ? LOGL_INFO : LOGL_NOTICE,
		          r == 0 ? "dmarc.report_sent" : "dmarc.report_not_sent",
		          F_STR("domain", about->domain), F_STR("to", to[i].address),
		          F_STR("error", r == 0 ? "" : err_text(&err)));
	}
	return later && !sent ? -POD_E_UNAVAILABLE : 0;
}

static int report_domain(void *arg, const struct report_domain *d)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	_cleanup_buf_ struct buf compressed = BUF_INIT;
	struct round *round = arg;
	struct report_about about = { .organization = round->organization,
		                      .contact = round->from,
		                      .domain = d->domain,
		                      .day = round->day,
		                      .policy = d->policy };
	json_t *to = json_array();
	struct err err = { 0 };
	int r = 0;

	if (d->sent && !round->again) {
		json_decref(to);
		return 0;
	}
	about.id = a ? arena_printf(a, "%" PRIu32 ".%" PRIx64 ".%s", round->day, (uint64_t) clock_wall_us(),
	                            d->domain)
	             : NULL;
	if (!about.id)
		r = err_set(&err, POD_E_NOMEM, "report");
	if (r == 0)
		r = make_document(round, &about, &compressed, &err);
	if (r == 0)
		r = send_all(round, a, &about, buf_span(&compressed), to);
	else
		log_event(NULL, LOGL_ERROR, "dmarc.report_failed", F_STR("domain", d->domain), F_ERR(&err));
	if (r == 0)
		r = report_store_set_sent(round->c->o.reports, round->day, d->domain, &err);
	(void) json_array_append_new(round->out, json_pack("{s:s, s:I, s:o}", "domain", d->domain, "messages",
	                                                   (json_int_t) d->messages, "to", to));
	if (r < 0)
		round->r = r;
	return 0; /* the others' turn */
}

int control_report_day(struct control *c, uint32_t day, bool again, json_t **ret_domains, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(DAY_ARENA);
	struct round round = { .c = c, .day = day, .again = again, .out = json_array() };
	void *hold;
	int r;

	round.conf = c->o.conf_take(c->o.arg, &hold);
	round.from = a ? from_of(a, round.conf) : NULL;
	round.organization = *round.conf->auth.dmarc_report_org ? round.conf->auth.dmarc_report_org
	                                                        : round.conf->pod.domain;
	r = round.from ? report_store_flush(c->o.reports, err) : err_set(err, POD_E_NOMEM, "report");
	if (r == 0)
		r = report_store_each_domain(c->o.reports, a, day, report_domain, &round, err);
	c->o.conf_release(c->o.arg, hold);
	if (r < 0) {
		json_decref(round.out);
		return r;
	}
	*ret_domains = round.out;
	return round.r;
}

/* Yesterday's, a while after midnight, and what days before it still owe. */
void control_on_reports(evutil_socket_t fd, short events, void *control)
{
	struct control *c = control;
	int64_t now_s = clock_wall_s();
	uint32_t today = report_day_of(now_s - REPORT_AFTER_S);
	struct err err = { 0 };
	void *hold;
	const struct conf *conf = c->o.conf_take(c->o.arg, &hold);
	bool wanted = conf->auth.dmarc_reports;
	json_t *domains;

	c->o.conf_release(c->o.arg, hold);
	for (uint32_t day = today - REPORT_OWED_DAYS; wanted && day < today; day++)
		if (control_report_day(c, day, false, &domains, &err) == 0)
			json_decref(domains);
	if (report_store_flush(c->o.reports, &err) < 0 ||
	    report_store_prune(c->o.reports, today - REPORT_KEEP_DAYS, &err) < 0)
		log_event(NULL, LOGL_ERROR, "dmarc.not_kept", F_ERR(&err));
}

void control_on_flush(evutil_socket_t fd, short events, void *control)
{
	struct control *c = control;
	struct err err = { 0 };

	if (report_store_flush(c->o.reports, &err) < 0)
		log_event(NULL, LOGL_ERROR, "dmarc.not_counted", F_ERR(&err));
}

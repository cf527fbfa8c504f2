/* Reports of DMARC, as podctl dmarc asks for them. */
#include "base/clock.h"
#include "mta/podfilter/control/control_internal.h"

/* "date" of in; yesterday, or today, where it has none. */
static int day_of(json_t *in, uint32_t days_ago, uint32_t *ret_day, struct err *err)
{
	json_t *date = json_object_get(in, "date");

	*ret_day = report_day_of(clock_wall_s()) - days_ago;
	if (!date || json_is_null(date))
		return 0;
	if (!json_is_string(date) || report_day_parse(json_string_value(date), ret_day) < 0)
		return err_set(err, POD_E_SYNTAX, "a date is written 2026-11-26");
	return 0;
}

static json_t *day_json(uint32_t day, json_t *domains)
{
	char text[REPORT_DAY_SIZE];

	return json_pack("{s:s, s:o}", "date", report_day_format(day, text), "domains", domains);
}

int control_dmarc_report(struct control *c, struct arena *a, json_t *in, json_t **ret_answer, struct err *err)
{
	uint32_t day;
	json_t *domains = NULL;
	int r = day_of(in, 1, &day, err);

	if (r < 0)
		return r;
	r = control_report_day(c, day, json_is_true(json_object_get(in, "again")), &domains, err);
	if (!domains)
		return r;
	/* what failed for one domain is said at its addresses */
	*ret_answer = day_json(day, domains);
	return 0;
}

static int add_domain(void *arg, const struct report_domain *d)
{
	(void) json_array_append_new(arg, json_pack("{s:s, s:I, s:b, s:o}", "domain", d->domain, "messages",
	                                            (json_int_t) d->messages, "sent", (int) d->sent, "policy",
	                                            json_loads(d->policy, 0, NULL)));
	return 0;
}

int control_dmarc_show(struct control *c, struct arena *a, json_t *in, json_t **ret_answer, struct err *err)
{
	json_t *domains = json_array();
	uint32_t day;
	int r = day_of(in, 0, &day, err);

	if (r == 0)
		r = report_store_flush(c->o.reports, err);
	if (r == 0)
		r = report_store_each_domain(c->o.reports, a, day, add_domain, domains, err);
	if (r < 0)
		json_decref(domains);
	else
		*ret_answer = day_json(day, domains);
	return r;
}

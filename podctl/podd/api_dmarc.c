/* Aggregate reports of DMARC: podfilter has the counts, and sends. */
#include "base/cleanup.h"
#include "podctl/podd/filter_link.h"

void api_dmarc_show(struct api_call *call)
{
	filter_call(call, "dmarc.show", json_pack("{s:s*}", "date", evhttp_find_header(&call->query, "date")),
	            NULL);
}

void api_dmarc_report(struct api_call *call)
{
	static const char *const fields[] = { "date", "again" };
	const char *date = NULL;
	bool there, again = false;
	struct err err = { 0 };
	int r = api_only(call, fields, ARRAY_SIZE(fields), &err);

	if (r == 0)
		r = api_string(call, "date", &date, &err);
	if (r == 0)
		r = api_bool(call, "again", &there, &again, &err);
	if (r < 0)
		api_fail(call, &err);
	else
		filter_call(call, "dmarc.report",
		            json_pack("{s:s*, s:b}", "date", date, "again", (int) again), NULL);
}

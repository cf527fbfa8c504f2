/* The document (RFC 7489, appendix C). */
#include <inttypes.h>
#include <jansson.h>

#include "base/xml.h"
#include "mta/podfilter/auth/report/report.h"

static struct span string_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return span_of(text ? text : "");
}

void report_xml_begin(struct buf *out, const struct report_about *about)
{
	static const char *const copied[] = { "adkim", "aspf", "p", "sp" };
	json_t *policy = json_loads(about->policy, 0, NULL);

	buf_add_str(out, "<?xml version=\"1.0\" "
	                 "encoding=\"UTF-8\"?>\n<feedback>\n<version>1.0</version>\n<report_metadata>\n");
	xml_element(out, "org_name", span_of(about->organization));
	xml_element(out, "email", span_of(about->contact));
	xml_element(out, "report_id", span_of(about->id));
	buf_printf(out,
	           "<date_range><begin>%" PRIu64 "</begin><end>%" PRIu64
	           "</end></date_range>\n</report_metadata>\n",
	           (uint64_t) about->day * 86400, ((uint64_t) about->day + 1) * 86400 - 1);
	buf_add_str(out, "<policy_published>\n");
	xml_element(out, "domain", span_of(about->domain));
	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
		xml_element(out, copied[i], string_of(policy, copied[i]));
	buf_printf(out, "<pct>%d</pct>\n", (int) json_integer_value(json_object_get(policy, "pct")));
	xml_element(out, "fo", string_of(policy, "fo"));
	buf_add_str(out, "</policy_published>\n");
	json_decref(policy);
}

static const char *pass_or_fail(const json_t *row, const char *name)
{
	return json_is_true(json_object_get(row, name)) ? "pass" : "fail";
}

/* Why the policy was not followed as it stands. */
static void add_reason(struct buf *out, const json_t *row)
{
	if (json_is_true(json_object_get(row, "vouched_for")))
		buf_add_str(out,
		            "<reason><type>trusted_forwarder</type><comment>arc=pass</comment></reason>\n");
	else if (json_is_true(json_object_get(row, "spared")))
		buf_add_str(out, "<reason><type>local_policy</type><comment>pct, or this host's own "
		                 "policy</comment></reason>\n");
}

static void add_auth_results(struct buf *out, const json_t *row)
{
	const json_t *sig;
	size_t i;

	buf_add_str(out, "<auth_results>\n");
	json_array_foreach(json_object_get(row, "auth_dkim"), i, sig)
	{
		buf_add_str(out, "<dkim>\n");
		xml_element(out, "domain", string_of(sig, "domain"));
		xml_element(out, "selector", string_of(sig, "selector"));
		xml_element(out, "result", string_of(sig, "result"));
		buf_add_str(out, "</dkim>\n");
	}
	buf_add_str(out, "<spf>\n");
	xml_element(out, "domain", string_of(row, "spf_domain"));
	xml_element(out, "scope", string_of(row, "spf_scope"));
	xml_element(out, "result", string_of(row, "spf_result"));
	buf_add_str(out, "</spf>\n</auth_results>\n");
}

int report_xml_row(struct buf *out, struct span row, uint64_t count)
{
	json_t *json = json_loadb((const char *) row.p, row.len, 0, NULL);

	if (!json_is_object(json)) {
		json_decref(json);
		return -POD_E_CORRUPT;
	}
	buf_add_str(out, "<record>\n<row>\n");
	xml_element(out, "source_ip", string_of(json, "ip"));
	buf_printf(out, "<count>%" PRIu64 "</count>\n<policy_evaluated>\n", count);
	xml_element(out, "disposition", string_of(json, "disposition"));
	xml_element(out, "dkim", span_of(pass_or_fail(json, "dkim")));
	xml_element(out, "spf", span_of(pass_or_fail(json, "spf")));
	add_reason(out, json);
	buf_add_str(out, "</policy_evaluated>\n</row>\n<identifiers>\n");
	xml_element(out, "envelope_from", string_of(json, "envelope_from"));
	xml_element(out, "header_from", string_of(json, "header_from"));
	buf_add_str(out, "</identifiers>\n");
	add_auth_results(out, json);
	buf_add_str(out, "</record>\n");
	json_decref(json);
	return 0;
}

void report_xml_end(struct buf *out)
{
	buf_add_str(out, "</feedback>\n");
}

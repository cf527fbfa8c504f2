/* The document (RFC 7489, appendix C). */
#include <inttypes.h>
#include <jansson.h>

#include "mta/podfilter/auth/report/report.h"

static void add_text(struct buf *out, const char *text)
{
	for (; text && *text; text++) {
		switch (*text) {
		case '&': buf_add_str(out, "&amp;"); break;
		case '<': buf_add_str(out, "&lt;"); break;
		case '>': buf_add_str(out, "&gt;"); break;
		default:
			if ((uint8_t) *text >= ' ' && *text != 0x7f) /* XML 1.0 2.2 has no others */
				buf_add_byte(out, (uint8_t) *text);
		}
	}
}

static void add_element(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "<%s>", name);
	add_text(out, text);
	buf_printf(out, "</%s>\n", name);
}

static const char *string_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

void report_xml_begin(struct buf *out, const struct report_about *about)
{
	static const char *const copied[] = { "adkim", "aspf", "p", "sp" };
	json_t *policy = json_loads(about->policy, 0, NULL);

	buf_add_str(out, "<?xml version=\"1.0\" "
	                 "encoding=\"UTF-8\"?>\n<feedback>\n<version>1.0</version>\n<report_metadata>\n");
	add_element(out, "org_name", about->organization);
	add_element(out, "email", about->contact);
	add_element(out, "report_id", about->id);
	buf_printf(out,
	           "<date_range><begin>%" PRIu64 "</begin><end>%" PRIu64
	           "</end></date_range>\n</report_metadata>\n",
	           (uint64_t) about->day * 86400, ((uint64_t) about->day + 1) * 86400 - 1);
	buf_add_str(out, "<policy_published>\n");
	add_element(out, "domain", about->domain);
	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
		add_element(out, copied[i], string_of(policy, copied[i]));
	buf_printf(out, "<pct>%d</pct>\n", (int) json_integer_value(json_object_get(policy, "pct")));
	add_element(out, "fo", string_of(policy, "fo"));
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
		add_element(out, "domain", string_of(sig, "domain"));
		add_element(out, "selector", string_of(sig, "selector"));
		add_element(out, "result", string_of(sig, "result"));
		buf_add_str(out, "</dkim>\n");
	}
	buf_add_str(out, "<spf>\n");
	add_element(out, "domain", string_of(row, "spf_domain"));
	add_element(out, "scope", string_of(row, "spf_scope"));
	add_element(out, "result", string_of(row, "spf_result"));
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
	add_element(out, "source_ip", string_of(json, "ip"));
	buf_printf(out, "<count>%" PRIu64 "</count>\n<policy_evaluated>\n", count);
	add_element(out, "disposition", string_of(json, "disposition"));
	add_element(out, "dkim", pass_or_fail(json, "dkim"));
	add_element(out, "spf", pass_or_fail(json, "spf"));
	add_reason(out, json);
	buf_add_str(out, "</policy_evaluated>\n</row>\n<identifiers>\n");
	add_element(out, "envelope_from", string_of(json, "envelope_from"));
	add_element(out, "header_from", string_of(json, "header_from"));
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

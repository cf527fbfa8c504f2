#include "imapd/eas/provision/document.h"

#include <string.h>

#define FIRST PROVISION_DEVICEPASSWORDENABLED
#define LAST  PROVISION_APPROVEDAPPLICATIONLIST

/* Tags and settings have the same names. */
static enum wbxml_tag tag_of(const char *name)
{
	for (unsigned int tag = FIRST; tag <= LAST; tag++) {
		const char *known = wbxml_name(tag);

		if (known && strcmp(strchr(known, ':') + 1, name) == 0)
			return (enum wbxml_tag) tag;
	}
	return 0;
}

static void list(struct wbxml_writer *w, enum wbxml_tag tag, struct span values)
{
	enum wbxml_tag entry =
		tag == PROVISION_APPROVEDAPPLICATIONLIST ? PROVISION_HASH : PROVISION_APPLICATIONNAME;

	wbxml_open(w, tag);
	while (values.p) {
		struct span value = span_trim(span_split(values, ',', &values));

		if (value.len > 0)
			wbxml_text(w, entry, value);
	}
	wbxml_close(w);
}

void provision_document(struct wbxml_writer *w, const struct device_policy_set *set, unsigned int version)
{
	wbxml_open(w, PROVISION_EASPROVISIONDOC);
	for (size_t i = 0; i < device_policies_n; i++) {
		const struct device_policy *policy = &device_policies[i];
		enum wbxml_tag tag = tag_of(policy->name);

		if (!set->values[i] || version < policy->since || !tag)
			continue;
		if (policy->kind == DEVICE_POLICY_LIST)
			list(w, tag, span_of(set->values[i]));
		else
			wbxml_str(w, tag, set->values[i]);
	}
	wbxml_close(w);
}

const char *provision_wap(const struct device_policy_set *set)
{
	return device_policy_number(set, "DevicePasswordEnabled", 0)
	               ? "<wap-provisioningdoc><characteristic type=\"SecurityPolicy\"><parm name=\"4131\" "
	                 "value=\"0\"/>"
	                 "</characteristic></wap-provisioningdoc>"
	               : "<wap-provisioningdoc><characteristic type=\"SecurityPolicy\"><parm name=\"4131\" "
	                 "value=\"1\"/>"
	                 "</characteristic></wap-provisioningdoc>";
}

/* What a device says of itself (MS-ASCMD 2.2.3.44). */
#include "imapd/eas/device/internal.h"

#define TEXT_MAX 1024

static const struct {
	enum wbxml_tag tag;
	size_t offset; /* of a string in the record */
} texts[] = {
	{ SETTINGS_MODEL, offsetof(Device__Device, model) },
	{ SETTINGS_IMEI, offsetof(Device__Device, imei) },
	{ SETTINGS_FRIENDLYNAME, offsetof(Device__Device, friendly_name) },
	{ SETTINGS_OS, offsetof(Device__Device, os) },
	{ SETTINGS_OSLANGUAGE, offsetof(Device__Device, os_language) },
	{ SETTINGS_PHONENUMBER, offsetof(Device__Device, phone_number) },
	{ SETTINGS_MOBILEOPERATOR, offsetof(Device__Device, mobile_operator) },
	{ SETTINGS_USERAGENT, offsetof(Device__Device, user_agent) },
};

struct said {
	struct arena *a;
	const struct wbxml_node *set;
};

static void take(Device__Device *record, const void *arg)
{
	const struct said *said = arg;
	bool sms;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct wbxml_node *node = wbxml_child(said->set, texts[i].tag);
		char *text = node ? arena_str(said->a, span_head(node->text, TEXT_MAX)) : NULL;

		if (text)
			*(char **) ((char *) record + texts[i].offset) = text;
	}
	if (wbxml_child_bool(said->set, SETTINGS_ENABLEOUTBOUNDSMS, record->outbound_sms, &sms) >= 0)
		record->outbound_sms = sms;
}

int eas_device_information(struct eas_request *rq, const struct wbxml_node *set, struct err *err)
{
	struct said said = { rq->a, set };

	return eas_device_update(rq, take, &said, err);
}

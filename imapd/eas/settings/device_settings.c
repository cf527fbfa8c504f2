/* What a device leaves with us: what it is, and its recovery password. */
#include "imapd/eas/device/device.h"
#include "imapd/eas/settings/settings.h"

#define PASSWORD_MAX 255

void settings_device_information(struct eas_request *rq, const struct wbxml_node *node)
{
	const struct wbxml_node *set = wbxml_child(node, SETTINGS_SET);
	struct err err = { 0 };

	settings_status(rq, SETTINGS_DEVICEINFORMATION,
	                set ? settings_status_of(eas_device_information(rq, set, &err))
	                    : SETTINGS_PROTOCOL_ERROR);
}

static void keep_password(Device__Device *record, const void *arg)
{
	record->recovery_password = (char *) (uintptr_t) arg;
}

/* Kept only where the policies ask for it: nobody wants a secret that he has no use for. */
void settings_device_password(struct eas_request *rq, const struct wbxml_node *node)
{
	const struct wbxml_node *password = wbxml_child(wbxml_child(node, SETTINGS_SET), SETTINGS_PASSWORD);
	const char *text = password ? arena_str(rq->a, password->text) : NULL;
	enum settings_status status = SETTINGS_PROTOCOL_ERROR;
	struct err err = { 0 };

	if (password && password->text.len > PASSWORD_MAX)
		status = SETTINGS_INVALID;
	else if (text && !device_policy_number(&rq->device->policies, "PasswordRecoveryEnabled", 0))
		status = SETTINGS_BY_POLICY;
	else if (text)
		status = settings_status_of(eas_device_update(rq, keep_password, text, &err));
	settings_status(rq, SETTINGS_DEVICEPASSWORD, status);
}

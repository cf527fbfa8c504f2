/*
 * Settings (MS-ASCMD 2.2.1.18): each question in it is answered for itself, by an element of the same name
 * with a Status of its own.
 */
#ifndef POD_IMAPD_EAS_SETTINGS_H
#define POD_IMAPD_EAS_SETTINGS_H

#include "imapd/eas/eas.h"

enum settings_status {
	SETTINGS_OK = 1,
	SETTINGS_PROTOCOL_ERROR = 2,
	SETTINGS_DENIED = 3,
	SETTINGS_UNAVAILABLE = 4,
	SETTINGS_INVALID = 5,
	SETTINGS_CONFLICTING = 6,
	SETTINGS_BY_POLICY = 7,
};

void eas_cmd_settings(struct eas_request *rq);

/* One question: node is its element in the request. Writes the element that answers it. Suspends. */
typedef void settings_fn(struct eas_request *rq, const struct wbxml_node *node);
settings_fn settings_oof, settings_device_information, settings_device_password, settings_user_information, settings_rights;

/* An answer that is a status alone. */
void settings_status(struct eas_request *rq, enum wbxml_tag tag, enum settings_status status);
/* For a failure of the store. */
enum settings_status settings_status_of(int code);

#endif

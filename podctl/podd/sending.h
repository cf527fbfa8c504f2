/*
 * What a user may send: from whose addresses, how much, and for how long it can be taken back. Fields of the
 * records User and Group that the mta asks the directory for.
 */
#ifndef PODCTL_PODD_SENDING_H
#define PODCTL_PODD_SENDING_H

#include "podctl/podd/api.h"

/* How many fields SENDING_FIELDS names: rates and "undo_send_s". */
#define SENDING_FIELDS \
	"messages_per_hour", "messages_per_day", "recipients_per_hour", "recipients_per_day", "undo_send_s"
#define SENDING_FIELDS_N   5
#define SENDING_UNDO_MAX_S 86400

struct sending_changes {
	bool any;
	struct {
		bool set;
		uint32_t value;
	} fields[SENDING_FIELDS_N];
};

/* Takes the fields off a body. A rate is a number, 0 for what the configuration says, -1 for none. */
int sending_read(const struct api_call *call, struct sending_changes *ret_changes, struct err *err);
void sending_apply(const struct sending_changes *changes, Directory__User *user);
/* Adds them to a user's JSON, "send_as" too. */
int sending_json(const Directory__User *user, json_t *json);

#endif

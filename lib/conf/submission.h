/* Section submission: what users may send. */
#ifndef POD_CONF_SUBMISSION_H
#define POD_CONF_SUBMISSION_H

#include <stdbool.h>
#include <stdint.h>

struct submission_conf {
	bool enforce_senders, hide_client_address;
	unsigned int messages_per_hour, messages_per_day, recipients_per_hour, recipients_per_day; /* 0: any number */
	uint64_t undo_send_ms, future_release_max_ms;
	unsigned int priority_user_max;
};

#endif

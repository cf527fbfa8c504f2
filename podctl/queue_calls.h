/* What podctl queue and podctl quarantine ask alike about one message of the queue. */
#ifndef PODCTL_QUEUE_CALLS_H
#define PODCTL_QUEUE_CALLS_H

#include <jansson.h>

#include "podctl/cli.h"

/* METHOD /queue/ID and what follows ("", "/message"). As client_call. */
int queue_call(struct cli *cli, const char *method, const char *id, const char *what, json_t **ret_answer);
/* The text of the message that the first argument names. Returns the exit status. */
int queue_show_message(struct cli *cli);

#endif

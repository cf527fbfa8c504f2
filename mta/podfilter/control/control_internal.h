/* What the files of this folder share. All of it runs on the control's thread. */
#ifndef POD_FILTER_CONTROL_INTERNAL_H
#define POD_FILTER_CONTROL_INTERNAL_H

#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>

#include "mta/podfilter/control/control.h"
#include "mta/podfilter/control/door.h"

struct control {
	struct control_options o;
	struct door *door;
	struct event *rotation, *reports, *flush;
};

/* A method: 0 and *ret_answer, which the caller then owns, or -POD_E_* with words. in is an object. */
typedef int control_fn(struct control *c, struct arena *a, json_t *in, json_t **ret_answer, struct err *err);

struct control_method {
	const char *name;
	control_fn *fn;
};

extern const struct control_method control_methods[]; /* up to one without a name */

control_fn control_dkim_domains, control_dkim_list, control_dkim_create, control_dkim_activate,
	control_dkim_remove, control_dkim_rotate, control_dkim_schedule, control_dmarc_report,
	control_dmarc_show;

/* A field of in. -POD_E_SYNTAX where it is missing or of another type. */
int control_string(json_t *in, const char *name, const char **ret_text, struct err *err);

/* A key with its record and, where asked for, how the DNS has it. */
int control_key_json(struct control *c, struct arena *a, const char *domain, const struct key_info *info,
                     bool ask_dns, json_t **ret_json, struct err *err);

/* What the schedules of all domains want done now (rotation.c). */
void control_rotate_due(struct control *c, int64_t now_s);
void control_on_rotation(evutil_socket_t fd, short events, void *control);

#define REPORT_AFTER_S   1800 /* so long after midnight a day's last messages have been counted */
#define REPORT_OWED_DAYS 3    /* days back from today that are still sent by themselves */

/*
 * Sends the reports of a day that have not gone out, or all again (reports.c). *ret_domains, also where one
 * of them has to be tried again and an error is returned: [{"domain", "messages", "to": [{"address",
 * "status"}]}]; else untouched.
 */
int control_report_day(struct control *c, uint32_t day, bool again, json_t **ret_domains, struct err *err);
void control_on_reports(evutil_socket_t fd, short events, void *control);
void control_on_flush(evutil_socket_t fd, short events, void *control);

/* Puts a message into the mta's queue, from the null path (send.c). Waits for the queue's word. */
int control_send(struct control *c, struct arena *a, const struct conf *conf, struct span message,
                 const char *to, struct err *err);

#endif

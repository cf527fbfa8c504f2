/*
 * What podd asks of podfilter, and what podfilter does by the clock: a thread with an event loop of its own,
 * since making a key or asking the DNS takes its time. HTTP with JSON on a unix socket that only our own user
 * and root reach:
 *
 *   POST /METHOD with an object      200 and an object, or {"error": "words", "code": "NOTFOUND"} (methods.c)
 */
#ifndef POD_FILTER_CONTROL_H
#define POD_FILTER_CONTROL_H

#include <jansson.h>

#include "conf/conf.h"
#include "directory/directory.h"
#include "mta/podfilter/auth/mailauth.h"
#include "mta/podfilter/auth/report/report.h"

#define FILTER_CONTROL_SOCKET_NAME "podfilter-control.sock" /* in run_dir */

struct control;

/* A method of the caller's, beside those of methods.c: 0 and *ret_answer, or -POD_E_* with words. in is an object. */
struct control_extra {
	const char *name;
	int (*fn)(void *arg, struct arena *a, json_t *in, json_t **ret_answer, struct err *err);
};

struct control_options {
	const struct mailauth *auth;
	const struct control_extra *extra; /* up to one without a name; may be NULL */
	struct lookup lookup;
	struct report_store *reports;
	struct directory *directory; /* NULL: there is none */
	/* The settings in force, which the caller of release has had taken. */
	const struct conf *(*conf_take)(void *arg, void **ret_hold);
	void (*conf_release)(void *arg, void *hold);
	void *arg;
};

/* Listens in run_dir and starts the thread. What options point at outlives it. evthread is in use. */
int control_start(const struct control_options *options, const char *run_dir, struct control **ret_control,
                  struct err *err);
/* Waits for the method that runs. NULL is fine; returns NULL. */
struct control *control_stop(struct control *c);

#endif

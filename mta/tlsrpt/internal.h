/* What the files of the reports' process share. All on its loop's thread. */
#ifndef POD_MTA_TLSRPT_INTERNAL_H
#define POD_MTA_TLSRPT_INTERNAL_H

#include <sys/queue.h>

#include "directory/directory.h"
#include "dns/dns.h"
#include "http/http.h"
#include "kv/kv.h"
#include "mta/queue/queue.h"
#include "mta/tlspolicy/sessions.h"
#include "mta/tlsrpt/document.h"
#include "mta/tlsrpt/record.h"
#include "mta/tlsrpt/reports.h"

struct round;
struct reports_control;

struct reports {
	struct event_base *base;
	const struct conf *conf;
	const struct conf *reloaded; /* by SIGHUP; NULL: the parent's holds */
	struct directory *dir;
	struct dns *dns;
	struct http_client *http;
	struct kv *kv;
	kv_table table; /* by day: what of its reports is done */
	struct tls_sessions *sessions;
	struct queue_client *queue;
	struct reports_control *control;
	struct event *timer;
	struct round *daily; /* under way */
	char contact[300];
};

/* ---- state.c: what of a day's reports is done ---- */

int state_open(struct reports *r, struct err *err);
/* Whether the day is over and done with. */
bool state_is_finished(struct reports *r, uint32_t day);
int state_finish(struct reports *r, uint32_t day, struct err *err);
bool state_is_sent(struct reports *r, uint32_t day, const char *domain, const char *uri);
int state_set_sent(struct reports *r, uint32_t day, const char *domain, const char *uri, struct err *err);

/* ---- round.c: the reports of one day ---- */

struct round_result {
	unsigned int domains; /* with counts */
	unsigned int asked;   /* of them ask for reports */
	unsigned int sent, failed;
};

typedef void round_fn(void *arg, const struct round_result *result);

/* again: also to those who have theirs. Calls back from the loop. NULL: err says why. */
struct round *round_start(struct reports *r, uint32_t day, bool again, round_fn *fn, void *arg,
                          struct err *err);
const struct round_result *round_result_so_far(const struct round *round);
/* No callback follows. NULL is fine; returns NULL. */
struct round *round_free(struct round *round);

/* ---- send.c: one report to one place ---- */

struct sending;
/* r: 0, or -POD_E_* with words. */
typedef void sending_fn(void *arg, int r, const char *text);

/* compressed and rua must stay until the callback, which comes from the loop. NULL where memory is out. */
struct sending *sending_start(struct reports *r, const struct tlsrpt_about *about,
                              const struct tlsrpt_rua *rua, struct span compressed, sending_fn *fn,
                              void *arg);
struct sending *sending_free(struct sending *s); /* no callback follows */

/* ---- control.c ---- */

int reports_control_serve(struct reports *r, int fd, struct reports_control **ret_control, struct err *err);
struct reports_control *reports_control_stop(struct reports_control *c);

struct tlsrpt_about reports_about(const struct reports *r, const char *domain, uint32_t day);

#endif

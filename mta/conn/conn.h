/*
 * A worker of the mta: accepts connections, pumps bytes between them and SMTP sessions, spools bodies and
 * hands them to volumes, or to the queue. Single-threaded; all on its event_base.
 */
#ifndef POD_MTA_CONN_H
#define POD_MTA_CONN_H

#include <event2/event.h>

#include "net/tls.h"

#include "base/err.h"
#include "conf/conf.h"
#include "mta/milter/counters.h"
#include "mta/smtp/smtp.h"
#include "mta/srs/srs.h"
#include "tally/tally.h"

/* One way in. */
struct smtp_door {
	enum conf_listener which; /* CONF_LISTEN_SMTP, _LMTP, _SUBMISSION or _SUBMISSIONS */
	bool gateway; /* of submission: the unix socket of the pod's own programs, who say for which user they come */
	int fd; /* bound and listening, opened by the parent; -1: this door is shut */
};
#define SMTP_DOORS 5

struct smtp_worker_options {
	const struct conf *conf;
	const struct smtp_door *doors; /* SMTP_DOORS of them; their descriptors stay the caller's */
	struct tls_context *tls; /* read before privileges went; NULL: no TLS */
	struct tls_context *store_tls; /* for volumes on other hosts, likewise; NULL: local ones only */
	struct tally *tally; /* opened before privileges went; the caller's */
	const struct srs *srs; /* of forwarded mail; NULL: it is not rewritten; the caller's */
	int admin_fd; /* of smtp_admin_listen; the caller's */
	unsigned int index; /* of this worker */
	uint8_t ticket_key[80];
	const struct milter_counted *counted; /* the milters in the metrics table */
};

/* Serves until SIGTERM, then until the messages under way are done. Returns the exit status. */
int smtp_worker_run(const struct smtp_worker_options *o);

#endif

/*
 * The process of the mta that reports to other domains how TLS with them went (RFC 8460): every day for the
 * day before, to whoever's _smtp._tls asks for it, as mail through the queue or over https. What is sent is
 * noted, so that a restart in the middle sends nothing twice.
 *
 * podd asks it on a socket in run_dir, with HTTP and JSON:
 *
 *   GET  /tlsrpt?day=YYYY-MM-DD        the counts of a day (without one: today's)
 *   POST /tlsrpt/send?day=YYYY-MM-DD   reports of that day now, again where they were sent before (without
 * one: yesterday's)
 */
#ifndef POD_MTA_TLSRPT_REPORTS_H
#define POD_MTA_TLSRPT_REPORTS_H

#include "base/err.h"
#include "conf/conf.h"

#define REPORTS_SOCKET_NAME "mta-reports.sock"

struct reports_options {
	const struct conf *conf;
	int control_fd; /* listening; owned */
};

/* Opens the socket in run_dir; by the parent. */
int reports_listen(const struct conf *conf, int *ret_fd, struct err *err);
/* Serves until SIGTERM. Returns the exit status. */
int reports_run(const struct reports_options *o);

/* "2026-11-25" is the day 20782 since 1970. -POD_E_SYNTAX. */
int reports_day_parse(const char *text, uint32_t *ret_day);
/* buf holds REPORTS_DAY_SIZE. Returns buf. */
#define REPORTS_DAY_SIZE 16
char *reports_day_format(uint32_t day, char *buf);

#endif

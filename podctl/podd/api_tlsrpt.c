/* Reports on TLS with other servers (RFC 8460): asked of the mta's process for them. */
#include <stdio.h>
#include <string.h>

#include "podctl/podd/api.h"

#define REPORTS_SOCKET_NAME "mta-reports.sock" /* in run_dir */

/* A day goes on as it is where it needs no encoding; what it means is the process' to say. */
static void ask(struct api_call *call, const char *method, const char *path)
{
	const char *day = evhttp_find_header(&call->query, "day");
	struct err err = { 0 };
	char target[128];

	if (day && (strlen(day) > 32 || strspn(day, "0123456789-") != strlen(day))) {
		(void) err_set(&err, POD_E_SYNTAX, "a day is written as in 2026-11-25");
		api_fail(call, &err);
		return;
	}
	(void) snprintf(target, sizeof(target), "%s%s%s", path, day ? "?day=" : "", day ? day : "");
	api_mta_ask(call, REPORTS_SOCKET_NAME, method, target);
}

void api_tlsrpt_get(struct api_call *call)
{
	ask(call, "GET", "/tlsrpt");
}

void api_tlsrpt_send(struct api_call *call)
{
	ask(call, "POST", "/tlsrpt/send");
}

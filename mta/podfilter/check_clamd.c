/* Viruses, by clamd. */
#include <stdio.h>
#include <stdlib.h>

#include "mta/podfilter/checks.h"
#include "mta/podfilter/content/clamd.h"

static int clamd_configure(const struct conf *conf, void **ret_addr, struct err *err)
{
	struct net_addr *addr;
	int r;

	if (!conf->filter.clamd[0])
		return 0;
	addr = calloc(1, sizeof(*addr));
	if (!addr)
		return err_set(err, POD_E_NOMEM, "clamd");
	r = net_addr_parse(span_of(conf->filter.clamd), addr, err);
	if (r < 0)
		free(addr);
	else
		*ret_addr = addr;
	return r;
}

static void on_wait(void *arg)
{
	message_progress(arg);
}

static void infected(struct message *m, const char *found)
{
	char text[160];

	(void) snprintf(text, sizeof(text), "The message holds a virus: %s", found);
	message_find(m, "VIRUS", 1000, found);
	message_force(m, VERDICT_REJECT, text);
	log_event(&m->log, LOGL_NOTICE, "filter.virus", F_STR("name", found));
}

static void not_scanned(struct message *m, const struct err *err)
{
	enum filter_action action = m->session->settings->conf->filter.clamd_failure;

	message_find(m, "CLAMD_FAILED", 0, err_text(err));
	if (action != FILTER_ACTION_NONE)
		message_force(m, verdict_of_action(action),
		              "The message cannot be scanned for viruses now; try again later");
	log_event(&m->log, LOGL_ERROR, "filter.not_scanned", F_ERR(err));
}

static void clamd_judge(struct message *m)
{
	const struct filter_conf *c = &m->session->settings->conf->filter;
	struct clamd_scan scan = { .clamd = m->session->settings->of_check[check_self(&check_clamd)],
		                   .timeout_ms = c->clamd_timeout_ms,
		                   .on_wait = on_wait,
		                   .arg = m };
	char found[100];
	struct err err = { 0 };
	int r;

	if (!scan.clamd || m->verdict >= VERDICT_TEMPFAIL)
		return;
	if (spool_size(m->spool) > c->clamd_max_size) {
		message_find(m, "NOT_SCANNED", 0, "too large");
		return;
	}
	r = spool_bytes(m->spool, &scan.bytes, &err);
	if (r == 0)
		r = clamd_scan(&scan, found, sizeof(found), &err);
	if (r == 1)
		infected(m, found);
	if (r < 0)
		not_scanned(m, &err);
}

const struct check check_clamd = {
	.name = "clamd",
	.directions = CHECK_ALL,
	.configure = clamd_configure,
	.configure_done = free,
	.judge = clamd_judge,
};

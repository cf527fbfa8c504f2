#include "mta/conn/own_filter.h"

/*
 * Where it does not answer mail goes on without it: it dies and is started again in less than a second, or is
 * broken for longer, and then spam in INBOX is the smaller harm than no mail at all. It signs what users
 * submit, so it stands last.
 */
static const struct conf_milter own = {
	.name = OWN_FILTER_NAME,
	.connect_timeout_ms = 2000,
	.send_timeout_ms = 10000,
	.timeout_ms = 60000,      /* it asks the DNS */
	.end_timeout_ms = 300000, /* and clamd */
	.protocol = 6,
	.on_failure = CONF_MILTER_ACCEPT,
};

int own_filter_add(struct arena *a, const struct conf *conf, const struct conf_records *milters,
                   struct conf_records *ret_all)
{
	struct conf_milter *all;
	char *socket;

	if (!conf->filter.enabled) {
		*ret_all = *milters;
		return 0;
	}
	all = arena_array(a, milters->n + 1, sizeof(*all));
	socket = arena_printf(a, "unix:%s/podfilter.sock", conf->pod.run_dir);
	if (!all || !socket)
		return -POD_E_NOMEM;
	if (milters->n)
		memcpy(all, milters->items, milters->n * sizeof(*all));
	all[milters->n] = own;
	all[milters->n].socket = socket;
	*ret_all = (struct conf_records){ .items = all, .n = milters->n + 1 };
	return 0;
}

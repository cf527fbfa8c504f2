#include "conf/podd.h"

#include "conf/item.h"

/* clang-format off */
static const struct conf_item items[] = {
	CONF_PATH(podd_conf, admin_socket, "run/admin.sock",
	        "Unix socket of the admin API, for root and podd's own user."),
	CONF_LISTEN(podd_conf, admin, "900", "The admin API over TCP; \"none\": nowhere."),
	CONF_LISTEN(podd_conf, metrics, "901", "Counters for Prometheus; \"none\": nowhere."),
	CONF_TIME(podd_conf, restart_min, "100ms", "0", "1m",
	        "Wait before a program that died is started again; it doubles each time."),
	CONF_TIME(podd_conf, restart_max, "10s", "100ms", "10m", "Longest such wait."),
	CONF_TIME(podd_conf, drain_timeout, "10s", "0", "10m",
	        "How long programs may finish what they are at when the pod goes down."),
};
/* clang-format on */

const struct conf_section conf_section_podd = {
	.name = "podd",
	.help = "The agent that runs the pod on this host.",
	.offset = offsetof(struct conf, podd),
	.items = items,
	.n = ARRAY_SIZE(items),
};

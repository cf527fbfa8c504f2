#include "conf/guard.h"

#include "conf/item.h"

/* clang-format off */
static const struct conf_item items[] = {
	CONF_NETWORKS(guard_conf, exempt, "127.0.0.0/8, ::1",
	        "Addresses and networks whose connections are not counted and not kept waiting."),
	CONF_COUNT(guard_conf, connections_per_address, "50", "1", "1000000",
	        "Most SMTP connections at a time from one address (of IPv6: from one /64), all workers together."),
	CONF_COUNT(guard_conf, connections_per_network, "250", "1", "1000000",
	        "The same from one /24 (of IPv6: one /48)."),
	CONF_COUNT(guard_conf, connections_per_minute, "300", "1", "1000000",
	        "Most new SMTP connections from one address (of IPv6: one /64) in a minute."),
	CONF_TIME(guard_conf, greet_delay, "2s", "0", "1m",
	        "How long clients of port 25 that have not delivered anything yet wait for the greeting; who talks "
	        "before it is refused (RFC 5321 3.1). 0: none."),
	CONF_SIZE(guard_conf, data_least, "1K", "0", "1G",
	        "A client that sends less of a message in guard.data_window is disconnected; 0: any pace will do."),
	CONF_TIME(guard_conf, data_window, "1m", "1s", "1h", "See guard.data_least."),
	CONF_SIZE(guard_conf, memory_max, "512M", "16M", "1T",
	        "Memory of one mta worker. From three quarters of it on messages are spooled to files, beyond it no "
	        "new connections and messages are taken (421, 452)."),
	CONF_TIME(guard_conf, latency_max, "10s", "100ms", "10m",
	        "Where nearly all deliveries to volumes take longer, port 25 answers 421 until they do not."),
	CONF_COUNT(guard_conf, login_failures, "3", "1", "1000",
	        "Failed logins of a user that cost nothing (of an address: four times as many). Each one more doubles "
	        "the wait before the next try, for all front ends together; half of them are forgotten in 30 minutes. "
	        "Users who logged in from an address before do not wait there for what others did."),
	CONF_TIME(guard_conf, login_delay_max, "15m", "1s", "1d", "The longest wait between two tries."),
};
/* clang-format on */

const struct conf_section conf_section_guard = {
	.name = "guard",
	.help = "What front ends do against those who ask for too much.",
	.offset = offsetof(struct conf, guard),
	.items = items,
	.n = ARRAY_SIZE(items),
};

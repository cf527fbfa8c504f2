#include "conf/filter.h"

#include "conf/item.h"

/* clang-format off */
static const struct conf_item items[] = {
	CONF_BOOL(filter_conf, enabled, "yes", "Whether podd runs podfilter."),
	CONF_PATH(filter_conf, dir, "filter", "What podfilter remembers, and the files of messages that it looks at."),
	CONF_NETWORKS(filter_conf, trusted, "127.0.0.0/8, ::1",
	        "Addresses and networks whose mail is not judged: other gateways and machines of one's own."),
	CONF_TIME(filter_conf, idle_timeout, "2h", "1m", "1d",
	        "A connection of the mta that says nothing for so long is closed."),
};
/* clang-format on */

const struct conf_section conf_section_filter = {
	.name = "filter",
	.help = "podfilter, the pod's own milter.",
	.offset = offsetof(struct conf, filter),
	.items = items,
	.n = ARRAY_SIZE(items),
};

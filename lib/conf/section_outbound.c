#include "conf/outbound.h"

#include "conf/item.h"

/* clang-format off */
static const struct conf_item items[] = {
	CONF_COUNT(outbound_conf, workers, "1", "1", "64",
	        "Processes that send mail to other servers. Mail to one destination is one process' matter."),
};
/* clang-format on */

const struct conf_section conf_section_outbound = {
	.name = "outbound",
	.help = "How mail to other servers is sent.",
	.offset = offsetof(struct conf, outbound),
	.items = items,
	.n = ARRAY_SIZE(items),
};

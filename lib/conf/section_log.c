#include "conf/log.h"

#include "conf/item.h"

static const char *const formats[] = { [LOG_FORMAT_TEXT] = "text", [LOG_FORMAT_JSON] = "json", NULL };
static const char *const levels[] = {
	[LOGL_DEBUG] = "debug",     [LOGL_INFO] = "info",   [LOGL_NOTICE] = "notice",
	[LOGL_WARNING] = "warning", [LOGL_ERROR] = "error", NULL,
};

/* clang-format off */
static const struct conf_item items[] = {
	CONF_CHOICE(log_conf, format, "text", formats, "Lines for people, or one JSON object per line."),
	CONF_CHOICE(log_conf, level, "info", levels, "The least important events that are logged."),
	CONF_PATH(log_conf, file, "log/podmail.log",
	        "File that podd appends the log of all programs to. Empty: podd's standard error."),
	CONF_SIZE(log_conf, max_size, "64M", "64K", "16G", "Size at which the log file is rotated."),
	CONF_COUNT(log_conf, keep, "4", "0", "100",
	        "How many old log files are kept: FILE.1 is the newest."),
	CONF_PATH(log_conf, trace_dir, "log/trace",
	        "Folder in which podd keeps what the log says about each message, with an index, for podctl trace. "
	        "Empty: nowhere."),
	CONF_TIME(log_conf, trace_keep, "30d", "1h", "3650d", "For how long."),
	CONF_SIZE(log_conf, trace_size, "2G", "1M", "1T",
	        "And how much, all together: the oldest goes first."),
};
/* clang-format on */

const struct conf_section conf_section_log = {
	.name = "log",
	.help = "What is logged, and where.",
	.offset = offsetof(struct conf, log),
	.items = items,
	.n = ARRAY_SIZE(items),
};

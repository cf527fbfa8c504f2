/* Section log. */
#ifndef POD_CONF_LOG_H
#define POD_CONF_LOG_H

#include "base/log.h"

struct log_conf {
	enum log_format format;
	enum log_level level;
	const char *file; /* NULL: podd's standard error */
	uint64_t max_size;
	unsigned int keep; /* old files */
	const char *trace_dir; /* NULL: nowhere */
	uint64_t trace_keep_ms, trace_size;
};

#endif

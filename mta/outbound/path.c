#include "mta/outbound/path.h"

#include <stdio.h>

char *outbound_path(const struct conf *conf, unsigned int index, char path[OUTBOUND_PATH_SIZE])
{
	(void) snprintf(path, OUTBOUND_PATH_SIZE, "%s/mta-outbound.%u.sock", conf->pod.run_dir, index);
	return path;
}

/* Where the socket of an outbound process is. */
#ifndef POD_MTA_OUTBOUND_PATH_H
#define POD_MTA_OUTBOUND_PATH_H

#include "conf/conf.h"

#define OUTBOUND_PATH_SIZE 256

/* Returns path. */
char *outbound_path(const struct conf *conf, unsigned int index, char path[OUTBOUND_PATH_SIZE]);

#endif

/* What the files of mta/safetynet share. */
#ifndef POD_MTA_SAFETYNET_INTERNAL_H
#define POD_MTA_SAFETYNET_INTERNAL_H

#include <limits.h>

#include "mta/safetynet/safetynet.h"

struct safetynet_head {
	uint64_t magic, envelope_len;
};
#define SAFETYNET_MAGIC UINT64_C(0x31656661736d6f70)
#define SAFETYNET_ENVELOPE_MAX (32u << 20)
#define SAFETYNET_NAME_SIZE 128

int safetynet_path(const char *queue_dir, const char *volume, const char *name, char path[PATH_MAX], struct err *err);
void safetynet_name(const struct safetynet_entry *e, char name[SAFETYNET_NAME_SIZE]);

/* In front of the name of a file that is not whole yet. */
#define SAFETYNET_DRAFT "draft."

#endif

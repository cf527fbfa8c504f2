/* Options that are lists of blocks, as they stand in a section's struct. */
#ifndef POD_CONF_RECORD_H
#define POD_CONF_RECORD_H

#include <stddef.h>

/* items: an array of the record's struct, said beside the field. */
struct conf_records {
	const void *items;
	size_t n;
};

#endif

/* Lists of blocks in a configuration: read into an array of structs, by the items of one block. */
#ifndef POD_CONF_RECORDS_H
#define POD_CONF_RECORDS_H

#include "conf/conf_internal.h"

#define CONF_RECORDS_MAX 64 /* blocks of one option */

/*
 * Reads a list of blocks (or one block alone) into the option. A field that is not given has its default; one
 * that has none is missed. What is wrong becomes a problem.
 */
void conf_records_apply(struct conf_loaded *l, const struct conf_section *s, const struct conf_item *item,
                        const struct ucl_node *n, struct problems *problems);
const struct conf_records *conf_value_records(const struct conf_item *item, const void *section);

static inline const void *conf_record_at(const struct conf_item *item, const struct conf_records *records,
                                         size_t i)
{
	return (const char *) records->items + i * item->record_size;
}

#endif

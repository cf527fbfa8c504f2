/* Texts of a configuration file as values, and back. */
#ifndef POD_CONF_VALUE_H
#define POD_CONF_VALUE_H

#include "conf/item.h"

/*
 * Reads text as the item's type wants it, checks bounds, and stores it in the section. Strings are kept by
 * arena. -POD_E_SYNTAX with words that tell what is expected; -POD_E_NOMEM.
 */
int conf_value_set(const struct conf_item *item, void *section, struct span text, struct arena *a,
                   struct err *err);
/* The value as one would write it, without quotes. */
void conf_value_print(const struct conf_item *item, const void *section, struct buf *out);
/* A field of the section. */
const char *conf_value_string(const struct conf_item *item, const void *section);
uint64_t conf_value_number(const struct conf_item *item, const void *section);
bool conf_type_is_string(enum conf_type type);

#endif

/* Types of options that C has not. */
#ifndef POD_CONF_TYPES_H
#define POD_CONF_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_list {
	const char *const *items;
	size_t n;
};

#endif

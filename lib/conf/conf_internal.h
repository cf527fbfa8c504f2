/* What the files of lib/conf share about a loaded configuration. */
#ifndef POD_CONF_INTERNAL_H
#define POD_CONF_INTERNAL_H

#include "conf/item.h"
#include "conf/problem.h"
#include "conf/ucl.h"

#define CONF_ITEMS_MAX 64 /* of a section; the tables' test holds them to it */

/* The public part comes first: conf_free gets back to the whole from it. */
struct conf_loaded {
	struct conf conf;
	struct arena *arena;
	unsigned int section_lines[CONF_SECTIONS];
	unsigned int lines[CONF_SECTIONS][CONF_ITEMS_MAX]; /* where each option is set; 0: nowhere */
	struct conf_endpoint endpoints[CONF_LISTENERS];    /* address NULL: off */
};

static inline void *conf_section_of(struct conf_loaded *l, const struct conf_section *s)
{
	return (char *) &l->conf + s->offset;
}

static inline const void *conf_section_of_const(const struct conf *conf, const struct conf_section *s)
{
	return (const char *) conf + s->offset;
}

/* Puts the values of the tree, and defaults for all others, into l. */
void conf_apply(struct conf_loaded *l, const struct ucl_node *root, struct problems *problems);
/* Resolves what depends on other options, and checks options against each other. */
void conf_derive(struct conf_loaded *l, struct problems *problems);
/* Fills the endpoints; part of conf_derive. */
void conf_derive_endpoints(struct conf_loaded *l, struct problems *problems);
/* The line of an option by its place in the struct; 0 where it is a default. */
unsigned int conf_line_of(const struct conf_loaded *l, const void *field);

/* The candidate that a misspelt name most likely means, or NULL where none is near. */
const char *conf_suggest(const char *name, const char *const *candidates, size_t n);

#endif

/*
 * The reader of the configuration language: the part of UCL (and with it JSON) that states values.
 *
 *   file    = entries / "{" entries "}"
 *   entries = *( entry [";" / ","] )          an entry also ends at the end of its line
 *   entry   = key [ "=" / ":" ] value
 *   value   = "{" entries "}" / "[" value *( "," value ) "]" / DQUOTE json DQUOTE / "'" raw "'" / word
 *   word    = any text up to ";" "," "}" "]" "#" or the end of the line
 *   comment = "#" to the end of the line / C style, nested
 *
 * Macros, variables and here documents are refused: a configuration file reads no other file and runs
 * nothing.
 */
#ifndef POD_CONF_UCL_H
#define POD_CONF_UCL_H

#include "base/arena.h"
#include "base/span.h"
#include "conf/problem.h"

enum ucl_kind { UCL_TEXT, UCL_LIST, UCL_BLOCK };

struct ucl_node {
	enum ucl_kind kind;
	unsigned int line;
	const char *key;  /* NULL in a list */
	const char *text; /* of UCL_TEXT: valid UTF-8 without control characters */
	struct ucl_node *first, *next;
};

#define UCL_SIZE_MAX  (1u << 20)
#define UCL_DEPTH_MAX 8

/*
 * The tree of a file, in a. What cannot be read becomes a problem and is left out up to the end of its line;
 * the rest is still there. NULL only where memory is out.
 */
const struct ucl_node *ucl_parse(struct arena *a, struct span text, struct problems *problems);

#endif

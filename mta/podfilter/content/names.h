/* What a file's name says about it, and what it hides. Pure. */
#ifndef POD_FILTER_CONTENT_NAMES_H
#define POD_FILTER_CONTENT_NAMES_H

#include "base/span.h"

enum name_trait {
	NAME_BANNED = 1, /* ends in one of the banned extensions, as a reader's system would see it */
	NAME_DOUBLE = 2, /* and shows another, harmless one before that: "invoice.pdf.exe" */
	NAME_TRICK = 4,  /* is written so that it looks like another: right-to-left marks, a gap before the
	                    extension */
};

/* banned: extensions without a dot, comma separated, as in the configuration. Returns a set of name_trait. */
unsigned int name_traits(struct span name, struct span banned);

#endif

/*
 * What a message carries: files by their names and by their first bytes, also inside of zip archives; how
 * many parts, how deep. Pure but for memory: bounded work and bounded memory for any bytes.
 */
#ifndef POD_FILTER_CONTENT_INSPECT_H
#define POD_FILTER_CONTENT_INSPECT_H

#include "base/err.h"
#include "base/span.h"

struct inspect_limits {
	struct span banned; /* extensions, comma separated */
	unsigned int parts, nesting, archive_nesting;
	size_t unpacked_bytes; /* of all archives together */
	size_t entries;        /* likewise */
};

enum inspect_flag {
	INSPECT_BANNED = 1,  /* a banned name */
	INSPECT_PROGRAM = 2, /* a program, by its bytes */
	INSPECT_DOUBLE = 4,  /* a banned name that shows a harmless one */
	INSPECT_TRICK = 8,
	INSPECT_ENCRYPTED = 16, /* an archive that nobody can look into */
	INSPECT_OPAQUE = 32,    /* an archive of a kind that we cannot look into */
	INSPECT_TOO_MANY_PARTS = 64,
	INSPECT_TOO_DEEP = 128,
	INSPECT_ARCHIVE_TOO_DEEP = 256,
	INSPECT_BOMB = 512, /* more comes out of its archives than the limits allow */
};

struct inspection {
	unsigned int flags; /* of inspect_flag */
	unsigned int parts, nesting, archive_nesting;
	size_t unpacked, entries;
	char what[160]; /* the name of the first file that a flag is about, "" where it has none */
};

/* -POD_E_NOMEM. */
int inspect_message(struct span message, const struct inspect_limits *limits,
                    struct inspection *ret_inspection);

#endif

/* What a file is by its first bytes, whatever it is called. Pure. */
#ifndef POD_FILTER_CONTENT_MAGIC_H
#define POD_FILTER_CONTENT_MAGIC_H

#include "base/span.h"

enum file_kind {
	FILE_OTHER,
	FILE_PROGRAM, /* Windows, ELF, Mach-O, Java classes, Windows shortcuts */
	FILE_ZIP,     /* whose inside we can see; so are jar, docx and the like */
	FILE_GZIP,    /* likewise */
	FILE_ARCHIVE, /* rar, 7z, cab, xz, bzip2, arj, ace: whose inside we cannot */
};

/* bytes: the file's beginning; 1 KiB is enough. */
enum file_kind file_kind_of(struct span bytes);
const char *file_kind_name(enum file_kind kind);

#endif

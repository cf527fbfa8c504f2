/*
 * Messages that came another way than through a commit: dropped into new/ by another tool, restored, or found where the
 * index has none. What their files tell, and bodies with CRLF made of them.
 */
#ifndef POD_STORE_INDEX_INTAKE_H
#define POD_STORE_INDEX_INTAKE_H

#include "store/index/index.h"
#include "store/maildir/parser.h"
#include "store/maildir/scan.h"

struct intake {
	struct volume_body body; /* fd: a file with CRLF line ends to be linked; the found one where it has them */
	int64_t internal_date;
	struct guid id; /* the same for the same file, so that taking it in again is recognised */
	struct volume_summary summary;
};

/*
 * Opens and prepares the file at path (from dir); staging: where a rewritten body is made. -POD_E_NOTFOUND where it
 * went away. Summary in a; empty where the parser could not make one (told in *ret_unparsed).
 */
int intake_open(int dir, int staging, const char *path, const struct scanned_file *f, struct parser *p, struct arena *a,
                struct intake *ret, bool *ret_unparsed, struct err *err);
void intake_done(struct intake *in);

/* What intake_open makes of a file's place and name. */
struct guid intake_id(const char *path, const struct scanned_file *f);
int64_t intake_date(const struct scanned_file *f);

#endif

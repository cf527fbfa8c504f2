/* What fsck's two files share: fsck.c walks users, fsck_mailbox.c compares one mailbox. */
#ifndef POD_STORE_INDEX_FSCK_INTERNAL_H
#define POD_STORE_INDEX_FSCK_INTERNAL_H

#include "store/index/place.h"
#include "store/index/volume_internal.h"
#include "store/maildir/parser.h"
#include "store/maildir/scan.h"

struct fsck {
	struct volume *vol;
	struct arena *a; /* of one user */
	struct span user_id;
	bool repair;
	struct fsck_report *report;
	struct parser *parser;
};

void fsck_problem(struct fsck *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Submits a repair and waits. Only a volume that broke is an error; a refused repair is one more problem. */
int fsck_repair(struct fsck *k, struct change *c, struct err *err);
int fsck_states(struct fsck *k, struct err *err);
int fsck_mailbox(struct fsck *k, const struct volume_mailbox *m, struct err *err);

#endif

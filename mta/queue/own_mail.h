/*
 * Mail of the pod's own, such as reports, for queue_submit: from nobody, so that nothing comes back (RFC
 * 5321 4.5.5).
 */
#ifndef POD_MTA_QUEUE_OWN_MAIL_H
#define POD_MTA_QUEUE_OWN_MAIL_H

#include "base/arena.h"
#include "directory/directory.h"
#include "mta/queue/queue.h"

enum own_mail_signed {
	OWN_MAIL_UNSIGNED, /* podfilter is asked to sign it as it goes out */
	OWN_MAIL_SIGNED    /* or it is signed already */
};

/* Points into an arena, into what it was made of, and into itself: it stays where it is. */
struct own_mail {
	Queue__Submission submission;
	Queue__Item item;
	Queue__Summary summary;
	int fd; /* the message */
};

/*
 * Whom an address means: another domain's is itself, one of ours is found as any recipient is. dir NULL:
 * there are none of ours. -POD_E_NOTFOUND: nobody has it; else as directory_resolve.
 */
int own_mail_resolve(struct directory *dir, struct arena *a, const char *to, struct directory_targets *ret,
                     struct err *err);
/* Makes one for those, who are known as to. own_mail_done is due after success only. */
int own_mail_make_for(struct arena *a, char *trace, const char *to, const struct directory_targets *targets,
                      struct span message, enum own_mail_signed is_signed, struct own_mail *ret,
                      struct err *err);
/* Both. */
int own_mail_make(struct directory *dir, struct arena *a, char *trace, const char *to, struct span message,
                  enum own_mail_signed is_signed, struct own_mail *ret, struct err *err);
/* After queue_submit, which has a descriptor of its own. */
void own_mail_done(struct own_mail *m);

#endif

/* Just enough IMAP to look at a mailbox and set a flag (RFC 3501). */
#ifndef PODCTL_DRILL_IMAP_H
#define PODCTL_DRILL_IMAP_H

#include <stdint.h>

#include "podctl/drill/talk.h"

/* Connects, logs in and selects INBOX. */
int imap_open(struct talk *w, const struct talk_address *to, const char *user, const char *password,
              unsigned int timeout_ms, struct err *err);
/* subject: as it stands; flagged: \Flagged is set. */
typedef void imap_message_fn(void *arg, uint32_t uid, const char *subject, bool flagged);
/* Each message from a uid on. */
int imap_fetch(struct talk *w, uint32_t from_uid, imap_message_fn *fn, void *arg, struct err *err);
/* 0: the pod said OK, and so it is for good. -POD_E_BUSY: it said NO; the connection goes on. Others: it is
 * broken. */
int imap_set_flagged(struct talk *w, uint32_t uid, struct err *err);

#endif

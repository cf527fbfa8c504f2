/* Just enough SMTP to hand a message in and to know whether it was taken (RFC 5321). */
#ifndef PODCTL_DRILL_SMTP_H
#define PODCTL_DRILL_SMTP_H

#include "podctl/drill/talk.h"

/* Connects and says hello. */
int smtp_open(struct talk *w, const struct talk_address *to, unsigned int timeout_ms, struct err *err);
/*
 * One message; text is its lines with CRLF, none of which begins with a dot. 0: 250 was the answer, it is the
 * pod's now. -POD_E_BUSY: refused for now (4xx), -POD_E_DENIED: for good; the connection goes on. Others: it
 * is broken, and nobody knows whether the message was taken.
 */
int smtp_send(struct talk *w, const char *from, const char *to, const char *text, struct err *err);

#endif

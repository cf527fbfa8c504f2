/*
 * A Ping request (MS-ASCMD 2.2.1.13), and what is kept of the last one for those that leave something out.
 * Pure.
 */
#ifndef POD_IMAPD_EAS_SYNC_PING_H
#define POD_IMAPD_EAS_SYNC_PING_H

#include "base/arena.h"
#include "base/buf.h"
#include "imapd/eas/wbxml/wbxml.h"

#define EAS_PING_FOLDERS_MAX 200u
#define EAS_PING_MIN         60u /* seconds */
#define EAS_PING_MAX         3540u

enum eas_ping_status {
	EAS_PING_EXPIRED = 1,
	EAS_PING_CHANGED = 2,
	EAS_PING_MISSING = 3,
	EAS_PING_SYNTAX = 4,
	EAS_PING_INTERVAL = 5,
	EAS_PING_TOO_MANY = 6,
	EAS_PING_HIERARCHY = 7,
	EAS_PING_SERVER = 8,
};

struct eas_ping {
	unsigned int interval_s; /* 0: not said */
	const char **ids;
	size_t n; /* 0: not said */
};

/* body NULL: it says nothing. 0; -POD_E_SYNTAX; -POD_E_NOMEM. The interval may be any number. */
int eas_ping_read(const struct wbxml_node *body, struct arena *a, struct eas_ping *ret_ping);
/* Fills in from the last one. The status that it is refused with, and the value that the answer tells; 0: it
 * is good. */
unsigned int eas_ping_complete(struct eas_ping *p, const struct eas_ping *last, unsigned int *ret_limit);

void eas_ping_encode(const struct eas_ping *p, struct buf *out);
/* Takes it off *in. -POD_E_CORRUPT, -POD_E_NOMEM. */
int eas_ping_decode(struct span in, struct arena *a, struct eas_ping *ret_ping);

#endif

/*
 * Delivery status notifications (RFC 3461, 3464, 3462): what the sender is told about recipients that failed,
 * are late, or (where asked for) got it. Pure: no I/O but reading the message it is about.
 */
#ifndef POD_MTA_QUEUE_REPORT_H
#define POD_MTA_QUEUE_REPORT_H

#include "base/buf.h"
#include "base/err.h"
#include "mta/queue/queue.pb-c.h"

enum report_kind { REPORT_FAILED, REPORT_DELAYED, REPORT_DELIVERED, REPORT_RELAYED, REPORT_EXPANDED };

struct report {
	const char *hostname; /* Reporting-MTA */
	const char *trace;    /* of the report itself */
	int64_t now_s;
	const Queue__Item *item; /* the message it is about */
	/* Which recipients it speaks of, one kind for each; n of them, the same order as told. */
	const struct report_line {
		const Queue__Recipient *rcpt;
		enum report_kind kind;
	} * lines;
	size_t n;
	int body_fd; /* the message, for its header (or all of it, where RET=FULL asked for it) */
};

/* Whether the sender wants to hear of this (RFC 3461 4.1): never about a message from nobody. */
bool report_is_wanted(const Queue__Item *item, const Queue__Recipient *rcpt, enum report_kind kind);
/* The whole message, in CRLF form. -POD_E_NOMEM, -POD_E_IO. */
int report_write(const struct report *rep, struct buf *out, struct err *err);
/* "5.2.2" of a code, class of the kind. buf holds 8. */
const char *report_status(int code, enum report_kind kind, char *buf, size_t size);

#endif

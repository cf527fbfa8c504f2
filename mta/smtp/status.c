#include "mta/smtp/smtp.h"

#include <stdlib.h>

#define STATUS(c, e, t) ((struct smtp_status){ (c), (e), (t) })

/* No default: a new error fails the build until somebody thought about its reply. */
struct smtp_status smtp_status_of(int code)
{
	switch ((enum pod_error) abs(code)) {
	case POD_E_NONE:        return STATUS(250, "2.0.0", "Ok");
	case POD_E_SYNTAX:      return STATUS(501, "5.5.4", "Malformed argument");
	case POD_E_NOTFOUND:    return STATUS(550, "5.1.1", "No such mailbox here");
	case POD_E_DENIED:      return STATUS(550, "5.7.1", "Not allowed");
	case POD_E_AUTH:        return STATUS(535, "5.7.8", "Authentication failed");
	case POD_E_UNSUPPORTED: return STATUS(504, "5.5.4", "Not implemented");
	case POD_E_LIMIT:       return STATUS(552, "5.3.4", "Message is larger than allowed");
	case POD_E_QUOTA:       return STATUS(452, "4.2.2", "Mailbox is over quota");
	case POD_E_FULL:
	case POD_E_NOSPACE:     return STATUS(452, "4.3.1", "No space left, try again later");
	case POD_E_NOMEM:       return STATUS(452, "4.3.1", "Out of memory, try again later");
	case POD_E_UNAVAILABLE:
	case POD_E_CANCELLED:
	case POD_E_BUSY:        return STATUS(451, "4.3.2", "Service is not available, try again later");
	case POD_E_TIMEOUT:     return STATUS(451, "4.4.7", "Timed out, try again later");
	case POD_E_STALE:
	case POD_E_PROTOCOL:
	case POD_E_VERSION:
	case POD_E_CONFIG:      return STATUS(451, "4.3.5", "System is not ready, try again later");
	case POD_E_EXISTS:
	case POD_E_CORRUPT:
	case POD_E_IO:
	case POD_E_INTERNAL:
	case POD_E_CONFLICT:
	case POD_E_END:         break;
	}
	return STATUS(451, "4.3.0", "Local error, try again later");
}

struct smtp_status smtp_status_of_local(int code)
{
	struct smtp_status st = smtp_status_of(code);

	return st.code / 100 == 5 && abs(code) != POD_E_LIMIT ? smtp_status_of(-POD_E_INTERNAL) : st;
}

struct smtp_status smtp_status_of_rcpt(int code)
{
	switch (abs(code)) {
	case POD_E_NONE:        return STATUS(250, "2.1.5", "Recipient ok");
	case POD_E_NOTFOUND:    return STATUS(550, "5.1.1", "No such user here");
	case POD_E_DENIED:      return STATUS(550, "5.2.1", "Mailbox is suspended");
	case POD_E_UNSUPPORTED: return STATUS(550, "5.7.1", "Relaying denied");
	case POD_E_LIMIT:       return STATUS(550, "5.2.4", "Mailing list expands to too many recipients");
	default:                return smtp_status_of(code);
	}
}

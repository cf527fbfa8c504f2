#include "imapd/imap/session.h"

/* Response codes of RFC 3501 7.1, RFC 5530 and RFC 9208; no default: a new error fails the build until it has
 * one. */
struct imap_status imap_status_of(int code)
{
	switch ((enum pod_error)(code < 0 ? -code : code)) {
	case POD_E_NONE: return (struct imap_status){ "OK", "Done" };
	case POD_E_NOMEM: return (struct imap_status){ "NO", "[LIMIT] Not enough memory for this command" };
	case POD_E_SYNTAX: return (struct imap_status){ "NO", "[CANNOT] Not a valid name or value" };
	case POD_E_LIMIT: return (struct imap_status){ "NO", "[LIMIT] A limit was exceeded" };
	case POD_E_NOTFOUND: return (struct imap_status){ "NO", "[NONEXISTENT] No such mailbox" };
	case POD_E_EXISTS: return (struct imap_status){ "NO", "[ALREADYEXISTS] Mailbox exists already" };
	case POD_E_DENIED: return (struct imap_status){ "NO", "[NOPERM] Not allowed" };
	case POD_E_AUTH: return (struct imap_status){ "NO", "[AUTHENTICATIONFAILED] Authentication failed" };
	case POD_E_QUOTA: return (struct imap_status){ "NO", "[OVERQUOTA] Mailbox is over quota" };
	case POD_E_FULL: return (struct imap_status){ "NO", "[LIMIT] Volume is full" };
	case POD_E_NOSPACE: return (struct imap_status){ "NO", "[UNAVAILABLE] No space left on the server" };
	case POD_E_UNAVAILABLE:
	case POD_E_TIMEOUT:
	case POD_E_STALE:
	case POD_E_CANCELLED:
		return (struct imap_status){ "NO",
			                     "[UNAVAILABLE] Mail store is not available, try again later" };
	case POD_E_CONFLICT:
	case POD_E_BUSY: return (struct imap_status){ "NO", "[INUSE] In use, try again later" };
	case POD_E_CORRUPT: return (struct imap_status){ "NO", "[CORRUPTION] Stored data is damaged" };
	case POD_E_UNSUPPORTED: return (struct imap_status){ "NO", "[CANNOT] Not supported" };
	case POD_E_PROTOCOL:
	case POD_E_VERSION:
	case POD_E_IO:
	case POD_E_CONFIG:
	case POD_E_INTERNAL:
	case POD_E_END: break;
	}
	return (struct imap_status){ "NO", "[SERVERBUG] Internal error" };
}

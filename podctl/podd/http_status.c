/* How errors look from outside: an HTTP status and a hint. No default: a new error fails the build here. */
#include "podctl/podd/api.h"

#include <stdlib.h>

int api_http_status(int code)
{
	switch ((enum pod_error) abs(code)) {
	case POD_E_NONE: return 200;
	case POD_E_SYNTAX: return 400;
	case POD_E_AUTH: return 401;
	case POD_E_DENIED: return 403;
	case POD_E_NOTFOUND: return 404;
	case POD_E_UNSUPPORTED: return 405;
	case POD_E_EXISTS:
	case POD_E_CONFLICT:
	case POD_E_BUSY: return 409;
	case POD_E_LIMIT: return 422;
	case POD_E_QUOTA:
	case POD_E_FULL:
	case POD_E_NOSPACE: return 507;
	case POD_E_PROTOCOL:
	case POD_E_VERSION: return 502;
	case POD_E_UNAVAILABLE:
	case POD_E_CANCELLED:
	case POD_E_STALE: return 503;
	case POD_E_TIMEOUT: return 504;
	case POD_E_NOMEM:
	case POD_E_CORRUPT:
	case POD_E_IO:
	case POD_E_CONFIG:
	case POD_E_INTERNAL:
	case POD_E_END: return 500;
	}
	return 500;
}

const char *api_hint(int code)
{
	switch ((enum pod_error) abs(code)) {
	case POD_E_AUTH: return "send \"Authorization: Bearer TOKEN\" with the token of run/admin.token";
	case POD_E_DENIED: return "run podctl as the user that runs the pod, or as root";
	case POD_E_FULL: return "add a volume: podctl volume add NAME";
	case POD_E_NOSPACE: return "free space on the disk; podctl volume list shows how much there is";
	case POD_E_CONFLICT: return "somebody else changed it at the same time; try again";
	case POD_E_BUSY: return "wait until it is done and try again";
	case POD_E_PROTOCOL:
	case POD_E_VERSION: return "programs of different versions are running: restart the pod";
	case POD_E_UNAVAILABLE:
	case POD_E_CANCELLED:
	case POD_E_TIMEOUT: return "podctl status shows what is running; the log is in log/podmail.log";
	case POD_E_STALE: return "the volume is being taken over; try again in a moment";
	case POD_E_CONFIG: return "podctl config check lists every problem with its line";
	case POD_E_NOMEM: return "the host is out of memory";
	case POD_E_CORRUPT: return "podctl volume fsck NAME checks the volume";
	case POD_E_IO: return "see the kernel's log for errors of the disk";
	case POD_E_INTERNAL: return "this is a bug; log/podmail.log may say more";
	case POD_E_NONE:
	case POD_E_SYNTAX:
	case POD_E_NOTFOUND:
	case POD_E_UNSUPPORTED:
	case POD_E_EXISTS:
	case POD_E_LIMIT:
	case POD_E_QUOTA:
	case POD_E_END: return NULL;
	}
	return NULL;
}

const char *api_hint_delete(int code)
{
	return abs(code) == POD_E_BUSY ? "change or remove that first" : api_hint(code);
}

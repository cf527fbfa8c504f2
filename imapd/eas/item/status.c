#include "imapd/eas/item/status.h"

#include "base/err.h"

unsigned int eas_item_status(int r)
{
	switch (-r) {
	case POD_E_NONE: return EAS_SYNC_OK;
	case POD_E_SYNTAX:
	case POD_E_LIMIT:
	case POD_E_UNSUPPORTED: return EAS_SYNC_CONVERSION_ERROR;
	case POD_E_NOTFOUND: return EAS_SYNC_NOT_FOUND;
	case POD_E_QUOTA:
	case POD_E_FULL:
	case POD_E_NOSPACE: return EAS_SYNC_NO_ROOM;
	case POD_E_CONFLICT:
	case POD_E_BUSY: return EAS_SYNC_RETRY;
	default: return EAS_SYNC_SERVER_ERROR;
	}
}

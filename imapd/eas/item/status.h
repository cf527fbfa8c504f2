/* What became of a change, as Sync says it (MS-ASCMD 2.2.3.177.17). Pure. */
#ifndef POD_IMAPD_EAS_ITEM_STATUS_H
#define POD_IMAPD_EAS_ITEM_STATUS_H

enum eas_sync_status {
	EAS_SYNC_OK = 1,
	EAS_SYNC_PROTOCOL_ERROR = 4,
	EAS_SYNC_SERVER_ERROR = 5,
	EAS_SYNC_CONVERSION_ERROR = 6,
	EAS_SYNC_NOT_FOUND = 8,
	EAS_SYNC_NO_ROOM = 9,
	EAS_SYNC_RETRY = 16,
};

/* r: 0 or -POD_E_*. */
unsigned int eas_item_status(int r);

#endif

/* What Search and Find ask, out of their documents. Pure. Internal to imapd/eas/search. */
#ifndef POD_IMAPD_EAS_SEARCH_REQUEST_H
#define POD_IMAPD_EAS_SEARCH_REQUEST_H

#include "imapd/eas/item/options.h"
#include "imapd/eas/search/query.h"

/* Statuses of a Store of Search (MS-ASCMD 2.2.3.177.13). */
enum search_status {
	SEARCH_STATUS_OK = 1,
	SEARCH_STATUS_BAD_REQUEST = 2,
	SEARCH_STATUS_SERVER_ERROR = 3,
	SEARCH_STATUS_NOT_FOUND = 6,
	SEARCH_STATUS_TOO_COMPLEX = 8,
	SEARCH_STATUS_FOLDER_SYNC = 11,
	SEARCH_STATUS_END_OF_RANGE = 12,
};

/* Statuses of Find (MS-ASCMD 2.2.3.177.3). */
enum find_status {
	FIND_STATUS_OK = 1,
	FIND_STATUS_BAD_REQUEST = 2,
	FIND_STATUS_FOLDER_SYNC = 3,
	FIND_STATUS_BAD_RANGE = 4,
};

#define SEARCH_FOLDERS_MAX 100
#define SEARCH_RANGE_LAST  999 /* results behind it cannot be had */
#define SEARCH_RANGE_USUAL 99  /* where none is said */

enum search_store { SEARCH_MAILBOX, SEARCH_PEOPLE, SEARCH_DOCUMENTS };

struct search_request {
	enum search_store store;
	bool mail_class; /* Email is among the classes that are asked for, or none is named */
	struct span folders[SEARCH_FOLDERS_MAX];
	size_t folders_n;          /* 0: all */
	bool deep;                 /* and what is below these */
	struct span text;          /* FreeText, or the name of a person */
	struct span conversation;  /* 16 bytes; SPAN_NONE */
	int64_t after_s, before_s; /* of DateReceived, both excluded; INT64_MIN, INT64_MAX */
	uint32_t first, last;      /* Range */
	bool pictures;             /* of people */
	struct eas_item_options options;
	const struct wbxml_node *schema;
};

/* The Store element of Search; 0 or a status of its own (enum search_status, or 164). */
unsigned int search_request_read(const struct wbxml_node *store, unsigned int version,
                                 struct search_request *ret_request);

/* The ExecuteSearch element of Find; 0 or enum find_status. */
unsigned int find_request_read(const struct wbxml_node *execute, unsigned int version,
                               struct search_request *ret_request);

#endif

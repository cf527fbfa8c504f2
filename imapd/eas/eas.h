/*
 * Exchange ActiveSync (MS-ASHTTP, MS-ASCMD): what one request is to the code of its command. A command is a
 * function in a file of its own, cmd_NAME.c, and a row in commands.c. It runs in a fiber: what it asks the
 * store (account_call) reads top to bottom. It writes its answer to rq->out and returns, or says with one of
 * eas_answer_* what else the answer is. All on the event loop's thread.
 */
#ifndef POD_IMAPD_EAS_EAS_H
#define POD_IMAPD_EAS_EAS_H

#include <event2/buffer.h>

#include "base/arena.h"
#include "base/log.h"
#include "imapd/account/account.h"
#include "imapd/eas/wbxml/wbxml.h"

/* Protocol versions, as numbers that can be compared. */
enum eas_version {
	EAS_2_5 = 25,
	EAS_12_0 = 120,
	EAS_12_1 = 121,
	EAS_14_0 = 140,
	EAS_14_1 = 141,
	EAS_16_0 = 160,
	EAS_16_1 = 161,
};

/* Statuses that any command may answer with from 14.0 on (MS-ASCMD 2.2.2). Those of one command are in its
 * file. */
enum eas_status {
	EAS_STATUS_INVALID_CONTENT = 101,
	EAS_STATUS_INVALID_WBXML = 102,
	EAS_STATUS_INVALID_XML = 103,
	EAS_STATUS_INVALID_IDS = 106,
	EAS_STATUS_INVALID_MIME = 107,
	EAS_STATUS_DEVICE_ID = 108,
	EAS_STATUS_DEVICE_TYPE = 109,
	EAS_STATUS_SERVER_ERROR = 110,
	EAS_STATUS_RETRY_LATER = 111,
	EAS_STATUS_QUOTA = 113,
	EAS_STATUS_MAILBOX_OFFLINE = 114,
	EAS_STATUS_USER_DISABLED = 126,
	EAS_STATUS_DEVICE_BLOCKED = 129,
	EAS_STATUS_ACCESS_DENIED = 130,
	EAS_STATUS_STATE_LOCKED = 133,
	EAS_STATUS_COMMAND_NOT_SUPPORTED = 137,
	EAS_STATUS_VERSION_NOT_SUPPORTED = 138,
	EAS_STATUS_REMOTE_WIPE = 140,
	EAS_STATUS_NOT_PROVISIONED = 142,
	EAS_STATUS_POLICY_REFRESH = 143,
	EAS_STATUS_POLICY_KEY = 144,
	EAS_STATUS_ITEM_NOT_FOUND = 150,
};

struct eas_command;
struct eas_device;
struct eas_answer;
struct http_exchange;
struct mesh;

/* What all requests of a worker share; stays for its life. */
struct eas_parts {
	struct event_base *base;
	const struct conf *conf;
	struct directory *directory;
	struct tally *tally;
	struct accounts *accounts;
	struct mesh *mesh;   /* to the other workers */
	unsigned int worker; /* which one this is */
};

struct eas_request {
	struct arena *a; /* of this request */
	struct log log;  /* user=, device=, command= */
	struct eas_service *service;
	const struct eas_parts *parts; /* the service's */
	const struct eas_command *command;
	unsigned int version; /* enum eas_version */
	struct account *account;
	struct eas_device *device; /* NULL for OPTIONS, and for one that woke with nothing to look at */

	/* Of the query. Strings are never NULL ("" where absent). */
	const char
		*device_id; /* letters, digits, '-', '_', '.' only; raw ones are in hex: one device, one id */
	const char *device_type;
	uint32_t policy_key;
	const char *attachment_name, *collection_id, *item_id, *long_id, *occurrence;
	bool save_in_sent, accept_multipart;

	const struct wbxml_node *body; /* NULL: empty, or not WBXML */
	struct span raw;               /* the bytes: message/rfc822 below 14.0 */

	struct wbxml_writer out; /* begun; nothing written: the answer is an empty 200 */
	struct http_exchange *exchange;
	struct eas_answer *answer; /* answer.c's */
	uint64_t changes;          /* account_changes() when a command that may wait began */
	uint64_t serial;           /* later ones have a higher one */
};

/* ---- answers other than what is in rq->out ---- */

/* Nothing: 200 without a body. What was written to out is forgotten. */
void eas_answer_empty(struct eas_request *rq);
/* An HTTP status, for what has no WBXML answer. */
void eas_answer_http(struct eas_request *rq, int code);
/*
 * <root><Status>n</Status></root>, where root is any tag of the command's page and Status that page's own. A
 * status above 100 is one that only 14.0 and up know: below, the HTTP code that stands for it is answered
 * (MS-ASCMD 2.2.2).
 */
void eas_answer_status(struct eas_request *rq, enum wbxml_tag root, unsigned int status);
/* For a failure of the store that concerns the whole request: 110, 111, 113, 114 or their HTTP codes. */
void eas_answer_error(struct eas_request *rq, enum wbxml_tag root, int code);
/* Bytes of another kind. body is moved out of. */
void eas_answer_bytes(struct eas_request *rq, const char *type, struct evbuffer *body);
/* A further header of the answer. */
void eas_answer_header(struct eas_request *rq, const char *name, const char *value);

/* ---- waiting (Ping, Sync with Wait or HeartbeatInterval) ---- */

struct eas_watch {
	const uint32_t *mailboxes; /* Mailbox.id */
	size_t n;
	bool hierarchy; /* the list of mailboxes, too */
};

enum eas_wake {
	EAS_WAKE_CHANGED,    /* something that was watched may have changed */
	EAS_WAKE_DEADLINE,   /* nothing did */
	EAS_WAKE_SUPERSEDED, /* the device waits with the same command elsewhere now */
	EAS_WAKE_SHUTDOWN,   /* the server ends */
};

/* In a fiber of its own; answers as a command does, or parks once more. memory is what was given to eas_park.
 */
typedef void eas_wake_fn(struct eas_request *rq, enum eas_wake why, struct span memory);

/*
 * Parks the request: the fiber has to return right after, its arena and all that is in it go, and only the
 * connection, the watched ids and a copy of memory stay. One that sees nothing new parks again with the same
 * deadline. A client that goes meanwhile is forgotten without a word. For commands whose row says
 * EAS_MAY_WAIT: what they looked at before they parked is no older than the watch. deadline_ms: of
 * clock_mono_ms().
 */
void eas_park(struct eas_request *rq, uint64_t deadline_ms, const struct eas_watch *watch, eas_wake_fn *wake,
              struct span memory);

#endif

/*
 * A Sync request (MS-ASCMD 2.2.1.21) as it was sent: read, with what may not be so answered by the status
 * that the protocol has for it. What an empty or partial one leaves out comes from the last request (last.h).
 * Pure.
 */
#ifndef POD_IMAPD_EAS_SYNC_REQUEST_H
#define POD_IMAPD_EAS_SYNC_REQUEST_H

#include "base/arena.h"
#include "imapd/eas/wbxml/wbxml.h"

#define EAS_COLLECTIONS_MAX 200u
#define EAS_WINDOW_MAX      512u
#define EAS_WINDOW_DEFAULT  100u

enum eas_sync_status {
	EAS_SYNC_OK = 1,
	EAS_SYNC_KEY = 3,
	EAS_SYNC_PROTOCOL = 4,
	EAS_SYNC_SERVER = 5,
	EAS_SYNC_ITEM = 6,
	EAS_SYNC_CONFLICT = 7,
	EAS_SYNC_NOT_FOUND = 8,
	EAS_SYNC_NO_ROOM = 9,
	EAS_SYNC_HIERARCHY = 12,
	EAS_SYNC_INCOMPLETE = 13,
	EAS_SYNC_WAIT = 14,
	EAS_SYNC_TOO_MANY = 15,
	EAS_SYNC_RETRY = 16,
};

struct eas_sync_collection {
	const char *id, *key; /* as sent; never NULL */
	const char *class;    /* NULL: not said */
	unsigned int window;
	bool get_changes, deletes_as_moves, conversations;
	const struct wbxml_node *options;  /* the first of them; NULL: none */
	const struct wbxml_node *commands; /* NULL: none */
	bool listed;                       /* it was in the request itself, not in the last one */
};

struct eas_sync_request {
	struct eas_sync_collection *collections;
	size_t n;
	unsigned int window; /* of all collections together; 0: none was said */
	unsigned int wait_s; /* 0: it does not wait */
	bool partial, has_commands;
};

/* What a request that is refused is answered with, in the root. */
struct eas_sync_refusal {
	unsigned int status, limit; /* limit 0: none is told */
};

/* 0; -POD_E_SYNTAX with *ret_refusal; -POD_E_NOMEM. Strings point into a, nodes into the tree. */
int eas_sync_request_read(const struct wbxml_node *root, struct arena *a,
                          struct eas_sync_request *ret_request, struct eas_sync_refusal *ret_refusal);

/* What an Options block says of the collection itself; bodies are item/options.h's. */
struct eas_sync_options {
	unsigned int filter, conflict;
};
/* All blocks of a collection; changes of *o what they say. -POD_E_SYNTAX. */
int eas_sync_options_read(const struct wbxml_node *options, struct eas_sync_options *o);
/* Whether the block is about mail: else it is about SMS messages, which there are none of. */
bool eas_sync_options_are_mail(const struct wbxml_node *options);

/* The values between which a Wait (minutes) and a HeartbeatInterval (seconds) lie. */
#define EAS_WAIT_MIN      1u
#define EAS_WAIT_MAX      59u
#define EAS_HEARTBEAT_MIN 60u
#define EAS_HEARTBEAT_MAX 3540u

#endif

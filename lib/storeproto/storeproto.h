/* Constants of the store protocol that its schema (podstore.proto) only names: methods, roles, flags, columns. */
#ifndef POD_STOREPROTO_STOREPROTO_H
#define POD_STOREPROTO_STOREPROTO_H

#include <stdint.h>

#include "storeproto/podstore.pb-c.h"

#define STORE_PROTOCOL_VERSION 1

/* What a peer may ask for. A connection has one role, granted by the peer's identity at the hello. */
#define STORE_ROLE_MTA 1u
#define STORE_ROLE_GATEWAY 2u
#define STORE_ROLE_ADMIN 4u
#define STORE_ROLE_FILTER 8u

/*
 * One row for each method: number on the wire, name, request, reply, roles. Numbers are never reused.
 * Where a method's reply comes in several frames, its "more" frames carry the type in the fifth column.
 */
/* clang-format off */
#define STORE_METHODS(X) \
	/* no  NAME              request            final reply          more frames   roles */ \
	X(  1, HELLO,            hello,             hello_reply,         empty,        STORE_ROLE_MTA | STORE_ROLE_GATEWAY | STORE_ROLE_ADMIN | STORE_ROLE_FILTER) \
	X(  2, PING,             empty,             empty,               empty,        STORE_ROLE_MTA | STORE_ROLE_GATEWAY | STORE_ROLE_ADMIN | STORE_ROLE_FILTER) \
	X( 10, DELIVER,          deliver,           deliver_reply,       empty,        STORE_ROLE_MTA) \
	X( 11, CHECK,            check,             check_reply,         empty,        STORE_ROLE_MTA) \
	X( 20, AUTH,             auth_start,        auth_reply,          auth_reply,   STORE_ROLE_MTA | STORE_ROLE_GATEWAY) \
	X( 21, SESSION_OPEN,     session_open,      session_open_reply,  empty,        STORE_ROLE_GATEWAY) \
	X( 22, SESSION_CLOSE,    session_close,     empty,               empty,        STORE_ROLE_GATEWAY) \
	X( 30, MAILBOX_LIST,     mailbox_list,      mailbox_list_reply,  empty,        STORE_ROLE_GATEWAY) \
	X( 31, MAILBOX_GET,      mailbox_get,       mailbox,             empty,        STORE_ROLE_GATEWAY) \
	X( 32, MAILBOX_CREATE,   mailbox_create,    mailbox,             empty,        STORE_ROLE_GATEWAY) \
	X( 33, MAILBOX_DELETE,   mailbox_delete,    empty,               empty,        STORE_ROLE_GATEWAY) \
	X( 34, MAILBOX_RENAME,   mailbox_rename,    empty,               empty,        STORE_ROLE_GATEWAY) \
	X( 35, MAILBOX_SUBSCRIBE, mailbox_subscribe, empty,              empty,        STORE_ROLE_GATEWAY) \
	X( 36, MAILBOX_OPEN,     mailbox_open,      mailbox_open_reply,  empty,        STORE_ROLE_GATEWAY) \
	X( 40, FETCH,            fetch,             rows,                rows,         STORE_ROLE_GATEWAY) \
	X( 41, BODY_OPEN,        body_open,         body_open_reply,     body_open_reply, STORE_ROLE_GATEWAY) \
	X( 42, CHANGES,          changes,           changes_reply,       rows,         STORE_ROLE_GATEWAY) \
	X( 43, WATCH,            watch,             empty,               watch_event,  STORE_ROLE_GATEWAY) \
	X( 44, STORE_FLAGS,      store_flags,       store_flags_reply,   empty,        STORE_ROLE_GATEWAY) \
	X( 45, APPEND,           append,            append_reply,        empty,        STORE_ROLE_GATEWAY) \
	X( 46, COPY,             copy,              copy_reply,          empty,        STORE_ROLE_GATEWAY) \
	X( 47, EXPUNGE,          expunge,           expunge_reply,       empty,        STORE_ROLE_GATEWAY) \
	X( 48, QUOTA_GET,        quota_get,         quota_reply,         empty,        STORE_ROLE_GATEWAY) \
	X( 50, LESSONS,          empty,             lessons_reply,       empty,        STORE_ROLE_FILTER) \
	X( 51, LESSON_BODY,      lesson_body,       body_open_reply,     body_open_reply, STORE_ROLE_FILTER) \
	X( 52, LESSONS_DONE,     lessons_done,      empty,               empty,        STORE_ROLE_FILTER) \
	X( 53, URL_SIGN,         url_sign,          url_signed,          empty,        STORE_ROLE_GATEWAY) \
	X( 54, URL_RESET,        url_reset,         empty,               empty,        STORE_ROLE_GATEWAY) \
	X( 55, URL_OPEN,         url_open,          body_open_reply,     body_open_reply, STORE_ROLE_GATEWAY | STORE_ROLE_MTA) \
	X( 56, STATE_GET,        state_get,         state_get_reply,     empty,        STORE_ROLE_GATEWAY | STORE_ROLE_ADMIN) \
	X( 57, STATE_PUT,        state_put,         state_put_reply,     empty,        STORE_ROLE_GATEWAY | STORE_ROLE_ADMIN) \
	X( 58, STATE_LIST,       state_list,        state_list_reply,    empty,        STORE_ROLE_GATEWAY | STORE_ROLE_ADMIN) \
	X( 59, STATE_DELETE,     state_delete,      state_delete_reply,  empty,        STORE_ROLE_GATEWAY | STORE_ROLE_ADMIN) \
	X( 60, USER_ADD,         user_add,          user,                empty,        STORE_ROLE_ADMIN) \
	X( 61, USER_SET,         user_set,          user,                empty,        STORE_ROLE_ADMIN) \
	X( 62, USER_GET,         user_get,          user,                empty,        STORE_ROLE_ADMIN) \
	X( 63, USER_REMOVE,      user_remove,       empty,               empty,        STORE_ROLE_ADMIN) \
	X( 64, USER_LIST,        empty,             user_list_reply,     empty,        STORE_ROLE_ADMIN) \
	X( 65, VOLUME_STATUS,    empty,             volume_status,       empty,        STORE_ROLE_ADMIN) \
	X( 66, FSCK,             fsck,              fsck_report,         fsck_report,  STORE_ROLE_ADMIN) \
	X( 67, RESTORE,          restore,           restore_report,      restore_report, STORE_ROLE_ADMIN) \
	X( 68, USER_RESTORE,     user_restore,      user,                empty,        STORE_ROLE_ADMIN) \
	X( 69, SOURCE_USERS,     source_users,      user_list_reply,     empty,        STORE_ROLE_ADMIN)
/* clang-format on */

enum store_method {
#define X(no, name, request, reply, more, roles) STORE_##name = (no),
	STORE_METHODS(X)
#undef X
};

struct store_method_info {
	enum store_method method;
	const char *name;
	const ProtobufCMessageDescriptor *request, *reply, *more;
	unsigned int roles;
};
/* The row of a method number, or NULL. */
const struct store_method_info *store_method_find(unsigned int number);

/* System flags (RFC 3501 2.3.2); bits 5 to 30 are the mailbox's keywords 0 to 25. */
enum store_flag {
	STORE_FLAG_SEEN = 1u << 0,
	STORE_FLAG_ANSWERED = 1u << 1,
	STORE_FLAG_FLAGGED = 1u << 2,
	STORE_FLAG_DELETED = 1u << 3,
	STORE_FLAG_DRAFT = 1u << 4,
};
#define STORE_FLAGS_SYSTEM 0x1fu
#define STORE_KEYWORD_SHIFT 5
#define STORE_KEYWORDS_MAX 26 /* a to z in a Maildir file name */

/* Columns of Rows. uids are always there. */
enum store_column {
	STORE_COL_FLAGS = 1u << 0,
	STORE_COL_MODSEQ = 1u << 1,
	STORE_COL_INTERNAL_DATE = 1u << 2,
	STORE_COL_SIZE = 1u << 3,
	STORE_COL_ENVELOPE = 1u << 4,
	STORE_COL_BODYSTRUCTURE = 1u << 5,
	STORE_COL_PARTS = 1u << 6,
	STORE_COL_HEADERS = 1u << 7,
	STORE_COL_GUID = 1u << 8,
	STORE_COL_SAVE_DATE = 1u << 9,
};

#endif

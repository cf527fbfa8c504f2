/*
 * The query of a request's URI, which names the command and the device (MS-ASHTTP 2.2.1.1.1): as plain
 * parameters, or all of it as base64 of a few bytes. Pure.
 */
#ifndef POD_IMAPD_EAS_QUERY_H
#define POD_IMAPD_EAS_QUERY_H

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

/* MS-ASHTTP 2.2.1.1.1.1.3, 2.2.1.1.1.1.6: bytes as sent; of a raw id, which is written in hex, as many more.
 */
#define EAS_DEVICE_ID_SENT_MAX 32
#define EAS_DEVICE_ID_MAX      (2 * EAS_DEVICE_ID_SENT_MAX)
#define EAS_DEVICE_TYPE_MAX    32

struct eas_query {
	bool base64;
	/* Of a base64 query; a plain one leaves versions and keys to headers. */
	unsigned int version; /* enum eas_version; 0: none */
	unsigned int code;    /* of the command */
	bool has_policy_key;
	uint32_t policy_key;
	bool accept_multipart;
	/* Of a plain query. */
	struct span command; /* its name */
	/* Of both; strings are never NULL. */
	const char *device_id; /* as eas_device_id makes it; "" where it is missing or none */
	bool device_id_is_bad; /* it is there, and is none: too long */
	const char *device_type;
	const char *user; /* for logs */
	const char *attachment_name, *collection_id, *item_id, *long_id, *occurrence;
	bool save_in_sent;
};

/* -POD_E_SYNTAX: it is neither, err says what is wrong; -POD_E_NOMEM. All of it in a. */
int eas_query_parse(struct arena *a, struct span query, struct eas_query *ret_query, struct err *err);

/*
 * A device's id in the one form that we know it by: letters, digits, '-', '_' and '.', which is not the
 * first. Other bytes are raw, so that all are written in hex; and hex is written in capitals, as a device
 * that sends raw bytes at one time sends the same in hex at another. NULL: empty or too long; memory is out.
 */
const char *eas_device_id(struct arena *a, struct span sent);

#endif

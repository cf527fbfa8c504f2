/*
 * volume.json and volume.key. The reserves are promises about counters: nothing at or above was ever given out, so
 * that a rebuild starts above everything a client may remember.
 */
#ifndef POD_STORE_MAILDIR_VOLUME_FILE_H
#define POD_STORE_MAILDIR_VOLUME_FILE_H

#include "base/err.h"
#include "base/id.h"
#include "store/maildir/name.h"

#define VOLUME_SECRET_SIZE 32
#define VOLUME_FORMAT_VERSION 1

struct volume_file {
	struct guid id;
	char name[MAILDIR_HOST_MAX + 1]; /* also the host part of message files */
	int64_t created;
	uint64_t modseq_reserve;
	uint32_t mailbox_reserve, uidvalidity_reserve;
	uint64_t token; /* fencing token that it was served under last; 0: never, or none */
};

/* Durable with the next syncfs. */
int volume_file_write(int dir, const struct volume_file *f, struct err *err);
/* -POD_E_NOTFOUND, -POD_E_CORRUPT, -POD_E_VERSION. */
int volume_file_read(int dir, struct volume_file *ret_file, struct err *err);
int volume_key_write(int dir, const uint8_t key[VOLUME_SECRET_SIZE], struct err *err);
int volume_key_read(int dir, uint8_t key[VOLUME_SECRET_SIZE], struct err *err);

#endif

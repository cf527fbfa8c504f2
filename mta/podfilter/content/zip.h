/*
 * Zip archives (APPNOTE.TXT 4.3) and gzip (RFC 1952), read in place. Nothing in them is believed: offsets are
 * checked, and what is unpacked is bounded by the caller. No zip64: a message is smaller.
 */
#ifndef POD_FILTER_CONTENT_ZIP_H
#define POD_FILTER_CONTENT_ZIP_H

#include "base/span.h"

struct zip_entry {
	struct span name;
	struct span data;    /* as it is in the archive */
	unsigned int method; /* 0 stored, 8 deflated */
	bool encrypted;
};

struct zip {
	struct span bytes;
	size_t at;   /* of the next central directory header, or local header where there is no directory */
	size_t left; /* entries, as the directory says */
	bool by_directory;
};

/* Where the directory is missing or damaged, local headers are followed: what an unpacker would still find.
 */
void zip_open(struct span bytes, struct zip *ret_zip);
/* False behind the last. */
bool zip_next(struct zip *z, struct zip_entry *ret_entry);
/* Unpacks at most size bytes; returns how many. 0 where the method is unknown, the data damaged or encrypted.
 */
size_t zip_unpack(const struct zip_entry *e, uint8_t *to, size_t size);
/* The same for the first member of a gzip file. */
size_t gzip_unpack(struct span bytes, uint8_t *to, size_t size);

#endif

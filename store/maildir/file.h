/*
 * Small files beside the mail: read whole, replaced whole. Paths are relative to the descriptor of the volume's
 * folder. Thread-safe for different files.
 */
#ifndef POD_STORE_MAILDIR_FILE_H
#define POD_STORE_MAILDIR_FILE_H

#include "base/buf.h"
#include "base/err.h"

#define FILE_PATH_SIZE 1024

/*
 * Opens path for reading below dir and nowhere else, for folders that others made: no component is a symbolic link, none
 * leads above dir, and nothing that would wait (a FIFO) waits. flags: O_DIRECTORY for a folder; without it anything but
 * a regular file is -POD_E_CORRUPT. -POD_E_NOTFOUND, -POD_E_DENIED.
 */
int file_open_beneath(int dir, const char *path, int flags, int *ret_fd, struct err *err);
/* Appends the file's bytes to out; -POD_E_NOTFOUND, -POD_E_LIMIT where it has more than max. */
int file_read(int dir, const char *path, size_t max, struct buf *out, struct err *err);
/*
 * Puts the bytes in path's place: path.tmp, then rename, so that a reader sees the old or the new, after a power cut
 * too. Written to the file system, not yet durable: that takes the syncfs of the commit it belongs to.
 */
int file_replace(int dir, const char *path, struct span bytes, unsigned int mode, struct err *err);
/* All bytes at offset, however the kernel cuts them. */
int file_write_at(int fd, struct span bytes, uint64_t off, struct err *err);
/* Exists (1), does not (0), or an error. */
int file_exists(int dir, const char *path, struct err *err);
/* Makes one folder; that it is there already is no error. */
int file_mkdir(int dir, const char *path, struct err *err);
/* Everything under path and path itself; that it is not there is no error. Follows no symbolic link. */
int file_remove_tree(int dir, const char *path, struct err *err);

#endif

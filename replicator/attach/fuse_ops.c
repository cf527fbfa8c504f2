/* What the kernel asks of the file, as requests to the server. Runs on the serving thread. */
#include "replicator/attach/fuse_file_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "replicator/attach/export.h"

static struct fuse_file *file_of(fuse_req_t req)
{
	return (struct fuse_file *) fuse_req_userdata(req);
}

static void submit(fuse_req_t req, enum request_op op, off_t offset, uint64_t length, char *data)
{
	struct fuse_file *f = file_of(req);
	struct fuse_slot *slot = f->current;

	slot->req = req;
	slot->rq.op = op;
	slot->rq.offset = (uint64_t) offset;
	slot->rq.length = length;
	slot->rq.data = data;
	requests_submit(&f->requests, &slot->rq);
}

void fuse_ops_on_done(void *arg, struct request *rq, int error)
{
	struct fuse_file *f = (struct fuse_file *) arg;
	struct fuse_slot *slot = (struct fuse_slot *) rq;
	fuse_req_t req = slot->req;

	slot->req = NULL;
	if (f->requests.failed) /* first: whoever waits for the reply looks at it then */
		f->events.failed(f->events.arg);
	/* A reply fails only where the kernel no longer waits for it. */
	if (error != 0)
		(void) fuse_reply_err(req, error);
	else if (rq->op == REQUEST_READ)
		(void) fuse_reply_buf(req, rq->data, rq->length);
	else if (rq->op == REQUEST_WRITE)
		(void) fuse_reply_write(req, rq->length);
	else
		(void) fuse_reply_err(req, 0);
}

static void on_init(void *userdata, struct fuse_conn_info *conn)
{
	(void) userdata;
	conn->max_write = EXPORT_REQUEST_MAX;
	conn->max_readahead = 0;
	conn->max_background = FUSE_SLOTS;
	conn->congestion_threshold = FUSE_SLOTS;
	/* Requests are read into buffers that exist already. */
	conn->want &= ~(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuse_file *f = file_of(req);
	struct stat st = {
		.st_ino = ino,
		.st_mode = S_IFREG | (f->options->read_only ? 0400 : 0600),
		.st_nlink = 1,
		.st_size = (off_t) f->size_bytes,
		.st_blksize = EXPORT_BLOCK_SIZE,
		.st_blocks = (blkcnt_t) (f->size_bytes / 512),
	};

	(void) fi;
	(void) fuse_reply_attr(req, &st, 0);
}

static void on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void) ino;
	if (file_of(req)->options->read_only && (fi->flags & O_ACCMODE) != O_RDONLY) {
		(void) fuse_reply_err(req, EROFS);
		return;
	}
	fi->direct_io = 1;
	(void) fuse_reply_open(req, fi);
}

static void on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct fuse_file *f = file_of(req);
	uint64_t end = f->size_bytes;

	(void) ino;
	(void) fi;
	if (size > EXPORT_REQUEST_MAX || offset < 0) {
		(void) fuse_reply_err(req, EINVAL);
		return;
	}
	if ((uint64_t) offset >= end || size == 0) {
		(void) fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (size > end - (uint64_t) offset)
		size = end - (uint64_t) offset;
	submit(req, REQUEST_READ, offset, size, (char *) f->current->buf.mem);
}

static bool outside(const struct fuse_file *f, off_t offset, uint64_t length)
{
	return offset < 0 || length > f->size_bytes || (uint64_t) offset > f->size_bytes - length;
}

static void on_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *fi)
{
	struct fuse_file *f = file_of(req);
	char *in_slot = (char *) f->current->buf.mem + (data - (const char *) f->current->buf.mem);

	(void) ino;
	(void) fi;
	if (outside(f, offset, size))
		(void) fuse_reply_err(req, EFBIG);
	else if (size == 0)
		(void) fuse_reply_write(req, 0);
	else
		submit(req, REQUEST_WRITE, offset, size, in_slot);
}

static void on_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void) ino;
	(void) datasync;
	(void) fi;
	submit(req, REQUEST_FLUSH, 0, 0, NULL);
}

/*
 * A loop device sends discards and zeroes as PUNCH_HOLE, and expects to read zeroes after either; zeroes that
 * must keep their place as ZERO_RANGE. TRIM promises no zeroes, so both are WRITE_ZEROES.
 */
static void on_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                         struct fuse_file_info *fi)
{
	struct fuse_file *f = file_of(req);
	int kind = mode & ~FALLOC_FL_KEEP_SIZE;

	(void) ino;
	(void) fi;
	if (kind != FALLOC_FL_PUNCH_HOLE && kind != FALLOC_FL_ZERO_RANGE)
		(void) fuse_reply_err(req, EOPNOTSUPP);
	else if (length <= 0 || outside(f, offset, (uint64_t) length))
		(void) fuse_reply_err(req, EINVAL);
	else
		submit(req, kind == FALLOC_FL_PUNCH_HOLE ? REQUEST_ZERO : REQUEST_ZERO_ALLOCATED, offset,
		       (uint64_t) length, NULL);
}

/* Where a loop device takes the unit of its discards from. */
static void on_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st = { .f_bsize = EXPORT_BLOCK_SIZE, .f_frsize = EXPORT_BLOCK_SIZE };

	(void) ino;
	st.f_blocks = file_of(req)->size_bytes / EXPORT_BLOCK_SIZE;
	(void) fuse_reply_statfs(req, &st);
}

static void on_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void) ino;
	(void) fi;
	(void) fuse_reply_err(req, 0);
}

/*
 * No FLUSH, which a close would wait for: direct I/O leaves nothing to be written by then, and libfuse's
 * answer, that it is not known here, keeps the kernel from asking again. Who closes it while this process
 * dies would wait for ever.
 */
const struct fuse_lowlevel_ops fuse_file_ops = {
	.init = on_init,
	.getattr = on_getattr,
	.open = on_open,
	.read = on_read,
	.write = on_write,
	.fsync = on_fsync,
	.fallocate = on_fallocate,
	.statfs = on_statfs,
	.release = on_release,
};

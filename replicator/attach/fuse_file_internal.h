/* What the file's lifecycle (fuse_file.c), its serving thread (fuse_serve.c) and its operations (fuse_ops.c)
 * share. */
#ifndef POD_REPLICATOR_ATTACH_FUSE_FILE_INTERNAL_H
#define POD_REPLICATOR_ATTACH_FUSE_FILE_INTERNAL_H

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "replicator/attach/fuse_file.h"
#include "replicator/attach/requests.h"

/* How many of the kernel's requests are worked on at once. Each has a buffer of EXPORT_REQUEST_MAX. */
#define FUSE_SLOTS 64

/* A request of the kernel's, from its arrival to the reply. */
struct fuse_slot {
	struct request rq;   /* first: `done` gets a pointer to it */
	struct fuse_buf buf; /* the kernel's request as it came; what was read for its reply */
	fuse_req_t req;      /* NULL: free */
};

struct fuse_file {
	const struct attach_options *options;
	struct fuse_file_events events;
	struct fuse_session *session;
	int mount_fd; /* of the mount that is nowhere */
	int wake_fd;  /* eventfd: the serving thread should look at what is asked for below */
	int grown_fd; /* eventfd: the file has its new size */
	pthread_t thread;
	bool thread_runs;

	/* Asked for by others. */
	_Atomic uint64_t give_up_ms;
	_Atomic bool quit, renew;

	/* The serving thread's. */
	struct requests requests;
	struct fuse_slot slots[FUSE_SLOTS];
	struct fuse_slot *current;   /* into which the kernel's request was read that is being looked at */
	_Atomic uint64_t size_bytes; /* as the kernel is told */
};

extern const struct fuse_lowlevel_ops fuse_file_ops;

/* `done` of requests: replies to the kernel and frees the slot. */
void fuse_ops_on_done(void *arg, struct request *rq, int error);

/* The thread's function; arg is the struct fuse_file. */
void *fuse_serve(void *arg);
/* Before the thread runs: answers the kernel's INIT, and makes the buffers. */
int fuse_serve_init(struct fuse_file *f, struct err *err);

#endif

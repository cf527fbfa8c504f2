/* The serving thread: the kernel's requests on one descriptor, the server's answers on another. */
#include "replicator/attach/fuse_file_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "replicator/attach/export.h"

/* The kernel's INIT comes at once after the mount. */
#define INIT_WAIT_MS 10000
/* A request's header goes before what is written (FUSE_BUFFER_HEADER_SIZE in libfuse). */
#define HEADER_SIZE 4096u

enum { FD_WAKE, FD_KERNEL, FD_SERVER, FDS };

static struct fuse_slot *free_slot(struct fuse_file *f)
{
	for (size_t i = 0; i < FUSE_SLOTS; i++)
		if (!f->slots[i].req)
			return &f->slots[i];
	return NULL;
}

/* Takes one request of the kernel's. False: there is none, or the file system is gone. */
static bool take_one(struct fuse_file *f, struct fuse_slot *slot)
{
	int n = fuse_session_receive_buf(f->session, &slot->buf);

	if (n <= 0)
		return false;
	f->current = slot;
	fuse_session_process_buf(f->session, &slot->buf);
	return true;
}

static void take_all(struct fuse_file *f)
{
	struct fuse_slot *slot;

	while ((slot = free_slot(f)) && take_one(f, slot))
		;
}

static void on_wake(struct fuse_file *f)
{
	uint64_t n;

	(void) !read(f->wake_fd, &n, sizeof(n));
	if (f->give_up_ms != f->requests.give_up_ms) {
		f->requests.give_up_ms = f->give_up_ms;
		f->requests.progress_ms = clock_mono_ms();
	}
	if (atomic_exchange(&f->renew, false))
		requests_renew(&f->requests);
}

/* The export may be larger on a new connection. */
static void tell_size(struct fuse_file *f)
{
	uint64_t one = 1;

	if (f->size_bytes == f->requests.size_bytes)
		return;
	f->size_bytes = f->requests.size_bytes;
	(void) !write(f->grown_fd, &one, sizeof(one));
}

static void serve_once(struct fuse_file *f)
{
	struct pollfd fds[FDS] = { [FD_WAKE] = { .fd = f->wake_fd, .events = POLLIN } };

	fds[FD_KERNEL] =
		(struct pollfd){ .fd = free_slot(f) ? fuse_session_fd(f->session) : -1, .events = POLLIN };
	fds[FD_SERVER].fd = requests_fd(&f->requests, &fds[FD_SERVER].events);
	if (poll(fds, FDS, requests_wait_ms(&f->requests, clock_mono_ms())) < 0)
		return; /* EINTR: signals belong to another thread, so it is a debugger's */
	if (fds[FD_WAKE].revents)
		on_wake(f);
	if (fds[FD_SERVER].revents && f->requests.nbd)
		requests_on_ready(&f->requests, fds[FD_SERVER].revents);
	requests_on_time(&f->requests, clock_mono_ms());
	tell_size(f);
	if (f->requests.failed)
		f->events.failed(f->events.arg);
	if (fds[FD_KERNEL].revents)
		take_all(f);
}

void *fuse_serve(void *arg)
{
	struct fuse_file *f = (struct fuse_file *) arg;

	while (!f->quit && !fuse_session_exited(f->session))
		serve_once(f);
	/* What is still waited for must not keep anybody: the kernel answers it with errors once we are gone.
	 */
	if (requests_any_wait(&f->requests)) {
		requests_fail(&f->requests, "detached while it was in use");
		f->events.failed(f->events.arg);
	}
	return NULL;
}

/* INIT is read into a buffer of libfuse's, which is much larger than what is needed once the sizes are
 * agreed. */
static int answer_init(struct fuse_file *f, struct err *err)
{
	struct pollfd fd = { .fd = fuse_session_fd(f->session), .events = POLLIN };
	struct fuse_buf buf = { 0 };
	int n;

	if (poll(&fd, 1, INIT_WAIT_MS) <= 0)
		return err_set(err, POD_E_TIMEOUT, "the kernel did not begin the FUSE protocol");
	n = fuse_session_receive_buf(f->session, &buf);
	if (n > 0)
		fuse_session_process_buf(f->session, &buf);
	free(buf.mem);
	return n > 0 && !fuse_session_exited(f->session)
	               ? 0
	               : err_set(err, POD_E_IO, "the FUSE protocol's beginning");
}

/* Touched once, so that the pages are there. */
static int make_buffers(struct fuse_file *f, struct err *err)
{
	for (size_t i = 0; i < FUSE_SLOTS; i++) {
		f->slots[i].buf.mem = malloc(EXPORT_REQUEST_MAX + HEADER_SIZE);
		if (!f->slots[i].buf.mem)
			return err_set(err, POD_E_NOMEM, "no memory for buffers");
		memset(f->slots[i].buf.mem, 1, EXPORT_REQUEST_MAX + HEADER_SIZE);
	}
	return 0;
}

int fuse_serve_init(struct fuse_file *f, struct err *err)
{
	int r = answer_init(f, err);

	return r < 0 ? r : make_buffers(f, err);
}

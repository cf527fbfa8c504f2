#include "replicator/attach/fuse_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "replicator/attach/export.h"
#include "replicator/attach/fuse_file_internal.h"

#define STACK_SIZE (256u << 10)

static int set_string(int fs, const char *key, const char *value)
{
	return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0);
}

/* A file system whose root is a regular file, mounted nowhere; it goes when nobody has anything open in it.
 */
static int mount_nowhere(int device, int *ret_mount, struct err *err)
{
	_cleanup_(closep) int fs = fsopen("fuse", FSOPEN_CLOEXEC);
	char fd_text[16], max_text[16];
	int mounted;

	if (fs < 0)
		return err_set(err, POD_E_UNSUPPORTED, "FUSE: %s", strerror(errno));
	(void) snprintf(fd_text, sizeof(fd_text), "%d", device);
	(void) snprintf(max_text, sizeof(max_text), "%u", EXPORT_REQUEST_MAX);
	if (set_string(fs, "source", "podmail") < 0 || set_string(fs, "subtype", "podmail") < 0 ||
	    set_string(fs, "fd", fd_text) < 0 || set_string(fs, "rootmode", "100000") < 0 ||
	    set_string(fs, "user_id", "0") < 0 || set_string(fs, "group_id", "0") < 0 ||
	    set_string(fs, "max_read", max_text) < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_errno(err, errno, "a FUSE file system");
	mounted = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (mounted < 0)
		return err_errno(err, errno, "a FUSE mount");
	*ret_mount = mounted;
	return 0;
}

/* The session owns the device's descriptor from fuse_session_mount on. */
static int make_session(struct fuse_file *f, struct err *err)
{
	char name[] = "volattach", path[32];
	char *argv[] = { name, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	_cleanup_(closep) int device = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (device < 0)
		return err_set(err, POD_E_UNSUPPORTED, "/dev/fuse: %s", strerror(errno));
	f->session = fuse_session_new(&args, &fuse_file_ops, sizeof(fuse_file_ops), f);
	fuse_opt_free_args(&args);
	if (!f->session)
		return err_set(err, POD_E_NOMEM, "no memory for a FUSE session");
	r = mount_nowhere(device, &f->mount_fd, err);
	if (r < 0)
		return r;
	(void) snprintf(path, sizeof(path), "/dev/fd/%d", device);
	if (fuse_session_mount(f->session, path) != 0)
		return err_set(err, POD_E_INTERNAL, "libfuse did not take the device");
	(void) take_fd(&device);
	return 0;
}

static int start_thread(struct fuse_file *f, struct err *err)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r == 0) {
		(void) pthread_attr_setstacksize(&attr, STACK_SIZE);
		r = pthread_create(&f->thread, &attr, fuse_serve, f);
		(void) pthread_attr_destroy(&attr);
	}
	if (r != 0)
		return err_errno(err, r, "a thread");
	f->thread_runs = true;
	return 0;
}

static int open_root(struct fuse_file *f, int *ret_fd, struct err *err)
{
	char path[48];
	int fd;

	(void) snprintf(path, sizeof(path), "/proc/self/fd/%d", f->mount_fd);
	fd = open(path, (f->options->read_only ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "the volume's file");
	*ret_fd = fd;
	return 0;
}

static void free_file(struct fuse_file *f)
{
	requests_done(&f->requests);
	if (f->session)
		fuse_session_destroy(f->session);
	for (size_t i = 0; i < FUSE_SLOTS; i++)
		free(f->slots[i].buf.mem);
	closep(&f->mount_fd);
	closep(&f->wake_fd);
	closep(&f->grown_fd);
	free(f);
}

static int open_all(struct fuse_file *f, int *ret_fd, struct err *err)
{
	int r;

	f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->grown_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->wake_fd < 0 || f->grown_fd < 0)
		return err_errno(err, errno, "eventfd");
	r = make_session(f, err);
	if (r == 0)
		r = fuse_serve_init(f, err);
	if (r == 0)
		r = start_thread(f, err);
	if (r == 0)
		r = open_root(f, ret_fd, err);
	return r;
}

int fuse_file_open(const struct attach_options *o, struct nbd_handle *nbd, uint64_t size_bytes,
                   struct fuse_file_events events, struct fuse_file **ret, int *ret_fd, struct err *err)
{
	struct fuse_file *f = calloc(1, sizeof(*f));
	struct requests orphan;
	int r;

	if (!f) {
		requests_init(&orphan, o, nbd, size_bytes, NULL, NULL);
		requests_done(&orphan);
		return err_set(err, POD_E_NOMEM, "no memory for a volume");
	}
	f->options = o;
	f->events = events;
	f->size_bytes = size_bytes;
	f->mount_fd = f->wake_fd = f->grown_fd = -1;
	requests_init(&f->requests, o, nbd, size_bytes, fuse_ops_on_done, f);
	r = open_all(f, ret_fd, err);
	if (r < 0) {
		fuse_file_close(f, 0);
		return r;
	}
	*ret = f;
	return 0;
}

int fuse_file_device_fd(const struct fuse_file *f)
{
	return fuse_session_fd(f->session);
}

static void wake(struct fuse_file *f)
{
	uint64_t one = 1;

	(void) !write(f->wake_fd, &one, sizeof(one));
}

void fuse_file_give_up_after(struct fuse_file *f, uint64_t limit_ms)
{
	f->give_up_ms = limit_ms;
	wake(f);
}

int fuse_file_grow(struct fuse_file *f, uint64_t new_size, uint64_t limit_ms, struct err *err)
{
	struct pollfd grown = { .fd = f->grown_fd, .events = POLLIN };
	struct stat st;
	uint64_t n;

	f->renew = true;
	wake(f);
	if (f->size_bytes < new_size && poll(&grown, 1, (int) limit_ms) <= 0)
		return err_set(err, POD_E_TIMEOUT, "the server did not take a new connection");
	(void) !read(f->grown_fd, &n, sizeof(n));
	/* The kernel keeps the size of a file that is open; to ask for it makes it look. */
	if (fstat(f->mount_fd, &st) < 0 || (uint64_t) st.st_size < new_size)
		return err_set(err, POD_E_BUSY, "the volume's file did not grow");
	return 0;
}

/* True: the thread has ended. */
static bool join_within(struct fuse_file *f, uint64_t limit_ms)
{
	struct timespec until;

	(void) clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t) (limit_ms / 1000);
	until.tv_nsec += (long) (limit_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	return pthread_timedjoin_np(f->thread, NULL, &until) == 0;
}

void fuse_file_close(struct fuse_file *f, uint64_t limit_ms)
{
	closep(&f->mount_fd);
	f->mount_fd = -1;
	if (f->thread_runs && !join_within(f, limit_ms)) {
		f->quit = true;
		wake(f);
		(void) pthread_join(f->thread, NULL);
	}
	free_file(f);
}

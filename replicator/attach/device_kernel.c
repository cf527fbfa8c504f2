/* Where the kernel has nbd: it serves the requests itself. A thread here replaces its socket when the server
 * is back. */
#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "replicator/attach/block_queue.h"
#include "replicator/attach/device.h"
#include "replicator/attach/export.h"
#include "replicator/attach/nbd_netlink.h"
#include "replicator/attach/reserve.h"

/*
 * The kernel sends what was in flight on a dead socket again when this time is over for it. It also says
 * "possible stuck request" each time it is over for a request on a socket that lives, and does nothing: so
 * not too short.
 */
#define IO_TIMEOUT_MS 2000u
/* How often to look whether requests make progress while giving up is asked for. */
#define LOOK_MS      100u
#define GROW_WAIT_MS 10000u
#define SEND_BUFFER  (128 << 10)
/* "For ever", for a kernel that needs a number: ten years. */
#define DEAD_TIMEOUT_MAX_S (10ull * 365 * 24 * 3600)
#define STACK_SIZE         (256u << 10)

struct device_kernel {
	struct device base;
	struct nbd_netlink *netlink; /* the thread's while it runs */
	uint32_t index;
	bool connected;
	int node_fd;             /* keeps the device from ending at the last close of others */
	int wake_fd, renewed_fd; /* eventfds: to the thread, and from it */
	pthread_t thread;
	bool thread_runs;
	_Atomic bool quit, renew;
	_Atomic uint64_t give_up_ms;

	/* The thread's. */
	int link_fd; /* our copy of the kernel's socket; -1: no server */
	uint64_t lost_ms, retry_ms;
	uint64_t progress_ms, completed; /* as block_queue_read last said, and since when */
	int refusal;                     /* why the last attempt to connect failed */
};

static uint64_t dead_timeout_s(const struct attach_options *o)
{
	return o->dead_timeout_ms == 0 ? DEAD_TIMEOUT_MAX_S : (o->dead_timeout_ms + 999) / 1000;
}

/*
 * What waits in the socket is memory that the kernel took for it while there may be none: a request or two
 * are enough to keep the server busy, and the rest waits as the pages that it is.
 */
static void bound_buffer(int socket)
{
	const int bytes = SEND_BUFFER;

	(void) setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)); /* it works without, too */
}

/* libnbd negotiates; its connection is closed, and the copy of its socket goes to the kernel. */
static int negotiate(const struct attach_options *o, int *ret_socket, struct export_info *ret_info,
                     struct err *err)
{
	struct nbd_handle *h = NULL;
	int r = export_connect(o, DEVICE_CONNECT_MS, &h, ret_info, err);
	int socket = -1;

	if (r < 0)
		return r;
	socket = fcntl(nbd_aio_get_fd(h), F_DUPFD_CLOEXEC, 0);
	if (socket < 0)
		r = err_errno(err, errno, "a copy of the connection");
	else if (fcntl(socket, F_SETFL, 0) < 0) /* the kernel waits in its own way */
		r = err_errno(err, errno, "the connection's mode");
	if (r == 0)
		bound_buffer(socket);
	nbd_close(h);
	if (r < 0) {
		closep(&socket);
		return r;
	}
	*ret_socket = socket;
	return 0;
}

/* ---- the thread ------------------------------------------------------------------------------------- */

static void on_server_lost(struct device_kernel *dk)
{
	closep(&dk->link_fd);
	dk->link_fd = -1;
	dk->lost_ms = clock_mono_ms();
	dk->retry_ms = 0;
	log_event(NULL, LOGL_WARNING, "attach.server_lost", F_STR("export", dk->base.options->export_name),
	          F_STR("device", dk->base.node));
}

static int connect_again(struct device_kernel *dk, struct err *err)
{
	_cleanup_(closep) int socket = -1;
	struct export_info info;
	int r = negotiate(dk->base.options, &socket, &info, err);

	if (r == 0 && info.size_bytes < dk->base.size_bytes)
		r = err_set(err, POD_E_CORRUPT, "the export is smaller than it was");
	if (r == 0)
		r = nbd_netlink_reconnect(dk->netlink, dk->index, socket, &info,
		                          dead_timeout_s(dk->base.options), err);
	if (r == 0)
		dk->link_fd = take_fd(&socket);
	return r;
}

static void look_for_server(struct device_kernel *dk)
{
	struct err err = { 0 };
	uint64_t one = 1;
	int r = connect_again(dk, &err);

	if (r < 0) {
		/* Once for each reason: it is tried many times a second. */
		if (r != dk->refusal)
			log_event(NULL, LOGL_INFO, "attach.no_server_yet", F_ERR(&err));
		dk->refusal = r;
		dk->retry_ms = clock_mono_ms() + DEVICE_RETRY_MS;
		return;
	}
	dk->refusal = 0;
	log_event(NULL, LOGL_NOTICE, "attach.server_back", F_STR("export", dk->base.options->export_name),
	          F_UINT("away_ms", clock_mono_ms() - dk->lost_ms));
	(void) !write(dk->renewed_fd, &one, sizeof(one));
}

/*
 * The kernel says goodbye to the server first, and would wait for a server that does not read. So where
 * requests are under way, which it will not answer either, the socket ends before that.
 */
static void disconnect(struct device_kernel *dk, bool under_way)
{
	struct err err = { 0 };

	if (under_way && dk->link_fd >= 0)
		(void) shutdown(dk->link_fd, SHUT_RDWR);
	if (nbd_netlink_disconnect(dk->netlink, dk->index, &err) < 0)
		log_event(NULL, LOGL_WARNING, "attach.disconnect_failed", F_ERR(&err));
}

static void fail(struct device_kernel *dk, const char *why)
{

	log_event(NULL, LOGL_ERROR, "attach.device_failed", F_STR("export", dk->base.options->export_name),
	          F_STR("device", dk->base.node), F_STR("why", why));
	device_set_failed(
		&dk->base); /* first: whoever waits for the requests looks at it when they have ended */
	disconnect(dk, true);
}

/*
 * Whether the kernel's requests get on is seen from outside only; and those that wait for a server are not
 * counted as in flight.
 */
static bool is_progress(struct device_kernel *dk)
{
	struct block_queue q;
	bool moved;

	if (block_queue_read(dk->base.node, &q) < 0)
		return false;
	moved = q.completed != dk->completed;
	dk->completed = q.completed;
	return moved || (dk->link_fd >= 0 && q.in_flight == 0);
}

static void look_at_progress(struct device_kernel *dk, uint64_t now)
{
	if (dk->give_up_ms == 0)
		return;
	if (dk->progress_ms == 0 || is_progress(dk))
		dk->progress_ms = now;
	if (now >= dk->progress_ms + dk->give_up_ms)
		fail(dk, "the server does not answer, and the volume is to be detached");
}

static int wait_ms(const struct device_kernel *dk)
{
	if (dk->link_fd < 0)
		return (int) DEVICE_RETRY_MS;
	return dk->give_up_ms > 0 ? (int) LOOK_MS : -1;
}

static void on_wake(struct device_kernel *dk)
{
	uint64_t n;

	(void) !read(dk->wake_fd, &n, sizeof(n));
	/* The kernel takes a new socket only for one that is dead. */
	if (atomic_exchange(&dk->renew, false) && dk->link_fd >= 0)
		(void) shutdown(dk->link_fd, SHUT_RDWR);
}

static void watch_once(struct device_kernel *dk)
{
	struct pollfd fds[] = {
		{ .fd = dk->wake_fd, .events = POLLIN },
		{ .fd = dk->link_fd, .events = POLLRDHUP },
	};
	uint64_t dead_ms = dk->base.options->dead_timeout_ms, now;

	if (poll(fds, ARRAY_SIZE(fds), wait_ms(dk)) < 0)
		return; /* EINTR: signals belong to another thread, so it is a debugger's */
	now = clock_mono_ms();
	if (fds[0].revents)
		on_wake(dk);
	if (fds[1].revents)
		on_server_lost(dk);
	if (dk->link_fd < 0 && now >= dk->retry_ms)
		look_for_server(dk);
	if (dk->link_fd < 0 && dead_ms > 0 && now >= dk->lost_ms + dead_ms)
		fail(dk, "no server within the dead timeout");
	else
		look_at_progress(dk, now);
}

static void *watch(void *arg)
{
	struct device_kernel *dk = (struct device_kernel *) arg;

	while (!dk->quit && !dk->base.failed)
		watch_once(dk);
	return NULL;
}

static int start_thread(struct device_kernel *dk, struct err *err)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r == 0) {
		(void) pthread_attr_setstacksize(&attr, STACK_SIZE);
		r = pthread_create(&dk->thread, &attr, watch, dk);
		(void) pthread_attr_destroy(&attr);
	}
	if (r != 0)
		return err_errno(err, r, "a thread");
	dk->thread_runs = true;
	return 0;
}

static void wake(struct device_kernel *dk)
{
	uint64_t one = 1;

	(void) !write(dk->wake_fd, &one, sizeof(one));
}

/* ---- the method -------------------------------------------------------------------------------------- */

static void kernel_close(struct device *d)
{
	struct device_kernel *dk = (struct device_kernel *) d;
	struct block_queue q = { 0 };

	if (dk->thread_runs) {
		dk->quit = true;
		wake(dk);
		(void) pthread_join(dk->thread, NULL);
	}
	/* Where somebody still has it open, closing would not end it. */
	if (dk->connected && !d->failed) {
		(void) block_queue_read(d->node, &q);
		disconnect(dk, q.in_flight > 0);
	}
	closep(&dk->node_fd);
	closep(&dk->link_fd);
	closep(&dk->wake_fd);
	closep(&dk->renewed_fd);
	(void) nbd_netlink_free(dk->netlink);
	device_done(d);
	free(dk);
}

static int connect_device(struct device_kernel *dk, struct err *err)
{
	const struct attach_options *o = dk->base.options;
	_cleanup_(closep) int socket = -1;
	struct export_info info;
	int r = negotiate(o, &socket, &info, err);

	if (r == 0)
		r = nbd_netlink_connect(dk->netlink, socket, &info, dead_timeout_s(o), &dk->index, err);
	if (r < 0)
		return r;
	dk->connected = true;
	dk->link_fd = take_fd(&socket);
	dk->base.size_bytes = info.size_bytes;
	(void) snprintf(dk->base.node, sizeof(dk->base.node), "/dev/nbd%u", dk->index);
	dk->node_fd = open(dk->base.node, (o->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (dk->node_fd < 0)
		return err_errno(err, errno, "%s", dk->base.node);
	/* Without it all is right as well, but a pause may last half a minute. */
	if (block_queue_set_timeout(dk->base.node, IO_TIMEOUT_MS, err) < 0)
		log_event(NULL, LOGL_WARNING, "attach.slow_resend", F_STR("device", dk->base.node),
		          F_ERR(err));
	return 0;
}

static int open_all(struct device_kernel *dk, struct err *err)
{
	int r = nbd_netlink_open(&dk->netlink, err);

	if (r < 0)
		return r;
	reserve_raise();
	dk->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	dk->renewed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dk->wake_fd < 0 || dk->renewed_fd < 0)
		return err_errno(err, errno, "eventfd");
	r = connect_device(dk, err);
	return r < 0 ? r : start_thread(dk, err);
}

static int kernel_open(const struct attach_options *o, struct device **ret, struct err *err)
{
	struct device_kernel *dk = calloc(1, sizeof(*dk));
	int r;

	if (!dk)
		return err_set(err, POD_E_NOMEM, "no memory for a device");
	dk->node_fd = dk->link_fd = dk->wake_fd = dk->renewed_fd = -1;
	r = device_init(&dk->base, &device_method_kernel, o, err);
	if (r == 0)
		r = open_all(dk, err);
	if (r < 0) {
		kernel_close(&dk->base);
		return r;
	}
	*ret = &dk->base;
	return 0;
}

/* The server knows the new size on a new connection only; the kernel is told it together with that. */
static int kernel_grow(struct device *d, uint64_t new_size, struct err *err)
{
	struct device_kernel *dk = (struct device_kernel *) d;
	struct pollfd renewed = { .fd = dk->renewed_fd, .events = POLLIN };
	uint64_t n;

	(void) new_size;
	(void) !read(dk->renewed_fd, &n, sizeof(n));
	dk->renew = true;
	wake(dk);
	if (poll(&renewed, 1, (int) GROW_WAIT_MS) <= 0)
		return err_set(err, POD_E_TIMEOUT, "the server did not take a new connection");
	return 0;
}

static void kernel_give_up_after(struct device *d, uint64_t limit_ms)
{
	struct device_kernel *dk = (struct device_kernel *) d;

	dk->give_up_ms = limit_ms;
	wake(dk);
}

const struct device_method device_method_kernel = {
	.name = "kernel",
	.open = kernel_open,
	.grow = kernel_grow,
	.give_up_after = kernel_give_up_after,
	.close = kernel_close,
};

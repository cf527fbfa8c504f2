#include "net/seqpacket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"

#define BACKLOG 128

union fd_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(SEQPACKET_FDS_MAX * sizeof(int))];
};

static int sent(ssize_t n)
{
	if (n >= 0)
		return 1;
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -POD_E_UNAVAILABLE;
}

int seqpacket_send(int sock, struct span bytes, const int *fds, size_t n_fds)
{
	union fd_control control = { 0 };
	struct iovec iov = { (void *) (uintptr_t) bytes.p, bytes.len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds) {
		struct cmsghdr *c;

		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	return sent(sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT));
}

/* Takes the descriptors out of the control messages; however many there are, none leaks. */
static size_t take_fds(struct msghdr *m, int fds[SEQPACKET_FDS_MAX])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < SEQPACKET_FDS_MAX)
				fds[n++] = fd;
			else
				closep(&fd);
		}
	}
	return n;
}

static int refuse(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void) close(fds[i]);
	return -POD_E_PROTOCOL;
}

int seqpacket_receive_some(int sock, void *bytes, size_t size, size_t *ret_size,
                           int ret_fds[SEQPACKET_FDS_MAX], size_t *ret_n_fds)
{
	union fd_control control;
	struct iovec iov = { bytes, size };
	struct msghdr m = { .msg_iov = &iov,
		            .msg_iovlen = 1,
		            .msg_control = control.bytes,
		            .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int fds[SEQPACKET_FDS_MAX];
	size_t n_fds;

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -POD_E_UNAVAILABLE;
	n_fds = take_fds(&m, fds);
	if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return refuse(fds, n_fds);
	memcpy(ret_fds, fds, n_fds * sizeof(int));
	*ret_n_fds = n_fds;
	*ret_size = (size_t) n;
	return 1;
}

int seqpacket_receive_any(int sock, void *bytes, size_t size, int ret_fds[SEQPACKET_FDS_MAX],
                          size_t *ret_n_fds)
{
	size_t got;
	int r = seqpacket_receive_some(sock, bytes, size, &got, ret_fds, ret_n_fds);

	return r == 1 && got != size ? refuse(ret_fds, *ret_n_fds) : r;
}

int seqpacket_receive(int sock, void *bytes, size_t size, int *ret_fds, size_t n_fds)
{
	int fds[SEQPACKET_FDS_MAX];
	size_t n;
	int r = seqpacket_receive_any(sock, bytes, size, fds, &n);

	if (r != 1)
		return r;
	if (n != n_fds)
		return refuse(fds, n);
	if (n)
		memcpy(ret_fds, fds, n * sizeof(int));
	return 1;
}

static int name_socket(const char *path, struct sockaddr_un *sun, struct err *err)
{
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(sun->sun_path))
		return err_set(err, POD_E_LIMIT, "%s: too long for a socket's name", path);
	memcpy(sun->sun_path, path, strlen(path) + 1);
	return 0;
}

int seqpacket_listen(const char *path, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;

	if (name_socket(path, &sun, err) < 0)
		return -POD_E_LIMIT;
	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(err, errno, "removing a stale %s", path);
	if (fd < 0 || bind(fd, (const struct sockaddr *) &sun, sizeof(sun)) < 0 || chmod(path, 0600) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return err_errno(err, errno, "listening on %s", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

int seqpacket_connect(const char *path, int *ret_fd)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;

	if (name_socket(path, &sun, NULL) < 0 || fd < 0 ||
	    connect(fd, (const struct sockaddr *) &sun, sizeof(sun)) < 0)
		return -POD_E_UNAVAILABLE;
	*ret_fd = take_fd(&fd);
	return 0;
}

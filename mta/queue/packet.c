#include "mta/queue/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define FDS 2

union fd_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(FDS * sizeof(int))];
};

static int sent(ssize_t n)
{
	if (n >= 0)
		return 1;
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -POD_E_UNAVAILABLE;
}

int packet_send_request(int sock, uint64_t number, int submission_fd, int body_fd)
{
	int fds[FDS] = { submission_fd, body_fd };
	union fd_control control = { 0 };
	struct iovec iov = { &number, sizeof(number) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
		            .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	return sent(sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT));
}

/* Takes the descriptors out of a control message; however many there are, none leaks. */
static size_t take_fds(struct msghdr *m, int fds[FDS])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < FDS)
				fds[n++] = fd;
			else
				closep(&fd);
		}
	}
	return n;
}

static int received(ssize_t n)
{
	if (n > 0)
		return 1;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -POD_E_UNAVAILABLE;
}

int packet_receive_request(int sock, uint64_t *ret_number, int *ret_submission_fd, int *ret_body_fd)
{
	int fds[FDS] = { -1, -1 };
	uint64_t number = 0;
	union fd_control control;
	struct iovec iov = { &number, sizeof(number) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
		            .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int r = received(n);

	if (r != 1)
		return r;
	if (take_fds(&m, fds) != FDS || n != sizeof(number)) {
		closep(&fds[0]);
		closep(&fds[1]);
		return -POD_E_PROTOCOL;
	}
	*ret_number = number;
	*ret_submission_fd = fds[0];
	*ret_body_fd = fds[1];
	return 1;
}

int packet_send_answer(int sock, const struct packet_answer *answer)
{
	return sent(send(sock, answer, sizeof(*answer), MSG_NOSIGNAL | MSG_DONTWAIT));
}

int packet_receive_answer(int sock, struct packet_answer *ret_answer)
{
	ssize_t n = recv(sock, ret_answer, sizeof(*ret_answer), MSG_DONTWAIT);
	int r = received(n);

	if (r == 1 && n != sizeof(*ret_answer))
		return -POD_E_PROTOCOL;
	if (r == 1)
		ret_answer->text[sizeof(ret_answer->text) - 1] = '\0';
	return r;
}

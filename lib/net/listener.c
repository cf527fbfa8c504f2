#include "net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/proxy_wait.h"

#define BACKLOG          4096 /* all of a host's clients may come back at once; the kernel cuts it to net.core.somaxconn */
#define ACCEPTS_PER_TURN 16 /* then the connections that are there get their turn */

struct listener {
	struct event_base *base;
	int fd;
	const struct net_set *proxy_from;
	listener_accept_fn *on_accept;
	listener_trouble_fn *on_trouble;
	void *arg;
	struct event *readable, *retry;
	struct proxy_waits waits;
	bool paused;
	bool accepting,
		dead; /* a callback may free the listener: the loop that called it does the last step */
};

/*
 * A socket file left by a process that died stops bind. It is removed only where nobody answers on it, and
 * only if it is a socket: the path may be an admin's slip.
 */
static int remove_stale_socket(const struct net_addr *addr, struct err *err)
{
	const char *path = ((const struct sockaddr_un *) &addr->ss)->sun_path;
	_cleanup_(closep) int fd = -1;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_errno(err, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, POD_E_EXISTS, "%s exists and is not a socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, errno, "socket");
	if (connect(fd, (const struct sockaddr *) &addr->ss, addr->len) == 0 || errno == EAGAIN)
		return err_set(err, POD_E_BUSY, "%s: another process serves this socket", path);
	if (errno != ECONNREFUSED)
		return err_errno(err, errno, "%s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(err, errno, "%s", path);
	return 0;
}

static int set_option(int fd, int level, int name, int value, struct err *err)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? err_errno(err, errno, "setsockopt")
	                                                              : 0;
}

static int set_options(int fd, const struct net_addr *addr, unsigned int flags, struct err *err)
{
	int r = 0;

	if (addr->ss.ss_family == AF_UNIX)
		return 0;
	r = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1, err);
	if (r == 0 && flags & LISTEN_REUSEPORT)
		r = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1, err);
	if (r == 0 && addr->ss.ss_family == AF_INET6)
		r = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0, err);
	return r;
}

/* "*" is kept as ::, which takes both families; on a host without IPv6 it means 0.0.0.0. */
static bool fall_back_to_ipv4(struct net_addr *addr)
{
	struct sockaddr_in6 six;
	struct sockaddr_in *four = (struct sockaddr_in *) &addr->ss;

	memcpy(&six, &addr->ss, sizeof(six));
	if (addr->ss.ss_family != AF_INET6 || !IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr))
		return false;
	*addr = (struct net_addr){.len = sizeof(*four)};
	four->sin_family = AF_INET;
	four->sin_port = six.sin6_port;
	return true;
}

static int open_once(const struct net_addr *addr, unsigned int flags, int *ret_fd, int *ret_errno,
                     struct err *err)
{
	char text[NET_ADDR_TEXT_SIZE];
	_cleanup_(closep) int fd = socket(addr->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	*ret_errno = errno;
	if (fd < 0)
		return err_errno(err, errno, "listen on %s", net_addr_format(addr, text, sizeof(text)));
	r = set_options(fd, addr, flags, err);
	if (r < 0)
		return r;
	if (bind(fd, (const struct sockaddr *) &addr->ss, addr->len) < 0 || listen(fd, BACKLOG) < 0) {
		*ret_errno = errno;
		return err_errno(err, errno, "listen on %s", net_addr_format(addr, text, sizeof(text)));
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

int listener_open(const struct net_addr *addr, unsigned int flags, int *ret_fd, struct err *err)
{
	struct net_addr four = *addr;
	int errnum, r = 0;

	if (addr->ss.ss_family == AF_UNIX)
		r = remove_stale_socket(addr, err);
	if (r < 0)
		return r;
	r = open_once(addr, flags, ret_fd, &errnum, err);
	if (r < 0 && (errnum == EAFNOSUPPORT || errnum == EADDRNOTAVAIL) && fall_back_to_ipv4(&four))
		r = open_once(&four, flags, ret_fd, &errnum, err);
	return r;
}

int listener_open_local(const char *path, mode_t mode, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	char text[NET_ADDR_TEXT_SIZE];
	struct net_addr addr;
	int r;

	if ((size_t) snprintf(text, sizeof(text), "unix:%s", path) >= sizeof(text))
		return err_set(err, POD_E_LIMIT, "%s: too long for a socket", path);
	(void) unlink(path);
	r = net_addr_parse(span_of(text), &addr, err);
	if (r == 0)
		r = listener_open(&addr, 0, &fd, err);
	if (r == 0 && chmod(path, mode) < 0)
		r = err_errno(err, errno, "%s", path);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

/* Out of descriptors or memory: the listening socket stays readable, so wait instead of spinning. */
static void back_off(struct listener *l, int errnum)
{
	const struct timeval soon = {.tv_usec = 200000};
	struct err err = {0};

	(void) event_del(l->readable);
	(void) event_add(l->retry, &soon);
	(void) err_errno(&err, errnum, "accept");
	if (l->on_trouble)
		l->on_trouble(l->arg, &err);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	if (!l->paused)
		(void) event_add(l->readable, NULL);
}

static bool is_peers_fault(int errnum)
{
	switch (errnum) {
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case EPERM: /* a firewall's refusal, accept(2) */
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH: return true;
	default: return false;
	}
}

static void hand_over(struct listener *l, struct accepted *conn)
{
	if (l->proxy_from && net_set_has(l->proxy_from, &conn->peer)) {
		proxy_wait_start(&l->waits, l->base, conn, l->on_accept, l->arg);
		return;
	}
	l->on_accept(l->arg, conn);
}

/* Takes one connection; false where there is none left for this turn. */
static bool accept_one(struct listener *l)
{
	struct accepted conn = {.peer.len = sizeof(conn.peer.ss), .local.len = sizeof(conn.local.ss)};

	conn.fd = accept4(l->fd, (struct sockaddr *) &conn.peer.ss, &conn.peer.len,
	                  SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (conn.fd < 0) {
		if (errno != EAGAIN && !is_peers_fault(errno)) {
			back_off(l, errno);
			return false;
		}
		return errno != EAGAIN;
	}
	if (conn.peer.len <= sizeof(sa_family_t))
		conn.peer.ss.ss_family = AF_UNIX; /* an unnamed peer may come back without any address */
	if (getsockname(conn.fd, (struct sockaddr *) &conn.local.ss, &conn.local.len) < 0) {
		(void) close(conn.fd);
		return true;
	}
	if (conn.local.ss.ss_family != AF_UNIX)
		(void) setsockopt(conn.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* only speed */
	net_addr_unmap(&conn.peer);
	net_addr_unmap(&conn.local);
	hand_over(l, &conn);
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	l->accepting = true;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++)
		if (!accept_one(l) || l->dead || l->paused)
			break;
	l->accepting = false;
	if (l->dead)
		free(l);
}

int listener_create(struct event_base *base, int fd, const struct net_set *proxy_from,
                    listener_accept_fn *on_accept, void *arg, struct listener **ret_listener, struct err *err)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l) {
		(void) close(fd);
		return err_set(err, POD_E_NOMEM, "listener");
	}
	*l = (struct listener){
		.base = base, .fd = fd, .proxy_from = proxy_from, .on_accept = on_accept, .arg = arg};
	proxy_waits_init(&l->waits);
	l->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, l);
	l->retry = evtimer_new(base, on_retry, l);
	if (!l->readable || !l->retry || event_add(l->readable, NULL) < 0) {
		(void) listener_free(l);
		return err_set(err, POD_E_NOMEM, "listener");
	}
	*ret_listener = l;
	return 0;
}

void listener_set_trouble(struct listener *l, listener_trouble_fn *on_trouble)
{
	l->on_trouble = on_trouble;
}

void listener_pause(struct listener *l)
{
	l->paused = true;
	(void) event_del(l->readable);
	(void) event_del(l->retry);
}

void listener_resume(struct listener *l)
{
	l->paused = false;
	(void) event_add(l->readable, NULL);
}

struct listener *listener_free(struct listener *l)
{
	if (!l)
		return NULL;
	proxy_waits_done(&l->waits);
	if (l->readable)
		event_free(l->readable);
	if (l->retry)
		event_free(l->retry);
	(void) close(l->fd);
	l->dead = true;
	if (!l->accepting)
		free(l);
	return NULL;
}

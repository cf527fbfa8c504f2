#include "podctl/port_owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/listener.h"

#define STATE_LISTEN 0x0au /* TCP_LISTEN in /proc/net/tcp */

/* The inode of the socket that listens on the port: proc(5), "/proc/net/tcp". */
static unsigned long listening_inode(const char *table, unsigned int port)
{
	_cleanup_(fclosep) FILE *f = fopen(table, "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned int local_port, state;
		unsigned long inode;

		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
		           &local_port, &state, &inode) == 3 &&
		    local_port == port && state == STATE_LISTEN)
			return inode;
	}
	return 0;
}

static bool process_has_socket(const char *pid, const char *socket_name)
{
	char path[512], target[64];
	struct dirent *e;
	bool found = false;
	DIR *d;

	(void) snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	while (d && !found && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);

		if (n > 0) {
			target[n] = '\0';
			found = strcmp(target, socket_name) == 0;
		}
	}
	if (d)
		(void) closedir(d);
	return found;
}

static void describe(const char *pid, char *buf, size_t size)
{
	_cleanup_(closep) int fd = -1;
	char path[300], name[64];
	ssize_t n;

	(void) snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, name, sizeof(name) - 1);
	name[n > 0 ? n : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	(void) snprintf(buf, size, "%s (pid %s)", name, pid);
}

void port_owner(unsigned int port, char *buf, size_t size)
{
	unsigned long inode = listening_inode("/proc/net/tcp", port);
	char socket_name[64];
	struct dirent *e;
	DIR *d;

	buf[0] = '\0';
	if (inode == 0)
		inode = listening_inode("/proc/net/tcp6", port);
	d = inode ? opendir("/proc") : NULL;
	(void) snprintf(socket_name, sizeof(socket_name), "socket:[%lu]", inode);
	while (d && !*buf && (e = readdir(d)))
		if (ascii_is_digit((uint8_t) e->d_name[0]) && process_has_socket(e->d_name, socket_name))
			describe(e->d_name, buf, size);
	if (d)
		(void) closedir(d);
}

static int port_check(const struct conf_endpoint *e, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	char owner[128];
	struct net_addr addr;
	int r = net_addr_parse(span_of(e->address), &addr, err);

	if (r < 0 || addr.ss.ss_family == AF_UNIX)
		return r;
	fd = socket(addr.ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) < 0)
		return err_errno(err, errno, "%s", e->address);
	if (bind(fd, (struct sockaddr *) &addr.ss, addr.len) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return err_errno(err, errno, "%s needs %s", e->name, e->address);
	port_owner(e->port, owner, sizeof(owner));
	return err_set(err, POD_E_BUSY, "%s needs %s, which is taken%s%s", e->name, e->address,
	               *owner ? " by " : "", owner);
}

int ports_check(const struct conf *conf, struct err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < CONF_LISTENERS; i++) {
		const struct conf_endpoint *e = conf_listen(conf, (enum conf_listener) i);

		r = e ? port_check(e, err) : 0;
	}
	return r;
}

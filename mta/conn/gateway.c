#include "mta/conn/gateway.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "net/listener.h"
#include "proc/proc.h"
#include "submit/submit.h"

int smtp_gateway_listen(const struct conf *conf, int *ret_fd, struct err *err)
{
	char path[SUBMIT_PATH_SIZE];

	/* Whoever of the group connects, smtp_gateway_may_enter has the say. */
	return listener_open_local(submit_path(conf, path, sizeof(path)), 0660, ret_fd, err);
}

static uid_t uid_of_imapd(const struct conf *conf)
{
	return *conf->pod.user_imap ? privilege_uid_of(conf->pod.user_imap) : (uid_t) -1;
}

bool smtp_gateway_may_enter(const struct conf *conf, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid == geteuid() || peer.uid == 0 || peer.uid == uid_of_imapd(conf))
		return true;
	log_event(NULL, LOGL_WARNING, "gateway.stranger", F_UINT("uid", peer.uid));
	return false;
}

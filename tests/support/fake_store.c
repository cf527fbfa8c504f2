#include "tests/support/fake_store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "net/listener.h"
#include "proc/proc.h"
#include "storeproto/server.h"

struct fake {
	const char *dir;
};

static int keep(const struct fake *f, const Podstore__Deliver *d, const char *user, struct span blob, int body_fd,
                bool *ret_repeated)
{
	char id[ID_TEXT_SIZE], path[512], part[600];
	struct guid g;
	_cleanup_(closep) int fd = -1;

	memcpy(g.b, d->delivery_id.data, ID_SIZE);
	guid_format(&g, id);
	(void) snprintf(path, sizeof(path), "%s/%s.%s", f->dir, user, id);
	(void) snprintf(part, sizeof(part), "%s.part", path);
	*ret_repeated = access(path, F_OK) == 0;
	if (*ret_repeated)
		return 0;
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return POD_E_IO;
	if (body_fd >= 0) {
		char piece[65536];
		ssize_t n;

		for (off_t off = 0; (n = pread(body_fd, piece, sizeof(piece), off)) > 0; off += n)
			if (write(fd, piece, (size_t) n) != n)
				return POD_E_IO;
	} else if (write(fd, blob.p, blob.len) != (ssize_t) blob.len) {
		return POD_E_IO;
	}
	return rename(part, path) < 0 ? POD_E_IO : 0;
}

static int code_for(const char *user)
{
	static const struct {
		const char *user;
		int code;
	} fates[] = { { "quota", POD_E_QUOTA }, { "disk", POD_E_NOSPACE }, { "gone", POD_E_NOTFOUND } };

	for (size_t i = 0; i < ARRAY_SIZE(fates); i++)
		if (strcmp(user, fates[i].user) == 0)
			return fates[i].code;
	return 0;
}

static void on_deliver(struct fake *f, struct store_request *rq)
{
	const Podstore__Deliver *d = (const Podstore__Deliver *) store_request_message(rq);
	Podstore__DeliverReply reply = PODSTORE__DELIVER_REPLY__INIT;
	struct arena *a = store_request_arena(rq);
	Podstore__DeliverResult *items = arena_array(a, d->n_recipients, sizeof(*items));

	reply.results = arena_array(a, d->n_recipients, sizeof(*reply.results));
	reply.n_results = d->n_recipients;
	for (size_t i = 0; i < d->n_recipients; i++) {
		const char *user = d->recipients[i]->user_id;
		bool repeated = false;

		if (strcmp(user, "slow") == 0)
			return;
		podstore__deliver_result__init(&items[i]);
		items[i].code = (uint32_t) code_for(user);
		if (!items[i].code)
			items[i].code = (uint32_t) keep(f, d, user, store_request_blob(rq), store_request_fd(rq), &repeated);
		items[i].repeated = repeated;
		reply.results[i] = &items[i];
	}
	store_request_reply(rq, &reply.base, SPAN_NONE, -1);
}

static void finish_auth(struct store_request *rq, bool ok)
{
	Podstore__AuthReply reply = PODSTORE__AUTH_REPLY__INIT;

	if (ok)
		store_request_reply(rq, &reply.base, SPAN_NONE, -1);
	else
		store_request_fail(rq, -POD_E_AUTH, "wrong password");
}

static void on_auth(struct store_request *rq)
{
	const Podstore__AuthStart *s = (const Podstore__AuthStart *) store_request_message(rq);
	Podstore__AuthReply more = PODSTORE__AUTH_REPLY__INIT;
	struct span password = SPAN_LIT("sesame"), got = span_make(s->initial.data, s->initial.len);
	bool known = *s->user_id != '\0';

	if (strcmp(s->mechanism, "PLAIN") == 0) {
		size_t at = got.len >= password.len ? got.len - password.len : 0;

		finish_auth(rq, known && span_eq(span_skip(got, at), password));
		return;
	}
	store_request_set_data(rq, known ? rq : NULL);
	more.has_challenge = true;
	more.challenge = (ProtobufCBinaryData){ 9, (uint8_t *) (uintptr_t) "Password:" };
	store_request_more(rq, &more.base, SPAN_NONE, -1);
}

static void on_request(void *arg, struct store_request *rq)
{
	if (store_request_method(rq) == STORE_DELIVER)
		on_deliver(arg, rq);
	else if (store_request_method(rq) == STORE_AUTH)
		on_auth(rq);
	else
		store_request_fail(rq, -POD_E_UNSUPPORTED, "not in the fake store");
}

static void on_more(void *arg, struct store_request *rq, const ProtobufCMessage *message)
{
	const Podstore__AuthStep *s = (const Podstore__AuthStep *) message;

	finish_auth(rq, store_request_data(rq) && span_eq(span_make(s->response.data, s->response.len), SPAN_LIT("sesame")));
}

static void on_cancel(void *arg, struct store_request *rq)
{
	store_request_fail(rq, -POD_E_CANCELLED, "cancelled");
}

static void nothing(void *arg, struct store_peer *peer)
{
}

static int serve(const char *dir, const char *volume, int ready)
{
	struct fake f = { dir };
	struct store_server_options o = { .base = event_base_new(), .volume = volume, .volume_id = volume, .token = 1,
		                          .uid_mta = getuid(), .uid_gateway = getuid(), .uid_admin = getuid(),
		                          .on_request = on_request, .on_more = on_more, .on_cancel = on_cancel,
		                          .on_peer = nothing, .on_peer_gone = nothing, .arg = &f };
	struct store_server *server;
	struct net_addr addr;
	char path[512];
	int fd;

	(void) snprintf(path, sizeof(path), "unix:%s/%s.sock", dir, volume);
	if (!o.base || store_server_create(&o, &server, NULL) < 0 || net_addr_parse(span_of(path), &addr, NULL) < 0 ||
	    listener_open(&addr, 0, &fd, NULL) < 0 || store_server_listen(server, fd, NULL, NULL) < 0)
		return 1;
	if (write(ready, "r", 1) != 1)
		return 1;
	closep(&ready);
	(void) event_base_dispatch(o.base);
	return 0;
}

pid_t fake_store_start(const char *dir, const char *volume)
{
	int ready[2];
	char byte;
	pid_t parent = getpid(), pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		proc_die_with_parent(parent);
		_exit(serve(dir, volume, ready[1]));
	}
	closep(&ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) != 1)
		pid = -1;
	closep(&ready[0]);
	return pid;
}

void fake_store_stop(pid_t pid)
{
	if (pid > 0) {
		(void) kill(pid, SIGKILL);
		(void) waitpid(pid, NULL, 0);
	}
}

#include "replicator/plugin/control_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"

int control_send(int fd, const json_t *json, struct err *err)
{
	_cleanup_(freep) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	size_t len, done = 0;

	if (!text)
		return err_set(err, POD_E_NOMEM, "an answer");
	len = strlen(text);
	text[len++] = '\n'; /* over the NUL: it is sent by length */
	while (done < len) {
		ssize_t n = send(fd, text + done, len - done, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "control connection");
		done += n > 0 ? (size_t) n : 0;
	}
	return 0;
}

static int answer_line(void *connection, struct span line, struct err *err)
{
	struct control_connection *c = connection;
	struct control_call call = { .replica = c->control->replica, .stop = &c->control->stop };
	json_t *answer = control_request_run(&call, line);
	int r;

	/* Open before the answer goes out: who has it misses nothing from then on. */
	if (call.watch)
		control_queue_open(&c->queue);
	r = control_send(c->fd, answer, err);
	json_decref(answer);
	return r;
}

static int send_events(struct control_connection *c, struct err *err)
{
	struct control_event e;
	uint64_t lost;
	int r = 0;

	while (r == 0 && control_queue_take(&c->queue, &e, &lost)) {
		json_t *json =
			lost ? json_pack("{ss, sI}", "event", "lost", "count", (json_int_t) lost) : NULL;

		if (json)
			r = control_send(c->fd, json, err);
		json_decref(json);
		json = control_event_json(&e);
		if (r == 0)
			r = control_send(c->fd, json, err);
		json_decref(json);
	}
	return r;
}

/* 1: the client has said all. */
static int receive(struct control_connection *c, uint8_t *buffer, size_t *len, struct err *err)
{
	ssize_t n = recv(c->fd, buffer + *len, CONTROL_LINE_MAX - *len, 0);

	if (n < 0)
		return errno == EINTR ? 0 : err_errno(err, errno, "control connection");
	if (n == 0)
		return 1;
	*len += (size_t) n;
	return control_lines_take(buffer, len, answer_line, c, err);
}

static int serve(struct control_connection *c, uint8_t *buffer, struct err *err)
{
	struct pollfd fds[] = {
		{ .fd = c->fd, .events = POLLIN },
		{ .fd = c->queue.wake_fd, .events = POLLIN },
		{ .fd = c->control->stop_fd, .events = POLLIN },
	};
	size_t len = 0;
	int r = 0;

	while (r == 0 && !atomic_load(&c->control->stop)) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return err_errno(err, errno, "poll");
		if (fds[1].revents)
			r = send_events(c, err);
		if (r == 0 && fds[0].revents)
			r = receive(c, buffer, &len, err);
	}
	return r;
}

void *control_connection_main(void *connection)
{
	struct control_connection *c = connection;
	_cleanup_(freep) uint8_t *buffer = malloc(CONTROL_LINE_MAX);
	struct err err = { 0 };
	int r = buffer ? serve(c, buffer, &err) : err_set(&err, POD_E_NOMEM, "a connection's buffer");

	if (r < 0)
		log_event(NULL, LOGL_INFO, "control.closed", F_ERR(&err));
	control_queue_close(&c->queue);
	(void) shutdown(c->fd, SHUT_RDWR); /* the descriptor is closed where the thread is joined */
	atomic_store(&c->done, true);
	(void) eventfd_write(c->control->ended_fd, 1);
	return NULL;
}

/* The way of one message through the pod. The log is read in slices, so that podd goes on watching meanwhile.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "podctl/podd/api.h"
#include "podctl/podd/trace.h"

#define SLICE_BYTES (1u << 20)
#define EVENTS_MAX  1000

struct search {
	struct api_call *call;
	struct event *turn;
	json_t *events;
	unsigned int files_left; /* the next is podmail.log.(files_left - 1), 0 being the current one */
	int fd;
	bool failed;
	size_t kept; /* bytes of a line that goes on in the next slice */
	uint8_t buf[SLICE_BYTES];
};

static void search_end(struct search *s)
{
	struct api_call *call = s->call;
	struct err err = { 0 };

	event_free(s->turn);
	closep(&s->fd);
	if (s->failed) {
		json_decref(s->events);
		(void) err_set(&err, POD_E_NOMEM, "trace");
		api_fail(call, &err);
	} else if (json_array_size(s->events) == 0) {
		json_decref(s->events);
		(void) err_set(&err, POD_E_NOTFOUND, "the log has nothing about %s", call->params[0]);
		api_fail_hint(call, &err, "logs are kept for log.keep files of log.max_size bytes");
	} else {
		api_reply(call, 200, json_pack("{ss, so}", "trace", call->params[0], "events", s->events));
	}
	free(s);
}

static void search_line(struct search *s, struct span line)
{
	json_t *json;

	if (!trace_line_matches(line, span_of(s->call->params[0])) ||
	    json_array_size(s->events) >= EVENTS_MAX)
		return;
	json = trace_line_json(line);
	if (!json || json_array_append_new(s->events, json) < 0)
		s->failed = true;
}

/* Goes on to the next file that there is, from the oldest to the current one. false behind the last. */
static bool next_file(struct search *s)
{
	char name[PATH_MAX];

	closep(&s->fd);
	s->fd = -1;
	s->kept = 0;
	while (s->fd < 0 && s->files_left > 0) {
		unsigned int number = --s->files_left;

		(void) snprintf(name, sizeof(name), number ? "%s.%u" : "%s", s->call->podd->conf->log.file,
		                number);
		s->fd = open(name, O_RDONLY | O_CLOEXEC);
	}
	return s->fd >= 0;
}

/* Reads a slice and looks through its whole lines. false at the end of the file. */
static bool read_slice(struct search *s)
{
	ssize_t n = read(s->fd, s->buf + s->kept, sizeof(s->buf) - s->kept);
	struct span rest = span_make(s->buf, s->kept + (n > 0 ? (size_t) n : 0));
	size_t end;

	if (n <= 0)
		return false;
	while ((end = span_find_byte(rest, '\n')) != SIZE_MAX) {
		search_line(s, span_head(rest, end));
		rest = span_skip(rest, end + 1);
	}
	s->kept = rest.len < sizeof(s->buf) ? rest.len : 0; /* no line of ours is a slice long */
	memmove(s->buf, rest.p, s->kept);
	return true;
}

static void search_on_turn(evutil_socket_t fd, short events, void *arg)
{
	static const struct timeval at_once = { 0 };
	struct search *s = arg;

	if ((s->fd < 0 || !read_slice(s)) && !next_file(s)) {
		search_end(s);
	} else if (event_add(s->turn, &at_once) < 0) {
		s->failed = true;
		search_end(s);
	}
}

static struct search *search_create(struct api_call *call)
{
	struct search *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->call = call;
	s->fd = -1;
	s->files_left = call->podd->conf->log.keep + 1;
	s->events = json_array();
	s->turn = evtimer_new(call->podd->base, search_on_turn, s);
	if (s->events && s->turn)
		return s;
	json_decref(s->events);
	if (s->turn)
		event_free(s->turn);
	free(s);
	return NULL;
}

void api_trace_get(struct api_call *call)
{
	struct err err = { 0 };
	struct search *s;

	if (!trace_id_is_valid(call->params[0])) {
		(void) err_set(&err, POD_E_SYNTAX, "a trace id is letters and digits");
		api_fail(call, &err);
		return;
	}
	if (!call->podd->conf->log.file) {
		(void) err_set(&err, POD_E_NOTFOUND, "log.file is empty: podd keeps no log to search");
		api_fail(call, &err);
		return;
	}
	s = search_create(call);
	if (s) {
		search_on_turn(-1, 0, s);
		return;
	}
	(void) err_set(&err, POD_E_NOMEM, "trace");
	api_fail(call, &err);
}

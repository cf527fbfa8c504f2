/* Growing a replicated volume while it is used: its log, every replica, the device, and the file system on
 * that. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "podctl/podd/api.h"
#include "podctl/podd/api_stack.h"

#define ASK_TIMEOUT_MS  30000
#define LOOK_EVERY_MS   50
#define FOLLOW_LIMIT_MS 45000 /* for a file system of terabytes to write its new tables */

struct grow_call {
	struct api_call *call;
	struct stack *stack;
	char grown_file[PATH_MAX];
	uint64_t size, until_ms;
	struct event *look;
};

static int change_size(void *arg, Directory__Volume *v, struct arena *a, struct err *err)
{
	v->size_bytes = *(const uint64_t *) arg;
	return 0;
}

static void grow_end(struct grow_call *g, int r, struct err *err)
{
	struct api_call *call = g->call;
	json_t *answer = json_pack("{ss, sI}", "volume", g->stack->name, "size_bytes", (json_int_t) g->size);

	if (g->look)
		event_free(g->look);
	if (r == 0) {
		api_reply(call, 200, answer);
		return;
	}
	json_decref(answer);
	api_fail(call, err);
}

/* ---- until the file system takes it up ---- */

/* 1: it does; 0: nothing was told yet. */
static int read_grown(const struct grow_call *g, struct err *err)
{
	_cleanup_(closep) int fd = open(g->grown_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[256];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	struct span line = n > 0 ? span_trim(span_make(text, (size_t) n)) : SPAN_NONE;
	uint64_t bytes;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (n < 0)
		return err_errno(err, errno, "%s", g->grown_file);
	if (span_to_u64(line, &bytes) < 0)
		return err_set(err, POD_E_UNAVAILABLE,
		               "the replicas have grown, the file system has not: " SPAN_FMT, SPAN_ARG(line));
	return bytes >= g->size;
}

static void grow_on_look(evutil_socket_t fd, short events, void *arg)
{
	struct grow_call *g = arg;
	struct err err = { 0 };
	int r = read_grown(g, &err);

	if (r == 0 && g->call->podd->stopping)
		r = err_set(&err, POD_E_CANCELLED, "the pod is stopping");
	if (r == 0 && clock_mono_ms() > g->until_ms)
		r = err_set(&err, POD_E_TIMEOUT,
		            "the replicas have grown; the file system follows, which takes longer");
	if (r != 0)
		grow_end(g, r < 0 ? r : 0, &err);
}

static int watch(struct grow_call *g, struct err *err)
{
	static const struct timeval every = { .tv_usec = LOOK_EVERY_MS * 1000 };

	g->until_ms = clock_mono_ms() + FOLLOW_LIMIT_MS;
	g->look = event_new(g->call->podd->base, -1, EV_PERSIST, grow_on_look, g);
	return g->look && event_add(g->look, &every) == 0 ? 0 : err_set(err, POD_E_NOMEM, "grow");
}

/* ---- the log, and so every replica ---- */

/* The file system follows on SIGHUP; what was told of an earlier growth is not meant. */
static int follow(struct grow_call *g, struct err *err)
{
	struct stack *s = g->stack;
	char child[CHILD_NAME_SIZE];

	(void) stack_grown_file(s, g->grown_file);
	if (unlink(g->grown_file) < 0 && errno != ENOENT)
		return err_errno(err, errno, "%s", g->grown_file);
	(void) snprintf(child, sizeof(child), "attach:%s", s->name);
	return children_signal(g->call->podd->children, child, SIGHUP, err);
}

static void follow_and_watch(struct grow_call *g)
{
	struct err err = { 0 };
	int r = follow(g, &err);

	if (r == 0)
		r = watch(g, &err);
	if (r < 0)
		grow_end(g, r, &err);
}

static void grow_on_answer(void *arg, int r, const json_t *answer, const char *text)
{
	struct grow_call *g = arg;
	struct err err = { 0 };

	if (r < 0) {
		(void) err_set(&err, (enum pod_error) - r, "%s", text);
	} else {
		g->size = (uint64_t) json_integer_value(json_object_get(answer, "size"));
		r = volume_record_change(g->call->podd, g->stack->name, change_size, &g->size, &err);
	}
	if (r < 0)
		grow_end(g, r, &err);
	else
		follow_and_watch(g);
}

static int read_grow(const struct api_call *call, const struct stack *s, const Directory__Volume *v,
                     uint64_t *ret_size, struct err *err)
{
	static const char *const fields[] = { "size_bytes" };
	bool there;
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	if (r < 0 || (r = api_size(call, "size_bytes", &there, ret_size, err)) < 0)
		return r;
	if (!there || *ret_size > 64ull << 40)
		return err_set(err, POD_E_SYNTAX, "size_bytes: a size of up to 64 TiB is expected");
	*ret_size = (*ret_size + 65535) / 65536 * 65536;
	if (*ret_size < v->size_bytes) /* to what it has: the file system may not have followed */
		return err_set(err, POD_E_SYNTAX, "the volume %s has %llu bytes; it can only grow", s->name,
		               (unsigned long long) v->size_bytes);
	return stack_serves(&s->core)
	               ? 0
	               : err_set(err, POD_E_UNAVAILABLE, "the volume %s is not served now", s->name);
}

void api_volume_grow(struct api_call *call)
{
	const Directory__Volume *v;
	struct stack *s = api_stack_find(call, &v);
	struct grow_call *g = arena_new(call->arena, struct grow_call);
	struct err err = { 0 };
	uint64_t size = 0;
	int r;

	if (!s)
		return;
	r = g ? read_grow(call, s, v, &size, &err) : err_set(&err, POD_E_NOMEM, "grow");
	if (r == 0) {
		*g = (struct grow_call){ .call = call, .stack = s, .size = size };
		if (size == v->size_bytes) {
			follow_and_watch(g);
			return;
		}
		r = replica_ask_aside(call->podd->base, stack_primary(s)->files.control,
		                      json_pack("{ss, sI}", "do", "resize", "size", (json_int_t) size),
		                      ASK_TIMEOUT_MS, grow_on_answer, g, &err);
	}
	if (r < 0)
		api_fail(call, &err);
}

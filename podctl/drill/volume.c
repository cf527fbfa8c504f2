#include "podctl/drill/volume.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "podctl/client.h"

#define LOOK_EVERY_MS   20
#define ORDER_LIMIT_MS  300000
#define SETTLE_LIMIT_MS 300000

static volatile sig_atomic_t asked_to_stop;

static void on_signal(int sig)
{
	asked_to_stop = 1;
}

void drill_catch_signals(void)
{
	const struct sigaction act = { .sa_handler = on_signal };

	(void) sigaction(SIGINT, &act, NULL);
	(void) sigaction(SIGTERM, &act, NULL);
	(void) signal(SIGPIPE, SIG_IGN);
}

bool drill_asked_to_stop(void)
{
	return asked_to_stop;
}

void drill_pause_ms(unsigned int ms)
{
	const struct timespec t = { ms / 1000, (long) (ms % 1000) * 1000000 };

	(void) nanosleep(&t, NULL);
}

/* Asking again and again must not fill the run's arena. */
static int ask(struct cli *cli, const char *method, const char *path, json_t *body, json_t **ret_answer)
{
	struct arena *whole_run = cli->arena;
	_cleanup_(arena_freep) struct arena *turn = arena_create(1 << 20);
	int r;

	if (!turn)
		return err_set(&cli->err, POD_E_NOMEM, "drill");
	cli->arena = turn;
	r = client_call(cli, method, path, body, ret_answer);
	cli->arena = whole_run;
	cli->hint = NULL; /* it was in the turn's */
	return r;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* ---- which volume ---- */

static const json_t *standby_of(const json_t *volume)
{
	const json_t *replicas = json_object_get(volume, "replicas"), *replica;
	size_t i;

	json_array_foreach(replicas, i, replica)
	{
		if (strcmp(text_of(replica, "role"), "primary") != 0)
			return replica;
	}
	return NULL;
}

static int check_ready(struct cli *cli, const json_t *volume, const json_t *standby,
                       const struct drill_result *d)
{
	cli->hint = "podctl replication status -w shows how it comes along";
	if (!standby)
		return err_set(&cli->err, POD_E_UNSUPPORTED, "volume %s has no standby", d->volume);
	if (!json_is_true(json_object_get(volume, "serving")))
		return err_set(&cli->err, POD_E_UNAVAILABLE, "volume %s is not served now", d->volume);
	if (strcmp(d->mode, "async") != 0 && !json_is_true(json_object_get(standby, "in_sync")))
		return err_set(&cli->err, POD_E_UNAVAILABLE, "the standby of %s at %s is not in sync",
		               d->volume, d->to);
	if (strcmp(d->mode, "async") == 0 && strcmp(text_of(standby, "state"), "following") != 0)
		return err_set(&cli->err, POD_E_UNAVAILABLE, "the standby of %s at %s does not follow: %s", d->volume,
		               d->to, text_of(standby, "state"));
	cli->hint = NULL;
	return 0;
}

static int take_state(struct cli *cli, const json_t *volume, struct drill_result *d)
{
	const json_t *standby = standby_of(volume);

	(void) snprintf(d->volume, sizeof(d->volume), "%s", text_of(volume, "volume"));
	(void) snprintf(d->from, sizeof(d->from), "%s", text_of(volume, "primary"));
	d->from_home = strcmp(d->from, text_of(volume, "home")) == 0;
	(void) snprintf(d->to, sizeof(d->to), "%s", text_of(standby, "site"));
	(void) snprintf(d->mode, sizeof(d->mode), "%s", text_of(standby, "mode"));
	d->lag_known = json_is_integer(json_object_get(standby, "lag_bytes"));
	d->lag_bytes = (uint64_t) json_integer_value(json_object_get(standby, "lag_bytes"));
	d->lag_ms = (uint64_t) json_integer_value(json_object_get(standby, "lag_ms"));
	return 0;
}

static int take_ready(struct cli *cli, const json_t *volume, struct drill_result *d)
{
	(void) take_state(cli, volume, d);
	return check_ready(cli, volume, standby_of(volume), d);
}

static int choose(struct cli *cli, const json_t *volumes, const struct drill_options *o, const json_t **ret)
{
	const json_t *volume;
	size_t i;

	json_array_foreach(volumes, i, volume)
	{
		if (!o->volume || strcmp(text_of(volume, "volume"), o->volume) == 0) {
			*ret = volume;
			return o->volume || json_array_size(volumes) == 1
			               ? 0
			               : err_set(&cli->err, POD_E_SYNTAX,
			                         "several volumes are replicated: which one? --volume NAME");
		}
	}
	return o->volume ? err_set(&cli->err, POD_E_NOTFOUND, "there is no replicated volume %s", o->volume)
	                 : err_set(&cli->err, POD_E_UNSUPPORTED,
	                           "no volume of this pod is replicated: there is nothing to take over");
}

static int find(struct cli *cli, const struct drill_options *o,
                int (*take)(struct cli *cli, const json_t *volume, struct drill_result *d), struct drill_result *ret)
{
	const json_t *volume = NULL;
	json_t *answer;
	int r = ask(cli, "GET", "/replication", NULL, &answer);

	if (r < 0)
		return r;
	r = choose(cli, json_object_get(answer, "volumes"), o, &volume);
	if (r == 0)
		r = take(cli, volume, ret);
	json_decref(answer);
	return r;
}

int drill_volume_find(struct cli *cli, const struct drill_options *o, struct drill_result *ret)
{
	return find(cli, o, take_ready, ret);
}

int drill_volume_look(struct cli *cli, struct drill_result *d)
{
	return find(cli, &(struct drill_options){ .volume = d->volume }, take_state, d);
}

static const char *path_of(struct cli *cli, const char *volume, const char *what)
{
	return arena_printf(cli->arena, "/volumes/%s/%s", client_segment(cli, volume), what);
}

int drill_volume_settle(struct cli *cli, const char *volume)
{
	const char *path = path_of(cli, volume, "replication");
	uint64_t deadline = clock_mono_ms() + SETTLE_LIMIT_MS;

	for (;;) {
		json_t *answer;
		bool settled;
		int r = path ? ask(cli, "GET", path, NULL, &answer)
		             : err_set(&cli->err, POD_E_NOMEM, "drill");

		if (r < 0)
			return r;
		settled = json_is_true(json_object_get(answer, "serving")) &&
		          (json_is_true(json_object_get(standby_of(answer), "in_sync")) ||
		           strcmp(text_of(standby_of(answer), "mode"), "async") == 0);
		json_decref(answer);
		if (settled)
			return 0;
		if (drill_asked_to_stop())
			return err_set(&cli->err, POD_E_CANCELLED, "ended by a signal");
		if (clock_mono_ms() > deadline)
			return err_set(&cli->err, POD_E_TIMEOUT,
			               "the standby of %s is not in sync again after %d s", volume,
			               SETTLE_LIMIT_MS / 1000);
		drill_pause_ms(LOOK_EVERY_MS);
	}
}

/* ---- killing ---- */

static bool is_of_primary(const char *child, const struct drill_result *d)
{
	char names[3][160];

	(void) snprintf(names[0], sizeof(names[0]), "replicator:%s@%s", d->volume, d->from);
	(void) snprintf(names[1], sizeof(names[1]), "attach:%s", d->volume);
	(void) snprintf(names[2], sizeof(names[2]), "stored:%s", d->volume);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(child, names[i]) == 0)
			return true;
	return false;
}

/* Held by its descriptor before it is looked up again, so that no other process can be meant. */
struct victim {
	int fd;
	char name[160];
};

#define VICTIMS_MAX 3

static int find_victims(struct cli *cli, const struct drill_result *d, struct victim *ret, size_t *ret_n)
{
	const json_t *child;
	json_t *answer;
	size_t i, n = 0;
	int r = ask(cli, "GET", "/status", NULL, &answer);

	if (r < 0)
		return r;
	json_array_foreach(json_object_get(answer, "processes"), i, child)
	{
		pid_t pid = (pid_t) json_integer_value(json_object_get(child, "pid"));

		if (n == VICTIMS_MAX || pid <= 1 || !is_of_primary(text_of(child, "name"), d))
			continue;
		(void) snprintf(ret[n].name, sizeof(ret[n].name), "%s", text_of(child, "name"));
		ret[n].fd = pidfd_open(pid, 0);
		n += ret[n].fd >= 0;
	}
	json_decref(answer);
	*ret_n = n;
	return 0;
}

int drill_volume_kill(struct cli *cli, struct drill_result *d)
{
	struct victim victims[VICTIMS_MAX];
	size_t n = 0;
	int r = find_victims(cli, d, victims, &n);

	for (size_t i = 0; i < n; i++) {
		if (r == 0 && pidfd_send_signal(victims[i].fd, SIGKILL, NULL, 0) == 0)
			d->killed++;
		else if (r == 0)
			r = err_errno(&cli->err, errno, "killing %s", victims[i].name);
		(void) close(victims[i].fd);
	}
	if (r == 0 && d->killed == 0)
		r = err_set(&cli->err, POD_E_NOTFOUND, "no process of the primary of %s runs on this host",
		            d->volume);
	return r;
}

/* ---- orders ---- */

static int code_of(const char *name)
{
	for (int code = 1; code < POD_E_END; code++)
		if (strcmp(err_code_name(code), name) == 0)
			return code;
	return POD_E_INTERNAL;
}

/* 1: it has ended. */
static int look(struct cli *cli, const char *path, json_int_t id)
{
	const json_t *operation, *error;
	json_t *answer;
	int r = ask(cli, "GET", path, NULL, &answer);

	if (r < 0)
		return r;
	operation = json_object_get(answer, "operation");
	error = json_object_get(operation, "error");
	if (json_integer_value(json_object_get(operation, "id")) != id)
		r = err_set(&cli->err, POD_E_CANCELLED, "another operation has taken its place");
	else if (error)
		r = err_set(&cli->err, (enum pod_error) code_of(text_of(error, "code")), "%s",
		            text_of(error, "message"));
	else
		r = strcmp(text_of(operation, "state"), "running") != 0;
	json_decref(answer);
	return r;
}

int drill_volume_order(struct cli *cli, const char *volume, const char *order, json_t *body,
                       uint64_t *ret_ended_ms)
{
	const char *path = path_of(cli, volume, order), *watch = path_of(cli, volume, "operation");
	uint64_t deadline = clock_mono_ms() + ORDER_LIMIT_MS;
	json_t *begun;
	json_int_t id;
	int r;

	if (!path || !watch) {
		json_decref(body);
		return err_set(&cli->err, POD_E_NOMEM, "drill");
	}
	r = ask(cli, "POST", path, body, &begun);
	if (r < 0)
		return err_wrap(&cli->err, r, "%s", order);
	id = json_integer_value(json_object_get(begun, "id"));
	json_decref(begun);
	while ((r = look(cli, watch, id)) == 0) {
		if (drill_asked_to_stop())
			return err_set(&cli->err, POD_E_CANCELLED, "ended by a signal; the %s goes on",
			               order);
		if (clock_mono_ms() > deadline)
			return err_set(&cli->err, POD_E_TIMEOUT, "the %s has not ended after %d s", order,
			               ORDER_LIMIT_MS / 1000);
		drill_pause_ms(LOOK_EVERY_MS);
	}
	if (r < 0)
		return err_wrap(&cli->err, r, "%s", order);
	*ret_ended_ms = clock_mono_ms();
	return 0;
}

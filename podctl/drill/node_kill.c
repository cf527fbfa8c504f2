#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "podctl/client.h"
#include "podctl/drill/drill.h"
#include "podctl/drill/volume.h"

#define CHECK_LIMIT_MS 180000 /* for what waits in the mta's queue */
#define CHECK_EVERY_MS 500

struct drill {
	struct cli *cli;
	const struct drill_options *o;
	struct drill_result *d;
	struct load_options load_options;
	struct load *load;
	char run[32];
	size_t users; /* made */
	uint64_t killed_ms;
};

/* ---- before and after ---- */

static int read_address(struct cli *cli, const json_t *endpoints, const char *name, struct talk_address *ret)
{
	const json_t *e = json_object_get(endpoints, name);
	const char *host = json_string_value(json_object_get(e, "host"));

	if (!host)
		return err_set(&cli->err, POD_E_UNSUPPORTED, "the pod has no port for %s", name);
	if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "*") == 0)
		host = "127.0.0.1";
	(void) snprintf(ret->host, sizeof(ret->host), "%s", strcmp(host, "::") == 0 ? "::1" : host);
	ret->port = (unsigned int) json_integer_value(json_object_get(e, "port"));
	return 0;
}

static int read_pod(struct drill *x)
{
	const json_t *endpoints;
	json_t *answer;
	const char *domain;
	int r = client_call(x->cli, "GET", "/status", NULL, &answer);

	if (r < 0)
		return r;
	endpoints = json_object_get(answer, "endpoints");
	r = read_address(x->cli, endpoints, "smtp", &x->load_options.smtp);
	if (r == 0)
		r = read_address(x->cli, endpoints, "imap", &x->load_options.imap);
	domain = json_string_value(json_object_get(answer, "domain"));
	for (size_t i = 0; r == 0 && i < LOAD_USERS; i++) {
		struct load_user *u = &x->load_options.users[i];
		struct guid password = guid_new();

		(void) snprintf(u->address, sizeof(u->address), "%s-%zu@%s", x->run, i + 1,
		                domain ? domain : "");
		guid_format(&password, u->password);
	}
	json_decref(answer);
	return r;
}

static int make_users(struct drill *x)
{
	int r = 0;

	for (; r == 0 && x->users < LOAD_USERS; x->users++) {
		const struct load_user *u = &x->load_options.users[x->users];
		json_t *answer;

		r = client_call(x->cli, "POST", "/users",
		                json_pack("{ss, ss, ss, ss, sI}", "address", u->address, "password",
		                          u->password, "display_name", "Drill", "volume", x->d->volume,
		                          "quota_bytes", (json_int_t) 0),
		                &answer);
		if (r < 0)
			break;
		json_decref(answer);
	}
	return r;
}

/* Whatever became of the drill; what stays is named. */
static void remove_users(struct drill *x)
{
	const struct err before = x->cli->err;
	const char *hint = x->cli->hint;

	for (size_t i = 0; i < x->users && !x->o->keep; i++) {
		const char *path = arena_printf(x->cli->arena, "/users/%s",
		                                client_segment(x->cli, x->load_options.users[i].address));
		json_t *answer;

		if (path && client_call(x->cli, "DELETE", path, NULL, &answer) == 0)
			json_decref(answer);
		else
			cli_note(x->cli, "The user %s is still there: %s", x->load_options.users[i].address,
			         err_text(&x->cli->err));
	}
	x->cli->err = before;
	x->cli->hint = hint;
}

/* ---- the steps ---- */

static int stay_under_load(struct drill *x, unsigned int seconds)
{
	uint64_t until = clock_mono_ms() + 1000ull * seconds;

	while (clock_mono_ms() < until) {
		if (drill_asked_to_stop())
			return err_set(&x->cli->err, POD_E_CANCELLED, "ended by a signal");
		drill_pause_ms(50);
	}
	return 0;
}

/* What waits in the queue for the volume is tried now, as podctl queue retry would. */
static void hurry_queue(struct drill *x)
{
	const struct err before = x->cli->err;
	json_t *answer;

	if (client_call(x->cli, "POST", "/queue/retry", NULL, &answer) == 0)
		json_decref(answer);
	x->cli->err = before;
}

/* Until nothing is missing, or for as long as a queue may take. */
static int check(struct drill *x, struct check_result *ret)
{
	size_t until = ledger_count(x->load_options.ledger);
	uint64_t deadline = clock_mono_ms() + CHECK_LIMIT_MS;
	bool may_be_lost = strcmp(x->d->mode, "async") == 0;

	for (unsigned int looks = 0;; looks++) {
		int r = check_once(&x->load_options, until, ret, &x->cli->err);

		if (r < 0 && r != -POD_E_UNAVAILABLE && r != -POD_E_BUSY && r != -POD_E_TIMEOUT)
			return r;
		if (r == 0 && ret->missing == 0)
			return 0;
		if (clock_mono_ms() > deadline || (r == 0 && may_be_lost && looks > 10))
			return r;
		if (drill_asked_to_stop())
			return err_set(&x->cli->err, POD_E_CANCELLED, "ended by a signal");
		hurry_queue(x);
		drill_pause_ms(CHECK_EVERY_MS);
	}
}

static int64_t since_kill(const struct drill *x, uint64_t at_ms)
{
	return at_ms ? (int64_t) (at_ms - x->killed_ms) : -1;
}

static void take_times(struct drill *x)
{
	const struct load_seen seen = load_seen(x->load);

	x->d->sums = ledger_sum(x->load_options.ledger, x->killed_ms);
	x->d->read_ms = since_kill(x, seen.read_ms);
	x->d->delivered_ms = since_kill(x, seen.delivered_ms);
	x->d->accepted_ms = since_kill(x, x->d->sums.first_after_ms);
}

/* The lag is of this moment: what is lost is held against it. */
static int kill_and_promote(struct drill *x)
{
	const char *max_loss = strcmp(x->d->mode, "async") == 0 ? "any" : NULL;
	uint64_t ended_ms = 0;
	int r = drill_volume_look(x->cli, x->d);

	if (r < 0)
		return r;
	cli_note(x->cli, "Killing the primary's processes at %s ...", x->d->from);
	x->killed_ms = clock_mono_ms();
	load_mark(x->load, x->killed_ms);
	r = drill_volume_kill(x->cli, x->d);
	if (r == 0)
		r = drill_volume_order(x->cli, x->d->volume, "failover",
		                       json_pack("{ss, ss*}", "site", x->d->to, "max_loss", max_loss),
		                       &ended_ms);
	x->d->promoted_ms = since_kill(x, ended_ms);
	return r;
}

static int fail_back(struct drill *x)
{
	uint64_t began_ms = clock_mono_ms(), ended_ms = 0;
	int r;

	cli_note(x->cli, "Failing back to %s ...", x->d->from);
	if (x->d->from_home) {
		r = drill_volume_order(x->cli, x->d->volume, "failback", NULL, &ended_ms);
	} else { /* it was not at its home: back to where it was */
		r = drill_volume_settle(x->cli, x->d->volume);
		if (r == 0)
			r = drill_volume_order(x->cli, x->d->volume, "switchover",
			                       json_pack("{ss}", "site", x->d->from), &ended_ms);
	}
	x->d->failback_ms = r == 0 ? (int64_t) (ended_ms - began_ms) : -1;
	return r;
}

static int go(struct drill *x)
{
	int r = load_start(&x->load_options, &x->load, &x->cli->err);

	if (r < 0)
		return r;
	cli_note(x->cli, "%u messages a second for %u s ...", x->o->per_second, x->o->seconds);
	r = stay_under_load(x, x->o->seconds);
	if (r == 0)
		r = kill_and_promote(x);
	if (r == 0)
		r = stay_under_load(x, x->o->seconds);
	take_times(x);
	if (r == 0) {
		cli_note(x->cli, "Checking at %s ...", x->d->to);
		r = check(x, &x->d->after_failover);
	}
	if (r == 0)
		r = fail_back(x);
	if (r == 0)
		r = stay_under_load(x, 1);
	x->load = load_stop(x->load);
	if (r == 0) {
		cli_note(x->cli, "Checking at %s ...", x->d->from);
		r = check(x, &x->d->after_failback);
	}
	x->d->sums = ledger_sum(x->load_options.ledger, x->killed_ms);
	return r;
}

int drill_node_kill(struct cli *cli, const struct drill_options *o, struct drill_result *ret, struct err *err)
{
	struct drill x = { .cli = cli, .o = o, .d = ret };
	uint32_t tag;
	int r;

	*ret = (struct drill_result){ .started = clock_wall_s(),
		                      .read_ms = -1,
		                      .accepted_ms = -1,
		                      .delivered_ms = -1,
		                      .promoted_ms = -1,
		                      .failback_ms = -1 };
	random_bytes(&tag, sizeof(tag));
	(void) snprintf(x.run, sizeof(x.run), "drill-%08x", tag);
	x.load_options =
		(struct load_options){ .run = x.run, .per_second = o->per_second, .ledger = ledger_create() };
	drill_catch_signals();
	r = x.load_options.ledger ? drill_volume_find(cli, o, ret) : err_set(&cli->err, POD_E_NOMEM, "drill");
	if (r == 0)
		r = read_pod(&x);
	if (r == 0)
		r = make_users(&x);
	if (r == 0)
		r = go(&x);
	x.load = load_stop(x.load);
	if (err)
		*err = cli->err;
	remove_users(&x);
	(void) ledger_free(x.load_options.ledger);
	return r;
}

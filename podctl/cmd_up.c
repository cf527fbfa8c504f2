#include <errno.h>
#include <poll.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/demo.h"
#include "podctl/live.h"
#include "podctl/output.h"
#include "podctl/pod_files.h"
#include "podctl/pod_run.h"
#include "podctl/probe.h"
#include "podctl/system_users.h"

#define ANSWER_TIMEOUT_MS 60000
#define ASK_EVERY_MS      50
#define RESTARTS_HOPELESS 5 /* before it was ready once */
#define DYING_MS          10000

/* ---- waiting until it answers ---- */

/* A process that dies again and again will not be ready by waiting. Its name, or NULL. */
static const char *hopeless_process(const json_t *status)
{
	json_t *process;
	size_t i;

	json_array_foreach(
		json_object_get(status, "processes"), i,
		process) if (json_integer_value(json_object_get(process, "restarts")) >= RESTARTS_HOPELESS &&
	                     strcmp(json_string_value(json_object_get(process, "state")) ?: "", "ready") !=
	                             0) return json_string_value(json_object_get(process, "name"));
	return NULL;
}

/* 1: every process is ready. 0: not yet. */
static int ask_ready(struct cli *cli)
{
	const char *hopeless;
	json_t *status;
	int r = client_call(cli, "GET", "/status", NULL, &status);

	if (r < 0)
		return r;
	r = json_is_true(json_object_get(status, "ready"));
	hopeless = hopeless_process(status);
	if (hopeless) {
		cli->hint = arena_printf(cli->arena, "%s/log/podmail.log says why", cli->dir);
		r = err_set(&cli->err, POD_E_UNAVAILABLE, "%s does not stay up", hopeless);
	}
	json_decref(status);
	return r;
}

static int wait_processes(struct cli *cli, uint64_t deadline)
{
	int r;

	while ((r = ask_ready(cli)) == 0) {
		if (live_asked_to_stop())
			return err_set(&cli->err, POD_E_CANCELLED, "stopped before everything was ready");
		if (clock_mono_ms() > deadline) {
			cli->hint = "podctl status shows which process it is; the log is in log/podmail.log";
			return err_set(&cli->err, POD_E_TIMEOUT, "not all processes are ready after %d s",
			               ANSWER_TIMEOUT_MS / 1000);
		}
		(void) poll(NULL, 0, ASK_EVERY_MS);
	}
	return r < 0 ? r : 0;
}

/* A listening socket is not yet a service: each has to give its greeting. */
static int wait_services(struct cli *cli, const struct conf *conf, uint64_t deadline)
{
	static const struct tls_client_options options = { 0 };
	struct tls_context *tls;
	int r = tls_client_create(&options, &tls, &cli->err);

	for (int i = 0; r == 0 && i < CONF_LISTENERS; i++) {
		while ((r = probe_service(conf, (enum conf_listener) i, tls, 5000, &cli->err)) < 0 &&
		       clock_mono_ms() < deadline && !live_asked_to_stop())
			(void) poll(NULL, 0, ASK_EVERY_MS);
	}
	(void) tls_unref(tls);
	return r;
}

/* ---- the answer ---- */

static json_t *endpoints_json(const struct conf *conf)
{
	json_t *object = json_object();

	for (int i = 0; object && i < CONF_LISTENERS; i++) {
		const struct conf_endpoint *e = conf_listen(conf, (enum conf_listener) i);

		if (e && json_object_set_new(
				 object, e->name,
				 json_pack("{ss, si}", "host", probe_host(e), "port", (int) e->port)) < 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

/* Where each volume lies: what stays the same, so that who asks twice is answered the same. */
static json_t *volume_entry(struct cli *cli, const json_t *volume)
{
	json_t *entry = json_pack("{sO, sO}", "name", json_object_get(volume, "name"), "kind",
	                          json_object_get(volume, "kind"));
	const char *name = json_string_value(json_object_get(volume, "name"));
	json_t *sites = json_array(), *answer, *replica;
	size_t i;

	(void) json_object_set(entry, "path", json_object_get(volume, "path"));
	if (!json_object_get(volume, "site")) {
		(void) json_object_set(entry, "replication", json_object_get(volume, "replication"));
		(void) json_object_set(entry, "why_not_replicated",
		                       json_object_get(volume, "why_not_replicated"));
	} else if (client_call(cli, "GET", arena_printf(cli->arena, "/volumes/%s/replication", name), NULL,
	                       &answer) == 0) {
		json_array_foreach(json_object_get(answer, "replicas"), i, replica)(void)
			json_array_append_new(sites, json_pack("{sO, sO, sO, sO}", "site",
		                                               json_object_get(replica, "site"), "role",
		                                               json_object_get(replica, "role"), "mode",
		                                               json_object_get(replica, "mode"), "folder",
		                                               json_object_get(replica, "folder")));
		json_decref(answer);
	}
	(void) json_object_set_new(entry, "sites", sites);
	return entry;
}

static int volumes_json(struct cli *cli, json_t **ret_json)
{
	json_t *answer, *volume, *list = json_array();
	int r = client_list(cli, "/volumes", "volumes", &answer);
	size_t i;

	if (r < 0) {
		json_decref(list);
		return r;
	}
	json_array_foreach(json_object_get(answer, "volumes"), i, volume)(void)
		json_array_append_new(list, volume_entry(cli, volume));
	json_decref(answer);
	*ret_json = list;
	return 0;
}

static int pod_json(struct cli *cli, const struct conf *conf, json_t **ret_json)
{
	json_t *users, *volumes;
	int r = demo_users_load(cli, &users);

	if (r < 0)
		return r;
	r = volumes_json(cli, &volumes);
	if (r < 0) {
		json_decref(users);
		return r;
	}
	*ret_json = json_pack("{ss, ss, so, so, so}", "dir", cli->dir, "domain", conf->pod.domain, "users",
	                      users, "endpoints", endpoints_json(conf), "volumes", volumes);
	return *ret_json ? 0 : err_set(&cli->err, POD_E_NOMEM, "answer");
}

static int print_pod(struct cli *cli, const struct conf *conf)
{
	json_t *json;

	if (pod_json(cli, conf, &json) < 0)
		return cli_fail(cli);
	if (cli->format == CLI_JSON)
		output_json(json);
	else
		live_print_pod(json);
	(void) fflush(stdout);
	json_decref(json);
	return CLI_OK;
}

/* ---- the command ---- */

static int prepare(struct cli *cli, const struct conf **ret_conf)
{
	const struct pod_wish wish = {
		.base_port = cli_option(cli, "--base-port"),
		.domain = cli_option(cli, "--domain"),
		.volumes = cli_option(cli, "--volumes"),
		.volume_size = cli_option(cli, "--volume-size"),
	};
	int r = pod_files_make(cli, &wish);

	if (r == 0)
		r = cli_conf(cli, ret_conf);
	return r == 0 ? system_users_prepare(cli, *ret_conf) : r;
}

static int bring_up(struct cli *cli, const struct conf *conf)
{
	uint64_t deadline = clock_mono_ms() + ANSWER_TIMEOUT_MS;
	int r = wait_processes(cli, deadline);

	if (r == 0)
		r = demo_setup(cli);
	if (r == 0)
		r = wait_processes(cli, deadline);
	return r == 0 ? wait_services(cli, conf, deadline) : r;
}

/* A pod that does not come up is not left half running; what went wrong is said, not what the stopping said.
 */
static int give_up(struct cli *cli, const struct conf *conf, const struct process_mark *podd)
{
	struct err why = cli->err;
	const char *hint = cli->hint;

	(void) pod_stop(cli, conf, podd);
	cli->err = why;
	cli->hint = hint;
	return cli_fail(cli);
}

/*
 * The podd that runs, -POD_E_NOTFOUND where none does. One that was killed a moment ago is a process still,
 * and the kernel takes connections for it, which are reset when it is gone: so it has to answer, and where it
 * does not, its end is waited for.
 */
static int find_running(struct cli *cli, const struct conf *conf, struct process_mark *ret_podd)
{
	int r = pod_running(cli, conf, ret_podd), gone;
	struct err why = { 0 };
	json_t *status;

	if (r < 0)
		return r;
	r = client_call(cli, "GET", "/status", NULL, &status);
	if (r == 0) {
		json_decref(status);
		return 0;
	}
	why = cli->err;
	gone = r == -POD_E_UNAVAILABLE ? process_mark_wait(ret_podd, DYING_MS, &cli->err) : r;
	if (gone == 0) {
		cli->hint = NULL;
		return err_set(&cli->err, POD_E_NOTFOUND, "podd has just ended");
	}
	cli->err = why;
	return r;
}

/* The running podd, or a new one: *ret_ours then. */
static int find_or_start(struct cli *cli, const struct conf *conf, bool verbose,
                         struct process_mark *ret_podd, bool *ret_ours)
{
	int r = find_running(cli, conf, ret_podd);

	if (r != -POD_E_NOTFOUND)
		return r;
	live_block_signals(); /* from now on Ctrl-C stops the pod, in order */
	r = pod_start(cli, conf, verbose, ret_podd);
	*ret_ours = r == 0;
	return r;
}

/* Everything up to where the pod answers, with other podctl kept out: two would make its users twice. */
static int start(struct cli *cli, const struct conf *conf, bool verbose, struct process_mark *ret_podd,
                 bool *ret_ours)
{
	_cleanup_(closep) int lock = -1;

	if (pod_lock(cli, &lock) < 0 || find_or_start(cli, conf, verbose, ret_podd, ret_ours) < 0)
		return cli_fail(cli);
	if (bring_up(cli, conf) < 0)
		return *ret_ours ? give_up(cli, conf, ret_podd) : cli_fail(cli);
	return CLI_OK;
}

static int run_up(struct cli *cli)
{
	bool detach = cli_option(cli, "--detach"), verbose = cli_option(cli, "--verbose"), ours = false;
	struct process_mark podd;
	const struct conf *conf = NULL;
	int status;

	if (prepare(cli, &conf) < 0)
		return cli_fail(cli);
	status = start(cli, conf, verbose && !detach, &podd, &ours);
	if (status != CLI_OK || (status = print_pod(cli, conf)) != CLI_OK)
		return status;
	if (!ours && !detach)
		cli_note(cli, "The pod runs already, in the background; podctl down stops it.");
	return ours && !detach ? live_run(cli, conf, &podd, verbose) : CLI_OK;
}

static const struct command_option options[] = {
	{ "--base-port", "N",
	  "For a new pod: added to every well-known port, so that SMTP is N+25, IMAPS N+993, "
	  "and so on. Default: 2000." },
	{ "--domain", "DOMAIN", "For a new pod: its domain. Default: example.test." },
	{ "--volumes", "auto|replicated|directory",
	  "For a new pod: whether its volumes are held at a second site too. Default: auto, replicated where "
	  "this host can "
	  "do that." },
	{ "--volume-size", "SIZE",
	  "For a new pod: size of a replicated volume; it takes up what is written on it. Default: 2G." },
	{ "--detach", NULL, "Returns when everything answers and leaves the pod running in the background." },
	{ "--verbose", NULL, "In the foreground: shows the log of all processes." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "", "", 0, 0, "Starts the pod, making it first where DIR has none.",
	  "Returns when every service answers, or stays in the foreground until Ctrl-C. A new pod has a "
	  "volume vol01, a "
	  "domain, a self-signed certificate (DIR/tls/ca.pem is its CA) and the users alice, bob and carol, "
	  "whose passwords "
	  "are kept in DIR/demo-users.json. Started by root, the programs run as the users podmail-mta, "
	  "podmail-imap, "
	  "podmail-store and podmail-repl, who are made where they are missing; else all run as the caller. "
	  "Volumes are replicated where this host can do that: both sites are on this machine then, each in "
	  "a folder "
	  "DIR/sites/SITE with processes of its own, and a flush waits until both have it on their disks. "
	  "Else they are "
	  "folders, shown as not replicated, with the reason.",
	  options, run_up },
};

const struct command_group command_up = { "up", "Makes a pod where there is none, and starts it.", commands,
	                                  1 };

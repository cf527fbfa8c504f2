#include "podctl/live.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/pod_run.h"

#define LOOK_EVERY_S 2

static void live_signals(sigset_t *set)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

	(void) sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void) sigaddset(set, signals[i]);
}

void live_block_signals(void)
{
	sigset_t set;

	live_signals(&set);
	(void) sigprocmask(SIG_BLOCK, &set, NULL);
}

bool live_asked_to_stop(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
	        sigismember(&pending, SIGHUP) == 1);
}

static void print_endpoint(const json_t *endpoints, const char *name, const char *what, const char *security)
{
	const json_t *e = json_object_get(endpoints, name);

	if (e)
		(void) printf("  %-22s %s port %-5lld  %s\n", what,
		              json_string_value(json_object_get(e, "host")),
		              (long long) json_integer_value(json_object_get(e, "port")), security);
}

static void print_volume(const json_t *volume)
{
	const char *name = json_string_value(json_object_get(volume, "name"));
	const char *not_replicated = json_string_value(json_object_get(volume, "replication"));
	json_t *site;
	size_t i;

	if (not_replicated)
		(void) printf("  %-22s %s: %s\n", name, not_replicated,
		              json_string_value(json_object_get(volume, "why_not_replicated")));
	json_array_foreach(json_object_get(volume, "sites"), i, site)
	{
		const char *role = json_string_value(json_object_get(site, "role"));
		bool primary = role && strcmp(role, "primary") == 0;

		(void) printf("  %-22s %s at %s, %s%s%s\n", i == 0 ? name : "",
		              primary ? "served" : "standby",
		              json_string_value(json_object_get(site, "site")),
		              primary ? "" : json_string_value(json_object_get(site, "mode")),
		              primary ? "" : ", ", json_string_value(json_object_get(site, "folder")));
	}
}

void live_print_pod(const json_t *pod)
{
	json_t *volume;
	const json_t *endpoints = json_object_get(pod, "endpoints");
	json_t *user;
	size_t i;

	(void) printf("The pod %s is up, in %s\n\nFor a mail client:\n",
	              json_string_value(json_object_get(pod, "domain")),
	              json_string_value(json_object_get(pod, "dir")));
	print_endpoint(endpoints, "imaps", "Incoming mail (IMAP)", "SSL/TLS");
	print_endpoint(endpoints, "submissions", "Outgoing mail (SMTP)", "SSL/TLS");
	print_endpoint(endpoints, "https", "Phones (ActiveSync)", "HTTPS, set up by Autodiscover");
	print_endpoint(endpoints, "smtp", "Mail from other hosts", "SMTP, STARTTLS offered");
	(void) printf("  %-22s %s/tls/ca.pem\n\nUsers and passwords:\n", "CA to trust",
	              json_string_value(json_object_get(pod, "dir")));
	json_array_foreach(json_object_get(pod, "users"), i, user)(void)
		printf("  %-30s %s\n", json_string_value(json_object_get(user, "address")),
	               json_string_value(json_object_get(user, "password")));
	(void) printf("\nVolumes:\n");
	json_array_foreach(json_object_get(pod, "volumes"), i, volume) print_volume(volume);
	(void) fputc('\n', stdout);
}

/* "stored:vol01 ready, mta ready, imapd starting (3 restarts)" */
static void describe(const json_t *status, struct buf *out)
{
	json_t *process;
	size_t i;

	json_array_foreach(json_object_get(status, "processes"), i, process)
	{
		json_int_t restarts = json_integer_value(json_object_get(process, "restarts"));

		buf_printf(out, "%s%s %s", i ? ", " : "", json_string_value(json_object_get(process, "name")),
		           json_string_value(json_object_get(process, "state")));
		if (restarts > 0)
			buf_printf(out, " (%lld restarts)", (long long) restarts);
	}
}

/* A line when something changed; on a terminal one line that is written over. */
static void show(struct cli *cli, struct buf *last)
{
	_cleanup_buf_ struct buf now = BUF_INIT;
	bool terminal = isatty(STDOUT_FILENO);
	json_t *status;

	if (client_call(cli, "GET", "/status", NULL, &status) < 0)
		return; /* it is just ending: the loop sees that */
	describe(status, &now);
	json_decref(status);
	if (span_eq(buf_span(&now), buf_span(last)))
		return;
	(void) printf("%s" SPAN_FMT "%s", terminal ? "\r\033[K" : "", SPAN_ARG(buf_span(&now)),
	              terminal ? "" : "\n");
	(void) fflush(stdout);
	buf_clear(last);
	buf_add(last, buf_span(&now));
}

/* The signal that came, or 0 where podd ended by itself. */
static int wait_for_end(struct cli *cli, const struct process_mark *podd, bool verbose)
{
	static const struct timespec every = { .tv_sec = LOOK_EVERY_S };
	_cleanup_buf_ struct buf last = BUF_INIT;
	sigset_t set;

	live_signals(&set);
	(void) sigaddset(&set, SIGCHLD);
	(void) sigprocmask(SIG_BLOCK, &set, NULL);
	for (;;) {
		int signal;

		if (!process_mark_alive(podd))
			return 0;
		if (!verbose && !cli->quiet)
			show(cli, &last);
		arena_reset(cli->arena); /* asking again and again must not fill it */
		signal = sigtimedwait(&set, NULL, &every);
		if (signal > 0 && signal != SIGCHLD)
			return signal;
	}
}

int live_run(struct cli *cli, const struct conf *conf, const struct process_mark *podd, bool verbose)
{
	struct arena *whole_run = cli->arena;
	int signal;

	cli_note(cli, "Ctrl-C stops it.");
	cli->arena = arena_create(1 << 20);
	signal = cli->arena ? wait_for_end(cli, podd, verbose) : SIGTERM;
	(void) arena_free(cli->arena);
	cli->arena = whole_run;
	if (signal == 0)
		return cli_fail_with(cli, POD_E_UNAVAILABLE, "log/podmail.log says why",
		                     "podd ended by itself");
	cli_note(cli, "\nStopping.");
	if (pod_stop(cli, conf, podd) < 0)
		return cli_fail(cli);
	cli_note(cli, "The pod is down.");
	return CLI_OK;
}

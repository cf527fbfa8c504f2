/*
 * An outbound process and its queue's end, for tests in Python: outbound_job CONF forks the process, then
 * reads jobs from standard input, a line of JSON each, and prints a line for each result as it comes.
 *
 *   {"id": 1, "body": "/path", "sender": "...", "destination": "...", "targets": [{"address": "..."}], ...}
 *   {"cancel": 1}
 *   {"restart": true}      kills the process and starts another
 *   {"reload": true}       has it read the configuration again
 *
 * It ends with its standard input.
 */
#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "mta/outbound/outbound.h"
#include "mta/service/metrics.h"
#include "proc/proc.h"

#define LINE_MAX_BYTES (16u << 20)

struct asked {
	json_int_t id;
	struct outbound_call *call;
	struct asked *next;
};

struct tool {
	const struct conf *conf;
	struct event_base *base;
	struct outbound_client *client;
	struct asked *asked;
	int listen_fd;
	pid_t pid;
};

static void __attribute__((noreturn)) die(const char *what)
{
	(void) fprintf(stderr, "outbound_job: %s\n", what);
	exit(2);
}

static void start_process(struct tool *t)
{
	struct outbound_options o = { .conf = t->conf, .listen_fd = t->listen_fd, .admin_fd = -1 };
	char metrics[4096];
	pid_t parent = getpid();

	(void) snprintf(metrics, sizeof(metrics), "%s/metrics", t->conf->pod.run_dir);
	(void) mkdir(metrics, 0755);
	(void) snprintf(metrics, sizeof(metrics), "%s/metrics/mta-outbound.0", t->conf->pod.run_dir);
	t->pid = fork();
	if (t->pid != 0)
		return;
	proc_die_with_parent(parent);
	if (metric_open(metrics, mta_metrics, MTA_METRICS_N, NULL) < 0)
		_exit(2);
	exit(outbound_run(&o)); /* not _exit: sanitizers speak at the end */
}

static void end_process(struct tool *t, int sig)
{
	(void) kill(t->pid, sig);
	while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static json_t *json_of_outcome(const Outbound__Outcome *o)
{
	static const char *const states[] = { "deferred", "delivered", "relayed", "failed" };

	return json_pack("{ss si ss ss ss}", "state", states[o->state], "code", (int) o->code, "enhanced",
	                 o->enhanced, "text", o->text, "mta", o->mta);
}

static json_t *json_of_feedback(const Outbound__Feedback *f)
{
	static const char *const troubles[] = { "none",    "local", "lookup", "unreachable", "greeting",
		                                "closing", "rate",  "tls",    "auth" };

	return json_pack("{ss ss ss si ss si ss sb}", "trouble", troubles[f->trouble], "host", f->host,
	                 "address", f->address, "code", (int) f->code, "text", f->text, "recipients_max",
	                 (int) f->recipients_max, "tls", f->tls, "reused", f->reused);
}

static void on_result(void *arg, const Outbound__Result *result)
{
	struct asked *a = arg;
	json_t *outcomes = json_array(), *out;
	char *text;

	a->call = NULL;
	for (size_t i = 0; i < result->n_outcomes; i++)
		(void) json_array_append_new(outcomes, json_of_outcome(result->outcomes[i]));
	out = json_pack("{sI so so}", "id", a->id, "outcomes", outcomes, "feedback",
	                json_of_feedback(result->feedback));
	text = json_dumps(out, JSON_COMPACT);
	(void) printf("%s\n", text);
	(void) fflush(stdout);
	free(text);
	json_decref(out);
}

static char *text_of(json_t *j, const char *key)
{
	static char nothing[1];
	json_t *v = json_object_get(j, key);

	return json_is_string(v) ? (char *) (uintptr_t) json_string_value(v) : nothing;
}

static json_int_t number_of(json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

static void fill_job(Outbound__Job *job, json_t *j)
{
	job->trace = text_of(j, "trace");
	job->sender = text_of(j, "sender");
	job->envid = text_of(j, "envid");
	job->destination = text_of(j, "destination");
	job->ret = (Outbound__Ret) number_of(j, "ret");
	job->utf8 = json_is_true(json_object_get(j, "utf8"));
	job->own = json_is_true(json_object_get(j, "own"));
	job->require_tls = json_is_true(json_object_get(j, "require_tls"));
	job->tls_optional = json_is_true(json_object_get(j, "tls_optional"));
	job->priority = (int32_t) number_of(j, "priority");
	job->by_mode = (Outbound__ByMode) number_of(j, "by_mode");
	job->by_deadline_ms = number_of(j, "by_deadline_ms");
}

static void send_job(struct tool *t, json_t *j)
{
	json_t *list = json_object_get(j, "targets");
	size_t n = json_array_size(list);
	Outbound__Job job = OUTBOUND__JOB__INIT;
	Outbound__Target *targets = calloc(n + 1, sizeof(*targets)), **refs = calloc(n + 1, sizeof(*refs));
	_cleanup_(closep) int fd = open(text_of(j, "body"), O_RDONLY | O_CLOEXEC);
	struct asked *a = calloc(1, sizeof(*a));
	struct stat st;

	if (!targets || !refs || !a || fd < 0 || fstat(fd, &st) < 0)
		die("a job without a body");
	fill_job(&job, j);
	job.size = (uint64_t) st.st_size;
	for (size_t i = 0; i < n; i++) {
		outbound__target__init(&targets[i]);
		targets[i].address = text_of(json_array_get(list, i), "address");
		targets[i].orcpt = text_of(json_array_get(list, i), "orcpt");
		targets[i].notify = (uint32_t) number_of(json_array_get(list, i), "notify");
		refs[i] = &targets[i];
	}
	job.targets = refs;
	job.n_targets = n;
	*a = (struct asked){ .id = number_of(j, "id"), .next = t->asked };
	t->asked = a;
	a->call = outbound_send(t->client, &job, SPAN_NONE, fd, on_result, a);
	if (!a->call)
		die("a job that cannot be sent");
	free(targets);
	free(refs);
}

static void cancel(struct tool *t, json_int_t id)
{
	for (struct asked *a = t->asked; a; a = a->next)
		if (a->id == id) {
			outbound_cancel(a->call);
			a->call = NULL;
		}
}

static void on_line(struct tool *t, const char *line)
{
	json_t *j = json_loads(line, 0, NULL);

	if (!j)
		die("a line that is no JSON");
	if (json_object_get(j, "cancel")) {
		cancel(t, number_of(j, "cancel"));
	} else if (json_object_get(j, "reload")) {
		(void) kill(t->pid, SIGHUP);
	} else if (json_object_get(j, "restart")) {
		end_process(t, SIGKILL);
		start_process(t);
	} else {
		send_job(t, j);
	}
	json_decref(j);
}

static void on_stdin(evutil_socket_t fd, short what, void *tool)
{
	static char line[LINE_MAX_BYTES];
	static size_t len;
	struct tool *t = tool;
	ssize_t n = read(STDIN_FILENO, line + len, sizeof(line) - len - 1);
	char *end;

	if (n <= 0) {
		(void) event_base_loopbreak(t->base);
		return;
	}
	len += (size_t) n;
	line[len] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		on_line(t, line);
		len -= (size_t) (end + 1 - line);
		memmove(line, end + 1, len + 1);
	}
}

int main(int argc, char **argv)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct tool t = { .listen_fd = -1 };
	struct err err = { 0 };
	struct event in;

	log_setup("outbound", STDERR_FILENO, LOG_FORMAT_TEXT, LOGL_DEBUG);
	if (argc != 2 || conf_load(argv[1], a, NULL, &t.conf, &err) < 0)
		die(argc == 2 ? err_text(&err) : "usage: outbound_job CONF");
	if (outbound_listen(t.conf, 0, &t.listen_fd, &err) < 0)
		die(err_text(&err));
	start_process(&t);
	t.base = event_base_new();
	if (outbound_client_create(t.base, t.conf, &t.client, &err) < 0)
		die(err_text(&err));
	(void) fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
	(void) event_assign(&in, t.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, &t);
	(void) event_add(&in, NULL);
	(void) event_base_dispatch(t.base);
	end_process(&t, SIGTERM);
	t.client = outbound_client_free(t.client);
	while (t.asked) {
		struct asked *next = t.asked->next;

		free(t.asked);
		t.asked = next;
	}
	(void) event_del(&in);
	event_base_free(t.base);
	t.conf = conf_free(t.conf);
	return 0;
}

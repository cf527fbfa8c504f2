#include "tests/component/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "mime/mime.h"
#include "mta/outbound/wire.h"
#include "tests/support/fake_store.h"

#define ARENA_MAX (1u << 20)

static char *loose(const char *s)
{
	return (char *) (uintptr_t) s;
}

static void must_create(struct rig *r, enum directory_kind kind, const char *name, const ProtobufCMessage *record)
{
	struct err err = { 0 };

	if (directory_create(r->d, kind, span_of(name), record, &err) < 0)
		fail_msg("%s: %s", name, err.text);
}

static void fill_directory(struct rig *r)
{
	Directory__Site site = DIRECTORY__SITE__INIT;
	Directory__Host host = DIRECTORY__HOST__INIT;
	Directory__Pod pod = DIRECTORY__POD__INIT;
	Directory__Domain domain = DIRECTORY__DOMAIN__INIT;
	Directory__Volume v = DIRECTORY__VOLUME__INIT;
	Directory__User u = DIRECTORY__USER__INIT;
	Directory__Alias alias = DIRECTORY__ALIAS__INIT;
	char *targets[] = { loose("ann@away.test") }, endpoint[192], id[ID_TEXT_SIZE];
	struct guid g = guid_new();

	guid_format(&g, id);
	(void) snprintf(endpoint, sizeof(endpoint), "unix:%s/vol1.sock", r->mail);
	host.site = loose("s");
	host.address = loose("127.0.0.1");
	pod.domain = loose("example.test");
	v = (Directory__Volume){ .base = v.base, .id = id, .endpoint = endpoint, .primary_host = loose("h"), .path = r->mail,
		                 .token = 1, .state = loose("active"), .kind = v.kind, .primary_site = v.primary_site,
		                 .home_site = v.home_site, .replica_id = v.replica_id };
	u.volume = loose("vol1");
	u.user_id = loose("alice");
	u.state = loose("active");
	u.language = loose("de");
	alias.n_targets = 1;
	alias.targets = targets;
	must_create(r, DIRECTORY_SITE, "s", &site.base);
	must_create(r, DIRECTORY_HOST, "h", &host.base);
	must_create(r, DIRECTORY_DOMAIN, "example.test", &domain.base);
	must_create(r, DIRECTORY_POD, "p", &pod.base);
	must_create(r, DIRECTORY_VOLUME, "vol1", &v.base);
	must_create(r, DIRECTORY_USER, "alice@example.test", &u.base);
	must_create(r, DIRECTORY_ALIAS, "far@example.test", &alias.base);
}

static void load_conf(struct rig *r, const char *options)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_MAX);
	char text[2048], path[96];
	struct err err = { 0 };

	(void) snprintf(path, sizeof(path), "%s/podmail.conf", r->dir);
	(void) snprintf(text, sizeof(text),
	                "pod { dir = \"%s\"; domain = example.test; user_mta = \"\"; user_imap = \"\"; user_store = \"\"; }\n"
	                "mta { hostname = mx.example.test; queue_retry_min = 200ms; queue_retry_max = 1s; %s }\n",
	                r->dir, options);
	if (conf_load_text(span_of(text), path, a, NULL, &r->conf, &err) < 0)
		fail_msg("%s", err.text);
}

static void make_folders(struct rig *r)
{
	static const char *const folders[] = { "directory", "run", "run/metrics", "mail" };
	char path[160];

	(void) snprintf(r->dir, sizeof(r->dir), "/tmp/podmail-queue-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	(void) snprintf(r->mail, sizeof(r->mail), "%s/mail", r->dir);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		(void) snprintf(path, sizeof(path), "%s/%s", r->dir, folders[i]);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	(void) snprintf(path, sizeof(path), "%s/directory", r->dir);
	assert_int_equal(directory_open_writer(path, &r->d, NULL), 0);
}

/* What the queue does shows in its log, and in the mailbox. */
static void watch(struct rig *r)
{
	char path[96];
	_cleanup_(closep) int log = -1;

	(void) snprintf(path, sizeof(path), "%s/queue.log", r->dir);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_true(log >= 0);
	r->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	assert_true(r->watch >= 0);
	assert_true(inotify_add_watch(r->watch, path, IN_MODIFY) >= 0);
	assert_true(inotify_add_watch(r->watch, r->mail, IN_CREATE | IN_MOVED_TO) >= 0);
}

struct rig *rig_open(const char *options)
{
	struct rig *r = calloc(1, sizeof(*r));
	char path[256];

	assert_non_null(r);
	r->conn = -1;
	make_folders(r);
	watch(r);
	fill_directory(r);
	load_conf(r, options);
	assert_int_equal(srs_create(SPAN_LIT("a secret of the rig"), &r->srs, NULL), 0);
	assert_int_equal(queue_prepare(r->conf->mta.queue_dir, "", NULL), 0);
	assert_int_equal(outbound_listen(r->conf, 0, &r->outbound_fd, NULL), 0);
	r->volume = fake_store_start(r->mail, "vol1");
	rig_start(r);
	r->base = event_base_new();
	assert_int_equal(queue_client_create(r->base, queue_submit_path(r->conf, path, sizeof(path)), RIG_LIMIT_MS, &r->client,
	                                     NULL),
	                 0);
	return r;
}

void rig_start(struct rig *r)
{
	struct queue_options o = { .conf = r->conf, .hostname = "mx.example.test", .srs = r->srs };

	closep(&r->conn);
	r->conn = -1;
	assert_int_equal(queue_listen(r->conf, &o.submit_fd, &o.control_fd, NULL), 0);
	(void) fflush(NULL); /* the child must not say again what waits to be said */
	r->queue = fork();
	if (r->queue == 0) {
		char path[96];
		int log;

		(void) snprintf(path, sizeof(path), "%s/queue.log", r->dir);
		log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
		log_setup("queue", log, LOG_FORMAT_TEXT, LOGL_INFO);
		exit(queue_run(&o)); /* not _exit: a sanitizer looks for what was not freed */
	}
	assert_true(r->queue > 0);
	closep(&o.submit_fd);
	closep(&o.control_fd);
}

void rig_stop(struct rig *r, int sig)
{
	int status = 0;

	if (r->queue <= 0)
		return;
	assert_int_equal(kill(r->queue, sig), 0);
	assert_int_equal(waitpid(r->queue, &status, 0), r->queue);
	r->queue = 0;
	if (sig == SIGTERM && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		fail_msg("the queue ended with status %x; see %s/queue.log", (unsigned int) status, r->dir);
}

void rig_close(struct rig *r)
{
	char command[128];

	r->client = queue_client_free(r->client);
	rig_stop(r, SIGTERM);
	fake_store_stop(r->volume);
	closep(&r->conn);
	closep(&r->watch);
	closep(&r->outbound_fd);
	event_base_free(r->base);
	r->d = directory_close(r->d);
	r->conf = conf_free(r->conf);
	r->srs = srs_free(r->srs);
	(void) snprintf(command, sizeof(command), "rm -rf '%s'", r->dir);
	assert_int_equal(system(command), 0);
	free(r);
}

/* ---- messages in ---- */

Queue__Recipient rig_recipient(const char *address)
{
	Queue__Recipient rcpt = QUEUE__RECIPIENT__INIT;

	rcpt.address = rcpt.original = loose(address);
	rcpt.state = strstr(address, "@example.test") ? QUEUE__STATE__WAITING : QUEUE__STATE__OUTBOUND;
	return rcpt;
}

Queue__Item rig_item(const char *sender)
{
	Queue__Item item = QUEUE__ITEM__INIT;

	item.sender = loose(sender);
	item.arrived_s = clock_wall_s();
	return item;
}

static void on_submitted(void *arg, int code, const char *text)
{
	struct rig *r = arg;

	r->taken += code == 0;
	r->refused += code != 0;
}

void rig_submit(struct rig *r, Queue__Item *item, Queue__Recipient *recipients, size_t n, const char *body)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_MAX * 8);
	_cleanup_(closep) int fd = memfd_create("body", MFD_CLOEXEC);
	Queue__Submission s = QUEUE__SUBMISSION__INIT;
	Queue__Recipient **list = arena_array(a, n, sizeof(*list));
	unsigned int before = r->taken + r->refused;
	struct guid id = r->again ? *r->again : guid_new();
	struct mime_summary summary;
	Queue__Summary packed;
	char trace[TRACE_ID_SIZE];

	trace_id_new(trace);
	for (size_t i = 0; i < n; i++)
		list[i] = &recipients[i];
	item->id = (ProtobufCBinaryData){ ID_SIZE, id.b };
	item->trace = trace;
	item->size = strlen(body);
	item->recipients = list;
	item->n_recipients = n;
	assert_int_equal(mime_summarize(a, span_of(body), &summary), 0);
	queue_summary_set(&packed, &summary);
	s.item = item;
	s.summary = &packed;
	assert_int_equal(write(fd, body, strlen(body)), (ssize_t) strlen(body));
	assert_non_null(queue_submit(r->client, &s, fd, on_submitted, r));
	while (r->taken + r->refused == before)
		assert_int_equal(event_base_loop(r->base, EVLOOP_ONCE), 0);
}

void rig_send(struct rig *r, const char *sender, const char *address)
{
	Queue__Item item = rig_item(sender);
	Queue__Recipient rcpt = rig_recipient(address);
	unsigned int taken = r->taken;

	rig_submit(r, &item, &rcpt, 1, "Subject: hello\r\n\r\nbody\r\n");
	assert_int_equal(r->taken, taken + 1);
}

/* ---- jobs out ---- */

static bool wait_readable(int fd, unsigned int wait_ms)
{
	fd_set set;
	struct timeval tv = { wait_ms / 1000, (wait_ms % 1000) * 1000 };

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, &tv) == 1;
}

bool rig_take(struct rig *r, unsigned int wait_ms, struct rig_job *ret_job)
{
	static uint8_t buffer[WIRE_PACKET_MAX];
	struct wire_packet p;
	ssize_t n = 0;

	if (r->conn < 0 && wait_readable(r->outbound_fd, wait_ms))
		r->conn = accept4(r->outbound_fd, NULL, NULL, SOCK_CLOEXEC);
	if (r->conn < 0 || !wait_readable(r->conn, wait_ms))
		return false;
	assert_int_equal(outbound_wire_receive(r->conn, buffer, &p), 1);
	assert_int_equal(p.kind, WIRE_JOB);
	*ret_job = (struct rig_job){ .number = p.number };
	ret_job->job = (Outbound__Job *) outbound_wire_unpack(&outbound__job__descriptor, &p);
	assert_non_null(ret_job->job);
	if (p.body_fd >= 0)
		n = pread(p.body_fd, ret_job->body, sizeof(ret_job->body) - 1, 0);
	else
		memcpy(ret_job->body, p.body.p, p.body.len < sizeof(ret_job->body) ? p.body.len : sizeof(ret_job->body) - 1);
	assert_true(n >= 0);
	outbound_wire_close(&p);
	return true;
}

struct rig_job rig_job(struct rig *r)
{
	struct rig_job job;

	if (!rig_take(r, RIG_LIMIT_MS, &job))
		fail_msg("no job came");
	return job;
}

void rig_job_free(struct rig_job *job)
{
	outbound__job__free_unpacked(job->job, NULL);
	job->job = NULL;
}

void rig_answer(struct rig *r, struct rig_job *job, const struct rig_outcome *o)
{
	Outbound__Feedback feedback = OUTBOUND__FEEDBACK__INIT;
	Outbound__Outcome outcome = OUTBOUND__OUTCOME__INIT, *outcomes[1000];
	Outbound__Result result = OUTBOUND__RESULT__INIT;
	struct wire_parcel parcel;

	outcome.state = o->state;
	outcome.code = o->code;
	outcome.enhanced = loose(o->enhanced ? o->enhanced : "2.0.0");
	outcome.text = loose(o->text ? o->text : "");
	outcome.mta = loose(o->mta ? o->mta : "");
	feedback.trouble = o->trouble;
	feedback.text = outcome.text;
	feedback.recipients_max = o->recipients_max;
	for (size_t i = 0; i < job->job->n_targets; i++)
		outcomes[i] = &outcome;
	result.outcomes = outcomes;
	result.n_outcomes = job->job->n_targets;
	result.feedback = &feedback;
	assert_int_equal(outbound_wire_pack(WIRE_RESULT, job->number, &result.base, SPAN_NONE, -1, &parcel), 0);
	assert_int_equal(outbound_wire_send(r->conn, &parcel), 1);
	outbound_wire_drop(&parcel);
	rig_job_free(job);
}

/* ---- looking ---- */

void rig_ask(struct rig *r, const char *request, struct buf *answer)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[512], piece[65536];
	ssize_t n;
	int len = snprintf(text, sizeof(text), "%s HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n", request);

	(void) snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/run/mta-queue.sock", r->dir);
	assert_int_equal(connect(fd, (struct sockaddr *) &sun, sizeof(sun)), 0);
	assert_int_equal(send(fd, text, (size_t) len, MSG_NOSIGNAL), len);
	buf_clear(answer);
	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0)
		buf_add(answer, span_make(piece, (size_t) n));
}

/* Until something was done, or for a second: not all that can be asked for has a line in the log. */
static void wait_change(const struct rig *r)
{
	char events[4096];

	if (!wait_readable(r->watch, 1000))
		return;
	while (read(r->watch, events, sizeof(events)) > 0)
		;
}

void rig_wait_for(struct rig *r, const char *request, const char *text)
{
	uint64_t deadline = clock_mono_ms() + RIG_LIMIT_MS;
	_cleanup_buf_ struct buf b = BUF_INIT;

	do {
		rig_ask(r, request, &b);
		if (strstr(buf_str(&b), text))
			return;
		wait_change(r);
	} while (clock_mono_ms() < deadline);
	fail_msg("%s does not say %s: %s", request, text, buf_str(&b));
}

static bool find_mail(const struct rig *r, char *path, size_t size)
{
	DIR *d = opendir(r->mail);
	bool found = false;
	struct dirent *e;

	assert_non_null(d);
	while (!found && (e = readdir(d))) {
		found = strncmp(e->d_name, "alice.", 6) == 0 && !strstr(e->d_name, ".part");
		(void) snprintf(path, size, "%s/%.80s", r->mail, e->d_name);
	}
	(void) closedir(d);
	return found;
}

bool rig_has_mail(const struct rig *r)
{
	char path[256];

	return find_mail(r, path, sizeof(path));
}

void rig_mail(struct rig *r, struct buf *message)
{
	uint64_t deadline = clock_mono_ms() + RIG_LIMIT_MS;
	char path[256], piece[65536];
	FILE *f;

	while (!find_mail(r, path, sizeof(path))) {
		if (clock_mono_ms() > deadline)
			fail_msg("no mail for alice");
		wait_change(r);
	}
	f = fopen(path, "r");
	assert_non_null(f);
	buf_clear(message);
	buf_add(message, span_make(piece, fread(piece, 1, sizeof(piece), f)));
	(void) fclose(f);
	assert_int_equal(unlink(path), 0);
}

/* stored over its socket, as the front ends and podd see it: a real process, real files, killed and started again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "net/tls.h"
#include "storeproto/client.h"
#include "storeproto/codec_internal.h"
#include "storeproto/frame.h"

#define WAIT_MS 60000
#define REFUSED_MS 1000 /* a refused client tries again: so long is watched that it gets nowhere */
#define PASSWORD "correct horse"
#define ADDRESS "alice@example.test"
#define MESSAGE "Subject: one\r\n\r\nbody\r\n"

struct world {
	char dir[64], conf[96], endpoint[128];
	bool remote; /* reached over TLS, as from another host */
	pid_t pid;
	struct event_base *base;
	struct store_client *mta, *gateway, *admin;
	struct arena *a;
	uint32_t session;
	ProtobufCBinaryData token;
};

/* What came back of one call. */
struct answer {
	struct world *w;
	bool done;
	int code;
	const ProtobufCMessage *message;
	const ProtobufCMessage *more[64];
	size_t more_n;
	struct span blob;
	int fd;
};

/* ---- the process ---- */

static const char *program(void)
{
	static char path[512];
	const char *bin = getenv("PODMAIL_BIN");

	(void) snprintf(path, sizeof(path), "%s/stored", bin ? bin : "build/bin");
	return path;
}

static pid_t spawn(const char *const *argv, int ready_fd)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char number[16];

		(void) snprintf(number, sizeof(number), "%d", ready_fd);
		if (ready_fd >= 0)
			(void) setenv("PODMAIL_READY_FD", number, 1);
		(void) execv(argv[0], (char *const *) (uintptr_t) argv);
		_exit(127);
	}
	return pid;
}

static int run_program(const char *const *argv)
{
	int status = -1;
	pid_t pid = spawn(argv, -1);

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void start(struct world *w)
{
	const char *argv[] = { program(), "--config", w->conf, "--volume", "vol01", NULL };
	struct pollfd p;
	char word[16];
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	w->pid = spawn(argv, ready[1]);
	(void) close(ready[1]);
	p = (struct pollfd){ ready[0], POLLIN, 0 };
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_true(read(ready[0], word, sizeof(word)) > 0);
	(void) close(ready[0]);
}

static void stop(struct world *w, int sig)
{
	int status;

	assert_int_equal(kill(w->pid, sig), 0);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	if (sig == SIGTERM)
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	w->pid = 0;
}

/* ---- calls ---- */

static const ProtobufCMessage *keep(struct world *w, const ProtobufCMessage *m)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = arena_alloc(w->a, size);

	assert_non_null(bytes);
	(void) protobuf_c_message_pack(m, bytes);
	return message_unpack(w->a, m->descriptor, span_make(bytes, size));
}

static void on_answer(void *arg, const struct store_reply *r)
{
	struct answer *a = arg;

	if (r->message && !r->final) {
		assert_true(a->more_n < ARRAY_SIZE(a->more));
		a->more[a->more_n++] = keep(a->w, r->message);
	}
	if (r->final) {
		a->done = true;
		a->code = r->code;
		a->message = r->message ? keep(a->w, r->message) : NULL;
		a->blob = arena_dup(a->w->a, r->blob);
		a->fd = r->fd < 0 ? -1 : dup(r->fd);
	}
	event_base_loopbreak(a->w->base);
}

static struct store_call *begin(struct answer *a, struct store_client *c, enum store_method method,
                                const ProtobufCMessage *m, struct span blob, int fd)
{
	struct store_call *call = store_call(c, method, m, blob, fd, WAIT_MS, on_answer, a);

	assert_non_null(call);
	return call;
}

static void finish(struct answer *a)
{
	while (!a->done)
		(void) event_base_dispatch(a->w->base);
}

static struct answer ask_with(struct world *w, struct store_client *c, enum store_method method,
                              const ProtobufCMessage *m, struct span blob, int fd)
{
	struct answer a = { .w = w, .fd = -1 };

	(void) begin(&a, c, method, m, blob, fd);
	finish(&a);
	return a;
}

static struct answer ask(struct world *w, struct store_client *c, enum store_method method, const ProtobufCMessage *m)
{
	return ask_with(w, c, method, m, SPAN_NONE, -1);
}

static char *str(const char *s)
{
	return (char *) (uintptr_t) s;
}

static ProtobufCBinaryData bytes_of(struct span s)
{
	return (ProtobufCBinaryData){ s.len, (uint8_t *) (uintptr_t) s.p };
}

/* ---- the world ---- */

static void write_file(const char *path, const char *text)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
}

static void make_directory(struct world *w)
{
	Directory__Site site = DIRECTORY__SITE__INIT;
	Directory__Host host = DIRECTORY__HOST__INIT;
	Directory__Volume v = DIRECTORY__VOLUME__INIT;
	struct directory *dir;
	char path[96], volume[96];
	struct err err = { 0 };

	(void) snprintf(path, sizeof(path), "%s/directory", w->dir);
	(void) snprintf(volume, sizeof(volume), "%s/volumes/vol01", w->dir);
	(void) mkdir(path, 0700);
	assert_int_equal(directory_open_writer(path, &dir, &err), 0);
	host.site = str("s");
	host.address = str("127.0.0.1");
	v.id = str("00000000000000000000000000000001");
	v.primary_host = str("h");
	v.token = 3;
	v.endpoint = w->endpoint;
	v.path = volume;
	v.state = str("active");
	if (directory_create(dir, DIRECTORY_SITE, SPAN_LIT("s"), &site.base, &err) < 0 ||
	    directory_create(dir, DIRECTORY_HOST, SPAN_LIT("h"), &host.base, &err) < 0 ||
	    directory_create(dir, DIRECTORY_VOLUME, SPAN_LIT("vol01"), &v.base, &err) < 0)
		fail_msg("%s", err_text(&err));
	(void) directory_close(dir);
}

static void make_pod(struct world *w)
{
	static const char *const folders[] = { "run", "run/metrics", "volumes" };
	const char *argv[] = { program(), "--config", w->conf, "--volume", "vol01", "--create", NULL };
	char path[128], conf[512];

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		(void) snprintf(path, sizeof(path), "%s/%s", w->dir, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	(void) snprintf(w->conf, sizeof(w->conf), "%s/podmail.conf", w->dir);
	if (!w->remote)
		(void) snprintf(w->endpoint, sizeof(w->endpoint), "unix:%s/run/store-vol01.sock", w->dir);
	(void) snprintf(conf, sizeof(conf),
	                "pod {\n  domain = example.test\n  user_store = \"\"\n  user_mta = \"\"\n  user_imap = \"\"\n}\n"
	                "stored {\n  users_max = 3\n  readers = 2\n%s}\nlog {\n  level = warning\n}\n",
	                w->remote ? "  tls_listen = \"127.0.0.1:9\"\n" : "");
	write_file(w->conf, conf);
	make_directory(w);
	assert_int_equal(run_program(argv), 0);
}

static struct store_client *client_as(struct world *w, const char *role, const char *cert_name)
{
	char ca[96], cert[128], key[128];
	const struct tls_client_options to = { .ca_file = ca, .cert_file = cert, .key_file = key };
	struct store_client_options o = { .base = w->base, .program = "test", .role = role, .volume = "vol01",
		                          .endpoint = w->endpoint, .token = 3 };
	struct store_client *c;

	(void) snprintf(ca, sizeof(ca), "%s/tls/ca.pem", w->dir);
	(void) snprintf(cert, sizeof(cert), "%s/tls/%s.pem", w->dir, cert_name);
	(void) snprintf(key, sizeof(key), "%s/tls/%s.key", w->dir, cert_name);
	assert_int_equal(tls_client_create(&to, &o.tls, NULL), 0);
	assert_int_equal(store_client_create(&o, &c, NULL), 0);
	(void) tls_unref(o.tls);
	return c;
}

static struct store_client *client(struct world *w, const char *role)
{
	const struct store_client_options o = { .base = w->base, .program = "test", .role = role, .volume = "vol01",
		                                .endpoint = w->endpoint, .token = 3 };
	struct store_client *c;

	assert_int_equal(store_client_create(&o, &c, NULL), 0);
	return c;
}

static struct answer user_add(struct world *w, const char *user_id, const char *address, uint64_t quota)
{
	Podstore__UserAdd m = PODSTORE__USER_ADD__INIT;

	m.user_id = str(user_id);
	m.address = str(address);
	m.display_name = str("Somebody");
	m.password = str(PASSWORD);
	m.quota_bytes = quota;
	m.default_quota = quota == 0;
	return ask(w, w->admin, STORE_USER_ADD, &m.base);
}

/* PLAIN in one step; the session token of who is let in. */
static struct answer login(struct world *w, const char *user_id, const char *address, const char *password)
{
	Podstore__AuthStart m = PODSTORE__AUTH_START__INIT;
	char plain[256];
	int len = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, address, 0, password);

	m.mechanism = str("PLAIN");
	m.user_id = str(user_id);
	m.address = str(address);
	m.initial = bytes_of(span_make(plain, (size_t) len));
	m.has_initial = true;
	m.service = str("imap");
	m.peer = str("127.0.0.1");
	return ask(w, w->gateway, STORE_AUTH, &m.base);
}

static struct answer session_open(struct world *w, ProtobufCBinaryData token)
{
	Podstore__SessionOpen m = PODSTORE__SESSION_OPEN__INIT;

	m.session_token = token;
	return ask(w, w->gateway, STORE_SESSION_OPEN, &m.base);
}

static void open_alice(struct world *w)
{
	struct answer a = login(w, "alice", ADDRESS, PASSWORD);

	assert_int_equal(a.code, 0);
	w->token = ((const Podstore__AuthReply *) a.message)->session_token;
	a = session_open(w, w->token);
	assert_int_equal(a.code, 0);
	w->session = ((const Podstore__SessionOpenReply *) a.message)->session;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	(void) snprintf(w->dir, sizeof(w->dir), "/tmp/podmail-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->a = arena_create(64u << 20);
	w->base = event_base_new();
	make_pod(w);
	start(w);
	w->mta = client(w, "mta");
	w->gateway = client(w, "gateway");
	w->admin = client(w, "admin");
	assert_int_equal(user_add(w, "alice", ADDRESS, 0).code, 0);
	open_alice(w);
	*state = w;
	return 0;
}

/* ---- from another host ---- */

/* Of 127.0.0.1, and free when it was asked for. The directory says it, so it overrules the port in tls_listen. */
static void choose_port(struct world *w)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *) &in, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *) &in, &len), 0);
	(void) close(fd);
	(void) snprintf(w->endpoint, sizeof(w->endpoint), "127.0.0.1:%u", ntohs(in.sin_port));
}

/* As an operator makes it: a key, and a certificate of the pod's CA with the name that means a role. */
static void make_certificate(const struct world *w, const char *name)
{
	char cmd[1024];
	const char *argv[] = { "/bin/sh", "-c", cmd, NULL };

	(void) snprintf(cmd, sizeof(cmd),
	                "cd %s/tls && exec 2>/dev/null && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
	                "-nodes -keyout %s.key -subj /CN=%s -out %s.csr && openssl x509 -req -in %s.csr -CA ca.pem "
	                "-CAkey ca.key -CAcreateserial -days 2 -out %s.pem",
	                w->dir, name, name, name, name, name);
	assert_int_equal(run_program(argv), 0);
}

static int setup_remote(void **state)
{
	static const char *const clients[] = { "podmail-mta", "podmail-imap", "podmail-podd", "stranger" };
	const char *const names[] = { "127.0.0.1" };
	struct world *w = calloc(1, sizeof(*w));
	char tls[96];

	assert_non_null(w);
	w->remote = true;
	choose_port(w);
	(void) snprintf(w->dir, sizeof(w->dir), "/tmp/podmail-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	(void) snprintf(tls, sizeof(tls), "%s/tls", w->dir);
	assert_int_equal(mkdir(tls, 0700), 0);
	assert_int_equal(tls_make_self_signed(tls, names, 1, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		make_certificate(w, clients[i]);
	w->a = arena_create(64u << 20);
	w->base = event_base_new();
	make_pod(w);
	start(w);
	w->mta = client_as(w, "mta", "podmail-mta");
	w->gateway = client_as(w, "gateway", "podmail-imap");
	w->admin = client_as(w, "admin", "podmail-podd");
	assert_int_equal(user_add(w, "alice", ADDRESS, 0).code, 0);
	open_alice(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	const char *argv[] = { "/bin/rm", "-rf", w->dir, NULL };

	(void) store_client_free(w->mta);
	(void) store_client_free(w->gateway);
	(void) store_client_free(w->admin);
	if (w->pid)
		stop(w, SIGTERM);
	assert_int_equal(run_program(argv), 0);
	event_base_free(w->base);
	(void) arena_free(w->a);
	free(w);
	return 0;
}

/* ---- mail ---- */


static struct answer deliver(struct world *w, const struct guid *id, const char *const *users, size_t n,
                             const char *header, struct span body, int fd)
{
	Podstore__Deliver m = PODSTORE__DELIVER__INIT;
	Podstore__Summary summary = PODSTORE__SUMMARY__INIT;
	Podstore__DeliverRecipient items[8], *list[8];

	for (size_t i = 0; i < n; i++) {
		podstore__deliver_recipient__init(&items[i]);
		items[i].user_id = str(users[i]);
		items[i].header = bytes_of(span_of(header));
		list[i] = &items[i];
	}
	summary.envelope = bytes_of(SPAN_LIT("ENVELOPE"));
	summary.bodystructure = bytes_of(SPAN_LIT("BODYSTRUCTURE"));
	m.delivery_id = bytes_of(span_make(id->b, ID_SIZE));
	m.trace = str("0123456789abcdef");
	m.sender = str("x@example.org");
	m.recipients = list;
	m.n_recipients = n;
	m.summary = &summary;
	m.size = fd < 0 ? body.len : (uint64_t) lseek(fd, 0, SEEK_END);
	return ask_with(w, w->mta, STORE_DELIVER, &m.base, body, fd);
}

static const Podstore__DeliverResult *result(const struct answer *a, size_t i)
{
	assert_int_equal(a->code, 0);
	return ((const Podstore__DeliverReply *) a->message)->results[i];
}

static uint32_t deliver_one(struct world *w, const char *user)
{
	struct guid id = guid_new();
	struct answer a = deliver(w, &id, &user, 1, "Return-Path: <x@example.org>\r\n", SPAN_LIT(MESSAGE), -1);

	assert_int_equal(result(&a, 0)->code, 0);
	return result(&a, 0)->uid;
}

static const Podstore__MailboxOpenReply *open_mailbox(struct world *w, const char *name, bool read_only)
{
	Podstore__MailboxOpen m = PODSTORE__MAILBOX_OPEN__INIT;
	struct answer a;

	m.session = w->session;
	m.name = str(name);
	m.read_only = read_only;
	a = ask(w, w->gateway, STORE_MAILBOX_OPEN, &m.base);
	assert_int_equal(a.code, 0);
	return (const Podstore__MailboxOpenReply *) a.message;
}

static const Podstore__Rows *fetch(struct world *w, uint32_t mailbox, uint32_t first, uint32_t last, uint32_t columns)
{
	Podstore__Fetch m = PODSTORE__FETCH__INIT;
	Podstore__UidRange range = PODSTORE__UID_RANGE__INIT, *ranges = &range;
	struct answer a;

	range.first = first;
	range.last = last;
	m.session = w->session;
	m.mailbox = mailbox;
	m.uids = &ranges;
	m.n_uids = 1;
	m.columns = columns;
	a = ask(w, w->gateway, STORE_FETCH, &m.base);
	assert_int_equal(a.code, 0);
	return (const Podstore__Rows *) a.message;
}

static struct answer body(struct world *w, uint32_t mailbox, uint32_t uid)
{
	Podstore__BodyOpen m = PODSTORE__BODY_OPEN__INIT;

	m.session = w->session;
	m.mailbox = mailbox;
	m.uid = uid;
	return ask(w, w->gateway, STORE_BODY_OPEN, &m.base);
}

static struct answer store_flags(struct world *w, uint32_t mailbox, uint32_t uid, uint32_t flags, const char *keyword)
{
	Podstore__StoreFlags m = PODSTORE__STORE_FLAGS__INIT;
	Podstore__UidRange range = PODSTORE__UID_RANGE__INIT, *ranges = &range;
	char *keywords = str(keyword);

	range.first = range.last = uid;
	m.session = w->session;
	m.mailbox = mailbox;
	m.uids = &ranges;
	m.n_uids = 1;
	m.mode = PODSTORE__FLAG_MODE__FLAGS_ADD;
	m.flags = flags;
	m.keywords = &keywords;
	m.n_keywords = keyword ? 1 : 0;
	return ask(w, w->gateway, STORE_STORE_FLAGS, &m.base);
}

/* ---- tests ---- */

static void a_delivered_message_is_listed_fetched_and_read(void **state)
{
	struct world *w = *state;
	uint32_t uid = deliver_one(w, "alice");
	const Podstore__MailboxOpenReply *box = open_mailbox(w, "INBOX", false);
	const Podstore__Rows *rows;
	struct answer a;

	assert_int_equal(box->mailbox->messages, 1);
	assert_int_equal(box->first_recent_uid, uid);
	assert_int_equal(box->first_unseen_uid, uid);
	assert_int_equal(box->n_uids, 1);
	rows = fetch(w, box->mailbox->id, 1, UINT32_MAX,
	             STORE_COL_FLAGS | STORE_COL_SIZE | STORE_COL_ENVELOPE | STORE_COL_BODYSTRUCTURE | STORE_COL_GUID);
	assert_int_equal(rows->n_uids, 1);
	assert_int_equal(rows->uids[0], uid);
	assert_int_equal(rows->flags[0], 0);
	assert_int_equal(rows->sizes[0], strlen("Return-Path: <x@example.org>\r\n" MESSAGE));
	assert_int_equal(rows->envelopes[0].len, 8);
	assert_memory_equal(rows->bodystructures[0].data, "BODYSTRUCTURE", 13);
	assert_int_equal(rows->guids[0].len, ID_SIZE);
	a = body(w, box->mailbox->id, uid);
	assert_int_equal(a.code, 0);
	assert_true(span_eq(a.blob, SPAN_LIT("Return-Path: <x@example.org>\r\n" MESSAGE)));
	assert_int_equal(body(w, box->mailbox->id, uid + 1).code, -POD_E_NOTFOUND);
	/* Its \Recent was claimed. */
	assert_int_equal(open_mailbox(w, "INBOX", true)->first_recent_uid, 0);
}

static void from_another_host_mail_comes_and_goes_over_tls(void **state)
{
	struct world *w = *state;
	uint32_t uid = deliver_one(w, "alice");
	const Podstore__MailboxOpenReply *box = open_mailbox(w, "INBOX", true);
	struct answer a = body(w, box->mailbox->id, uid);

	assert_int_equal(box->mailbox->messages, 1);
	assert_int_equal(a.code, 0);
	assert_int_equal(a.fd, -1); /* no descriptor goes that far */
	assert_true(span_eq(a.blob, SPAN_LIT("Return-Path: <x@example.org>\r\n" MESSAGE)));
}

static void a_certificate_grants_the_role_of_its_name_and_no_other(void **state)
{
	static const struct {
		const char *role, *cert;
	} wrong[] = { { "mta", "stranger" }, { "gateway", "podmail-mta" }, { "admin", "podmail-imap" }, { "mta", "server" } };
	struct world *w = *state;
	Podstore__Check m = PODSTORE__CHECK__INIT;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct store_client *c = client_as(w, wrong[i].role, wrong[i].cert);
		struct answer a = { .w = w, .fd = -1 };

		assert_non_null(store_call(c, STORE_CHECK, &m.base, SPAN_NONE, -1, REFUSED_MS, on_answer, &a));
		finish(&a);
		assert_true(a.code < 0);
		assert_false(store_client_is_connected(c));
		(void) store_client_free(c);
	}
	assert_int_equal(deliver_one(w, "alice"), 1);
}

static void a_large_body_travels_as_a_descriptor_both_ways(void **state)
{
	struct world *w = *state;
	const char *user = "alice";
	struct guid id = guid_new();
	int fd = memfd_create("body", MFD_CLOEXEC);
	struct answer a;
	struct stat st;

	assert_int_equal(write(fd, "Subject: big\r\n\r\n", 16), 16);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	a = deliver(w, &id, &user, 1, "", SPAN_NONE, fd);
	(void) close(fd);
	assert_int_equal(result(&a, 0)->code, 0);
	a = body(w, open_mailbox(w, "INBOX", true)->mailbox->id, result(&a, 0)->uid);
	assert_int_equal(a.code, 0);
	assert_true(a.fd >= 0);
	assert_int_equal(fstat(a.fd, &st), 0);
	assert_int_equal(st.st_size, 1 << 20);
	(void) close(a.fd);
}

static void recipients_are_answered_for_themselves_and_repeats_are_recognised(void **state)
{
	static const char *const users[] = { "alice", "nobody", "bob", "carol" };
	struct world *w = *state;
	struct guid id = guid_new();
	struct answer a;
	uint32_t uid;

	assert_int_equal(user_add(w, "bob", "bob@example.test", 0).code, 0);
	assert_int_equal(user_add(w, "carol", "carol@example.test", 10).code, 0); /* bytes */
	a = deliver(w, &id, users, 4, "", SPAN_LIT(MESSAGE), -1);
	assert_int_equal(result(&a, 0)->code, 0);
	assert_int_equal(result(&a, 1)->code, POD_E_NOTFOUND);
	assert_int_equal(result(&a, 2)->code, 0);
	assert_int_equal(result(&a, 3)->code, POD_E_QUOTA);
	uid = result(&a, 0)->uid;
	a = deliver(w, &id, users, 1, "", SPAN_LIT(MESSAGE), -1);
	assert_int_equal(result(&a, 0)->code, 0);
	assert_true(result(&a, 0)->repeated);
	assert_int_equal(result(&a, 0)->uid, uid);
	assert_int_equal(open_mailbox(w, "INBOX", true)->mailbox->messages, 1);
}

static void check_says_who_is_there_and_has_room(void **state)
{
	struct world *w = *state;
	Podstore__Check m = PODSTORE__CHECK__INIT;
	char *users[] = { str("alice"), str("nobody"), str("carol") };
	const Podstore__CheckReply *reply;
	struct answer a;

	assert_int_equal(user_add(w, "carol", "carol@example.test", 10).code, 0);
	m.user_ids = users;
	m.n_user_ids = 3;
	m.size = 1000;
	a = ask(w, w->mta, STORE_CHECK, &m.base);
	assert_int_equal(a.code, 0);
	reply = (const Podstore__CheckReply *) a.message;
	assert_int_equal(reply->n_codes, 3);
	assert_int_equal(reply->codes[0], 0);
	assert_int_equal(reply->codes[1], POD_E_NOTFOUND);
	assert_int_equal(reply->codes[2], POD_E_QUOTA);
}

static void the_cap_on_users_is_kept_and_leaves_nothing_half_made(void **state)
{
	struct world *w = *state;
	Podstore__Empty empty = PODSTORE__EMPTY__INIT;
	Podstore__UserRemove remove = PODSTORE__USER_REMOVE__INIT;
	struct answer a;
	char path[160];

	assert_int_equal(user_add(w, "alice", ADDRESS, 0).code, -POD_E_EXISTS);
	assert_int_equal(user_add(w, "bob", "bob@example.test", 0).code, 0);
	assert_int_equal(user_add(w, "carol", "carol@example.test", 0).code, 0);
	assert_int_equal(user_add(w, "dave", "dave@example.test", 0).code, -POD_E_FULL);
	a = ask(w, w->admin, STORE_USER_LIST, &empty.base);
	assert_int_equal(((const Podstore__UserListReply *) a.message)->n_users, 3);
	(void) snprintf(path, sizeof(path), "find %s/volumes -name 'dave*' | grep -q .", w->dir);
	assert_int_not_equal(system(path), 0);
	remove.user_id = str("bob");
	assert_int_equal(ask(w, w->admin, STORE_USER_REMOVE, &remove.base).code, 0);
	assert_int_equal(user_add(w, "dave", "dave@example.test", 0).code, 0);
	a = ask(w, w->admin, STORE_VOLUME_STATUS, &empty.base);
	assert_int_equal(a.code, 0);
	assert_int_equal(((const Podstore__VolumeStatus *) a.message)->users, 3);
	assert_string_equal(((const Podstore__VolumeStatus *) a.message)->state, "active");
}

static void flags_and_keywords_are_stored_and_expunge_takes_the_deleted(void **state)
{
	struct world *w = *state;
	uint32_t first = deliver_one(w, "alice"), second = deliver_one(w, "alice");
	const Podstore__MailboxOpenReply *box = open_mailbox(w, "INBOX", false);
	Podstore__Expunge expunge = PODSTORE__EXPUNGE__INIT;
	const Podstore__StoreFlagsReply *stored;
	struct answer a;

	a = store_flags(w, box->mailbox->id, first, STORE_FLAG_SEEN | STORE_FLAG_DELETED, "$Junk");
	assert_int_equal(a.code, 0);
	stored = (const Podstore__StoreFlagsReply *) a.message;
	assert_int_equal(stored->rows->n_uids, 1);
	assert_int_equal(stored->rows->flags[0], STORE_FLAG_SEEN | STORE_FLAG_DELETED | 1u << STORE_KEYWORD_SHIFT);
	assert_int_equal(stored->n_keywords, 1);
	assert_string_equal(stored->keywords[0], "$Junk");
	assert_true(stored->highestmodseq > box->mailbox->highestmodseq);
	expunge.session = w->session;
	expunge.mailbox = box->mailbox->id;
	a = ask(w, w->gateway, STORE_EXPUNGE, &expunge.base);
	assert_int_equal(a.code, 0);
	assert_int_equal(((const Podstore__ExpungeReply *) a.message)->n_expunged, 1);
	assert_int_equal(((const Podstore__ExpungeReply *) a.message)->expunged[0]->first, first);
	assert_int_equal(fetch(w, box->mailbox->id, 1, UINT32_MAX, STORE_COL_FLAGS)->n_uids, 1);
	assert_int_equal(fetch(w, box->mailbox->id, 1, UINT32_MAX, STORE_COL_FLAGS)->uids[0], second);
}

static void changes_since_a_modseq_are_told(void **state)
{
	struct world *w = *state;
	uint32_t first = deliver_one(w, "alice");
	const Podstore__MailboxOpenReply *box = open_mailbox(w, "INBOX", false);
	Podstore__Changes m = PODSTORE__CHANGES__INIT;
	const Podstore__ChangesReply *reply;
	struct answer a;

	m.session = w->session;
	m.mailbox = box->mailbox->id;
	m.since = box->mailbox->highestmodseq;
	m.columns = STORE_COL_FLAGS | STORE_COL_MODSEQ;
	(void) deliver_one(w, "alice");
	assert_int_equal(store_flags(w, m.mailbox, first, STORE_FLAG_FLAGGED, NULL).code, 0);
	a = ask(w, w->gateway, STORE_CHANGES, &m.base);
	assert_int_equal(a.code, 0);
	reply = (const Podstore__ChangesReply *) a.message;
	assert_int_equal(reply->messages, 2);
	assert_int_equal(a.more_n, 1);
	assert_int_equal(((const Podstore__Rows *) a.more[0])->n_uids, 2);
	assert_false(reply->mailbox_gone);
	m.mailbox = 9999;
	a = ask(w, w->gateway, STORE_CHANGES, &m.base);
	assert_int_equal(a.code, 0);
	assert_true(((const Podstore__ChangesReply *) a.message)->mailbox_gone);
}

static void mailboxes_are_made_renamed_and_deleted_and_mail_is_copied_and_moved(void **state)
{
	struct world *w = *state;
	uint32_t uid = deliver_one(w, "alice");
	Podstore__MailboxCreate create = PODSTORE__MAILBOX_CREATE__INIT;
	Podstore__MailboxRename rename = PODSTORE__MAILBOX_RENAME__INIT;
	Podstore__MailboxDelete delete = PODSTORE__MAILBOX_DELETE__INIT;
	Podstore__MailboxList list = PODSTORE__MAILBOX_LIST__INIT;
	Podstore__Copy copy = PODSTORE__COPY__INIT;
	Podstore__UidRange range = PODSTORE__UID_RANGE__INIT, *ranges = &range;
	struct answer a;
	size_t before;

	list.session = create.session = rename.session = delete.session = copy.session = w->session;
	a = ask(w, w->gateway, STORE_MAILBOX_LIST, &list.base);
	assert_int_equal(a.code, 0);
	before = ((const Podstore__MailboxListReply *) a.message)->n_mailboxes;
	assert_string_equal(((const Podstore__MailboxListReply *) a.message)->mailboxes[0]->name, "INBOX");
	create.name = str("Work/Caf\xc3\xa9");
	assert_int_equal(ask(w, w->gateway, STORE_MAILBOX_CREATE, &create.base).code, 0);
	assert_int_equal(ask(w, w->gateway, STORE_MAILBOX_CREATE, &create.base).code, -POD_E_EXISTS);
	rename.name = create.name;
	rename.new_name = str("Old/Caf\xc3\xa9");
	assert_int_equal(ask(w, w->gateway, STORE_MAILBOX_RENAME, &rename.base).code, 0);
	a = ask(w, w->gateway, STORE_MAILBOX_LIST, &list.base);
	assert_true(((const Podstore__MailboxListReply *) a.message)->n_mailboxes > before);
	copy.mailbox = open_mailbox(w, "INBOX", true)->mailbox->id;
	range.first = range.last = uid;
	copy.uids = &ranges;
	copy.n_uids = 1;
	copy.target = str("Nowhere");
	assert_int_equal(ask(w, w->gateway, STORE_COPY, &copy.base).code, -POD_E_NOTFOUND);
	copy.target = rename.new_name;
	a = ask(w, w->gateway, STORE_COPY, &copy.base);
	assert_int_equal(a.code, 0);
	assert_int_equal(((const Podstore__CopyReply *) a.message)->n_target, 1);
	copy.move = true;
	assert_int_equal(ask(w, w->gateway, STORE_COPY, &copy.base).code, 0);
	assert_int_equal(open_mailbox(w, "INBOX", true)->mailbox->messages, 0);
	assert_int_equal(open_mailbox(w, "Old/Caf\xc3\xa9", true)->mailbox->messages, 2);
	delete.name = rename.new_name;
	assert_int_equal(ask(w, w->gateway, STORE_MAILBOX_DELETE, &delete.base).code, 0);
	assert_int_equal(ask(w, w->gateway, STORE_MAILBOX_DELETE, &delete.base).code, -POD_E_NOTFOUND);
}

static void an_append_that_is_repeated_is_answered_as_the_first(void **state)
{
	struct world *w = *state;
	Podstore__Append m = PODSTORE__APPEND__INIT;
	struct guid id = guid_new();
	struct answer a;
	uint32_t uid;

	m.session = w->session;
	m.append_id = bytes_of(span_make(id.b, ID_SIZE));
	m.mailbox = str("INBOX");
	m.flags = STORE_FLAG_SEEN | STORE_FLAG_DRAFT;
	m.internal_date = 1000000000;
	m.size = strlen(MESSAGE);
	a = ask_with(w, w->gateway, STORE_APPEND, &m.base, SPAN_LIT(MESSAGE), -1);
	assert_int_equal(a.code, 0);
	uid = ((const Podstore__AppendReply *) a.message)->uid;
	a = ask_with(w, w->gateway, STORE_APPEND, &m.base, SPAN_LIT(MESSAGE), -1);
	assert_int_equal(a.code, 0);
	assert_int_equal(((const Podstore__AppendReply *) a.message)->uid, uid);
	assert_int_equal(fetch(w, open_mailbox(w, "INBOX", true)->mailbox->id, 1, UINT32_MAX, STORE_COL_FLAGS)->flags[0],
	                 STORE_FLAG_SEEN | STORE_FLAG_DRAFT);
	m.size++;
	assert_int_equal(ask_with(w, w->gateway, STORE_APPEND, &m.base, SPAN_LIT(MESSAGE), -1).code, -POD_E_PROTOCOL);
}

static void a_watcher_hears_of_a_delivery_and_not_of_others_mail(void **state)
{
	struct world *w = *state;
	Podstore__Watch m = PODSTORE__WATCH__INIT;
	struct answer watch = { .w = w, .fd = -1 };
	const Podstore__WatchEvent *e;
	struct store_call *call;
	uint64_t start, us;

	assert_int_equal(user_add(w, "bob", "bob@example.test", 0).code, 0);
	m.session = w->session;
	call = begin(&watch, w->gateway, STORE_WATCH, &m.base, SPAN_NONE, -1);
	(void) open_mailbox(w, "INBOX", true); /* answered after the watch stands */
	(void) deliver_one(w, "bob");
	assert_int_equal(watch.more_n, 0);
	start = clock_mono_us();
	(void) deliver_one(w, "alice");
	while (watch.more_n == 0)
		(void) event_base_dispatch(w->base);
	us = clock_mono_us() - start;
	print_message("an event came %llu us after the delivery began\n", (unsigned long long) us);
	e = (const Podstore__WatchEvent *) watch.more[0];
	assert_int_equal(e->mailbox, open_mailbox(w, "INBOX", true)->mailbox->id);
	assert_true(e->highestmodseq > 0);
	store_call_cancel(call);
	(void) deliver_one(w, "alice");
}

static void logins_need_the_password_and_the_token_dies_with_it(void **state)
{
	struct world *w = *state;
	Podstore__UserSet set = PODSTORE__USER_SET__INIT;
	struct answer a;

	a = login(w, "alice", ADDRESS, "wrong");
	assert_int_equal(a.code, -POD_E_AUTH);
	a = login(w, "nobody", "nobody@example.test", PASSWORD);
	assert_int_equal(a.code, -POD_E_AUTH);
	assert_int_equal(session_open(w, bytes_of(SPAN_LIT("forged"))).code, -POD_E_AUTH);
	assert_int_equal(session_open(w, w->token).code, 0);
	set.user_id = str("alice");
	set.set_password = true;
	set.password = str("another one");
	assert_int_equal(ask(w, w->admin, STORE_USER_SET, &set.base).code, 0);
	assert_int_equal(session_open(w, w->token).code, -POD_E_AUTH);
	assert_int_equal(login(w, "alice", ADDRESS, "another one").code, 0);
	assert_int_equal(login(w, "alice", ADDRESS, PASSWORD).code, -POD_E_AUTH);
}

static void a_login_exchange_of_two_steps_ends_in_a_token(void **state)
{
	struct world *w = *state;
	Podstore__AuthStart m = PODSTORE__AUTH_START__INIT;
	Podstore__AuthStep step = PODSTORE__AUTH_STEP__INIT;
	struct answer a = { .w = w, .fd = -1 };
	struct store_call *call;

	m.mechanism = str("LOGIN");
	m.user_id = str("alice");
	m.address = str(ADDRESS);
	m.service = str("smtp");
	call = begin(&a, w->mta, STORE_AUTH, &m.base, SPAN_NONE, -1);
	while (a.more_n < 1)
		(void) event_base_dispatch(w->base);
	step.response = bytes_of(SPAN_LIT(ADDRESS));
	assert_int_equal(store_call_more(call, &step.base), 0);
	while (a.more_n < 2)
		(void) event_base_dispatch(w->base);
	step.response = bytes_of(SPAN_LIT(PASSWORD));
	assert_int_equal(store_call_more(call, &step.base), 0);
	finish(&a);
	assert_int_equal(a.code, 0);
	assert_true(((const Podstore__AuthReply *) a.message)->session_token.len > 0);
}

static void a_session_is_of_its_connection_and_of_its_user(void **state)
{
	struct world *w = *state;
	Podstore__MailboxList m = PODSTORE__MAILBOX_LIST__INIT;
	Podstore__SessionClose close_it = PODSTORE__SESSION_CLOSE__INIT;
	struct store_client *other = client(w, "gateway");

	/* A session's request waits for no connection: it could not be of that one. */
	while (!store_client_is_connected(other) || !store_client_is_connected(w->mta))
		(void) event_base_loop(w->base, EVLOOP_ONCE);
	m.session = w->session;
	assert_int_equal(ask(w, w->gateway, STORE_MAILBOX_LIST, &m.base).code, 0);
	assert_int_equal(ask(w, other, STORE_MAILBOX_LIST, &m.base).code, -POD_E_AUTH);
	assert_int_equal(ask(w, w->mta, STORE_MAILBOX_LIST, &m.base).code, -POD_E_DENIED);
	m.session = w->session + 1;
	assert_int_equal(ask(w, w->gateway, STORE_MAILBOX_LIST, &m.base).code, -POD_E_AUTH);
	m.session = close_it.session = w->session;
	assert_int_equal(ask(w, w->gateway, STORE_SESSION_CLOSE, &close_it.base).code, 0);
	assert_int_equal(ask(w, w->gateway, STORE_MAILBOX_LIST, &m.base).code, -POD_E_AUTH);
	(void) store_client_free(other);
}

/* The client reconnects by itself; the token opens a session again, without a password. */
static void reopen(struct world *w)
{
	struct answer a = session_open(w, w->token);

	if (a.code == -POD_E_UNAVAILABLE) /* it had not heard yet that the store was gone */
		a = session_open(w, w->token);
	assert_int_equal(a.code, 0);
	w->session = ((const Podstore__SessionOpenReply *) a.message)->session;
}

static void what_was_answered_is_there_after_a_kill(void **state)
{
	struct world *w = *state;
	const Podstore__MailboxOpenReply *before, *after;
	uint32_t uid = 0;

	for (int i = 0; i < 3; i++) {
		for (int k = 0; k < 10; k++)
			uid = deliver_one(w, "alice");
		before = open_mailbox(w, "INBOX", true);
		assert_int_equal(store_flags(w, before->mailbox->id, uid, STORE_FLAG_ANSWERED, NULL).code, 0);
		stop(w, SIGKILL);
		start(w);
		reopen(w);
		after = open_mailbox(w, "INBOX", true);
		assert_int_equal(after->mailbox->messages, before->mailbox->messages);
		assert_int_equal(after->mailbox->uidvalidity, before->mailbox->uidvalidity);
		assert_int_equal(fetch(w, after->mailbox->id, uid, uid, STORE_COL_FLAGS)->flags[0], STORE_FLAG_ANSWERED);
		assert_int_equal(body(w, after->mailbox->id, uid).code, 0);
	}
	stop(w, SIGTERM);
	start(w);
	reopen(w);
	assert_int_equal(open_mailbox(w, "INBOX", true)->mailbox->messages, 30);
}

static void append_later(struct world *w, struct answer *a, struct span envelope)
{
	Podstore__Append append = PODSTORE__APPEND__INIT;
	Podstore__Summary summary = PODSTORE__SUMMARY__INIT;

	summary.envelope = bytes_of(envelope);
	append.session = w->session;
	append.mailbox = str("INBOX");
	append.size = strlen(MESSAGE);
	append.summary = &summary;
	*a = (struct answer){ .w = w, .fd = -1 };
	(void) begin(a, w->gateway, STORE_APPEND, &append.base, SPAN_LIT(MESSAGE), -1);
}

static void hundreds_of_rows_come_in_frames_and_the_uids_in_order(void **state)
{
	enum { N = 300 };
	struct world *w = *state;
	static struct answer answers[N];
	static uint8_t large[600];
	Podstore__Fetch m = PODSTORE__FETCH__INIT;
	Podstore__UidRange range = PODSTORE__UID_RANGE__INIT, *ranges = &range;
	const Podstore__MailboxOpenReply *box;
	struct answer a;
	uint32_t last = 0, seen = 0;

	memset(large, 'x', sizeof(large));
	for (size_t i = 0; i < N; i++) /* pipelined, so that they share commits */
		append_later(w, &answers[i], span_make(large, sizeof(large)));
	for (size_t i = 0; i < N; i++) {
		finish(&answers[i]);
		assert_int_equal(answers[i].code, 0);
	}
	box = open_mailbox(w, "INBOX", true);
	assert_int_equal(box->mailbox->messages, N);
	range.first = 1;
	range.last = UINT32_MAX;
	m.session = w->session;
	m.mailbox = box->mailbox->id;
	m.uids = &ranges;
	m.n_uids = 1;
	m.columns = STORE_COL_ENVELOPE;
	a = ask(w, w->gateway, STORE_FETCH, &m.base);
	assert_int_equal(a.code, 0);
	assert_true(a.more_n >= 2); /* 180 kB in frames of about 64 KiB */
	for (size_t i = 0; i <= a.more_n; i++) {
		const Podstore__Rows *rows = (const Podstore__Rows *) (i < a.more_n ? a.more[i] : a.message);

		assert_int_equal(rows->n_uids, rows->n_envelopes);
		for (size_t k = 0; k < rows->n_uids; k++, seen++) {
			assert_true(rows->uids[k] > last);
			last = rows->uids[k];
		}
	}
	assert_int_equal(seen, N);
}

/* More than a window of envelopes, asked for by more clients than the store has readers, none of whom reads on. */
static void clients_that_do_not_read_hold_up_nobody_else(void **state)
{
	enum { N = 150, SLOW = 4 };
	struct world *w = *state;
	static struct answer answers[N], slow[SLOW];
	static uint8_t large[16 << 10];
	Podstore__Fetch m = PODSTORE__FETCH__INIT;
	Podstore__UidRange range = PODSTORE__UID_RANGE__INIT, *ranges = &range;
	struct store_call *calls[SLOW];

	memset(large, 'x', sizeof(large));
	for (size_t i = 0; i < N; i++)
		append_later(w, &answers[i], span_make(large, sizeof(large)));
	for (size_t i = 0; i < N; i++) {
		finish(&answers[i]);
		assert_int_equal(answers[i].code, 0);
	}
	range.first = 1;
	range.last = UINT32_MAX;
	m.session = w->session;
	m.mailbox = open_mailbox(w, "INBOX", true)->mailbox->id;
	m.uids = &ranges;
	m.n_uids = 1;
	m.columns = STORE_COL_ENVELOPE;
	for (size_t i = 0; i < SLOW; i++) {
		slow[i] = (struct answer){ .w = w, .fd = -1 };
		calls[i] = begin(&slow[i], w->gateway, STORE_FETCH, &m.base, SPAN_NONE, -1);
		store_call_pause(calls[i]);
	}
	for (size_t i = 0; i < SLOW; i++)
		while (slow[i].more_n < FRAME_WINDOW / (80u << 10))
			(void) event_base_dispatch(w->base);
	for (int i = 0; i < 10; i++)
		assert_int_equal(open_mailbox(w, "INBOX", true)->mailbox->messages, N);
	store_call_cancel(calls[0]);
	for (size_t i = 1; i < SLOW; i++) {
		assert_false(slow[i].done);
		store_call_resume(calls[i]);
	}
	for (size_t i = 1; i < SLOW; i++) {
		size_t rows = 0;

		finish(&slow[i]);
		assert_int_equal(slow[i].code, 0);
		for (size_t k = 0; k < slow[i].more_n; k++)
			rows += ((const Podstore__Rows *) slow[i].more[k])->n_uids;
		assert_int_equal(rows + ((const Podstore__Rows *) slow[i].message)->n_uids, N);
	}
	assert_int_equal(open_mailbox(w, "INBOX", true)->mailbox->messages, N);
}

static void quota_is_told_and_a_full_mailbox_refuses_an_append(void **state)
{
	struct world *w = *state;
	Podstore__QuotaGet get = PODSTORE__QUOTA_GET__INIT;
	Podstore__UserSet set = PODSTORE__USER_SET__INIT;
	Podstore__Append append = PODSTORE__APPEND__INIT;
	struct answer a;

	(void) deliver_one(w, "alice");
	set.user_id = str("alice");
	set.set_quota = true;
	set.quota_bytes = 100;
	assert_int_equal(ask(w, w->admin, STORE_USER_SET, &set.base).code, 0);
	get.session = append.session = w->session;
	a = ask(w, w->gateway, STORE_QUOTA_GET, &get.base);
	assert_int_equal(((const Podstore__QuotaReply *) a.message)->limit_bytes, 100);
	assert_int_equal(((const Podstore__QuotaReply *) a.message)->messages, 1);
	append.mailbox = str("INBOX");
	append.size = 200;
	a = ask_with(w, w->gateway, STORE_APPEND, &append.base, span_make((uint8_t[200]){ 'x' }, 200), -1);
	assert_int_equal(a.code, -POD_E_QUOTA);
}

static void an_fsck_of_a_good_volume_finds_nothing(void **state)
{
	struct world *w = *state;
	Podstore__Fsck m = PODSTORE__FSCK__INIT;
	struct answer a;

	(void) deliver_one(w, "alice");
	a = ask(w, w->admin, STORE_FSCK, &m.base);
	assert_int_equal(a.code, 0);
	assert_true(((const Podstore__FsckReport *) a.message)->done);
	assert_int_equal(((const Podstore__FsckReport *) a.message)->messages, 1);
	assert_int_equal(((const Podstore__FsckReport *) a.message)->n_problems, 0);
}

static void the_command_line_makes_checks_and_rebuilds_a_volume(void **state)
{
	struct world *w = *state;
	char path[96];
	const char *create[] = { program(), "--create", path, "--name", "vol02", NULL };
	const char *fsck[] = { program(), "--fsck", "--config", w->conf, "--volume", "vol01", NULL };
	const char *rebuild[] = { program(), "--rebuild", "--config", w->conf, "--volume", "vol01", "--format", "json",
		                  NULL };
	const char *wrong[] = { program(), "--repair", NULL };
	uint32_t uid = deliver_one(w, "alice");

	(void) snprintf(path, sizeof(path), "%s/other", w->dir);
	assert_int_equal(run_program(create), 0);
	assert_int_equal(run_program(create), 1); /* is one already */
	assert_int_equal(run_program(wrong), 2);
	assert_int_equal(run_program(fsck), 1); /* served */
	stop(w, SIGTERM);
	assert_int_equal(run_program(fsck), 0);
	assert_int_equal(run_program(rebuild), 0);
	start(w);
	reopen(w);
	assert_int_equal(fetch(w, open_mailbox(w, "INBOX", true)->mailbox->id, 1, UINT32_MAX, 0)->uids[0], uid);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_delivered_message_is_listed_fetched_and_read),
		cmocka_unit_test_setup_teardown(from_another_host_mail_comes_and_goes_over_tls, setup_remote, teardown),
		cmocka_unit_test_setup_teardown(a_certificate_grants_the_role_of_its_name_and_no_other, setup_remote,
		                                teardown),
		T(a_large_body_travels_as_a_descriptor_both_ways),
		T(recipients_are_answered_for_themselves_and_repeats_are_recognised),
		T(check_says_who_is_there_and_has_room),
		T(the_cap_on_users_is_kept_and_leaves_nothing_half_made),
		T(flags_and_keywords_are_stored_and_expunge_takes_the_deleted),
		T(changes_since_a_modseq_are_told),
		T(mailboxes_are_made_renamed_and_deleted_and_mail_is_copied_and_moved),
		T(an_append_that_is_repeated_is_answered_as_the_first),
		T(a_watcher_hears_of_a_delivery_and_not_of_others_mail),
		T(logins_need_the_password_and_the_token_dies_with_it),
		T(a_login_exchange_of_two_steps_ends_in_a_token),
		T(a_session_is_of_its_connection_and_of_its_user),
		T(what_was_answered_is_there_after_a_kill),
		T(hundreds_of_rows_come_in_frames_and_the_uids_in_order),
		T(clients_that_do_not_read_hold_up_nobody_else),
		T(quota_is_told_and_a_full_mailbox_refuses_an_append),
		T(an_fsck_of_a_good_volume_finds_nothing),
		T(the_command_line_makes_checks_and_rebuilds_a_volume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

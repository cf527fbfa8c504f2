#include "store/maildir/parser.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mime/mime.h"
#include "proc/proc.h"

#define MESSAGE_MAX ((uint64_t) 512 << 20)
#define ANSWER_MAX ((uint64_t) 64 << 20)
#define TIMEOUT_MS 30000
#define COPY_BYTES 65536
#define PIECES 7

/* On the pipes: the message's length and bytes; then this and the pieces' bytes. */
struct answer {
	uint32_t ok;
	uint32_t len[PIECES];
};

struct parser {
	pid_t child; /* 0: none */
	int to, from;
};

struct parser *parser_create(void)
{
	struct parser *p = calloc(1, sizeof(*p));

	if (p)
		p->to = p->from = -1;
	return p;
}

static void end_child(struct parser *p)
{
	if (p->child > 0) {
		(void) kill(p->child, SIGKILL);
		while (waitpid(p->child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (p->to >= 0)
		(void) close(p->to);
	if (p->from >= 0)
		(void) close(p->from);
	*p = (struct parser){ .to = -1, .from = -1 };
}

struct parser *parser_free(struct parser *p)
{
	if (p)
		end_child(p);
	free(p);
	return NULL;
}

/* ---- the child ---- */

static bool child_read(int fd, void *to, size_t len)
{
	uint8_t *at = to;

	while (len) {
		ssize_t n = read(fd, at, len);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t) n;
	}
	return true;
}

static bool child_write(int fd, const void *from, size_t len)
{
	const uint8_t *at = from;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t) n;
	}
	return true;
}

static bool child_answer(int fd, const struct mime_summary *s, bool ok)
{
	const struct span pieces[PIECES] = { s->envelope, s->bodystructure, s->parts, s->headers,
		                             s->message_id, s->subject, s->from };
	struct answer a = { .ok = ok };
	uint64_t total = 0;

	for (size_t i = 0; i < PIECES; i++)
		total += pieces[i].len;
	if (total > ANSWER_MAX)
		a.ok = 0;
	for (size_t i = 0; a.ok && i < PIECES; i++)
		a.len[i] = (uint32_t) pieces[i].len;
	if (!child_write(fd, &a, sizeof(a)))
		return false;
	for (size_t i = 0; a.ok && i < PIECES; i++)
		if (!child_write(fd, pieces[i].p, pieces[i].len))
			return false;
	return true;
}

static bool child_serve(int in, int out)
{
	struct mime_summary s = { 0 };
	uint64_t size;
	uint8_t *message;
	struct arena *a;
	bool ok;

	if (!child_read(in, &size, sizeof(size)) || size > MESSAGE_MAX)
		return false;
	message = malloc(size + 1);
	a = arena_create(MESSAGE_MAX);
	if (!message || !a || !child_read(in, message, size)) {
		free(message);
		(void) arena_free(a);
		return false;
	}
	ok = mime_summarize_sandboxed(a, span_make(message, size), &s) == 0;
	ok = child_answer(out, &s, ok);
	free(message);
	(void) arena_free(a);
	return ok;
}

static _Noreturn void child_main(int in, int out, pid_t parent)
{
	/* 0 to 2 and all of the volume's descriptors go; what stays is the two pipes, as 3 and 4. */
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || dup2(in, 3) < 0 || dup2(out, 4) < 0)
		_exit(1);
	(void) close_range(5, ~0U, 0);
	(void) close_range(0, 2, 0);
	if (sandbox_parser(NULL) < 0)
		_exit(1);
	while (child_serve(3, 4))
		;
	_exit(0);
}

/* ---- the parent ---- */

static int start_child(struct parser *p, struct err *err)
{
	int to[2], from[2];
	pid_t self = getpid();

	if (pipe2(to, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe to the parser");
	if (pipe2(from, O_CLOEXEC) < 0) {
		int e = errno;

		(void) close(to[0]);
		(void) close(to[1]);
		return err_errno(err, e, "pipe from the parser");
	}
	p->child = fork();
	if (p->child == 0) {
		/* Above 4, so that neither dup2 closes the other's source. */
		int in = fcntl(to[0], F_DUPFD, 10), out = fcntl(from[1], F_DUPFD, 10);

		child_main(in, out, self);
	}
	(void) close(to[0]);
	(void) close(from[1]);
	p->to = to[1];
	p->from = from[0];
	if (p->child > 0)
		return fcntl(p->to, F_SETFL, O_NONBLOCK) < 0 ? err_errno(err, errno, "pipe to the parser") : 0;
	p->child = 0;
	return err_errno(err, errno, "fork the parser");
}

static int wait_for(int fd, short events, uint64_t deadline_ms, struct err *err)
{
	struct pollfd pfd = { fd, events, 0 };
	uint64_t now = clock_mono_ms();
	int n;

	do
		n = poll(&pfd, 1, now < deadline_ms ? (int) (deadline_ms - now) : 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, errno, "wait for the parser");
	return n == 0 ? err_set(err, POD_E_TIMEOUT, "the parser took more than %d s", TIMEOUT_MS / 1000) : 0;
}

/* SIGPIPE must not end the store when the child is gone: it is blocked around the write and taken back. */
static ssize_t write_quietly(int fd, const void *bytes, size_t len)
{
	sigset_t pipe_set, before;
	const struct timespec none = { 0 };
	ssize_t n;
	int e;

	(void) sigemptyset(&pipe_set);
	(void) sigaddset(&pipe_set, SIGPIPE);
	(void) pthread_sigmask(SIG_BLOCK, &pipe_set, &before);
	n = write(fd, bytes, len);
	e = errno;
	if (n < 0 && e == EPIPE && !sigismember(&before, SIGPIPE))
		(void) sigtimedwait(&pipe_set, NULL, &none);
	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = e;
	return n;
}

static int send_bytes(struct parser *p, struct span bytes, uint64_t deadline_ms, struct err *err)
{
	while (bytes.len) {
		ssize_t n = write_quietly(p->to, bytes.p, bytes.len);
		int r;

		if (n > 0) {
			bytes = span_skip(bytes, (size_t) n);
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_set(err, POD_E_CORRUPT, "the parser ended over a message");
		r = wait_for(p->to, POLLOUT, deadline_ms, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int send_message(struct parser *p, int fd, uint64_t size, uint64_t deadline_ms, struct err *err)
{
	_cleanup_(freep) uint8_t *buf = malloc(COPY_BYTES);
	int r = buf ? send_bytes(p, span_make(&size, sizeof(size)), deadline_ms, err) : err_set(err, POD_E_NOMEM, "parser");

	for (uint64_t off = 0; r == 0 && off < size;) {
		size_t want = size - off < COPY_BYTES ? (size_t) (size - off) : COPY_BYTES;
		ssize_t n = pread(fd, buf, want, (off_t) off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_errno(err, errno, "read a message") : err_set(err, POD_E_CORRUPT, "a message became shorter");
		r = send_bytes(p, span_make(buf, (size_t) n), deadline_ms, err);
		off += (uint64_t) n;
	}
	return r;
}

static int receive(struct parser *p, void *to, size_t len, uint64_t deadline_ms, struct err *err)
{
	uint8_t *at = to;

	while (len) {
		int r = wait_for(p->from, POLLIN, deadline_ms, err);
		ssize_t n = r < 0 ? -1 : read(p->from, at, len);

		if (r < 0)
			return r;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(err, POD_E_CORRUPT, "the parser ended over a message");
		at += n;
		len -= (size_t) n;
	}
	return 0;
}

static int receive_answer(struct parser *p, struct arena *a, struct parsed *ret, uint64_t deadline_ms, struct err *err)
{
	struct span *const pieces[PIECES] = { &ret->envelope, &ret->bodystructure, &ret->parts, &ret->headers,
		                              &ret->message_id, &ret->subject, &ret->from };
	struct answer answer;
	uint64_t total = 0;
	int r = receive(p, &answer, sizeof(answer), deadline_ms, err);

	for (size_t i = 0; r == 0 && i < PIECES; i++)
		total += answer.len[i];
	if (r == 0 && (!answer.ok || total > ANSWER_MAX))
		return err_set(err, POD_E_CORRUPT, "the parser could not take a message apart");
	for (size_t i = 0; r == 0 && i < PIECES; i++) {
		uint8_t *bytes = arena_alloc(a, answer.len[i]);

		r = bytes ? receive(p, bytes, answer.len[i], deadline_ms, err) : err_set(err, POD_E_NOMEM, "a message's summary");
		*pieces[i] = span_make(bytes, answer.len[i]);
	}
	return r;
}

int parser_run(struct parser *p, int fd, struct arena *a, struct parsed *ret, struct err *err)
{
	uint64_t deadline_ms = clock_mono_ms() + TIMEOUT_MS;
	struct parsed parsed = { 0 };
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "stat a message");
	if ((uint64_t) st.st_size > MESSAGE_MAX)
		return err_set(err, POD_E_LIMIT, "a message of %lld bytes is not parsed", (long long) st.st_size);
	r = p->child ? 0 : start_child(p, err);
	if (r == 0)
		r = send_message(p, fd, (uint64_t) st.st_size, deadline_ms, err);
	if (r == 0)
		r = receive_answer(p, a, &parsed, deadline_ms, err);
	if (r < 0) {
		end_child(p);
		return r;
	}
	*ret = parsed;
	return 0;
}

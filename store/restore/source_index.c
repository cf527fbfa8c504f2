#include "store/restore/source_index.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proc/proc.h"
#include "store/index/schema.h"
#include "store/maildir/layout.h"

#define TIMEOUT_MS 60000 /* without a row */
#define OUT_FD     3
#define AT_ONCE    2048 /* rows in one write */

/* The last row says that none is missing: uid is how many there were, mailbox this. */
#define END_MARK UINT32_MAX

/* ---- the child ---- */

struct sending {
	struct kv *kv;
	struct tables t;
	struct source_row rows[AT_ONCE];
	size_t n;
	uint32_t sent;
};

static bool flush(struct sending *s)
{
	const uint8_t *at = (const uint8_t *) s->rows;
	size_t left = s->n * sizeof(s->rows[0]);

	while (left) {
		ssize_t n = write(OUT_FD, at, left);

		if (n <= 0)
			return false;
		at += n;
		left -= (size_t) n;
	}
	s->n = 0;
	return true;
}

static bool send_row(struct sending *s, const struct source_row *row)
{
	s->rows[s->n++] = *row;
	s->sent++;
	return s->n < AT_ONCE || flush(s);
}

static bool send_mailbox(struct sending *s, struct kv_txn *txn, uint32_t id)
{
	struct source_row row = { .mailbox = id };
	KV_CURSOR c = { 0 };
	struct span key, value;
	struct record rec;
	struct key k;
	int r;

	if (!send_row(s, &row) || kv_cursor_open(txn, s->t.mail, &c, NULL) < 0)
		return false;
	key_mail_uid(&k, id, MAIL_RECORD, 1);
	for (r = kv_cursor_seek(&c, key_span(&k), &key, &value); r == 0 && mail_key_is(key, id, MAIL_RECORD);
	     r = kv_cursor_next(&c, &key, &value)) {
		if (message_record_decode(value, &rec, NULL) < 0)
			return false;
		row = (struct source_row){
			.mailbox = id, .uid = mail_key_uid(key), .flags = rec.flags, .guid = rec.guid
		};
		if (!send_row(s, &row))
			return false;
	}
	return r == 0 || r == -POD_E_NOTFOUND;
}

static bool send_user(struct sending *s, struct span user_id)
{
	KV_TXN txn = { 0 };
	KV_CURSOR c = { 0 };
	struct span key, value;
	struct user_info user;
	struct key k;
	int r = kv_txn_begin(s->kv, KV_READ, &txn, NULL);

	if (r == 0)
		r = user_get(&txn, &s->t, user_id, &user, NULL);
	if (r == 0)
		r = kv_cursor_open(&txn, s->t.names, &c, NULL);
	if (r < 0)
		return r == -POD_E_NOTFOUND;
	key_mailbox(&k, user.no);
	for (r = kv_cursor_seek(&c, key_span(&k), &key, &value); r == 0 && key_get_u32(key, 0) == user.no;
	     r = kv_cursor_next(&c, &key, &value)) {
		uint32_t id;

		if (value.len != sizeof(id))
			return false;
		memcpy(&id, value.p, sizeof(id));
		if (id == END_MARK || !send_mailbox(s, &txn, id))
			return false;
	}
	return r == 0 || r == -POD_E_NOTFOUND;
}

static bool send_all(struct span user_id)
{
	const struct kv_options o = { .tables_max = SCHEMA_TABLES, .flags = KV_READONLY | KV_NOLOCK };
	struct sending *s = calloc(1, sizeof(*s));
	struct source_row end = { .mailbox = END_MARK };

	/* What is read before the sandbox is there are the two pages that say where the rest is. */
	if (!s || kv_open(LAYOUT_INDEX, &o, &s->kv, NULL) < 0 || sandbox_parser(NULL) < 0)
		return false;
	if (schema_open(s->kv, false, &s->t, NULL) < 0 || !send_user(s, user_id))
		return false;
	end.uid = s->sent;
	return send_row(s, &end) && flush(s);
}

static _Noreturn void child_main(int dir, int out, pid_t parent, struct span user_id)
{
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || fchdir(dir) < 0 || dup2(out, OUT_FD) < 0)
		_exit(1);
	/* The volume's descriptors go; the map of the source's index is made from one opened after. */
	(void) close_range(OUT_FD + 1, ~0U, 0);
	(void) close_range(0, OUT_FD - 1, 0);
	_exit(send_all(user_id) ? 0 : 1);
}

/* ---- the parent ---- */

static int by_place(const void *a, const void *b)
{
	const struct source_row *x = a, *y = b;

	if (x->mailbox != y->mailbox)
		return x->mailbox < y->mailbox ? -1 : 1;
	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/* Bytes as they come; 0 at the end of them. */
static ssize_t read_some(int fd, void *to, size_t len, struct err *err)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	ssize_t n;
	int ready;

	do
		ready = poll(&pfd, 1, TIMEOUT_MS);
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return err_set(err, POD_E_TIMEOUT, "the source's index gave nothing for %d s",
		               TIMEOUT_MS / 1000);
	do
		n = read(fd, to, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_errno(err, errno, "read the source's index") : n;
}

static int read_rows(int fd, struct arena *a, struct source_index *ret, struct err *err)
{
	struct source_row *rows = NULL;
	size_t have = 0, cap = 0; /* bytes, rows */

	for (;;) {
		ssize_t n;

		if (have == cap * sizeof(*rows)) {
			rows = arena_grow(a, rows, cap, cap ? 2 * cap : AT_ONCE, sizeof(*rows));
			if (!rows)
				return err_set(err, POD_E_NOMEM, "the source's index");
			cap = cap ? 2 * cap : AT_ONCE;
		}
		n = read_some(fd, (uint8_t *) rows + have, cap * sizeof(*rows) - have, err);
		if (n < 0)
			return (int) n;
		if (n == 0)
			break;
		have += (size_t) n;
	}
	*ret = (struct source_index){ rows, have / sizeof(*rows) };
	if (have == 0 || have % sizeof(*rows) || rows[ret->n - 1].mailbox != END_MARK ||
	    rows[ret->n - 1].uid != ret->n - 1)
		return err_set(err, POD_E_CORRUPT, "the source's index could not be read to its end");
	ret->n--;
	return 0;
}

int source_index_read(int dir, struct span user_id, struct arena *a, struct source_index *ret,
                      struct err *err)
{
	struct source_index ix = { 0 };
	pid_t self = getpid(), child;
	int pipes[2], r;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe to the index's reader");
	child = fork();
	if (child == 0) {
		/* Above OUT_FD, so that dup2 closes no source. */
		int at = fcntl(dir, F_DUPFD, 10), out = fcntl(pipes[1], F_DUPFD, 10);

		child_main(at, out, self, user_id);
	}
	r = child < 0 ? err_errno(err, errno, "fork the index's reader") : 0;
	(void) close(pipes[1]);
	if (r == 0)
		r = read_rows(pipes[0], a, &ix, err);
	(void) close(pipes[0]);
	if (child > 0) {
		(void) kill(child, SIGKILL);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (r < 0)
		return r;
	if (ix.n)
		qsort(ix.rows, ix.n, sizeof(*ix.rows), by_place);
	*ret = ix;
	return 0;
}

const struct source_row *source_index_find(const struct source_index *ix, uint32_t mailbox, uint32_t uid)
{
	const struct source_row wanted = { .mailbox = mailbox, .uid = uid };

	return ix->n ? bsearch(&wanted, ix->rows, ix->n, sizeof(*ix->rows), by_place) : NULL;
}

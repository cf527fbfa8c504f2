#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/tls.h"
#include "tests/support/replica_pair.h"

#define MUST_WORK(call)                                                                            \
	do {                                                                                       \
		struct err must_err = { 0 };                                                       \
		int must_r = call;                                                                 \
		if (must_r < 0)                                                                    \
			fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, #call, err_text(&must_err)); \
	} while (0)

static char keys[] = "/tmp/podlinkXXXXXX";

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static const char *key_path(int number, const char *name)
{
	static _Thread_local char paths[4][120];
	static _Thread_local unsigned int next;
	char *p = paths[next++ % 4];

	(void) snprintf(p, sizeof(paths[0]), "%s/%d/%s", keys, number, name);
	return p;
}

int pair_keys_make(void **state)
{
	(void) signal(SIGPIPE, SIG_IGN);
	assert_non_null(mkdtemp(keys));
	for (int i = 1; i <= 3; i++) {
		char name[64];
		const char *names[1] = { name };

		(void) snprintf(name, sizeof(name), "%ssite%d", REPLICATION_IDENTITY_PREFIX, i);
		assert_int_equal(mkdir(key_path(i, ""), 0700), 0);
		if (i > 1) {
			assert_int_equal(link(key_path(1, "ca.pem"), key_path(i, "ca.pem")), 0);
			assert_int_equal(link(key_path(1, "ca.key"), key_path(i, "ca.key")), 0);
		}
		MUST_WORK(tls_make_self_signed(key_path(i, ""), names, 1, &must_err));
	}
	return 0;
}

int pair_keys_remove(void **state)
{
	return nftw(keys, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- a replica ---- */

static void on_progress(void *arg)
{
	struct replica *x = arg;

	(void) pthread_mutex_lock(&x->progress_lock);
	if (x->for_progress)
		replication_wake(x->for_progress);
	(void) pthread_mutex_unlock(&x->progress_lock);
}

static void set_progress(struct replica *x, struct replication *r)
{
	(void) pthread_mutex_lock(&x->progress_lock);
	x->for_progress = r;
	(void) pthread_mutex_unlock(&x->progress_lock);
}

static void on_event(void *arg, const struct replication_event *e)
{
	struct replica *x = arg;

	(void) pthread_mutex_lock(&x->lock);
	x->events[e->type]++;
	x->last[e->type] = *e;
	(void) pthread_mutex_unlock(&x->lock);
	if (!atomic_load(&x->answers))
		return;
	if (e->type == REPLICATION_STRIKE)
		(void) replication_struck(x->r, e->peer, e->serial, NULL);
	else if (e->type == REPLICATION_JOIN)
		(void) replication_joined(x->r, e->peer, e->serial, NULL);
}

static int on_step(void *arg, enum disk_step step)
{
	struct replica *x = arg;

	if (step == DISK_STEP_LOG_FLUSH)
		atomic_fetch_add(&x->log_flushes, 1);
	return 0;
}

void replica_start(struct pair *p, struct replica *x)
{
	struct disk_options d = {
		.folder = x->folder,
		.stage_path = x->stage,
		.stage_bytes = 8u << 20,
		.snapshot_reserve_bytes = 1u << 30,
		.on_progress = on_progress,
		.on_step = on_step,
		.arg = x,
	};
	struct replication_options o = {
		.site = x->site,
		.cert_file = key_path(x->number, "server.pem"),
		.key_file = key_path(x->number, "server.key"),
		.ca_file = key_path(x->number, "ca.pem"),
		.listen = "127.0.0.1:0",
		.on_event = on_event,
		.arg = x,
		.dead_ms = p->dead_ms,
		.lag_limit_bytes = p->lag_limit_bytes,
		.resync_bytes_per_s = p->resync_bytes_per_s,
		.flush_wait_max_ms = p->flush_wait_max_ms,
	};

	MUST_WORK(disk_open(&d, &x->disk, &must_err));
	o.disk = x->disk;
	MUST_WORK(replication_create(&o, &x->r, &must_err));
	set_progress(x, x->r);
	x->port = replication_port(x->r);
	if (x == &p->b)
		atomic_store(&p->relay.to_port, x->port);
}

void replica_stop(struct replica *x)
{
	struct replication *r = x->r;

	set_progress(x, NULL);
	if (r)
		x->r = replication_free(r);
	x->disk = disk_close(x->disk);
}

void replica_peer(struct pair *p, struct replica *x, enum peer_mode mode, uint32_t wait_ms, bool in_sync)
{
	struct replica *other = x == &p->a ? &p->b : &p->a;
	struct peer_config c = {
		.mode = mode, .wait_ms = wait_ms, .in_sync = in_sync, .compress = p->compress
	};

	(void) snprintf(c.name, sizeof(c.name), "%s", other->site);
	(void) snprintf(c.address, sizeof(c.address), "127.0.0.1:%u",
	                (unsigned int) (x == &p->a ? p->relay.port : other->port));
	MUST_WORK(replication_peer_set(x->r, &c, &must_err));
}

unsigned int replica_events(struct replica *x, enum replication_event_type type)
{
	unsigned int n;

	(void) pthread_mutex_lock(&x->lock);
	n = x->events[type];
	(void) pthread_mutex_unlock(&x->lock);
	return n;
}

struct replication_event replica_last(struct replica *x, enum replication_event_type type)
{
	struct replication_event e;

	(void) pthread_mutex_lock(&x->lock);
	e = x->last[type];
	(void) pthread_mutex_unlock(&x->lock);
	return e;
}

struct replication_peer_status replica_peer_status(struct replica *x)
{
	struct replication_status s;

	replication_status(x->r, &s);
	assert_int_equal(s.n_peers, 1);
	return s.peers[0];
}

/* ---- the relay ---- */

struct way {
	int from, to;
	bool forth;
};

static bool pass(struct relay *l, const struct way *w, unsigned int *seed)
{
	uint8_t bytes[16384];
	int mode = atomic_load(&l->mode);
	ssize_t n;

	if (mode == RELAY_HOLD) {
		(void) usleep(1000);
		return true;
	}
	n = recv(w->from, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0 || mode == RELAY_CUT)
		return false;
	if (w->forth) {
		unsigned long long left = atomic_load(&l->cut_after);

		atomic_fetch_add(&l->forth, (unsigned long long) n);
		if (atomic_load(&l->bytes_per_ms))
			(void) usleep(1000 * (unsigned int) n / atomic_load(&l->bytes_per_ms));
		if (left != UINT64_MAX && (unsigned long long) n >= left) {
			(void) send(w->to, bytes, (size_t) left, MSG_NOSIGNAL);
			atomic_store(&l->cut_after, UINT64_MAX);
			return false;
		}
		if (left != UINT64_MAX)
			atomic_store(&l->cut_after, left - (unsigned long long) n);
	}
	if (mode == RELAY_SPOIL && rand_r(seed) % 100 == 0) {
		bytes[(size_t) rand_r(seed) % (size_t) n] ^= 1u << rand_r(seed) % 8;
		atomic_fetch_add(&l->spoiled, 1);
	}
	for (ssize_t at = 0; at < n;) {
		ssize_t sent = send(w->to, bytes + at, (size_t) (n - at), MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
	}
	return true;
}

static int dial(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *) &to, sizeof(to)) == 0)
		return fd;
	(void) close(fd);
	return -1;
}

/* One connection at a time; a newer one ends the older. */
static void *relay_main(void *arg)
{
	struct relay *l = arg;
	unsigned int seed = 99;
	int in = -1, out = -1;

	for (;;) {
		struct pollfd fds[4] = { { .fd = l->stop_fd, .events = POLLIN },
			                 { .fd = l->fd, .events = POLLIN },
			                 { .fd = in, .events = POLLIN },
			                 { .fd = out, .events = POLLIN } };
		bool ends = false;

		(void) poll(fds, 4, 20);
		if (fds[0].revents)
			break;
		if (fds[1].revents) {
			int fd = accept(l->fd, NULL, NULL);

			if (in >= 0)
				(void) close(in);
			if (out >= 0)
				(void) close(out);
			in = fd;
			out = atomic_load(&l->mode) == RELAY_CUT ? -1
			                                         : dial((uint16_t) atomic_load(&l->to_port));
			ends = out < 0;
			atomic_fetch_add(&l->connections, 1);
		} else {
			if (fds[2].revents)
				ends = !pass(l, &(struct way){ in, out, true }, &seed);
			if (!ends && fds[3].revents)
				ends = !pass(l, &(struct way){ out, in, false }, &seed);
			if (in >= 0 && atomic_load(&l->mode) == RELAY_CUT)
				ends = true;
		}
		if (ends) {
			(void) close(in);
			if (out >= 0)
				(void) close(out);
			in = out = -1;
		}
	}
	if (in >= 0)
		(void) close(in);
	if (out >= 0)
		(void) close(out);
	return NULL;
}

static void relay_start(struct relay *l)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	atomic_store(&l->cut_after, UINT64_MAX);
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	l->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(bind(l->fd, (struct sockaddr *) &at, sizeof(at)), 0);
	assert_int_equal(listen(l->fd, 8), 0);
	assert_int_equal(getsockname(l->fd, (struct sockaddr *) &at, &len), 0);
	l->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&l->thread, NULL, relay_main, l), 0);
}

static void relay_stop(struct relay *l)
{
	uint64_t one = 1;

	assert_int_equal(write(l->stop_fd, &one, sizeof(one)), sizeof(one));
	(void) pthread_join(l->thread, NULL);
	(void) close(l->fd);
	(void) close(l->stop_fd);
}

/* ---- the pair ---- */

static void make(struct replica *x, int number)
{
	static int n;
	struct disk_format format = { .volume_id = { 7 },
		                      .size_bytes = PAIR_VOLUME,
		                      .log_bytes = LOG_BYTES_MIN };

	x->number = number;
	(void) pthread_mutex_init(&x->lock, NULL);
	(void) pthread_mutex_init(&x->progress_lock, NULL);
	atomic_store(&x->answers, true);
	(void) snprintf(x->site, sizeof(x->site), "site%d", number);
	(void) snprintf(x->folder, sizeof(x->folder), "/var/tmp/podmail-link-%d-XXXXXX", number);
	assert_non_null(mkdtemp(x->folder));
	(void) snprintf(x->stage, sizeof(x->stage), "/dev/shm/podmail-link-%d-%d", (int) getpid(), n++);
	MUST_WORK(disk_create(x->folder, &format, &must_err));
}

int pair_setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->seed = 88172645463325252u;
	p->dead_ms = 2000;
	make(&p->a, 1);
	make(&p->b, 2);
	relay_start(&p->relay);
	replica_start(p, &p->a);
	replica_start(p, &p->b);
	replica_peer(p, &p->b, PEER_ASYNC, 0, false);
	replica_peer(p, &p->a, PEER_ASYNC, 0, false);
	MUST_WORK(replication_promote(p->a.r, 1, false, &must_err));
	*state = p;
	return 0;
}

static void drop(struct replica *x)
{
	replica_stop(x);
	(void) nftw(x->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	(void) unlink(x->stage);
	(void) pthread_mutex_destroy(&x->lock);
	(void) pthread_mutex_destroy(&x->progress_lock);
}

int pair_teardown(void **state)
{
	struct pair *p = *state;

	drop(&p->a);
	drop(&p->b);
	relay_stop(&p->relay);
	free(p);
	return 0;
}

uint64_t pair_below(struct pair *p, uint64_t limit)
{
	p->seed ^= p->seed >> 12;
	p->seed ^= p->seed << 25;
	p->seed ^= p->seed >> 27;
	return (p->seed * UINT64_C(2685821657736338717) >> 11) % limit;
}

void pair_write_at(struct replica *x, uint64_t offset, uint8_t fill, size_t size)
{
	uint8_t *bytes = malloc(size);

	assert_non_null(bytes);
	memset(bytes, fill, size);
	MUST_WORK(replication_write_begin(x->r, &must_err));
	MUST_WORK(disk_write(x->disk, offset, bytes, size, &must_err));
	MUST_WORK(replication_write_end(x->r, &must_err));
	free(bytes);
}

void pair_flush(struct replica *x)
{
	MUST_WORK(replication_flush(x->r, &must_err));
}

void pair_write(struct pair *p, struct replica *x, int n)
{
	static uint8_t bytes[65536];

	for (int i = 0; i < n; i++) {
		size_t size = 4096 * (1 + (size_t) pair_below(p, 16));
		uint64_t offset = 4096 * pair_below(p, (PAIR_VOLUME - size) / 4096);

		for (size_t at = 0; at < size; at += 8) {
			uint64_t v = pair_below(p, UINT64_MAX);

			memcpy(bytes + at, &v, sizeof(v));
		}
		MUST_WORK(replication_write_begin(x->r, &must_err));
		if (pair_below(p, 10) == 0)
			MUST_WORK(disk_zero(x->disk, offset, size, pair_below(p, 2) ? DISK_TRIM : 0,
			                    &must_err));
		else
			MUST_WORK(disk_write(x->disk, offset, bytes, size, &must_err));
		MUST_WORK(replication_write_end(x->r, &must_err));
		if (pair_below(p, 4) == 0)
			pair_flush(x);
	}
	pair_flush(x);
}

bool pair_is_same(struct pair *p)
{
	static uint64_t a[PAIR_VOLUME / 4096], b[PAIR_VOLUME / 4096];

	for (uint64_t at = 0; at < PAIR_VOLUME; at += 1 << 20) {
		MUST_WORK(disk_hashes(p->a.disk, at, 1 << 20, a + at / 4096, &must_err));
		MUST_WORK(disk_hashes(p->b.disk, at, 1 << 20, b + at / 4096, &must_err));
	}
	return memcmp(a, b, sizeof(a)) == 0;
}

void pair_same(struct pair *p)
{
	assert_true(pair_is_same(p));
}

void replica_flip(struct replica *x, uint64_t offset)
{
	char path[120];
	uint8_t byte;
	int fd;

	(void) snprintf(path, sizeof(path), "%s/image", x->folder);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t) offset), 1);
	byte ^= 16;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t) offset), 1);
	assert_int_equal(fdatasync(fd), 0);
	(void) close(fd);
}

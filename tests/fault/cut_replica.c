#include "tests/fault/cut_replica.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/tls.h"
#include "replicator/link/link.h"

#define ORDER_LIMIT_MS 60000

static char keys[96];

/* In the child. */
struct child {
	struct cut_replica *me;
	struct cut_shared *shared;
	struct cut_side *side;
	struct disk *disk;
	struct replication *r;
	pthread_mutex_t progress_lock;
	struct replication *for_progress;
	uint64_t seed;
};

static void must(bool ok, const char *what)
{
	if (!ok) {
		(void) fprintf(stderr, "%s: %s\n", what, strerror(errno));
		abort();
	}
}

static void site_of(int number, char site[16])
{
	(void) snprintf(site, 16, "site%d", number + 1);
}

/* ---- what a replica is told ---- */

static int on_step(void *arg, enum disk_step step)
{
	struct child *c = arg;

	c->side->placed += step == DISK_STEP_PLACE;
	if (atomic_load(&c->side->steps_left) > 0 && step == c->side->last_step &&
	    atomic_fetch_sub(&c->side->steps_left, 1) == 1) {
		c->side->died_at_step = true;
		(void) raise(SIGKILL);
	}
	return 0;
}

static void on_progress(void *arg)
{
	struct child *c = arg;

	(void) pthread_mutex_lock(&c->progress_lock);
	if (c->for_progress)
		replication_wake(c->for_progress);
	(void) pthread_mutex_unlock(&c->progress_lock);
}

/* As podd: what counts is written first, then the answer. */
static void on_event(void *arg, const struct replication_event *e)
{
	struct child *c = arg;

	if (e->type == REPLICATION_STRIKE) {
		atomic_store(&c->shared->in_sync, false);
		(void) replication_struck(c->r, e->peer, e->serial, NULL);
	} else if (e->type == REPLICATION_JOIN) {
		atomic_store(&c->shared->in_sync, true);
		(void) replication_joined(c->r, e->peer, e->serial, NULL);
	}
}

/* ---- orders ---- */

static int open_disk(struct child *c, struct err *err)
{
	struct disk_options o = {
		.folder = c->me->folder,
		.stage_path = c->me->stage,
		.stage_bytes = 8u << 20,
		.snapshot_reserve_bytes = 64u << 20,
		.place_bytes = CUT_LONG,
		.on_progress = on_progress,
		.on_step = on_step,
		.arg = c,
	};

	return disk_open(&o, &c->disk, err);
}

static int dump_blocks(struct child *c, struct err *err)
{
	static _Alignas(4096) uint8_t bytes[1 << 20];
	const uint32_t step = sizeof(bytes) / CUT_BLOCK;
	int r = 0;

	for (uint32_t b = 0; r == 0 && b < CUT_BLOCKS; b += step) {
		r = disk_read(c->disk, (uint64_t) b * CUT_BLOCK, bytes, sizeof(bytes), err);
		for (uint32_t i = 0; r == 0 && i < step; i++)
			c->side->found[b + i] = cut_block_tag(bytes + i * CUT_BLOCK, b + i);
	}
	return r;
}

static int dump(struct child *c, struct err *err)
{
	struct snapshots *s = disk_snapshots(c->disk);
	struct disk_cursors cursors;
	struct superblock sb;
	int r = dump_blocks(c, err);

	disk_cursors(c->disk, &cursors);
	disk_superblock(c->disk, &sb);
	c->side->durable_lsn = cursors.durable;
	c->side->consistent = !sb.resync_under_way && sb.consistent_from_lsn <= cursors.durable;
	c->side->n_snapshots = snapshots_list(s, c->side->snapshots, CUT_SNAPSHOTS);
	if (c->side->n_snapshots > CUT_SNAPSHOTS)
		c->side->n_snapshots = CUT_SNAPSHOTS;
	for (size_t i = 0; r == 0 && i < c->side->n_snapshots; i++) {
		r = snapshots_checksum(s, c->side->snapshots[i].name, NULL, NULL, &c->side->hashes[i], err);
		if (r ==
		    -POD_E_NOTFOUND) { /* the log says that it is deleted, and the applier has come to that */
			c->side->snapshots[i].name[0] = '\0';
			r = 0;
		}
	}
	return r;
}

static int serve(struct child *c, struct err *err)
{
	char site[16], cert[128], key[128], ca[128];
	struct replication_options o = { .disk = c->disk,
		                         .site = site,
		                         .cert_file = cert,
		                         .key_file = key,
		                         .ca_file = ca,
		                         .listen = "127.0.0.1:0",
		                         .on_event = on_event,
		                         .arg = c,
		                         .dead_ms = 1000 };
	int r;

	site_of(c->me->number, site);
	(void) snprintf(cert, sizeof(cert), "%s/%d/server.pem", keys, c->me->number);
	(void) snprintf(key, sizeof(key), "%s/%d/server.key", keys, c->me->number);
	(void) snprintf(ca, sizeof(ca), "%s/%d/ca.pem", keys, c->me->number);
	r = replication_create(&o, &c->r, err);
	if (r < 0)
		return r;
	(void) pthread_mutex_lock(&c->progress_lock);
	c->for_progress = c->r;
	(void) pthread_mutex_unlock(&c->progress_lock);
	atomic_store(&c->side->port, replication_port(c->r));
	return 0;
}

static int set_peer(struct child *c, struct err *err)
{
	int other = 1 - c->me->number;
	struct peer_config p = { .mode = c->shared->mode,
		                 .wait_ms = 300,
		                 .in_sync = atomic_load(&c->shared->in_sync) };

	site_of(other, p.name);
	if (c->shared->primary == c->me->number)
		(void) snprintf(p.address, sizeof(p.address), "127.0.0.1:%u",
		                (unsigned int) c->shared->relay_port);
	return replication_peer_set(c->r, &p, err);
}

/* The peer follows, counts as in sync where its mode has that, and lacks nothing. */
static int wait_same(struct child *c, struct err *err)
{
	uint64_t limit = clock_mono_ms() + ORDER_LIMIT_MS - 5000;
	int r = replication_flush(c->r, err);

	while (r == 0) {
		struct replication_status s;
		const struct replication_peer_status *p = &s.peers[0];

		replication_status(c->r, &s);
		if (p->state == PEER_FOLLOWING && p->durable_lsn >= s.cursors.committed &&
		    p->dirty_bytes == 0 && (p->in_sync || c->shared->mode == PEER_ASYNC))
			return 0;
		if (clock_mono_ms() > limit)
			return err_set(err, POD_E_TIMEOUT,
			               "the peer does not come up: state %d, in sync %d, %llu of %llu: %s",
			               (int) p->state, p->in_sync, (unsigned long long) p->durable_lsn,
			               (unsigned long long) s.cursors.committed, p->last_error);
		(void) usleep(1000);
	}
	return r;
}

/* ---- the load ---- */

static int write_one(struct child *c, const struct cut_change *change)
{
	static _Alignas(4096) uint8_t bytes[CUT_LONG];
	uint64_t offset = (uint64_t) change->block * CUT_BLOCK,
		 length = (uint64_t) change->blocks * CUT_BLOCK;
	int r = replication_write_begin(c->r, NULL);

	if (r < 0)
		return r;
	if (change->serial == 0) {
		r = disk_zero(c->disk, offset, length, change->trim ? DISK_TRIM : 0, NULL);
	} else {
		for (uint32_t i = 0; i < change->blocks; i++)
			cut_block_fill(bytes + i * CUT_BLOCK, change->serial, change->block + i);
		r = disk_write(c->disk, offset, bytes, length, NULL);
	}
	return r < 0 ? r : replication_write_end(c->r, NULL);
}

static void *write_on(void *arg)
{
	struct child *c = arg;
	struct cut_history *h = &c->shared->history;
	const struct cut_change *change;

	while ((change = cut_history_next(h, &c->seed, c->shared->serial)) != NULL) {
		atomic_fetch_add(&h->begun, 1);
		if (write_one(c, change) < 0)
			break;
		atomic_fetch_add(&h->done, 1);
		if (cut_below(&c->seed, 30) == 0)
			(void) usleep((unsigned int) cut_below(&c->seed, 3000));
	}
	return NULL;
}

static void report(struct child *c)
{
	struct replication_status s;

	replication_status(c->r, &s);
	atomic_store(&c->shared->reported_lsn, s.peers[0].durable_lsn);
}

static void delete_old_snapshots(struct child *c)
{
	struct snapshot_info all[CUT_SNAPSHOTS];
	size_t n = snapshots_list(disk_snapshots(c->disk), all, CUT_SNAPSHOTS);

	for (size_t i = 0; i < n && i < CUT_SNAPSHOTS; i++)
		(void) disk_snapshot_delete(c->disk, all[i].name, NULL);
}

static void *flush_on(void *arg)
{
	struct child *c = arg;
	struct cut_history *h = &c->shared->history;
	uint64_t seed = c->seed + 17, n = 0;

	delete_old_snapshots(c);
	for (;;) {
		uint64_t covered = atomic_load(&h->done);

		if (replication_flush(c->r, NULL) < 0)
			break;
		atomic_store(&h->acknowledged, covered);
		report(c);
		if (cut_below(&seed, 40) == 0) { /* a snapshot, and one less of the older ones */
			char name[32];

			(void) snprintf(name, sizeof(name), "s%llu-%llu",
			                (unsigned long long) c->shared->token, (unsigned long long) n);
			(void) disk_snapshot_take(c->disk, name, NULL, NULL);
			if (n >= 2) {
				(void) snprintf(name, sizeof(name), "s%llu-%llu",
				                (unsigned long long) c->shared->token,
				                (unsigned long long) (n - 2 + cut_below(&seed, 2)));
				(void) disk_snapshot_delete(c->disk, name, NULL);
			}
			n++;
		}
		if (cut_below(&seed, 3) == 0)
			(void) usleep((unsigned int) cut_below(&seed, 2000));
	}
	return NULL;
}

static int load(struct child *c, struct err *err)
{
	pthread_t writer, flusher;

	c->seed = c->shared->seed;
	if (pthread_create(&writer, NULL, write_on, c) != 0 ||
	    pthread_create(&flusher, NULL, flush_on, c) != 0)
		return err_set(err, POD_E_NOMEM, "threads");
	return 0;
}

static int obey(struct child *c, enum cut_order order, struct err *err)
{
	switch (order) {
	case CUT_DUMP: return dump(c, err);
	case CUT_SERVE: return serve(c, err);
	case CUT_PEER: return set_peer(c, err);
	case CUT_PROMOTE: return replication_promote(c->r, c->shared->token, false, err);
	case CUT_SAME: return wait_same(c, err);
	case CUT_LOAD: return load(c, err);
	case CUT_LIMIT: break;
	}
	return err_set(err, POD_E_INTERNAL, "no such order");
}

static void answer(struct child *c, int answers, int r, const struct err *err)
{
	int8_t code = r < 0 ? -1 : 0;

	if (r < 0)
		(void) snprintf(c->side->text, sizeof(c->side->text), "%s", err_text(err));
	must(write(answers, &code, 1) == 1, "answer");
}

static void child_main(struct cut_replica *me, int orders, int answers)
{
	struct child c = { .me = me, .shared = me->shared, .side = &me->shared->sides[me->number] };
	struct err err = { 0 };
	uint8_t order;
	int r;

	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void) pthread_mutex_init(&c.progress_lock, NULL);
	volatile_disk_use(me->disk);
	r = open_disk(&c, &err);
	answer(&c, answers, r, &err);
	while (r == 0 && read(orders, &order, 1) == 1)
		answer(&c, answers, obey(&c, (enum cut_order) order, &err), &err);
	_exit(0);
}

/* ---- the link ---- */

static void relay_main(int listener, uint16_t to_port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(to_port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static uint8_t bytes[65536];

	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int ends[2] = { accept(listener, NULL, NULL), socket(AF_INET, SOCK_STREAM, 0) };
		bool open = connect(ends[1], (struct sockaddr *) &to, sizeof(to)) == 0;

		while (open) {
			struct pollfd p[2] = { { .fd = ends[0], .events = POLLIN },
				               { .fd = ends[1], .events = POLLIN } };

			(void) poll(p, 2, -1);
			for (int i = 0; i < 2 && open; i++) {
				ssize_t n = p[i].revents ? read(ends[i], bytes, sizeof(bytes)) : 0;

				open = !p[i].revents ||
				       (n > 0 && send(ends[1 - i], bytes, (size_t) n, MSG_NOSIGNAL) == n);
			}
		}
		(void) close(ends[0]);
		(void) close(ends[1]);
	}
}

pid_t cut_relay_start(uint16_t to_port, uint16_t *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	must(bind(fd, (struct sockaddr *) &at, sizeof(at)) == 0 && listen(fd, 8) == 0 &&
	             getsockname(fd, (struct sockaddr *) &at, &len) == 0,
	     "a relay");
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0)
		relay_main(fd, to_port);
	(void) close(fd);
	*ret_port = ntohs(at.sin_port);
	return pid;
}

void cut_relay_kill(pid_t pid)
{
	(void) kill(pid, SIGKILL);
	(void) waitpid(pid, NULL, 0);
}

/* ---- the parent ---- */

void cut_keys_make(const char *folder)
{
	(void) snprintf(keys, sizeof(keys), "%s", folder);
	for (int i = 0; i < 2; i++) {
		char dir[128], name[64], from[160], to[160];
		const char *names[1] = { name };
		struct err err;

		(void) snprintf(dir, sizeof(dir), "%s/%d", keys, i);
		(void) snprintf(name, sizeof(name), "%ssite%d", REPLICATION_IDENTITY_PREFIX, i + 1);
		must(mkdir(dir, 0700) == 0, dir);
		for (int k = 0; i == 1 && k < 2; k++) {
			(void) snprintf(from, sizeof(from), "%s/0/ca.%s", keys, k ? "key" : "pem");
			(void) snprintf(to, sizeof(to), "%s/1/ca.%s", keys, k ? "key" : "pem");
			must(link(from, to) == 0, to);
		}
		must(tls_make_self_signed(dir, names, 1, &err) == 0, "certificates");
	}
}

void cut_replica_make(struct cut_replica *r, int number, const char *folder, struct cut_shared *shared)
{
	struct disk_format f = { .volume_id = { 9 },
		                 .size_bytes = (uint64_t) CUT_BLOCKS * CUT_BLOCK,
		                 .log_bytes = LOG_BYTES_MIN };
	struct err err;

	*r = (struct cut_replica){ .number = number, .shared = shared, .orders = -1, .answers = -1 };
	(void) snprintf(r->folder, sizeof(r->folder), "%.80s/replica%d", folder, number);
	(void) snprintf(r->stage, sizeof(r->stage), "%.80s/stage%d", folder, number);
	must(mkdir(r->folder, 0700) == 0, r->folder);
	if (disk_create(r->folder, &f, &err) < 0) {
		(void) fprintf(stderr, "%s\n", err_text(&err));
		abort();
	}
	r->disk = volatile_disk_make(r->folder);
}

void cut_replica_end(struct cut_replica *r)
{
	cut_replica_kill(r);
	volatile_disk_end(r->disk);
}

static int await_answer(struct cut_replica *r)
{
	struct pollfd p = { .fd = r->answers, .events = POLLIN };
	int8_t code = -1;

	if (poll(&p, 1, ORDER_LIMIT_MS) != 1) {
		(void) snprintf(r->shared->sides[r->number].text, 256, "no answer");
		return -1;
	}
	if (read(r->answers, &code, 1) != 1)
		(void) snprintf(r->shared->sides[r->number].text, 256, "the process is dead");
	return code;
}

int cut_replica_start(struct cut_replica *r)
{
	int orders[2], answers[2];

	must(pipe(orders) == 0 && pipe(answers) == 0, "pipe");
	r->pid = fork();
	must(r->pid >= 0, "fork");
	if (r->pid == 0) {
		(void) close(orders[1]);
		(void) close(answers[0]);
		child_main(r, orders[0], answers[1]);
	}
	(void) close(orders[0]);
	(void) close(answers[1]);
	r->orders = orders[1];
	r->answers = answers[0];
	return await_answer(r);
}

int cut_replica_order(struct cut_replica *r, enum cut_order order)
{
	uint8_t byte = (uint8_t) order;

	r->shared->sides[r->number].text[0] = '\0';
	if (r->pid == 0 || write(r->orders, &byte, 1) != 1) {
		(void) snprintf(r->shared->sides[r->number].text, 256, "the process is dead");
		return -1;
	}
	return await_answer(r);
}

static void forget(struct cut_replica *r)
{
	r->pid = 0;
	(void) close(r->orders);
	(void) close(r->answers);
	r->orders = r->answers = -1;
	atomic_store(&r->shared->sides[r->number].steps_left, 0);
}

bool cut_replica_is_dead(struct cut_replica *r)
{
	if (r->pid && waitpid(r->pid, NULL, WNOHANG) == r->pid)
		forget(r);
	return r->pid == 0;
}

void cut_replica_kill(struct cut_replica *r)
{
	if (r->pid == 0)
		return;
	(void) kill(r->pid, SIGKILL);
	(void) waitpid(r->pid, NULL, 0);
	forget(r);
}

size_t cut_replica_power_off(struct cut_replica *r, enum volatile_loss loss)
{
	cut_replica_kill(r);
	(void) unlink(r->stage);
	return volatile_disk_cut(r->disk, loss);
}

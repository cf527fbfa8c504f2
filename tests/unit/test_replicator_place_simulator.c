/*
 * Long writes that go straight to a primary's image, under random lives: long and short writes, trims,
 * commits that are waited for or not, snapshots, a peer that follows, lags and starts again, and a primary
 * whose power goes at any write or flush: nothing, all, a random part or torn sectors of what was not flushed
 * are left; or who is killed, or closes. After each the volume is as it was after some change, with all that
 * was acknowledged; only long writes behind that may be there in part. Then the peer comes up, and both are
 * the same.
 *
 * PODMAIL_ROUNDS says for how many cuts (5,000 take ten minutes), PODMAIL_SEED what a failure names. The
 * disk's threads take part, so that the same seed is a life much alike and not the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "replicator/core/generation.h"
#include "replicator/core/record.h"
#include "replicator/disk/disk.h"
#include "replicator/snapshot/snapshot.h"
#include "tests/fault/cut_history.h"
#include "tests/fault/volatile_disk.h"
#include "tests/support/replica_stream.h"

#define FOUND_OUT   17 /* the liar's status */
#define ROUNDS      40 /* of one run in the unit tests */
#define LIFE_ROUNDS 15 /* then another pair of disks */
#define MIB         (UINT64_C(1) << 20)
#define VOLUME      ((uint64_t) CUT_BLOCKS * CUT_BLOCK)

enum ending { CLOSED, KILLED, POWER_LOST };

struct life {
	uint64_t seed, number, serial, generations;
	char folder[64], stage[2][96], text[256];
	struct volatile_disk *power;
	struct disk_options o[2]; /* the primary's, whose power goes; and the peer's */
	struct disk *primary, *peer;
	struct replica_stream stream;
	struct cut_history *h;
	uint64_t found[CUT_BLOCKS];
	unsigned int snapshots;
	bool lies;
	/* What has happened. */
	unsigned int rounds, placed, torn, by_ending[3], at_recovery, compared;
};

static uint64_t below(struct life *l, uint64_t limit)
{
	return cut_below(&l->seed, limit);
}

static bool has_power(const struct life *l)
{
	return volatile_disk_has_power(l->power);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void) st;
	(void) type;
	(void) ftw;
	return remove(path);
}

/* What must hold does not. Of a disk that lies that is what was to be seen: the process is the liar's own. */
_Noreturn static void wrong(const struct life *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void wrong(const struct life *l, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	(void) vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (l->lies) {
		(void) nftw(l->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
		_exit(FOUND_OUT);
	}
	fail_msg("seed %" PRIu64 ", round %u: %s", l->number, l->rounds, text);
	abort(); /* not reached: fail_msg leaves the test */
}

/* ---- the disks ---- */

static int on_step(void *arg, enum disk_step step)
{
	struct life *l = arg;

	if (step == DISK_STEP_PLACE)
		__atomic_fetch_add(&l->placed, 1, __ATOMIC_RELAXED);
	return 0;
}

struct promotion {
	struct disk_cursors cursors;
	uint64_t generation;
};

/* As replicator/link/role.c does: where the stage is lost, peers may have what is missing here. */
static void write_promotion(struct superblock *s, void *arg)
{
	const struct promotion *p = arg;

	s->role = ROLE_PRIMARY;
	s->token = s->own_token = 1;
	if (!p->cursors.stage_was_whole || s->generations[0].id == 0)
		generation_begin(s->generations, p->generation, p->cursors.staged);
}

static int promote(struct life *l, struct err *err)
{
	struct promotion p = { .generation = ++l->generations };
	uint64_t lsn;
	int r;

	disk_cursors(l->primary, &p.cursors);
	r = disk_superblock_change(l->primary, write_promotion, &p, err);
	if (r == 0)
		r = disk_commit(l->primary, &lsn, err);
	return r < 0 ? r : disk_wait_durable(l->primary, lsn, err);
}

static void make_side(struct life *l, int i)
{
	static const uint64_t stages[] = { 8 * MIB, 16 * MIB, 64 * MIB };
	struct disk_format f = { .volume_id = { 1 }, .size_bytes = VOLUME, .log_bytes = LOG_BYTES_MIN };
	struct disk_options *o = &l->o[i];
	char *folder = malloc(96);
	struct err err = { 0 };

	assert_non_null(folder);
	(void) snprintf(folder, 96, "%s/%d", l->folder, i);
	(void) snprintf(l->stage[i], sizeof(l->stage[i]), "%s/stage%d", l->folder, i);
	f.log_bytes <<= below(l, 2);
	if (disk_create(folder, &f, &err) < 0)
		fail_msg("create: %s", err_text(&err));
	*o = (struct disk_options){ .folder = folder,
		                    .stage_path = l->stage[i],
		                    .stage_bytes = stages[below(l, 3)],
		                    .snapshot_reserve_bytes = 64 * MIB };
	o->place_bytes = below(l, 2) ? RECORD_PAYLOAD_MAX : PLACE_BYTES_DEFAULT;
	if (i == 0) {
		o->on_step = on_step;
		o->arg = l;
	}
}

static void life_begin(struct life *l)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp";
	char watched[96];

	(void) snprintf(l->folder, sizeof(l->folder), "%s/podmail-place-XXXXXX", base);
	assert_non_null(mkdtemp(l->folder));
	for (int i = 0; i < 2; i++)
		make_side(l, i);
	(void) snprintf(watched, sizeof(watched), "%s/0", l->folder);
	l->power = volatile_disk_make(watched);
	volatile_disk_use(l->power);
	volatile_disk_lie(l->power, l->lies);
	l->snapshots = 0;
	assert_int_equal(disk_open(&l->o[0], &l->primary, NULL), 0);
	assert_int_equal(promote(l, NULL), 0);
	assert_int_equal(disk_open(&l->o[1], &l->peer, NULL), 0);
	l->stream.primary = l->primary;
	l->stream.peer = l->peer;
	replica_stream_cut(&l->stream);
	memset(l->found, 0, sizeof(l->found));
	cut_history_restart(l->h, l->found);
}

static void life_end(struct life *l)
{
	l->primary = disk_close(l->primary);
	l->peer = disk_close(l->peer);
	volatile_disk_end(l->power);
	(void) nftw(l->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	for (int i = 0; i < 2; i++)
		free((char *) (uintptr_t) l->o[i].folder);
}

/* ---- what is done to them; 0 or the disk's error ---- */

static int write_change(struct life *l, const struct cut_change *c)
{
	static _Alignas(4096) uint8_t bytes[CUT_LONG];
	uint64_t offset = (uint64_t) c->block * CUT_BLOCK;
	size_t length = (size_t) c->blocks * CUT_BLOCK;
	int r;

	atomic_fetch_add(&l->h->begun, 1);
	for (uint32_t b = 0; c->serial && b < c->blocks; b++)
		cut_block_fill(bytes + (size_t) b * CUT_BLOCK, c->serial, c->block + b);
	r = c->serial ? disk_write(l->primary, offset, bytes, length, NULL)
	              : disk_zero(l->primary, offset, length, c->trim ? DISK_TRIM : 0, NULL);
	if (r == 0)
		atomic_fetch_add(&l->h->done, 1);
	return r;
}

static int write_some(struct life *l)
{
	int r = 0;

	for (uint64_t n = 1 + below(l, 12); r == 0 && n > 0; n--)
		r = write_change(l, cut_history_next(l->h, &l->seed, l->serial));
	return r;
}

/* A stream of 1 to 16 MiB, from any block on and over the volume's end. */
static int write_long(struct life *l)
{
	const uint32_t blocks = CUT_LONG / CUT_BLOCK;
	uint32_t at = (uint32_t) below(l, CUT_BLOCKS - blocks + 1);
	uint64_t n = 4 + below(l, below(l, 4) ? 12 : 61);
	int r = 0;

	for (; r == 0 && n > 0; n--) {
		struct cut_change *c = &l->h->changes[l->h->begun];

		*c = (struct cut_change){ .serial = l->serial + l->h->begun, .block = at, .blocks = blocks };
		r = write_change(l, c);
		at = at + 2 * blocks <= CUT_BLOCKS ? at + blocks : at % blocks;
	}
	return r;
}

static int commit(struct life *l)
{
	uint64_t lsn;

	return disk_commit(l->primary, &lsn, NULL);
}

static int flush_lsn(struct life *l, uint64_t *ret_lsn)
{
	uint64_t done = l->h->done;
	int r = disk_commit(l->primary, ret_lsn, NULL);

	if (r == 0)
		r = disk_wait_durable(l->primary, *ret_lsn, NULL);
	if (r == 0)
		l->h->acknowledged = done;
	return r;
}

static int flush(struct life *l)
{
	uint64_t lsn;

	return flush_lsn(l, &lsn);
}

static int write_long_and_flush(struct life *l)
{
	int r = write_long(l);

	return r < 0 ? r : flush(l);
}

static int apply(struct life *l)
{
	uint64_t lsn;
	int r = flush_lsn(l, &lsn);

	return r < 0 ? r : disk_wait_applied(l->primary, lsn, NULL);
}

static int step_peer(struct life *l)
{
	struct err err = { 0 };
	int r = 1;

	for (uint64_t n = 1 + below(l, 40); r > 0 && n > 0; n--)
		r = replica_stream_step(&l->stream, &err);
	if (r < 0 && has_power(l))
		wrong(l, "link: %s", err_text(&err));
	return r < 0 ? r : 0;
}

static int restart_peer(struct life *l)
{
	struct err err = { 0 };

	l->peer = disk_close(l->peer);
	if (disk_open(&l->o[1], &l->peer, &err) < 0)
		wrong(l, "the peer: %s", err_text(&err));
	l->stream.peer = l->peer;
	replica_stream_cut(&l->stream);
	return 0;
}

static int cut_link(struct life *l)
{
	replica_stream_cut(&l->stream);
	return 0;
}

/* The one before goes, so that there is something to keep and never much. */
static int snapshot(struct life *l)
{
	uint64_t lsn, done = l->h->done;
	char name[24];
	int r = 0;

	(void) snprintf(name, sizeof(name), "s%u", l->snapshots);
	if (l->snapshots > 0)
		r = disk_snapshot_delete(l->primary, name, NULL);
	if (r == -POD_E_NOTFOUND)
		r = 0;
	(void) snprintf(name, sizeof(name), "s%u", ++l->snapshots);
	if (r == 0)
		r = disk_snapshot_take(l->primary, name, &lsn, NULL);
	if (r == 0)
		l->h->acknowledged = done;
	return r;
}

static const struct {
	unsigned int weight;
	int (*act)(struct life *l);
} acts[] = {
	{ 30, write_some }, { 12, write_long }, { 20, write_long_and_flush },
	{ 8, commit },      { 10, flush },      { 5, apply },
	{ 20, step_peer },  { 1, snapshot },    { 2, restart_peer },
	{ 2, cut_link },
};

/* Until the power goes, or so many; false: it went. */
static bool act_for(struct life *l, uint64_t n)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(acts); i++)
		sum += acts[i].weight;
	for (; n > 0 && l->h->begun + 100 < CUT_CHANGES; n--) {
		uint64_t drawn = below(l, sum);
		size_t i = 0;
		int r;

		for (; drawn >= acts[i].weight; i++)
			drawn -= acts[i].weight;
		r = acts[i].act(l);
		if (r < 0 && has_power(l))
			wrong(l, "act %zu fails with %d: %s", i, r, disk_broken(l->primary));
		if (r < 0)
			return false;
	}
	return true;
}

/* ---- the end of a round ---- */

static uint64_t any_calls(struct life *l)
{
	return below(l, below(l, 2) ? 20 : below(l, 2) ? 100 : 600);
}

/* What a disk without power is left with. */
static void lose_power(struct life *l, enum ending e)
{
	bool power = e == POWER_LOST;

	(void) volatile_disk_cut(l->power, power ? (enum volatile_loss) below(l, VOLATILE_LOSSES)
	                                         : VOLATILE_LOSE_NOTHING);
	if (power)
		(void) unlink(l->stage[0]);
}

static enum ending play_round(struct life *l)
{
	enum ending e = (enum ending)(below(l, 8) == 0 ? CLOSED : below(l, 4) ? POWER_LOST : KILLED);

	if (e != CLOSED)
		volatile_disk_power_for(l->power, UINT64_MAX - 1);
	if (act_for(l, 1 + below(l, 12)) && e != CLOSED) {
		volatile_disk_power_for(l->power, any_calls(l));
		(void) act_for(l, 40);
	}
	if (e != CLOSED)
		volatile_disk_power_for(l->power, 0);
	l->primary = disk_close(l->primary);
	replica_stream_cut(&l->stream);
	if (e != CLOSED)
		lose_power(l, e);
	return e;
}

/* Maybe the power goes while it recovers, too; *e becomes the worst that has happened. */
static void open_again(struct life *l, enum ending *e)
{
	struct err err = { 0 };
	int r = -1;

	while (*e != CLOSED && below(l, 4) == 0) {
		enum ending then = below(l, 3) ? POWER_LOST : KILLED;

		volatile_disk_power_for(l->power, any_calls(l) / 4);
		r = disk_open(&l->o[0], &l->primary, NULL);
		if (r == 0)
			(void) promote(l, NULL);
		volatile_disk_power_for(l->power, 0);
		if (r == 0)
			l->primary = disk_close(l->primary);
		lose_power(l, then);
		*e = *e == POWER_LOST ? POWER_LOST : then;
		l->at_recovery++;
	}
	r = disk_open(&l->o[0], &l->primary, &err);
	if (r == 0)
		r = promote(l, &err);
	if (r < 0)
		wrong(l, "the primary does not open: %s", err_text(&err));
	l->stream.primary = l->primary;
}

/* ---- what must hold ---- */

static void read_tags(struct life *l, struct disk *d, uint64_t tags[CUT_BLOCKS])
{
	static _Alignas(4096) uint8_t bytes[MIB];
	const uint32_t step = sizeof(bytes) / CUT_BLOCK;
	struct err err = { 0 };

	for (uint32_t b = 0; b < CUT_BLOCKS; b += step) {
		if (disk_read(d, (uint64_t) b * CUT_BLOCK, bytes, sizeof(bytes), &err) < 0)
			wrong(l, "read: %s", err_text(&err));
		for (uint32_t i = 0; i < step; i++)
			tags[b + i] = cut_block_tag(bytes + (size_t) i * CUT_BLOCK, b + i);
	}
}

static void check_primary(struct life *l, enum ending e)
{
	uint64_t owed = e == POWER_LOST ? l->h->acknowledged : l->h->done;
	int64_t n;

	read_tags(l, l->primary, l->found);
	n = cut_history_find(l->h, l->found, e == POWER_LOST ? 0 : UINT64_MAX, l->text, sizeof(l->text));
	if (n < 0)
		wrong(l, "%s", l->text);
	if (n < (int64_t) owed)
		wrong(l, "it holds the state after change %" PRId64 " and owes %" PRIu64, n, owed);
}

static void check_same(struct life *l)
{
	static uint64_t theirs[CUT_BLOCKS];
	struct err err = { 0 };

	if (commit(l) < 0 || replica_stream_finish(&l->stream, &err) < 0)
		wrong(l, "the peer does not come up: %s", err_text(&err));
	read_tags(l, l->peer, theirs);
	for (uint32_t b = 0; b < CUT_BLOCKS; b++)
		if (theirs[b] != l->found[b])
			wrong(l, "block %u is of change %" PRIu64 " here and %" PRIu64 " at the peer", b,
			      l->found[b], theirs[b]);
	l->compared++;
}

static void look_for_torn(struct life *l)
{
	size_t torn = 0;

	for (uint32_t b = 0; b < CUT_BLOCKS; b++)
		torn += (l->found[b] & CUT_TAG_TORN) != 0;
	l->torn += torn > 0;
}

/* The image alone, once all is in it. */
static void check_image(struct life *l)
{
	uint64_t *before = malloc(sizeof(l->found));

	assert_non_null(before);
	memcpy(before, l->found, sizeof(l->found));
	if (apply(l) < 0)
		wrong(l, "what is in the log does not get into the image: %s", disk_broken(l->primary));
	read_tags(l, l->primary, l->found);
	if (memcmp(before, l->found, sizeof(l->found)) != 0)
		wrong(l, "the image is not what was read before");
	free(before);
}

static void check_round(struct life *l)
{
	enum ending e = play_round(l);

	open_again(l, &e);
	l->by_ending[e]++;
	check_primary(l, e);
	look_for_torn(l);
	l->serial += l->h->begun;
	cut_history_restart(l->h, l->found);
	if (below(l, 2))
		check_image(l);
	if (below(l, 2))
		check_same(l);
}

/* ---- lives ---- */

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void life_init(struct life *l, bool lies)
{
	*l = (struct life){ .serial = 1, .lies = lies, .number = number_from("PODMAIL_SEED", 0) };
	if (l->number == 0)
		l->number = clock_mono_us();
	l->seed = l->number | 1;
	srandom((unsigned int) l->number);
	l->h = calloc(1, sizeof(*l->h));
	assert_non_null(l->h);
}

static void live(struct life *l, uint64_t rounds)
{
	while (l->rounds < rounds) {
		life_begin(l);
		for (unsigned int i = 0; i < LIFE_ROUNDS && l->rounds < rounds; i++) {
			l->rounds++;
			check_round(l);
		}
		check_same(l);
		life_end(l);
	}
}

static void report(const struct life *l)
{
	const struct replica_stream *s = &l->stream;

	print_message("seed %" PRIu64
	              ": %u rounds: %u closed, %u killed, %u without power, %u times more in recovery; "
	              "%" PRIu64
	              " changes, %u long ones placed, torn after %u rounds; the peer followed %u times, "
	              "%u resyncs (%u back from a tail, %u because the log had it no more), %u chunks, "
	              "compared %u times\n",
	              l->number, l->rounds, l->by_ending[CLOSED], l->by_ending[KILLED],
	              l->by_ending[POWER_LOST], l->at_recovery, l->serial, l->placed, l->torn, s->follows,
	              s->resyncs, s->rewinds, s->overruns, s->chunks, l->compared);
}

static void a_volume_is_never_what_it_was_not_and_its_peer_becomes_the_same(void **state)
{
	struct life *l = malloc(sizeof(*l));

	(void) state;
	assert_non_null(l);
	life_init(l, false);
	live(l, number_from("PODMAIL_ROUNDS", ROUNDS));
	report(l);
	assert_true(l->placed > 0);
	free(l->h);
	free(l);
}

static void a_disk_that_only_says_that_it_flushed_is_found_out(void **state)
{
	struct life *l;
	int status = 0;
	pid_t pid = fork();

	(void) state;
	assert_true(pid >= 0);
	if (pid == 0) {
		l = malloc(sizeof(*l));
		if (!l)
			_exit(1);
		life_init(l, true);
		live(l, 200);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), FOUND_OUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_volume_is_never_what_it_was_not_and_its_peer_becomes_the_same),
		cmocka_unit_test(a_disk_that_only_says_that_it_flushed_is_found_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Long writes that go straight to a primary's image, under random lives: long and short writes, trims,
 * commits that are waited for or not, snapshots, a peer that follows, lags and starts again, and a primary
 * whose power goes at any write or flush: nothing, all, a random part or torn sectors of what was not flushed
 * are left; or who is killed, or closes. After each the volume is as it was after some change, with all that
 * was acknowledged; only long writes behind that may be there in part. Then the peer comes up, and both are
 * the same. Or the peer's power goes: it holds what it had confirmed. Or the peer takes over, however far it
 * lags: it is as the primary was after some change, with all that it had confirmed; the old primary follows
 * it, and keeps what it takes back, with all that was acknowledged, in an orphan snapshot.
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
	uint64_t seed, number, serial, generations, token;
	char folder[64], stage[2][96], text[256];
	/* Of both sites, by number: */
	struct volatile_disk *power[2];
	struct disk_options o[2];
	size_t lead, watched; /* whose disk is the primary's, and whose power may go */
	struct disk *primary, *peer;
	struct replica_stream stream;
	struct cut_history *h;
	uint64_t found[CUT_BLOCKS];
	bool met;           /* the two were the same when the history began */
	uint64_t confirmed; /* changes that the peer had made durable, when last seen */
	unsigned int snapshots;
	bool lies;
	/* What has happened. */
	unsigned int rounds, placed, torn, by_ending[3], at_recovery, compared, peer_lost, switches, tails;
};

static uint64_t below(struct life *l, uint64_t limit)
{
	return cut_below(&l->seed, limit);
}

static bool primary_has_power(const struct life *l)
{
	return l->watched != l->lead || volatile_disk_has_power(l->power[l->lead]);
}

static bool peer_has_power(const struct life *l)
{
	return l->watched == l->lead || volatile_disk_has_power(l->power[!l->lead]);
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
	uint64_t generation, token;
};

/* As replicator/link/role.c does: where the stage is lost, peers may have what is missing here. */
static void write_promotion(struct superblock *s, void *arg)
{
	const struct promotion *p = arg;
	bool keep = s->role == ROLE_PRIMARY && p->cursors.stage_was_whole && s->generations[0].id != 0;

	s->role = ROLE_PRIMARY;
	s->token = s->own_token = p->token;
	s->consistent_from_lsn = 0; /* passed */
	if (!keep)
		generation_begin(s->generations, p->generation, p->cursors.staged);
}

static int keep_log(struct disk *d, struct err *err)
{
	struct peer_record rec;
	struct superblock sb;
	int r = disk_peer_get(d, REPLICA_STREAM_PEER, &rec, NULL) == 0 ? 0 : -POD_E_STALE;

	while (r == -POD_E_STALE) { /* the applier may let go of it at this moment */
		disk_superblock(d, &sb);
		r = disk_peer_set(d, REPLICA_STREAM_PEER, sb.tail_lsn, err);
	}
	return r;
}

static int promote(struct life *l, struct err *err)
{
	struct promotion p = { .generation = ++l->generations, .token = l->token };
	uint64_t lsn;
	int r;

	disk_cursors(l->primary, &p.cursors);
	r = disk_superblock_change(l->primary, write_promotion, &p, err);
	if (r == 0)
		r = keep_log(l->primary, err);
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
	o->on_step = on_step;
	o->arg = l;
	l->power[i] = volatile_disk_make(folder);
	volatile_disk_lie(l->power[i], l->lies);
}

static void watch(struct life *l, size_t site)
{
	l->watched = site;
	volatile_disk_use(l->power[site]);
}

/* The primary is what was found; the peer may lag behind that. */
static void history_begins(struct life *l)
{
	l->serial += l->h->begun;
	l->confirmed = 0;
	l->met = false;
	cut_history_restart(l->h, l->found);
}

static void life_begin(struct life *l)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/var/tmp";

	(void) snprintf(l->folder, sizeof(l->folder), "%s/podmail-place-XXXXXX", base);
	assert_non_null(mkdtemp(l->folder));
	for (int i = 0; i < 2; i++)
		make_side(l, i);
	l->lead = 0;
	l->token = 1;
	watch(l, l->lead);
	l->snapshots = 0;
	assert_int_equal(disk_open(&l->o[0], &l->primary, NULL), 0);
	assert_int_equal(promote(l, NULL), 0);
	assert_int_equal(disk_open(&l->o[1], &l->peer, NULL), 0);
	l->stream.primary = l->primary;
	l->stream.peer = l->peer;
	l->stream.durable = 0;
	replica_stream_cut(&l->stream);
	memset(l->found, 0, sizeof(l->found));
	history_begins(l);
}

static void life_end(struct life *l)
{
	l->primary = disk_close(l->primary);
	l->peer = disk_close(l->peer);
	for (int i = 0; i < 2; i++)
		volatile_disk_end(l->power[i]);
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

static void open_peer(struct life *l)
{
	struct err err = { 0 };

	if (disk_open(&l->o[!l->lead], &l->peer, &err) < 0)
		wrong(l, "the peer: %s", err_text(&err));
	l->stream.peer = l->peer;
	replica_stream_cut(&l->stream);
}

/* What a disk without power is left with. */
static void lose_power(struct life *l, size_t site, enum ending e)
{
	bool power = e == POWER_LOST;

	(void) volatile_disk_cut(l->power[site], power ? (enum volatile_loss) below(l, VOLATILE_LOSSES)
	                                               : VOLATILE_LOSE_NOTHING);
	if (power)
		(void) unlink(l->stage[site]);
}

/* The primary counts on what the peer has confirmed; but for one in the middle of a resync, who begins it
 * again. */
static void lose_peer(struct life *l)
{
	struct disk_cursors c;
	struct superblock sb;

	l->peer = disk_close(l->peer);
	lose_power(l, !l->lead, below(l, 3) ? POWER_LOST : KILLED);
	open_peer(l);
	disk_cursors(l->peer, &c);
	disk_superblock(l->peer, &sb);
	if (c.durable < l->stream.durable && !sb.resync_under_way)
		wrong(l, "the peer holds the log up to %" PRIu64 " and confirmed %" PRIu64, c.durable,
		      l->stream.durable);
	l->peer_lost++;
}

static void note_confirmed(struct life *l)
{
	struct disk_cursors c;

	disk_cursors(l->primary, &c);
	if (l->stream.state == REPLICA_STREAM_FOLLOWS && l->stream.durable == c.staged)
		l->confirmed = l->h->done;
}

static int step_peer(struct life *l)
{
	struct err err = { 0 };
	int r = 1;

	for (uint64_t n = 1 + below(l, 40); r > 0 && n > 0; n--)
		r = replica_stream_step(&l->stream, &err);
	if (!peer_has_power(l)) {
		lose_peer(l);
		return 0;
	}
	if (r < 0 && primary_has_power(l))
		wrong(l, "link: %s", err_text(&err));
	if (r >= 0)
		note_confirmed(l);
	return r < 0 ? r : 0;
}

static int restart_peer(struct life *l)
{
	if (!peer_has_power(l)) {
		lose_peer(l);
		return 0;
	}
	l->peer = disk_close(l->peer);
	if (!peer_has_power(l)) {
		lose_peer(l);
		return 0;
	}
	open_peer(l);
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
		if (r < 0 && primary_has_power(l))
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

/* The peer's power goes at any time, and comes again. */
static void play_round_of_peer(struct life *l)
{
	watch(l, !l->lead);
	volatile_disk_power_for(l->power[!l->lead], any_calls(l));
	(void) act_for(l, 1 + below(l, 30));
	if (!peer_has_power(l))
		lose_peer(l);
	volatile_disk_power_for(l->power[!l->lead], UINT64_MAX);
	watch(l, l->lead); /* what its threads write from here on is not looked at */
}

static enum ending play_round(struct life *l)
{
	enum ending e = (enum ending)(below(l, 8) == 0 ? CLOSED : below(l, 4) ? POWER_LOST : KILLED);

	if (below(l, 4) == 0)
		play_round_of_peer(l);
	if (e != CLOSED)
		volatile_disk_power_for(l->power[l->lead], UINT64_MAX - 1);
	if (act_for(l, 1 + below(l, 12)) && e != CLOSED) {
		volatile_disk_power_for(l->power[l->lead], any_calls(l));
		(void) act_for(l, 40);
	}
	if (e != CLOSED)
		volatile_disk_power_for(l->power[l->lead], 0);
	l->primary = disk_close(l->primary);
	replica_stream_cut(&l->stream);
	if (e != CLOSED)
		lose_power(l, l->lead, e);
	return e;
}

/*
 * Maybe the power goes while it recovers, too; *e becomes the worst that has happened. promotes: it goes on
 * as primary, else nobody has told it to.
 */
static void open_again(struct life *l, bool promotes, enum ending *e)
{
	struct err err = { 0 };
	int r = -1;

	while (*e != CLOSED && below(l, 4) == 0) {
		enum ending then = below(l, 3) ? POWER_LOST : KILLED;

		volatile_disk_power_for(l->power[l->lead], any_calls(l) / 4);
		r = disk_open(&l->o[l->lead], &l->primary, NULL);
		if (r == 0 && promotes)
			(void) promote(l, NULL);
		volatile_disk_power_for(l->power[l->lead], 0);
		if (r == 0)
			l->primary = disk_close(l->primary);
		lose_power(l, l->lead, then);
		*e = *e == POWER_LOST ? POWER_LOST : then;
		l->at_recovery++;
	}
	r = disk_open(&l->o[l->lead], &l->primary, &err);
	if (r == 0 && promotes)
		r = promote(l, &err);
	if (r < 0)
		wrong(l, "the primary does not open: %s", err_text(&err));
	l->stream.primary = l->primary;
}

/* ---- what must hold ---- */

/* Of the volume, or of a snapshot of it. */
static void read_tags_of(struct life *l, struct disk *d, const char *snapshot, uint64_t tags[CUT_BLOCKS])
{
	static _Alignas(4096) uint8_t bytes[MIB];
	const uint32_t step = sizeof(bytes) / CUT_BLOCK;
	struct err err = { 0 };

	for (uint32_t b = 0; b < CUT_BLOCKS; b += step) {
		uint64_t offset = (uint64_t) b * CUT_BLOCK;
		int r = snapshot ? snapshots_read(disk_snapshots(d), snapshot, offset, bytes, sizeof(bytes),
		                                  &err)
		                 : disk_read(d, offset, bytes, sizeof(bytes), &err);

		if (r < 0)
			wrong(l, "read: %s", err_text(&err));
		for (uint32_t i = 0; i < step; i++)
			tags[b + i] = cut_block_tag(bytes + (size_t) i * CUT_BLOCK, b + i);
	}
}

static void read_tags(struct life *l, struct disk *d, uint64_t tags[CUT_BLOCKS])
{
	read_tags_of(l, d, NULL, tags);
}

/* It is as after some change, and after all that are owed. */
static void check_state(struct life *l, const char *who, const uint64_t tags[CUT_BLOCKS], bool may_be_torn,
                        uint64_t owed)
{
	int64_t n = cut_history_find(l->h, tags, may_be_torn ? 0 : UINT64_MAX, l->text, sizeof(l->text));

	if (n < 0)
		wrong(l, "%s: %s", who, l->text);
	if (n < (int64_t) owed)
		wrong(l, "%s holds the state after change %" PRId64 " and owes %" PRIu64, who, n, owed);
}

static void check_primary(struct life *l, enum ending e)
{
	bool power = e == POWER_LOST;

	read_tags(l, l->primary, l->found);
	check_state(l, "the primary", l->found, power, power ? l->h->acknowledged : l->h->done);
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
	l->met = l->h->begun == 0;
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

/* ---- the peer takes over ---- */

/* It has met the primary since that was promoted last, and is a state that this was in. */
static bool peer_may_lead(const struct life *l)
{
	struct disk_cursors c;
	struct superblock sb;

	disk_cursors(l->peer, &c);
	disk_superblock(l->peer, &sb);
	return l->met && !sb.resync_under_way && sb.consistent_from_lsn <= c.durable;
}

/* Everything received whole is durable, the rest is dropped: so it is as the primary was at some commit. */
static void settle_peer(struct life *l)
{
	struct disk_cursors c;
	struct err err = { 0 };
	int r;

	disk_cursors(l->peer, &c);
	r = disk_wait_durable(l->peer, c.committed, &err);
	if (r == 0)
		r = disk_log_cut(l->peer, &err);
	if (r < 0)
		wrong(l, "the peer does not settle: %s", err_text(&err));
	read_tags(l, l->peer, l->found);
	check_state(l, "the peer", l->found, false, l->confirmed);
}

static void exchange_roles(struct life *l)
{
	struct disk *old = l->primary;

	l->primary = l->peer;
	l->peer = old;
	l->lead = !l->lead;
	l->token++;
	l->stream.primary = l->primary;
	l->stream.peer = l->peer;
	l->stream.durable = 0;
	replica_stream_cut(&l->stream);
}

/* The old primary, before it takes back what the new one has not. */
static void check_orphan(struct life *l, enum ending e)
{
	static uint64_t tags[CUT_BLOCKS];
	struct err err = { 0 };
	int r;

	read_tags_of(l, l->peer, l->stream.orphan, tags);
	check_state(l, "the orphan", tags, e == POWER_LOST, l->h->acknowledged);
	r = snapshots_hold(disk_snapshots(l->peer), l->stream.orphan, false, &err);
	if (r == 0)
		r = disk_snapshot_local_delete(l->peer, l->stream.orphan, &err);
	if (r < 0)
		wrong(l, "%s: %s", l->stream.orphan, err_text(&err));
	l->tails++;
}

static void switch_roles(struct life *l, enum ending e)
{
	unsigned int orphans = l->stream.orphans;
	struct err err = { 0 };

	settle_peer(l);
	exchange_roles(l);
	watch(l, l->lead);
	if (promote(l, &err) < 0 || replica_stream_step(&l->stream, &err) < 0)
		wrong(l, "the peer does not take over: %s", err_text(&err));
	if (l->stream.orphans > orphans)
		check_orphan(l, e);
	else /* nothing is taken back: then nothing may be missing here */
		check_state(l, "the new primary", l->found, false, l->h->acknowledged);
	l->switches++;
}

/* ---- a round ---- */

static void check_round(struct life *l)
{
	enum ending e = play_round(l);
	bool switches = peer_may_lead(l) && below(l, 3) == 0;

	open_again(l, !switches, &e);
	l->by_ending[e]++;
	check_primary(l, e);
	look_for_torn(l);
	if (switches)
		switch_roles(l, e);
	history_begins(l);
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

	print_message(
		"seed %" PRIu64
		": %u rounds: %u closed, %u killed, %u without power, %u times more in recovery; "
		"%" PRIu64 " changes, %u long ones placed, torn after %u rounds; the peer followed %u times, "
		"%u resyncs (%u back from a tail, %u because the log had it no more), %u chunks, "
		"compared %u times, lost its power %u times, took over %u times, %u of them from one "
		"with a tail\n",
		l->number, l->rounds, l->by_ending[CLOSED], l->by_ending[KILLED], l->by_ending[POWER_LOST],
		l->at_recovery, l->serial, l->placed, l->torn, s->follows, s->resyncs, s->rewinds,
		s->overruns, s->chunks, l->compared, l->peer_lost, l->switches, l->tails);
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

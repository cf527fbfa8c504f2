#include "replicator/disk/disk_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Long writes straight to the image. A stream of them would go to the disk twice otherwise: with the log, and
 * when it is applied. Epochs with enough of them are made durable in this order, a few together:
 *
 *   snapshots get their copies of what is overwritten
 *   the superblock says which runs of the image are; durably
 *   the image gets the payloads, from the stage; the log all else but the COMMITs, with a note at each record
 * whose payload is missing the image is flushed the log gets the COMMITs; flushed
 *
 * So after a crash either a COMMIT is there, and the image has the payloads; or the superblock says what may
 * be torn in the image (recover.c).
 *
 * Notes are wiped before the same epochs are written whole after all: else a crash in the middle could leave
 * one of them beside the new COMMIT.
 *
 * In the way stand: older records of the same extent that are not in the image yet, which would be applied
 * over it later; a snapshot that is still to be cut, or a resize; a resync into this replica; a peer that is
 * so far behind that it will be sent the log's file (a payload can be overwritten in the image before it has
 * it) and that somebody waits for. Then the epochs are written to the log whole. That is no loss for a few
 * long writes that somebody waits for, either: they cost three flushes here, and one there.
 */
#define PLACE_QUEUE_DEPTH 64
#define TORN_PIECE        65536u
/* In place_pages: up to two for each long write's header, and one for each COMMIT. */
#define PAGES_MAX (2 * PLACES_AT_ONCE + EPOCHS_AT_ONCE)
_Static_assert(PLACES_AT_ONCE <= TORN_MAX, "the superblock has room for all that is placed at once");

int place_init(struct disk *d, struct err *err)
{
	size_t staged = (size_t) (d->stage.size / RECORD_PAYLOAD_MAX) + 1;
	size_t logged = (size_t) (d->log_bytes / RECORD_PAYLOAD_MAX) + 1;
	int r = place_list_create(&d->candidates, staged, err);

	if (r == 0)
		r = place_list_create(&d->placed, logged < PLACES_MAX ? logged : PLACES_MAX, err);
	if (r < 0)
		return r;
	if (!d->o.place_bytes)
		d->o.place_bytes = PLACE_BYTES_DEFAULT;
	d->place_queue = io_queue_create(PLACE_QUEUE_DEPTH);
	d->place_pages = io_memory(PAGES_MAX * RECORD_ALIGN);
	return d->place_queue && d->place_pages ? 0 : err_set(err, POD_E_NOMEM, "long writes");
}

void place_done(struct disk *d)
{
	d->place_queue = io_queue_free(d->place_queue);
	place_list_done(&d->candidates);
	place_list_done(&d->placed);
	free(d->place_pages);
}

/* ---- which ---- */

bool place_may(const struct disk *d, const struct record *r)
{
	struct extent e;

	return r->flags & RECORD_ALIGNED && d->o.place_bytes != UINT64_MAX &&
	       d->applied.lsn >= d->barrier_lsn &&
	       !extent_map_find(d->map, r->offset, r->offset + r->length, &e);
}

void place_note(struct disk *d, const struct record *r)
{
	struct place p = { .lsn = r->lsn, .data = record_data(r), .offset = r->offset, .length = r->length };

	(void) place_list_add(&d->candidates, &p); /* full: the log is as good a place */
}

bool place_has(struct disk *d, uint64_t lsn)
{
	bool has;

	(void) pthread_mutex_lock(&d->lock);
	has = place_list_find(&d->placed, lsn) != NULL;
	(void) pthread_mutex_unlock(&d->lock);
	return has;
}

/* It has to be sent the log as it was, and that from the log's file. */
static bool is_far(const struct disk *d, const struct peer *p)
{
	return p->name[0] != '\0' && !p->may_lag && p->needs_lsn != 0 &&
	       d->head.lsn > p->needs_lsn + d->stage.size / 2;
}

/* Each is sent what it lacks from the stage, or from its bitmap. Under lock. */
static bool peers_are_near(const struct disk *d)
{
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (is_far(d, &d->peers[i]))
			return false;
	return true;
}

/* One record of the epochs that are looked at. */
static void take_record(struct placing *g, const struct record *r)
{
	struct place p = { .lsn = r->lsn, .data = record_data(r), .offset = r->offset, .length = r->length };

	if (r->type == RECORD_COMMIT) {
		g->commits[g->epochs++] = r->lsn;
		return;
	}
	g->records++;
	if (r->flags & RECORD_ALIGNED && g->n < PLACES_AT_ONCE)
		g->places[g->n++] = p;
}

/* The next epochs, as long as each has long writes and they are not too much at once. The stage's bytes from
 * durable to committed stay as they are. */
static void collect(struct disk *d, const struct position *from, uint64_t committed, struct group *ret)
{
	struct placing *g = &d->placing;
	struct placing whole = { .n = 0 };
	struct position p = *from;

	*g = whole;
	*ret = (struct group){ .to = p };
	while (p.lsn < committed && whole.epochs < EPOCHS_AT_ONCE) {
		struct record r;
		int res = record_decode(stage_at(&d->stage, p.lsn), p.lsn, p.previous_crc, p.size_bytes, &r,
		                        NULL);

		assert(res == 0);
		(void) res;
		take_record(&whole, &r);
		position_pass(&p, &r);
		if (r.type != RECORD_COMMIT)
			continue;
		if (whole.n == g->n || (g->epochs > 0 && p.lsn - from->lsn > d->stage.size / 4))
			return;
		*g = whole;
		*ret = (struct group){ .to = p, .epochs = g->epochs };
	}
}

/* Leaves those that may be placed; false: too little. */
static bool choose(struct disk *d)
{
	struct placing *g = &d->placing;
	uint64_t bytes = 0;
	size_t n = 0;
	bool yes;

	(void) pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < g->n; i++)
		if (place_list_find(&d->candidates, g->places[i].lsn)) {
			bytes += g->places[i].length;
			g->places[n++] = g->places[i];
		}
	yes = n > 0 && bytes >= d->o.place_bytes && d->placed.n + n <= d->placed.max && peers_are_near(d);
	(void) pthread_mutex_unlock(&d->lock);
	g->n = n;
	return yes;
}

/* ---- the superblock ---- */

static int announce(struct disk *d, uint64_t from, uint64_t to, struct err *err)
{
	const struct placing *g = &d->placing;
	struct superblock next;
	int r;

	(void) pthread_mutex_lock(&d->meta_lock);
	next = d->sb;
	next.group_from_lsn = from;
	next.group_to_lsn = next.torn_to_lsn = to;
	for (next.n_torn = 0; next.n_torn < g->n; next.n_torn++) {
		const struct place *p = &g->places[next.n_torn];

		next.torn[next.n_torn] = (struct torn){ p->offset, p->length };
	}
	r = meta_save(d, &next, err);
	(void) pthread_mutex_unlock(&d->meta_lock);
	return r;
}

/* ---- the log ---- */

/* Pages of the log that differ from the stage's are made here, one run after the other. */
struct pages {
	struct disk *d;
	size_t used;
	int r; /* the first that failed */
};

static void put_log(struct pages *w, uint64_t lsn, const uint8_t *bytes, uint64_t size)
{
	struct disk *d = w->d;

	while (w->r == 0 && size > 0) {
		uint64_t left = d->log_bytes - lsn % d->log_bytes, n = size < left ? size : left;

		w->r = io_queue_write(d->place_queue, d->log_fd, bytes, (size_t) n, lsn % d->log_bytes);
		lsn += n;
		bytes += n;
		size -= n;
	}
}

/* [from, to) from the stage, the last of it from page on as a copy, which the caller changes and puts. */
static uint8_t *put_run(struct pages *w, uint64_t from, uint64_t page, uint64_t to)
{
	uint8_t *copy = w->d->place_pages + w->used;

	if (page > from)
		put_log(w, from, stage_at(&w->d->stage, from), page - from);
	memcpy(copy, stage_at(&w->d->stage, page), (size_t) (to - page));
	w->used += (size_t) (to - page);
	return copy;
}

/* The log up to the payload of p, which is noted as missing. */
static void put_note(struct pages *w, uint64_t from, const struct place *p)
{
	uint64_t page = io_floor(p->lsn);
	uint8_t *copy = put_run(w, from, page, p->data);

	record_note_placed(copy + (p->lsn - page));
	put_log(w, page, copy, p->data - page);
}

/* The log up to the end of an epoch, but not its COMMIT. */
static void put_end(struct pages *w, uint64_t from, uint64_t commit)
{
	uint64_t page = io_floor(commit), end = page + RECORD_ALIGN;
	uint8_t *copy;

	if (commit == from)
		return;
	copy = put_run(w, from, page, end);
	memset(copy + (commit - page), 0, (size_t) (end - commit));
	put_log(w, page, copy, RECORD_ALIGN);
}

/* Begins to write all of the log but payloads that are placed and COMMITs. */
static int put_notes(struct disk *d, uint64_t from)
{
	const struct placing *g = &d->placing;
	struct pages w = { .d = d };
	size_t i = 0;

	for (unsigned int e = 0; e < g->epochs; e++) {
		for (; i < g->n && g->places[i].lsn < g->commits[e]; i++) {
			put_note(&w, from, &g->places[i]);
			from = g->places[i].data + g->places[i].length;
		}
		put_end(&w, from, g->commits[e]);
		from = io_floor(g->commits[e]) + RECORD_ALIGN;
	}
	return w.r;
}

static int write_commits(struct disk *d)
{
	const struct placing *g = &d->placing;
	struct pages w = { .d = d, .r = disk_step(d, DISK_STEP_PLACE_COMMIT) };
	int ended;

	for (unsigned int e = 0; e < g->epochs; e++) {
		uint64_t page = io_floor(g->commits[e]);

		put_log(&w, page, stage_at(&d->stage, page), RECORD_ALIGN);
	}
	ended = io_queue_finish(d->place_queue);
	if (w.r == 0)
		w.r = ended;
	if (w.r == 0)
		w.r = disk_step(d, DISK_STEP_LOG_FLUSH);
	if (w.r == 0 && fdatasync(d->log_fd) < 0)
		w.r = -errno;
	return w.r;
}

/* ---- the image ---- */

/* In ascending order, as snapshots want it: there are few, and they mostly are. */
static size_t extents_of(const struct placing *g, struct snapshot_extent ret[PLACES_AT_ONCE])
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++) {
		struct snapshot_extent e = { g->places[i].offset, g->places[i].length };
		size_t at = n++;

		for (; at > 0 && ret[at - 1].offset > e.offset; at--)
			ret[at] = ret[at - 1];
		ret[at] = e;
	}
	return n;
}

static int put_image(struct disk *d)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->placing.n; i++) {
		const struct place *p = &d->placing.places[i];

		r = disk_step(d, DISK_STEP_PLACE);
		if (r == 0)
			r = io_queue_write(d->place_queue, d->image_fd, stage_at(&d->stage, p->data),
			                   (size_t) p->length, p->offset);
	}
	return r;
}

static int write_both(struct disk *d, uint64_t from)
{
	int r = disk_step(d, DISK_STEP_LOG_WRITE), ended;

	if (r == 0)
		r = put_notes(d, from);
	if (r == 0)
		r = put_image(d);
	ended = io_queue_finish(d->place_queue);
	if (r == 0)
		r = ended;
	if (r == 0)
		r = disk_step(d, DISK_STEP_PLACE_FLUSH);
	if (r == 0 && fdatasync(d->image_fd) < 0)
		r = -errno;
	return r;
}

/* ---- all of it ---- */

/* Under place_lock. */
static int place(struct disk *d, uint64_t from, uint64_t to, struct err *err)
{
	struct snapshot_extent extents[PLACES_AT_ONCE];
	size_t n = extents_of(&d->placing, extents);
	int r;

	if (snapshots_preserve(d->snapshots, extents, n, NULL) < 0)
		return 1; /* the applier will fail over it */
	r = announce(d, from, to, err);
	if (r < 0)
		return r;
	r = write_both(d, from);
	if (r == -ENOSPC) {
		space_look(d); /* new writes are refused from here on */
		r = log_file_wipe(d, from, to) < 0
		            ? -EIO
		            : 1; /* what may be torn now is known; the log takes it all */
	}
	if (r > 0)
		return r;
	if (r < 0)
		return err_errno(err, -r, "log or image: write");
	r = write_commits(d);
	if (r < 0)
		return err_errno(err, -r, "log: write");
	(void) disk_step(d, DISK_STEP_COMMITTED);
	return 0;
}

int place_group(struct disk *d, const struct position *from, uint64_t committed, struct group *ret,
                struct err *err)
{
	struct placing *g = &d->placing;
	int r = 1;

	collect(d, from, committed, ret);
	/* The lock is never waited for: who has it may wait for these epochs. */
	if (g->n > 0 && choose(d) && pthread_mutex_trylock(&d->place_lock) == 0) {
		r = place(d, from->lsn, ret->to.lsn, err);
		(void) pthread_mutex_unlock(&d->place_lock);
	}
	if (r == 0)
		space_look(d);
	else
		g->n = 0;
	return r;
}

/* Nothing else was in the epochs, and nothing before waits for the applier: it has nothing to do here. */
static void pass_applied(struct disk *d, uint64_t from)
{
	if (d->applied.lsn == from && d->placing.records == d->placing.n)
		d->applied = d->applied_commit = d->durable;
}

void place_finished(struct disk *d, uint64_t from)
{
	struct placing *g = &d->placing;

	for (size_t i = 0; i < g->n; i++) {
		const struct place *p = &g->places[i];

		(void) place_list_add(&d->placed, p); /* choose has seen to it that there is place */
		extent_map_remove(d->map, p->offset, p->length, p->lsn);
	}
	place_list_drop_before(&d->candidates, d->durable.lsn);
	if (g->n > 0)
		pass_applied(d, from);
	g->n = 0;
}

/* ---- after a crash ---- */

/* The volume's content there, whatever it is, as records of their own. */
static int write_again(struct disk *d, const struct torn *t, uint8_t *bytes, struct err *err)
{
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < t->length; at += TORN_PIECE) {
		size_t n = (size_t) (t->length - at < TORN_PIECE ? t->length - at : TORN_PIECE);
		struct record rec = { .type = RECORD_WRITE, .offset = t->offset + at, .length = n };

		r = disk_read(d, rec.offset, bytes, n, err);
		rec.payload_size = (uint32_t) n;
		rec.payload_hash = record_hash(bytes, n);
		(void) pthread_mutex_lock(&d->lock);
		if (r == 0)
			r = append_wait_room(d, RECORD_HEADER_SIZE + n, true, err);
		if (r == 0)
			append_record(d, &rec, bytes);
		(void) pthread_mutex_unlock(&d->lock);
	}
	return r;
}

static int write_all_again(struct disk *d, const struct superblock *sb, struct err *err)
{
	uint8_t *bytes = io_buffer_take(&d->buffers);
	uint64_t lsn = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sb->n_torn; i++)
		r = write_again(d, &sb->torn[i], bytes, err);
	io_buffer_give(&d->buffers, bytes);
	if (r == 0)
		r = disk_commit(d, &lsn, err);
	return r < 0 ? r : disk_wait_durable(d, lsn, err);
}

static void forget_torn(struct superblock *s, void *arg)
{
	(void) arg;
	s->n_torn = 0;
	s->torn_to_lsn = 0;
}

int place_recover_torn(struct disk *d, struct err *err)
{
	struct disk_cursors c;
	struct superblock sb;
	int r = 0;

	disk_superblock(d, &sb);
	disk_cursors(d, &c);
	if (sb.n_torn == 0 || c.durable >= sb.torn_to_lsn)
		return 0;
	/* A secondary was once primary then, and has all that was committed in its log. */
	if (sb.role == ROLE_PRIMARY)
		r = write_all_again(d, &sb, err);
	return r < 0 ? r : disk_superblock_change(d, forget_torn, NULL, err);
}

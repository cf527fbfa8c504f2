#include "tests/support/mail_world.h"

#include <stdlib.h>
#include <string.h>

#define MISSES 20 /* picks of uids that are not there */

void world_init(struct mail_world *w, unsigned int seed)
{
	*w = (struct mail_world){ .seed = seed, .modseq = 10 };
	for (size_t i = 0; i < WORLD_BOXES; i++)
		w->box[i].next_uid = 1;
}

void world_done(struct mail_world *w)
{
	for (size_t i = 0; i < WORLD_BOXES; i++) {
		free(w->box[i].mail);
		free(w->box[i].log);
	}
}

uint32_t world_pick(struct mail_world *w, uint32_t n)
{
	return (uint32_t) rand_r(&w->seed) % n;
}

uint32_t world_pick_mail(struct mail_world *w, unsigned int box)
{
	const struct world_box *b = &w->box[box];

	for (int i = 0; i < MISSES && b->next_uid > 1; i++) {
		uint32_t uid = 1 + world_pick(w, b->next_uid - 1);

		if (b->mail[uid].there)
			return uid;
	}
	return 0;
}

static void *grow(void *p, size_t n, size_t size)
{
	void *grown = realloc(p, n * size);

	if (!grown)
		abort();
	return grown;
}

static void note(struct mail_world *w, struct world_box *b, uint32_t uid)
{
	if (b->log_n == b->log_cap) {
		b->log_cap = b->log_cap ? 2 * b->log_cap : 64;
		b->log = grow(b->log, b->log_cap, sizeof(*b->log));
	}
	b->mail[uid].modseq = ++w->modseq;
	b->log[b->log_n++] = (struct world_event){ w->modseq, uid };
}

uint32_t world_deliver(struct mail_world *w, unsigned int box, uint32_t flags, int64_t date)
{
	struct world_box *b = &w->box[box];

	if (b->next_uid >= b->cap) {
		b->cap = b->cap ? 2 * b->cap : 64;
		b->mail = grow(b->mail, b->cap, sizeof(*b->mail));
	}
	b->mail[b->next_uid] = (struct world_mail){ .there = true, .flags = flags, .date = date };
	note(w, b, b->next_uid);
	return b->next_uid++;
}

bool world_flag(struct mail_world *w, unsigned int box, uint32_t uid, uint32_t flags)
{
	struct world_box *b = &w->box[box];

	if (b->mail[uid].flags == flags)
		return false;
	b->mail[uid].flags = flags;
	note(w, b, uid);
	return true;
}

void world_expunge(struct mail_world *w, unsigned int box, uint32_t uid)
{
	w->box[box].mail[uid].there = false;
	note(w, &w->box[box], uid);
}

uint32_t world_copy(struct mail_world *w, unsigned int from, uint32_t uid, unsigned int to)
{
	const struct world_mail *m = &w->box[from].mail[uid];

	return world_deliver(w, to, m->flags, m->date);
}

uint32_t world_move(struct mail_world *w, unsigned int from, uint32_t uid, unsigned int to)
{
	uint32_t there = world_copy(w, from, uid, to);

	world_expunge(w, from, uid);
	return there;
}

void world_rebuild(struct mail_world *w)
{
	for (size_t i = 0; i < WORLD_BOXES; i++) {
		struct world_box *b = &w->box[i];

		b->log_n = 0;
		for (uint32_t uid = 1; uid < b->next_uid; uid++)
			if (b->mail[uid].there)
				note(w, b, uid);
		b->floor = ++w->modseq;
	}
}

void world_forget(struct mail_world *w, unsigned int box)
{
	w->box[box].floor = w->modseq;
}

size_t world_log_from(const struct world_box *b, uint64_t since)
{
	size_t lo = 0, hi = b->log_n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (b->log[mid].modseq <= since)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

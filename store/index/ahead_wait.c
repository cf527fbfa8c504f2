/* Who has mail that is not in the index yet: readers wait for it, watchers hear of it when it is. */
#include <time.h>

#include "base/arena.h"
#include "base/fnv.h"
#include "store/index/ahead.h"
#include "store/index/ahead_internal.h"

#define MEMORY ((size_t) 16 << 20)
/* A disk that answers later than this must not hold up readers, who then see what the index has. */
#define WAIT_S 2

struct ahead_mailbox {
	struct ahead_mailbox *next; /* in its bucket: of the user */
	char *user_id;
	size_t user_len;
	uint32_t mailbox;
	uint64_t modseq;
};

static size_t bucket_of(struct span user_id)
{
	return fnv32(FNV32_START, user_id) % AHEAD_BUCKETS;
}

static bool is_of(const struct ahead_mailbox *m, struct span user_id)
{
	return span_eq(span_make(m->user_id, m->user_len), user_id);
}

static bool add(struct ahead *ah, struct ahead_mailbox **bucket, struct span user_id, uint32_t mailbox,
                uint64_t modseq)
{
	struct ahead_mailbox *m;

	if (!ah->a)
		ah->a = arena_create(MEMORY);
	m = ah->a ? arena_new(ah->a, struct ahead_mailbox) : NULL;
	if (!m)
		return false;
	m->user_id = arena_str(ah->a, user_id);
	if (!m->user_id)
		return false;
	m->user_len = user_id.len;
	m->mailbox = mailbox;
	m->modseq = modseq;
	m->next = *bucket;
	*bucket = m;
	return true;
}

void ahead_note(struct ahead *ah, struct span user_id, uint32_t mailbox, uint64_t modseq)
{
	struct ahead_mailbox **bucket = &ah->mailboxes[bucket_of(user_id)];

	for (struct ahead_mailbox *m = *bucket; m; m = m->next) {
		if (m->mailbox == mailbox) {
			m->modseq = modseq;
			return;
		}
	}
	ah->unnamed |= !add(ah, bucket, user_id, mailbox, modseq);
}

void ahead_forget(struct ahead *ah)
{
	memset(ah->mailboxes, 0, sizeof(ah->mailboxes));
	ah->a = arena_free(ah->a);
	ah->unnamed = false;
}

static size_t count(const struct ahead *ah)
{
	size_t n = 0;

	for (size_t i = 0; i < AHEAD_BUCKETS; i++)
		for (const struct ahead_mailbox *m = ah->mailboxes[i]; m; m = m->next)
			n++;
	return n;
}

void ahead_publish(struct volume *vol)
{
	const struct ahead *ah = &vol->ahead;
	struct volume_event *events;
	size_t n = vol->o.on_changed ? count(ah) : 0;

	events = n ? arena_array(ah->a, n, sizeof(*events)) : NULL;
	if (!events) /* watchers hear of it with the next commit */
		return;
	n = 0;
	for (size_t i = 0; i < AHEAD_BUCKETS; i++)
		for (const struct ahead_mailbox *m = ah->mailboxes[i]; m; m = m->next)
			events[n++] = (struct volume_event){ m->user_id, m->mailbox, m->modseq };
	vol->o.on_changed(vol->o.arg, events, n);
}

/* ---- waiting ---- */

static bool has_mail(const struct ahead *ah, struct span user_id)
{
	if (!ahead_any(ah))
		return false;
	if (user_id.len == 0 || ah->unnamed)
		return true;
	for (const struct ahead_mailbox *m = ah->mailboxes[bucket_of(user_id)]; m; m = m->next)
		if (is_of(m, user_id))
			return true;
	return false;
}

/* True: it is waited for the turn after *ret_turns. */
static bool want(struct ahead *ah, struct span user_id, uint64_t *ret_turns)
{
	bool has;

	(void) pthread_mutex_lock(&ah->lock);
	has = has_mail(ah, user_id);
	ah->wanted |= has;
	*ret_turns = ah->turns;
	(void) pthread_mutex_unlock(&ah->lock);
	return has;
}

void ahead_wait(struct volume *vol, struct span user_id)
{
	struct ahead *ah = &vol->ahead;
	struct timespec until;
	uint64_t turns;
	int e = 0;

	if (!ahead_any(ah) || !want(ah, user_id, &turns) || !writer_poke(vol))
		return;
	(void) clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WAIT_S;
	(void) pthread_mutex_lock(&ah->lock);
	while (e == 0 && ah->turns == turns && !volume_broken(vol))
		e = pthread_cond_timedwait(&ah->turn, &ah->lock, &until);
	(void) pthread_mutex_unlock(&ah->lock);
}

void ahead_wake(struct volume *vol)
{
	(void) pthread_mutex_lock(&vol->ahead.lock);
	vol->ahead.turns++;
	(void) pthread_cond_broadcast(&vol->ahead.turn);
	(void) pthread_mutex_unlock(&vol->ahead.lock);
}

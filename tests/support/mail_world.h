/*
 * A user's mailboxes as the store has them, in memory: uids that are never used again, modseqs, a log of what
 * changed and vanished that does not reach back for ever. For models of clients that synchronize. One thread;
 * ends the program where memory is out.
 */
#ifndef POD_TESTS_SUPPORT_MAIL_WORLD_H
#define POD_TESTS_SUPPORT_MAIL_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORLD_BOXES = 32 };

struct world_mail {
	bool there;
	uint32_t flags;
	uint64_t modseq; /* of the last change; where it is not there, of its going */
	int64_t date;
};
struct world_event {
	uint64_t modseq;
	uint32_t uid;
};
struct world_box {
	bool exists;
	struct world_mail *mail; /* by uid; 0 is none */
	uint32_t next_uid, cap;
	struct world_event *log;
	size_t log_n, log_cap;
	uint64_t floor; /* what vanished up to this modseq is forgotten */
};
struct mail_world {
	unsigned int seed;
	uint64_t modseq;
	struct world_box box[WORLD_BOXES];
};

void world_init(struct mail_world *w, unsigned int seed);
void world_done(struct mail_world *w);

/* Below n. */
uint32_t world_pick(struct mail_world *w, uint32_t n);
/* A uid of a message that is there, most often; 0 where none was found. */
uint32_t world_pick_mail(struct mail_world *w, unsigned int box);

uint32_t world_deliver(struct mail_world *w, unsigned int box, uint32_t flags, int64_t date);
/* Where that makes no difference, nothing happens: false. */
bool world_flag(struct mail_world *w, unsigned int box, uint32_t uid, uint32_t flags);
void world_expunge(struct mail_world *w, unsigned int box, uint32_t uid);
/* The new uid; from and to may be the same. */
uint32_t world_copy(struct mail_world *w, unsigned int from, uint32_t uid, unsigned int to);
uint32_t world_move(struct mail_world *w, unsigned int from, uint32_t uid, unsigned int to);

/* The index is made anew: all has a new modseq, and nobody knows what vanished. */
void world_rebuild(struct mail_world *w);
/* The log is cut. */
void world_forget(struct mail_world *w, unsigned int box);

/* The first event of the log behind a modseq. An event says something only where the message has its modseq
 * still. */
size_t world_log_from(const struct world_box *b, uint64_t since);

#endif

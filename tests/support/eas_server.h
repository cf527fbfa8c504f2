/*
 * The server's side of ActiveSync's Sync and MoveItems for a model: what part.c, client.c, tell.c, look.c and
 * cmd_moveitems.c do, in their order, with the engine's own code and on mailboxes in memory (mail_world.h). A
 * state is decoded, changed and encoded again by each request. For unit tests: what must not be fails the
 * test.
 */
#ifndef POD_TESTS_SUPPORT_EAS_SERVER_H
#define POD_TESTS_SUPPORT_EAS_SERVER_H

#include "imapd/eas/sync/engine.h"
#include "storeproto/storeproto.h"
#include "tests/support/mail_world.h"

enum eas_act { EAS_ACT_NONE, EAS_ACT_SET, EAS_ACT_DELETE, EAS_ACT_ADD };

/* A Sync of one folder with at most one command, or the move of one message. Folders are boxes of the world.
 */
struct eas_asked {
	bool is_move;
	unsigned int box, target; /* target: of a move */
	uint64_t key;             /* 0: it begins */
	uint32_t uid, client_id;  /* what the command is about */
	enum eas_act act;
	uint32_t bits, value; /* EAS_ACT_SET: these bits of its flags are to be these */
	size_t window;
	unsigned int filter; /* 0: all; else twice as many days */
};

struct eas_answered {
	unsigned int status; /* Sync: 1, 8; a move: 3, 1 */
	uint64_t key;
	uint32_t uid;            /* of what was moved or added */
	unsigned int act_status; /* 1, 7, 8 */
	struct eas_step *steps;
	uint32_t *flags; /* of each */
	size_t n;
	bool more;
};

/* What is kept for a device. */
struct eas_kept {
	struct buf state[WORLD_BOXES]; /* len 0: there is none */
	uint64_t epoch;
	/* The store's memory of its last move and Add. */
	struct eas_asked done;
	uint32_t done_uid;
};

struct eas_server {
	struct mail_world *w;
	unsigned int trash; /* where deleted messages go */
	int64_t today;
	void (*meanwhile)(void *arg); /* others do something while a request runs */
	void *arg;
	unsigned int same, made_anew, moved_again; /* answers that came again, by how */
};

int64_t eas_server_cutoff(const struct eas_server *s, unsigned int filter);
static inline bool eas_server_shows(const struct world_mail *mail)
{
	return mail->there && !(mail->flags & STORE_FLAG_DELETED);
}

/* dies: what the device did is done, and nothing was written down. The answer is in a. */
void eas_server_ask(struct eas_server *s, struct eas_kept *kept, const struct eas_asked *asked, bool dies,
                    struct arena *a, struct eas_answered *ret);
void eas_kept_done(struct eas_kept *kept);

#endif

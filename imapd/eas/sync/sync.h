/* Inside Sync: one request on its way, and each of its folders. See cmd_sync.c for the order of things. */
#ifndef POD_IMAPD_EAS_SYNC_SYNC_H
#define POD_IMAPD_EAS_SYNC_SYNC_H

#include "imapd/eas/eas.h"
#include "imapd/eas/state/sync_key.h"
#include "imapd/eas/sync/look.h"
#include "imapd/eas/sync/request.h"
#include "imapd/eas/sync/states.h"

/* A part of the answer that is written before it is known what stands before it. */
struct eas_sync_piece {
	struct buf bytes;
	struct wbxml_writer writer;
	size_t n; /* elements in it */
};

enum eas_sync_how {
	EAS_SYNC_BEGINS,  /* key 0 */
	EAS_SYNC_GOES_ON, /* the newest key */
	EAS_SYNC_AGAIN,   /* the key before: an answer was lost */
};

struct eas_sync_run;

/* A folder in a request. */
struct eas_sync_part {
	struct eas_sync_run *run;
	const struct eas_sync_collection *asked;
	struct eas_state *stored;
	struct arena *a; /* its state's memory */
	struct eas_sync_folder folder;
	struct eas_collection_state state;
	struct eas_item_options items;
	enum eas_sync_how how;
	unsigned int status;
	struct eas_generation next; /* the state that the answer's key is to stand for */
	struct eas_generation *at; /* what commands of the device change: next; or state.now, where the answer
	                              is as before */
	bool options_changed, acted; /* acted: the device's commands did something */
	struct eas_sync_piece responses, commands;
	bool more;
	bool tells;                  /* it is in the answer */
	char key[EAS_SYNC_KEY_SIZE]; /* in the answer */
};

struct eas_sync_run {
	struct eas_request *rq;
	struct eas_sync_request asked;
	struct eas_sync_folders folders;
	struct eas_sync_part *parts; /* one for each collection asked for */
	struct eas_state *states;    /* the last request's, then one for each part */
	size_t window_left, bytes_left;
};

/* Everything about one folder but writing its state; suspends. What concerns the folder alone is in
 * part->status. */
int eas_sync_part_run(struct eas_sync_part *part, struct err *err);
void eas_sync_part_done(struct eas_sync_part *part);
/* Its element of the answer. */
void eas_sync_part_write(struct eas_sync_part *part);

/* The device's commands: carried out and answered; suspends. */
int eas_sync_client_commands(struct eas_sync_part *part, struct err *err);

/* Writes what the device is to be told out of a plan; suspends. */
int eas_sync_tell(struct eas_sync_part *part, const struct eas_plan *plan, struct err *err);
/* Writes the answer of state.now once more where it can be the same: 1; 0: it cannot. */
int eas_sync_tell_again(struct eas_sync_part *part, struct err *err);

/* Pieces. What is written to rq->out between goes to the piece. */
void eas_sync_piece_begin(struct eas_sync_run *run, struct eas_sync_piece *piece);
void eas_sync_piece_end(struct eas_sync_run *run, struct eas_sync_piece *piece);
/* Puts it behind what is in rq->out, inside an element that holds it. */
void eas_sync_piece_add(struct eas_sync_run *run, const struct eas_sync_piece *piece, enum wbxml_tag holder);

#endif

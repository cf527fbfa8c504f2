/* What the files of restores share: the job. */
#ifndef PODCTL_PODD_RESTORES_INTERNAL_H
#define PODCTL_PODD_RESTORES_INTERNAL_H

#include "podctl/podd/mounts.h"
#include "podctl/podd/restores.h"
#include "podctl/podd/users.h"

#define RESTORE_ITEMS_MAX    10000 /* told of one restore; more are counted */
#define RESTORE_PROBLEMS_MAX 1000

enum restore_step { RESTORE_SOURCE, RESTORE_ACCOUNT, RESTORE_MAIL, RESTORE_DONE };

struct restore_job {
	struct restores *restores;
	struct arena *arena;
	unsigned int id;
	struct restore_request rq; /* its strings are the arena's */
	enum restore_step step;
	const char *volume, *user_id; /* of the user here */
	const char *from_volume;      /* whose snapshot it is */
	const char *path;             /* of the source, once it is there */
	struct mount *mount;          /* of a snapshot, while it is used */
	bool exact;
	bool new_user; /* not in the directory: the account comes back first */
	bool moves; /* from one volume to another: the account comes first, the directory follows the mail */
	/* Of RESTORE_VOLUME: its users' own jobs, one after the other; these are not listed. */
	struct volume_work *work;
	struct restore_job *parent;
	bool cancelled;
	struct store_call *call;
	struct user_op op;      /* while the account is made */
	int64_t started, ended; /* seconds since 1970 */
	/* As the store told last: */
	uint64_t mailboxes, examined, found, present, restored, failed, bytes;
	json_t *items, *problems;
	bool incomplete; /* items or problems are missing */
	struct err err;  /* why it failed */
	TAILQ_ENTRY(restore_job) link;
};

/* restore_place.c: fills in volumes and user_id, and whether the user is made or moved. -POD_E_* as
 * restores_begin says. */
int restore_job_find_place(struct restore_job *job, struct err *err);

/* restore_report.c */
void restore_job_take_report(struct restore_job *job, const Podstore__RestoreReport *report);
json_t *restore_job_json(const struct restore_job *job, bool whole);

/* restore_account.c: makes the user of a job; done is called once, at once or later. */
void restore_account_begin(struct restore_job *job,
                           void (*done)(struct restore_job *job, int r, const char *text));

/*
 * restore_volume.c: RESTORE_VOLUME, once its source is there; done is called once, later. A user's job that
 * ended is told by restore_volume_on_user, and is then gone.
 */
void restore_volume_begin(struct restore_job *job,
                          void (*done)(struct restore_job *job, int r, const char *text));
void restore_volume_on_user(struct restore_job *user_job);
void restore_volume_cancel(struct restore_job *job);

/* restores.c: a user's job of a volume's. Its end may come before this returns. */
int restore_job_begin_user(struct restore_job *parent, const struct restore_request *rq,
                           struct restore_job **ret, struct err *err);
void restore_job_cancel(struct restore_job *job);

/* restore_account.c, for who moves: enters the new place in the directory. */
int restore_account_move(struct restore_job *job, struct err *err);

/* podd, through the job. */
struct podd *restore_job_podd(const struct restore_job *job);

#endif

/*
 * What podd is made of, for the files of this folder. Everything runs on one thread, on one event_base; what
 * waits for the disk here is an LMDB commit of the directory, a few milliseconds now and then.
 */
#ifndef PODCTL_PODD_PODD_H
#define PODCTL_PODD_PODD_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "conf/conf.h"
#include "directory/directory.h"
#include "podctl/podd/children.h"
#include "podctl/podd/lines.h"
#include "podctl/podd/logbook.h"
#include "storeproto/client.h"

struct api;
struct mounts;
struct restores;
struct user_op;
struct stack;
struct volume_addition;
LIST_HEAD(stacks, stack);
LIST_HEAD(user_ops, user_op);
LIST_HEAD(volume_additions, volume_addition);

struct podd_options {
	const char *config_file; /* absolute */
	const char *bin_dir;     /* where mta, imapd and stored are */
	bool log_to_stderr;      /* lines go there too */
};

struct podd {
	const struct podd_options *options;
	struct event_base *base;
	const struct conf *conf; /* replaced by a reload: never keep parts of it */
	struct logbook *log;
	struct tracebook *traces; /* NULL: none is kept */
	struct lines *own_log; /* podd's own events come out of a pipe like the children's */
	int own_log_fd, pid_fd;
	struct directory *dir;
	struct store_pool *stores;
	struct children *children;
	struct api *api;
	struct user_ops user_ops; /* changes under way */
	struct volume_additions volume_additions;
	struct mounts *mounts; /* of snapshots */
	struct restores *restores;
	struct stacks stacks;  /* of replicated volumes */
	struct event *cleaner; /* of users half made by a podd that died */
	uint64_t started_ms;
	bool stopping;
	bool replicator_copied; /* see replica_program.h */
};

/* Starts everything, runs until SIGTERM or SIGINT, stops everything. 0 or -POD_E_* where it did not start. */
int podd_run(const struct podd_options *o, struct err *err);

/* Starts the process of a volume that is in the directory. */
int podd_start_volume(struct podd *p, const char *name, struct err *err);
/* Every process that is wanted is ready, and every replicated volume is served. */
bool podd_is_ready(const struct podd *p);
/* Loads the configuration anew and passes SIGHUP on; where it is not valid nothing changes. */
int podd_reload(struct podd *p, struct err *err);

/* A path of one of the pod's programs, into buf (PATH_MAX bytes). Returns buf. */
const char *podd_program(const struct podd *p, const char *name, char *buf, size_t size);

#endif

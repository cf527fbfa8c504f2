/*
 * Restores: mail that comes back out of a snapshot or a folder. Each is a job of podd's own, which goes on
 * when the request that began it is answered, and is asked for by its number until so many later ones have
 * ended.
 *
 *   source   a snapshot is mounted; a folder is there
 *   account  of a user who is not in the directory: "pending" there, made by the store, then "active"
 *   mail     the store's RESTORE; then what was mounted for it is given back
 */
#ifndef PODCTL_PODD_RESTORES_H
#define PODCTL_PODD_RESTORES_H

#include <jansson.h>

#include "podctl/podd/podd.h"

enum restore_what { RESTORE_MESSAGE, RESTORE_MAILBOX, RESTORE_USER, RESTORE_VOLUME };

/* What is asked for. NULL or 0: not given. */
struct restore_request {
	enum restore_what what;
	const char *address; /* the user, as the directory writes it; of RESTORE_VOLUME: NULL */
	/* One of the two: */
	const char *folder;          /* that holds a volume */
	const char *snapshot, *site; /* of the user's volume, at a site (NULL: any) */
	/*
	 * The volume that held the mail: whose snapshot it is, and where a user who is gone is made again.
	 * NULL: the one that the user is on. Of RESTORE_VOLUME: which one.
	 */
	const char *volume;
	const char *as; /* of RESTORE_VOLUME, and of its users: another volume, to which they move */
	const char *mailbox, *into;
	const char *message_id, *subject, *sender;
	const Podstore__UidRange *uids;
	size_t uids_n;
	int64_t since, before;
	bool list, force, ignore_quota;
};

struct restores;
int restores_create(struct podd *p, struct restores **ret_restores, struct err *err);
/* The stores are gone, and with them every call. NULL is fine; returns NULL. */
struct restores *restores_free(struct restores *rs);

/*
 * Begins one; the request is copied. -POD_E_NOTFOUND: no such user or volume; -POD_E_BUSY: the user is being
 * changed, or is being restored already; -POD_E_LIMIT: too many at a time; -POD_E_SYNTAX: a new user needs a
 * volume named.
 */
int restores_begin(struct restores *rs, const struct restore_request *rq, unsigned int *ret_id,
                   struct err *err);
/* Ends one that is under way, after the messages at hand; one that has ended is left as it is.
 * -POD_E_NOTFOUND. */
int restores_cancel(struct restores *rs, unsigned int id, struct err *err);
/* As the API shows it; NULL where there is none of that number (or memory is out). And all, the newest first.
 */
json_t *restores_json(const struct restores *rs, unsigned int id);
json_t *restores_json_all(const struct restores *rs);

#endif

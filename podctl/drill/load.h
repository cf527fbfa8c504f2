/*
 * The load of a drill: threads that hand in messages by SMTP, set flags by IMAP, and look whether mail can be
 * read. They go on through whatever happens to the volume, as other people's programs would: reconnecting,
 * and trying again.
 */
#ifndef PODCTL_DRILL_LOAD_H
#define PODCTL_DRILL_LOAD_H

#include "podctl/drill/ledger.h"
#include "podctl/drill/talk.h"

#define LOAD_USERS        4
#define LOAD_ADDRESS_SIZE 320

struct load_user {
	char address[LOAD_ADDRESS_SIZE], password[64];
};

struct load_options {
	struct talk_address smtp, imap;
	const char *run; /* in each subject, before the message's number */
	struct load_user users[LOAD_USERS];
	unsigned int per_second;
	struct ledger *ledger;
};

struct load;
/* The options live longer. -POD_E_NOMEM. */
int load_start(const struct load_options *o, struct load **ret_load, struct err *err);
/* From now on reads count as those after the event. */
void load_mark(struct load *l, uint64_t now_ms);

struct load_seen {
	uint64_t read_ms;      /* monotonic: when the first read ended that began after the mark; 0: none */
	uint64_t delivered_ms; /* when a message was seen that was handed in after the mark */
};
struct load_seen load_seen(struct load *l);
/* Ends the threads, each after what it is at. NULL is fine; returns NULL. */
struct load *load_stop(struct load *l);

/* The number in a subject of this run, SIZE_MAX where it is none. */
size_t load_number(const char *run, const char *subject);

#endif

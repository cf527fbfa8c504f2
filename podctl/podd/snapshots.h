/*
 * Snapshots of replicated volumes. Taking and deleting one is a record in the volume's log, so each site cuts and drops
 * it at the same point; what is here orders that, freezes the file system for the moment, keeps in the directory which
 * ones were asked for, and asks each site which ones it has.
 *
 *   snapshot_list.c      what each site has, put together with what the directory says
 *   snapshot_take.c      one snapshot, from the freeze until each site has it
 *   snapshot_schedule.c  at 00:00, 08:00 and 16:00 UTC, and which of them go
 *
 * One thread.
 */
#ifndef PODCTL_PODD_SNAPSHOTS_H
#define PODCTL_PODD_SNAPSHOTS_H

#include "podctl/podd/stack.h"

/* -POD_E_SYNTAX: not one that an admin may give: [a-z0-9._-]{1,63}, and none of those that podmail makes. */
int snapshot_name_check(const char *name, struct err *err);

/*
 * Asks each site that talks, then calls done, once and later: an array of {"name", "kind", "taken" (seconds), "lsn",
 * "epoch", "consistency", "held", "complete", "sites": [{"site", "copied_bytes", "held"}]}, oldest first. kind:
 * "scheduled", "manual", "resync" (kept while one was under way), "orphan" (what a site had of its own). complete: each
 * site has it. The array is the callee's to look at during the call; NULL where memory is out.
 */
typedef void volume_snapshots_list_fn(void *arg, const json_t *list);
void volume_snapshots_list(struct stack *s, volume_snapshots_list_fn *done, void *arg);

/*
 * Takes one and calls done, once and later: when each site has it, or after a while (r 0 all the same: "complete" in the
 * listing tells). -POD_E_EXISTS, -POD_E_UNAVAILABLE, -POD_E_BUSY (one is being taken).
 */
typedef void volume_snapshots_done_fn(void *arg, int r, const char *text);
void volume_snapshots_take(struct stack *s, const char *name, bool scheduled, bool hold, volume_snapshots_done_fn *done, void *arg);

/* At every site, and in the directory where it has it. A site that is away hears of it when it is back (volume_snapshots_tell). */
void volume_snapshots_hold(struct stack *s, const char *name, bool hold, volume_snapshots_done_fn *done, void *arg);
void volume_snapshots_delete(struct stack *s, const char *name, volume_snapshots_done_fn *done, void *arg);
/* Tells a site that has just begun to talk which snapshots are held. */
void volume_snapshots_tell(struct stack_site *site);

/* Compares the content at all sites: {"name", "same", "sites": [{"site", "checksum" or "error"}]}. */
typedef void volume_snapshots_verified_fn(void *arg, json_t *result); /* the callee's; NULL: memory is out */
void volume_snapshots_verify(struct stack *s, const char *name, volume_snapshots_verified_fn *done, void *arg);

/* Looks whether one is due or some have to go; called every so often. */
void volume_snapshots_look(struct stack *s);

#endif

/*
 * The control socket: how podd orders and asks (docs/replication.md, "The control socket"). A line of JSON
 * for each request, a line for each answer; a connection that said `watch` also gets a line for each event.
 *
 * Each connection has a thread of its own, so that a request that takes long (a demotion, a checksum) keeps
 * nobody else waiting: the word that a peer is struck may be what it waits for. Only our own user and root
 * are answered.
 */
#ifndef REPLICATOR_PLUGIN_CONTROL_H
#define REPLICATOR_PLUGIN_CONTROL_H

#include "replicator/link/link.h"
#include "replicator/snapshot/snapshot.h"

struct control;
struct replica;

enum control_event_kind { CONTROL_EVENT_LINK, CONTROL_EVENT_SNAPSHOT_DROPPED };

struct control_event {
	enum control_event_kind kind;
	struct replication_event link;     /* CONTROL_EVENT_LINK */
	char snapshot[SNAPSHOT_NAME_SIZE]; /* CONTROL_EVENT_SNAPSHOT_DROPPED */
};

int control_create(struct replica *r, struct control **ret_c, struct err *err);
/* Listens at path (mode 0600, a stale socket is replaced) and answers. The replica is open by now. */
int control_start(struct control *c, const char *path, struct err *err);
/* Ends connections and threads; events are still taken, and nobody hears of them. NULL is fine. */
void control_stop(struct control *c);
struct control *control_free(struct control *c);

/* To everybody who watches. Any thread, never waits, allocates nothing. Who reads too slowly loses the
 * oldest, and is told how many (event `lost`). */
void control_publish(struct control *c, const struct control_event *e);

#endif

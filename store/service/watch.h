/*
 * Who waits for changes of which user. The table is the loop's; commits tell it from the writer's thread, and
 * only where somebody waits at all. While a peer is slow its events are joined: the latest of each mailbox.
 */
#ifndef POD_STORE_SERVICE_WATCH_H
#define POD_STORE_SERVICE_WATCH_H

#include <stdbool.h>

#include "base/span.h"
#include "store/service/post.h"

struct watches;
struct volume_event;
struct task;
struct watcher;

struct watches *watches_create(struct post *post); /* NULL where memory is out */
struct watches *watches_free(struct watches *w);
void watches_on_changed(struct watches *w, const struct volume_event *events, size_t n); /* any thread */
/* Whether somebody may watch this user's: more often than somebody does. Any thread. */
bool watches_may_have(struct watches *w, struct span user_id);
/* The peer has room again: what was joined goes out. */
void watcher_on_room(struct watcher *w);

#endif

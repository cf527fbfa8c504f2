#include "replicator/plugin/control_internal.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"

/* ---- the queue ---- */

int control_queue_init(struct control_queue *q, struct err *err)
{
	(void) pthread_mutex_init(&q->lock, NULL);
	q->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return q->wake_fd < 0 ? err_errno(err, errno, "eventfd") : 0;
}

void control_queue_done(struct control_queue *q)
{
	closep(&q->wake_fd);
	(void) pthread_mutex_destroy(&q->lock);
}

static void set_open(struct control_queue *q, bool open)
{
	(void) pthread_mutex_lock(&q->lock);
	q->open = open;
	q->first = q->n = 0;
	q->lost = 0;
	(void) pthread_mutex_unlock(&q->lock);
}

void control_queue_open(struct control_queue *q)
{
	set_open(q, true);
}

void control_queue_close(struct control_queue *q)
{
	set_open(q, false);
}

void control_queue_put(struct control_queue *q, const struct control_event *e)
{
	(void) pthread_mutex_lock(&q->lock);
	if (q->open) {
		if (q->n == CONTROL_EVENTS_MAX) {
			q->first = (q->first + 1) % CONTROL_EVENTS_MAX;
			q->n--;
			q->lost++;
		}
		q->events[(q->first + q->n++) % CONTROL_EVENTS_MAX] = *e;
		(void) eventfd_write(q->wake_fd, 1);
	}
	(void) pthread_mutex_unlock(&q->lock);
}

bool control_queue_take(struct control_queue *q, struct control_event *ret, uint64_t *ret_lost)
{
	eventfd_t count;
	bool some;

	(void) pthread_mutex_lock(&q->lock);
	some = q->n > 0;
	if (some) {
		*ret = q->events[q->first];
		q->first = (q->first + 1) % CONTROL_EVENTS_MAX;
		q->n--;
		*ret_lost = q->lost;
		q->lost = 0;
	} else {
		(void) eventfd_read(q->wake_fd, &count);
	}
	(void) pthread_mutex_unlock(&q->lock);
	return some;
}

/* ---- as JSON ---- */

static json_t *json_u64(uint64_t v)
{
	return json_integer((json_int_t) v);
}

/* Which members an event has. */
enum {
	HAS_PEER = 1u << 0,
	HAS_SERIAL = 1u << 1,
	HAS_STATE = 1u << 2,
	HAS_ROLE = 1u << 3,
	HAS_RESYNC = 1u << 4,
	HAS_VERIFY = 1u << 5,
	HAS_TEXT = 1u << 6,
};

static const struct {
	const char *name;
	unsigned int has;
} events[] = {
	[REPLICATION_STRIKE] = { "strike", HAS_PEER | HAS_SERIAL },
	[REPLICATION_JOIN] = { "join", HAS_PEER | HAS_SERIAL },
	[REPLICATION_PEER_STATE] = { "peer_state", HAS_PEER | HAS_STATE | HAS_TEXT },
	[REPLICATION_ROLE] = { "role", HAS_ROLE | HAS_TEXT },
	[REPLICATION_RESYNC_DONE] = { "resync_done", HAS_PEER | HAS_RESYNC },
	[REPLICATION_VERIFY_DONE] = { "verify_done", HAS_PEER | HAS_VERIFY | HAS_TEXT },
	[REPLICATION_BROKEN] = { "broken", HAS_TEXT },
};

static json_t *link_event_json(const struct replication_event *e)
{
	unsigned int has = events[e->type].has;
	json_t *json = json_pack("{ss}", "event", events[e->type].name);

	if (has & HAS_PEER)
		(void) json_object_set_new(json, "peer", json_string(e->peer));
	if (has & HAS_SERIAL)
		(void) json_object_set_new(json, "serial", json_u64(e->serial));
	if (has & HAS_STATE)
		(void) json_object_set_new(json, "state", json_string(control_peer_state_name(e->state)));
	if (has & HAS_ROLE) {
		(void) json_object_set_new(json, "role", json_string(control_role_name(e->role)));
		(void) json_object_set_new(json, "token", json_u64(e->token));
	}
	if (has & (HAS_RESYNC | HAS_VERIFY))
		(void) json_object_set_new(json, "bytes", json_u64(e->bytes));
	if (has & HAS_RESYNC)
		(void) json_object_set_new(json, "sent_bytes", json_u64(e->sent_bytes));
	if (has & HAS_VERIFY) {
		(void) json_object_set_new(json, "differing_bytes", json_u64(e->differing_bytes));
		(void) json_object_set_new(json, "repaired_bytes", json_u64(e->repaired_bytes));
		(void) json_object_set_new(json, "first_offset", json_u64(e->first_offset));
	}
	if (has & HAS_TEXT && *e->text)
		(void) json_object_set_new(json, "text", json_string(e->text));
	return json;
}

json_t *control_event_json(const struct control_event *e)
{
	switch (e->kind) {
	case CONTROL_EVENT_LINK: return link_event_json(&e->link);
	case CONTROL_EVENT_SNAPSHOT_DROPPED:
		return json_pack("{ss, ss}", "event", "snapshot_dropped", "name", e->snapshot);
	}
	return NULL;
}

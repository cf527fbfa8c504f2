/* What the methods' files share: the service, and the task that a request becomes. */
#ifndef POD_STORE_SERVICE_INTERNAL_H
#define POD_STORE_SERVICE_INTERNAL_H

#include <stdatomic.h>

#include "base/metric.h"
#include "store/auth/auth.h"
#include "store/index/index.h"
#include "store/service/metrics.h"
#include "store/service/post.h"
#include "store/service/service.h"
#include "store/service/session.h"
#include "store/service/threads.h"
#include "store/service/watch.h"

struct service {
	struct service_options o;
	struct volume *vol;
	struct auth *auth;
	struct store_server *server;
	struct post *post;
	struct threads *readers;
	struct threads *slow; /* password hashes, fsck */
	struct threads *restorer; /* one: restores run one after the other */
	struct watches *watches;
	struct event *stats_event;
	_Atomic size_t under_way; /* requests not finally answered */
};

/*
 * A request on its way, in the request's arena. Handlers run where their row says; each ends with exactly one
 * of task_reply, task_fail, task_park, or a change submitted (whose done callback then answers).
 */
struct task {
	struct job job;
	struct note note;
	struct service *svc;
	struct store_request *rq;
	const struct method_row *row;
	struct arena *a;
	const ProtobufCMessage *message;
	struct span user_id; /* of its session */
	struct err err;
	uint64_t started_us;
	void *state; /* of a handler that parks */
	bool parked; /* loop's thread */
};

enum task_place {
	ON_LOOP, /* takes microseconds, waits for nothing */
	ON_READER,
	BY_BODY, /* on the loop where the body is small and came in the frame, on a reader where it has to be copied */
	ON_SLOW,
	ON_RESTORER,
};

struct method_row {
	enum store_method method;
	void (*run)(struct task *t);
	enum task_place place;
	bool session; /* its message begins with a session's number; an admin's has a user id behind it */
	void (*cancel)(struct task *t); /* loop's thread; NULL: it ends by itself soon enough */
};

/* Answers; any thread. The task is gone after a final one. */
void task_reply(struct task *t, const ProtobufCMessage *reply);
void task_reply_blob(struct task *t, const ProtobufCMessage *reply, struct span blob, int fd);
void task_fail(struct task *t, int r); /* text: t->err, or the code's own */
/* For a pool's thread: the peer is slow. The handler runs again, from t->state, when it has caught up. */
void task_park(struct task *t);
/* Whether a "more" frame may be sent, or it is time to park. */
bool task_has_room(struct task *t);
/* Runs fn as a job on a pool. */
void task_run_on(struct task *t, struct threads *threads, void (*fn)(struct job *job));

static inline struct task *task_of_job(struct job *job)
{
	return (struct task *) (void *) ((char *) job - offsetof(struct task, job));
}

static inline struct task *task_of_note(struct note *note)
{
	return (struct task *) (void *) ((char *) note - offsetof(struct task, note));
}

/* A change of the task's user, in its arena; NULL (and failed) where memory is out. done gets the task as owner. */
struct change *task_change(struct task *t, enum change_kind kind, void (*done)(struct change *c));
/* In done callbacks: answers with the change's error and returns true where it has one. */
bool change_failed(struct change *c);

/* convert.c: between the protocol's messages and the volume's structs. Results in a; NULL where memory is out. */
Podstore__Mailbox *convert_mailbox(struct arena *a, const struct volume_mailbox *m);
bool convert_ranges_out(struct arena *a, const struct uid_ranges *r, Podstore__UidRange ***ret, size_t *ret_n);
/* -POD_E_PROTOCOL where they are not ascending and disjoint. */
int convert_ranges_in(struct arena *a, Podstore__UidRange **r, size_t n, struct uid_ranges *ret);
bool convert_keywords_in(struct arena *a, char **names, size_t n, const struct span **ret);
char **convert_keywords_out(struct arena *a, const struct volume_mailbox *m);
void convert_summary(const Podstore__Summary *s, struct volume_summary *ret);
Podstore__User *convert_user(struct arena *a, const struct volume_user *u);
/* Answers with the user as the volume has him. */
void reply_user(struct task *t, const char *user_id);
/* Protobuf's strings are not const, and are not written to. */
char *unconst(const char *s);
/* 16 bytes, or none: all zero. -POD_E_PROTOCOL otherwise. */
int convert_guid(ProtobufCBinaryData bytes, struct guid *ret);

/* The methods. */
void method_deliver(struct task *t);
void method_check(struct task *t);
void method_auth(struct task *t);
void method_auth_cancel(struct task *t);
void method_auth_more(struct task *t, const Podstore__AuthStep *step);
void method_session_open(struct task *t);
void method_session_close(struct task *t);
void method_mailbox_list(struct task *t);
void method_mailbox_get(struct task *t);
void method_mailbox_create(struct task *t);
void method_mailbox_delete(struct task *t);
void method_mailbox_rename(struct task *t);
void method_mailbox_subscribe(struct task *t);
void method_url_sign(struct task *t);
void method_url_reset(struct task *t);
void method_url_open(struct task *t);
void method_state_get(struct task *t);
void method_state_put(struct task *t);
void method_state_list(struct task *t);
void method_state_delete(struct task *t);
void method_mailbox_open(struct task *t);
void method_fetch(struct task *t);
void method_body_open(struct task *t);
void method_changes(struct task *t);
void method_watch(struct task *t);
void method_watch_cancel(struct task *t);
void method_store_flags(struct task *t);
void method_append(struct task *t);
void method_copy(struct task *t);
void method_expunge(struct task *t);
void method_quota_get(struct task *t);
void method_lessons(struct task *t);
void method_lesson_body(struct task *t);
void method_lessons_done(struct task *t);
void method_user_add(struct task *t);
void method_user_set(struct task *t);
void method_user_get(struct task *t);
void method_user_remove(struct task *t);
void method_user_list(struct task *t);
void method_volume_status(struct task *t);
void method_fsck(struct task *t);
void method_restore(struct task *t);
void method_user_restore(struct task *t);
void method_source_users(struct task *t);

#endif

/* What the files behind the queue's control socket share. Answers are JSON. */
#ifndef POD_MTA_QUEUE_CONTROL_INTERNAL_H
#define POD_MTA_QUEUE_CONTROL_INTERNAL_H

#include <event2/http.h>
#include <jansson.h>

#include "mta/queue/internal.h"

/* A request: what it is about, and its query string's parameters. */
struct control_call {
	struct queue *q;
	struct queued *it; /* NULL where the resource is the whole queue */
	struct evhttp_request *rq;
	struct evkeyvalq params;
};

/* "" where it is not given. */
const char *control_param(const struct control_call *c, const char *name);
/* Takes json; NULL: memory is out. */
void control_reply(struct evhttp_request *rq, int code, json_t *json);
void control_error(struct evhttp_request *rq, int code, const char *text);

/* control_view.c */
json_t *control_item_json(struct queue *q, const struct queued *it, const Queue__Item *item);
/* "held", "active", "waiting" (for a volume) or "outbound". */
const char *control_state(const struct queued *it, const Queue__Item *item);
void control_show(struct control_call *c);
void control_message(struct control_call *c);
void control_lanes(struct control_call *c);

/* safety.c */
void control_safetynet(struct control_call *c);

/* control_list.c: a page of what matches */
void control_list(struct control_call *c);

/* control_act.c */
void control_retry(struct control_call *c);
void control_retry_all(struct control_call *c);
void control_flush(struct control_call *c);
void control_hold(struct control_call *c);
void control_release(struct control_call *c);
void control_remove(struct control_call *c);

#endif

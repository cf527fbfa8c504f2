/* Inside the control socket: connections, requests, events. */
#ifndef REPLICATOR_PLUGIN_CONTROL_INTERNAL_H
#define REPLICATOR_PLUGIN_CONTROL_INTERNAL_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#include "replicator/plugin/control.h"
#include "replicator/plugin/replica.h"

#define CONTROL_CONNECTIONS_MAX 16
#define CONTROL_LINE_MAX        65536 /* of a request */
#define CONTROL_EVENTS_MAX      64    /* that wait for one watcher */

/* ---- events that wait for a watcher (control_events.c) ---- */

struct control_queue {
	pthread_mutex_t lock;
	bool open;   /* somebody watches */
	int wake_fd; /* eventfd: readable while something waits; -1: none */
	size_t first, n;
	uint64_t lost;
	struct control_event events[CONTROL_EVENTS_MAX];
};

int control_queue_init(struct control_queue *q, struct err *err);
void control_queue_done(struct control_queue *q);
void control_queue_open(struct control_queue *q);
void control_queue_close(struct control_queue *q);
void control_queue_put(struct control_queue *q, const struct control_event *e);
/* False where nothing waits. Otherwise *ret_lost: events lost before this one. */
bool control_queue_take(struct control_queue *q, struct control_event *ret, uint64_t *ret_lost);
/* As it goes over the wire; NULL where memory is out. */
json_t *control_event_json(const struct control_event *e);

/* ---- lines (control_lines.c) ---- */

typedef int control_line_fn(void *arg, struct span line, struct err *err);
/*
 * Calls fn with each whole line of the *len bytes in buffer, which has room for CONTROL_LINE_MAX, and moves what is
 * left of them to its beginning. Ends with fn's error where it fails. -POD_E_LIMIT: there is no room for the rest of
 * a line.
 */
int control_lines_take(uint8_t *buffer, size_t *len, control_line_fn *fn, void *arg, struct err *err);

/* ---- requests (control_request.c reads them, control_command.c and control_status.c carry them out) ---- */

/* The fields of all commands; which a command takes says its row. */
struct control_request {
	const char *name, *peer, *address, *mode, *identity, *compress;
	uint64_t token, wait_ms, serial, size, for_ms;
	bool force, hold, in_sync, repair;
};

struct control_call {
	struct replica *replica;
	struct control_request request;
	json_t *answer;          /* to be filled in; "ok" is there already */
	const atomic_bool *stop; /* long work looks at it now and then */
	bool watch;              /* set by `watch` */
};

/* One row for each command. */
struct control_command {
	const char *name;
	uint32_t needs, takes; /* bits of enum control_field */
	int (*run)(struct control_call *c, struct err *err);
};
extern const struct control_command control_commands[];
extern const size_t control_commands_n;

enum control_field {
	CF_NAME,
	CF_PEER,
	CF_ADDRESS,
	CF_MODE,
	CF_IDENTITY,
	CF_COMPRESS,
	CF_TOKEN,
	CF_WAIT_MS,
	CF_SERIAL,
	CF_SIZE,
	CF_FOR_MS,
	CF_FORCE,
	CF_HOLD,
	CF_IN_SYNC,
	CF_REPAIR,
	CONTROL_FIELDS
};

/*
 * Reads a line: a command, and the fields that it needs and takes. The texts of *ret are *ret_json's, which becomes the
 * caller's. -POD_E_SYNTAX: no JSON, or not these fields; -POD_E_UNSUPPORTED: there is no such command.
 */
int control_request_read(struct span line, json_t **ret_json, const struct control_command **ret_command,
                         struct control_request *ret, struct err *err);
/* What is answered to a request that failed; NULL where memory is out. */
json_t *control_request_refused(int r, const struct err *err);
/* The peer that peer_set speaks of. -POD_E_LIMIT: too long, or too large; -POD_E_SYNTAX: not one of the words. */
int control_peer_config(const struct control_request *q, struct peer_config *ret, struct err *err);
/* Reads a line, runs its command, returns the answer (never NULL but where memory is out). */
json_t *control_request_run(struct control_call *c, struct span line);

int control_status(struct control_call *c, struct err *err);
int control_snapshot_list(struct control_call *c, struct err *err);
/* Names of enums, as they go over the wire. */
const char *control_role_name(enum replica_role role);
const char *control_peer_state_name(enum peer_state state);
const char *control_peer_mode_name(enum peer_mode mode);
int control_peer_mode_parse(const char *text, enum peer_mode *ret_mode, struct err *err);
/* NULL is "none". */
int control_compress_parse(const char *text, enum link_compress *ret_compress, struct err *err);

/* ---- connections (control_connection.c) ---- */

struct control_connection {
	struct control *control;
	pthread_t thread;
	bool used;        /* the thread has to be joined */
	atomic_bool done; /* it has ended by itself */
	int fd;
	struct control_queue queue;
};

struct control {
	struct replica *replica;
	int listen_fd;
	int stop_fd;  /* eventfd, readable once all have to end */
	int ended_fd; /* eventfd, readable where a connection has ended and is to be joined */
	atomic_bool stop;
	pthread_t thread;
	bool runs;
	char path[108]; /* of the socket; "" while there is none */
	struct control_connection connections[CONTROL_CONNECTIONS_MAX];
};

void *control_connection_main(void *connection);
/* One line of JSON, whole, or -POD_E_*: the peer is gone or does not read. */
int control_send(int fd, const json_t *json, struct err *err);

#endif

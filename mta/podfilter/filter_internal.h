/* What the frame's own files share; checks see filter.h. */
#ifndef POD_FILTER_INTERNAL_H
#define POD_FILTER_INTERNAL_H

#include <pthread.h>

#include "directory/directory.h"
#include "mta/podfilter/auth/mailauth.h"
#include "mta/podfilter/control/control.h"
#include "mta/podfilter/filter.h"
#include "mta/podfilter/memory.h"
#include "mta/podfilter/resolver.h"
#include "mta/podfilter/throttle.h"

struct filter {
	pthread_mutex_t lock; /* of settings and of every refs */
	struct settings *settings;
	struct memory *memory;
	struct resolver *resolver;
	struct mailauth *mailauth;
	struct report_store *reports;
	struct directory *directory; /* NULL: there is none yet */
	struct throttle *throttle;
	struct training *training;
	uint8_t source_key[32];              /* SOURCE_KEY_SIZE */
	char tmp_dir[4096];                  /* where spools put large messages */
	void (*progress)(struct message *m); /* NULL in tests */
};

/* Opens what the process needs, as the user that it runs as. conf is taken over, also on failure. */
int filter_open(const struct conf *conf, struct filter **ret_filter, struct err *err);
/* No thread is in a callback any more. NULL is fine; returns NULL. */
struct filter *filter_close(struct filter *f);
/* Sessions that begin from now on have the new one; it is taken over, also on failure. */
int filter_reload(struct filter *f, const struct conf *conf, struct err *err);

struct settings *settings_take(struct filter *f);
void settings_release(struct filter *f, struct settings *s);

/* client may be NULL. NULL where memory is out. */
struct session *session_create(struct filter *f, const struct net_addr *client, const char *client_name,
                               const char *daemon, const char *mta_name);
struct session *session_free(struct session *s);

/* Strings are copied. NULL where memory is out; s->message is the new one. */
struct message *message_create(struct session *s, const char *trace, struct span sender, const char *login);
struct message *message_free(struct message *m);
int message_add_recipient(struct message *m, struct span address, struct recipient **ret_recipient);
/* A field as libmilter tells it: value with the space behind the colon, folded with bare LF. */
int message_take_header(struct message *m, const char *name, const char *value, struct header **ret_header);
/* Findings become a score, and that a verdict. */
void message_decide(struct message *m);

/* The table's hooks in their order, for one step. */
bool check_applies(const struct check *c, const struct session *s);

/* libmilter's side (callbacks.c): names the socket and runs until stopped. */
int callbacks_register(struct filter *f, const struct conf *conf, struct err *err);
/* Returns when callbacks_stop was called or the socket broke. */
int callbacks_run(struct err *err);
/* Waits until libmilter's listener has looked, which it does every five seconds, or when somebody connects
 * ... */
void callbacks_stop(void);
/* ... as this does. */
void callbacks_wake(void);

/* The process's main thread: signals and what else is no message's. Returns after SIGTERM. */
int service_run(struct filter *f, const char *config_file, struct err *err);

#endif

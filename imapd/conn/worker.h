/* An imapd worker process: its event loop, listeners, and what its connections share. */
#ifndef POD_IMAPD_CONN_WORKER_H
#define POD_IMAPD_CONN_WORKER_H

#include "conf/conf.h"
#include "directory/directory.h"
#include "imapd/conn/users.h"
#include "imapd/imap/imap.h"
#include "net/listener.h"
#include "net/tls.h"
#include "tally/tally.h"

/* What the parent prepared; shared by all workers. */
struct imapd_listen {
	enum conf_listener which;
	int fd; /* -1: off */
};

struct imapd_options {
	const char *config_file; /* read again on SIGHUP */
	const struct conf *conf;
	const struct tls_server_options *tls;
	struct mesh *mesh; /* between the workers */
	struct tally *tally;           /* counts that all front ends of the host share */
	struct tls_context *store_tls; /* for volumes on other hosts; NULL: local ones only */
	const struct imapd_listen *listen;
	size_t listen_n;
};

struct https;
struct imap_conn;

struct imapd_worker {
	const struct imapd_options *o;
	const struct conf *conf;
	unsigned int index; /* among the workers */
	struct event_base *base;
	struct directory *directory;
	struct store_pool *stores;
	struct tls_context *tls;
	struct net_set *proxy_from;
	struct net_set *exempt; /* whose failed logins are counted by user alone; NULL: nobody's */
	struct imap_settings settings;
	struct users *users;
	struct imap_conn *conns; /* all of them */
	unsigned int connections;
	struct listener *listeners[CONF_LISTENERS];
	struct https *https;
	bool draining;
};

/* Runs until SIGTERM; the exit status. Opens the directory and metrics, so call it after fork. */
int imapd_worker_run(const struct imapd_options *o, unsigned int index);
/* Where it is to end and nobody is left whom it serves, its loop ends. */
void imapd_worker_end_if_idle(struct imapd_worker *w);

#endif

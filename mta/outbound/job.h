/* What the job_*.c files share of a job. */
#ifndef POD_MTA_OUTBOUND_JOB_H
#define POD_MTA_OUTBOUND_JOB_H

#include "mta/outbound/hosts.h"
#include "mta/outbound/internal.h"
#include "mta/outbound/race.h"
#include "mta/outbound/sign.h"

#define JOB_ADDRESSES_MAX RACE_MAX /* of one host */
#define JOB_PUT_OFF_MAX   16

/* A recipient, and what came of it so far. */
struct job_target {
	const Outbound__Target *target;
	const char
		*address; /* as it is sent: a domain of other letters in its xn-- form, where that is all */
	bool over;        /* outcome is the last word */
	Outbound__Outcome outcome;
};

/* An address to be connected to, with what its host demands. */
struct job_place {
	const char *host;
	struct net_addr addr;
	const struct tls_demand *demand;
};

struct job {
	struct outbound *o;
	Outbound__Job *record;
	struct body body;
	struct body
		encoded; /* for a server without 8BITMIME, once there was one; bytes.p NULL: there is none */
	bool encoding_tried;
	struct arena *arena;
	struct sign_call *sign_call;
	struct event due; /* the next step is taken from the loop */
	job_done_fn *fn;
	void *arg;
	uint64_t started_ms;
	const char *domain;         /* ASCII, lower case; or the literal */
	const char *same;           /* what makes the next job's destination the same (pool.h) */
	const struct route *route;  /* a copy; NULL: by the DNS */
	struct job_target *targets; /* as in record */
	/* where it goes (job_hosts.c) */
	struct hosts_lookup *hosts_lookup;
	struct dns_lookup *address_lookup;
	struct tlspolicy_wait *domain_wait, *host_wait;
	bool looked_up, hosts_known, domain_known;
	bool mx_secure, implicit;
	struct tls_domain tls_domain;
	const char *hosts[HOSTS_MAX];
	size_t n_hosts, host_at;
	struct net_addr addresses[JOB_ADDRESSES_MAX];
	size_t n_addresses;
	bool addresses_secure;
	const struct tls_demand *demand;           /* of the host, for this message */
	struct job_place put_off[JOB_PUT_OFF_MAX]; /* did not answer lately: when nobody else is left */
	size_t n_put_off, put_off_at;
	unsigned int tries;
	/* the connection (job_connect.c, job_send.c) */
	struct race *race;
	struct conn *conn;
	struct job_place place; /* where it goes */
	bool reused, in_clear;
	struct smtp_client_mail mail;
	size_t *asked; /* index into targets, of each of the mail's recipients */
	/* what is said of recipients that nobody spoke of, and of the destination */
	Outbound__Outcome fallback;
	Outbound__Feedback feedback;
	bool temporary; /* something failed that may be better next time */
	unsigned int relayed, delivered, failed, deferred;
};

/* ---- job.c ---- */

/* Everything is said: the result goes out, and the job is gone. */
void job_finish(struct job *j);
/* Text that lives as long as the job; cleaned, "" where memory is out. */
char *job_text(struct job *j, const char *text);
/*
 * Something went wrong before or beside the recipients, and those of whom nobody speaks later will hear it.
 * One that is for good counts only where nothing else was but for now.
 */
struct job_trouble {
	Outbound__Trouble trouble;
	bool for_good;
	unsigned int code;
	const char *enhanced, *text;
	const char *mta; /* whose words; NULL: ours */
};
void job_note(struct job *j, const struct job_trouble *t);
/* In our own words: 5xx is for good. */
void job_note_ours(struct job *j, Outbound__Trouble trouble, unsigned int code, const char *enhanced,
                   const char *text);

/* ---- job_hosts.c: from a destination to addresses ---- */

/* Looks the destination up, then goes to its first host. */
void job_look_up(struct job *j);
/* The next address, host, or put-off one; job_finish where none is left. */
void job_next_place(struct job *j);
void job_hosts_cancel(struct job *j);

/* ---- job_connect.c: to one of a host's addresses ---- */

/* To whichever of these of the place's host answers first. Those that have not failed by then become
 * j->addresses. */
void job_connect(struct job *j, const struct job_place *place, const struct net_addr *addrs, size_t n);
/* To the same address again, without TLS. */
void job_connect_in_clear(struct job *j);

/* ---- job_send.c: transactions on a connection ---- */

/* Speaks to j->place over fd, which it owns from then on. */
void job_use_connection(struct job *j, int fd);
/* To another place with those who are left; job_finish where nobody is. */
void job_go_on(struct job *j);
/* An open connection to the same destination; false: there is none. */
bool job_reuse_destination(struct job *j);
bool job_reuse_key(struct job *j, const char *host, const struct tls_demand *demand);
/* Gives it to the pool. */
void job_release(struct job *j);

/* ---- job_mail.c: what a transaction is made of, and what came of it ---- */

/* A transaction for those who are left; false: memory is out. */
bool job_mail_fill(struct job *j, const struct body *body);
/* Takes the verdicts. NULL: nobody has to be asked elsewhere; else why. */
const struct smtp_client_rcpt *job_mail_take(struct job *j);
/* Whether a server's words ask for less of us. */
bool job_words_ask_for_less(const struct smtp_client_rcpt *words);

#endif

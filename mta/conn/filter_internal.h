/* What filter.c and filter_facts.c share: a session's milters, and what they are told of it. */
#ifndef POD_MTA_CONN_FILTER_INTERNAL_H
#define POD_MTA_CONN_FILTER_INTERNAL_H

#include "mta/conn/internal.h"

#define NUMBER_SIZE 24

struct conn_filter {
	struct milter_chain *chain;
	struct milter_facts facts;
	bool asking;              /* inside milter_chain_ask */
	struct smtp_mail *ending; /* whose end is asked about */
	const char *quarantine;   /* in the chain's memory, until the mail's end */
	const struct smtp_rcpt *
		*accepted; /* by RCPT, before changes; NULL: nothing changed. In the mail's arena. */
	size_t n_accepted, n_bad_rcpts;
	/* texts of facts: of the connection */
	char client_addr[NET_ADDR_TEXT_SIZE + 5], bracketed[NET_ADDR_TEXT_SIZE + 2], client[DNS_NAME_SIZE + NET_ADDR_TEXT_SIZE + 8];
	char local_addr[NET_ADDR_TEXT_SIZE];
	char client_port[NUMBER_SIZE], local_port[NUMBER_SIZE];
	struct tls_facts tls;
	char protocol[16];
	/* of the message; others are in the mail's arena */
	char date[64], n_rcpts[NUMBER_SIZE], n_bad[NUMBER_SIZE];
};

/* Once, before anything is asked. */
void conn_filter_facts_connection(struct smtp_conn *c, const struct accepted *a);
/* Before each question: what it adds. */
void conn_filter_facts(struct smtp_conn *c, const struct smtp_question *q);
void conn_filter_facts_end(struct smtp_conn *c, const struct smtp_mail *mail);
/* Nothing of the message is known any more. */
void conn_filter_facts_forget(struct conn_filter *f);

#endif

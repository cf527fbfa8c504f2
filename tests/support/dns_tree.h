/* A DNS of one's own for tests in C: tests/support/dns_tree.py as a process. Its zones are a text as that
 * says. */
#ifndef POD_TESTS_DNS_TREE_H
#define POD_TESTS_DNS_TREE_H

#include <sys/types.h>

#include "conf/dns.h"

struct dns_tree {
	pid_t pid;
	int in; /* its standard input: it ends with it */
	char file[64], anchor[256], stubs[4096];
	unsigned int port;
};

/* Fails the test where it does not come up. */
void dns_tree_start(struct dns_tree *t, const char *zones);
void dns_tree_stop(struct dns_tree *t);
/* A configuration that lives in it. */
struct dns_conf dns_tree_conf(const struct dns_tree *t);

#endif

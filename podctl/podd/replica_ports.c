#include "podctl/podd/replica_ports.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "net/listener.h"
#include "podctl/podd/replica_files.h"

#define OFFSET   200  /* between the well-known ports that the pod's base port is added to */
#define FIRST    7200 /* where that is below what is root's */
#define SEARCHED 1000

struct taken {
	const struct podd *podd;
	bool ports[65536];
};

static int collect(void *arg, const char *name, const ProtobufCMessage *record)
{
	const Directory__Volume *v = (const Directory__Volume *) record;
	struct taken *taken = arg;

	for (size_t i = 0; i < v->n_replicas; i++) {
		const char *colon = strrchr(v->replicas[i]->endpoint, ':');
		uint32_t port;

		if (colon && replica_is_here(taken->podd->conf, v->replicas[i]) &&
		    span_to_u32(span_of(colon + 1), &port) == 0 && port < ARRAY_SIZE(taken->ports))
			taken->ports[port] = true;
	}
	return 0;
}

static bool is_free(const char *address, unsigned int port)
{
	_cleanup_(closep) int fd = -1;
	struct net_addr addr;
	char text[128];

	(void) snprintf(text, sizeof(text), strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, port);
	return net_addr_parse(span_of(text), &addr, NULL) == 0 && listener_open(&addr, 0, &fd, NULL) == 0;
}

int replica_ports_find(const struct podd *p, size_t n, unsigned int *ret_ports, struct err *err)
{
	const struct conf *conf = p->conf;
	_cleanup_(freep) struct taken *taken = calloc(1, sizeof(*taken));
	unsigned int first = conf->replication.first_port;
	size_t found = 0;
	int r;

	if (!taken)
		return err_set(err, POD_E_NOMEM, "ports");
	taken->podd = p;
	if (first == 0)
		first = conf->pod.base_port + OFFSET >= 1024 ? conf->pod.base_port + OFFSET : FIRST;
	r = directory_each(p->dir, DIRECTORY_VOLUME, SPAN_NONE, collect, taken, err);
	for (unsigned int port = first; r == 0 && found < n && port < first + SEARCHED && port < 65536;
	     port++)
		if (!taken->ports[port] && is_free(conf->replication.link_address, port))
			ret_ports[found++] = port;
	if (r == 0 && found < n)
		r = err_set(err, POD_E_LIMIT, "no free port for a replica from %u on", first);
	return r;
}

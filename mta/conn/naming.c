/*
 * What a client is called: its name in the DNS, where that is confirmed, is looked up while it waits for its
 * greeting. Milters and the Received field learn it; nothing is refused because of it here.
 */
#include <stdlib.h>
#include <string.h>

#include "mta/conn/internal.h"

static const char *const resolve_words[] = {
	[DNS_PEER_CONFIRMED] = "OK",
	[DNS_PEER_UNKNOWN] = "FAIL",
	[DNS_PEER_FORGED] = "FORGED",
	[DNS_PEER_TEMPORARY] = "TEMP",
};

const char *smtp_conn_resolve_word(const struct smtp_conn *c)
{
	return resolve_words[c->naming.outcome];
}

const char *smtp_conn_name(const struct smtp_conn *c)
{
	return c->naming.outcome == DNS_PEER_CONFIRMED ? c->naming.ptr : NULL;
}

static void conn_on_name(void *arg, const struct dns_peer *peer)
{
	struct smtp_conn *c = arg;

	c->naming.lookup = NULL;
	c->naming.outcome = peer->outcome;
	c->naming.ptr = *peer->ptr ? strdup(peer->ptr) : NULL;
	smtp_session_set_peer_name(c->session, smtp_conn_name(c));
	conn_filter_name(c);
	log_event(&c->log, LOGL_DEBUG, "session.named", F_STR("name", c->naming.ptr ? c->naming.ptr : ""),
	          F_STR("resolve", smtp_conn_resolve_word(c)));
	smtp_conn_greet_when_ready(c);
}

/* Made when it is first needed: most workers of a pod behind others never do. */
static struct dns *resolver(struct worker *w)
{
	struct err err = { 0 };

	if (!w->dns && !w->dns_failed && dns_create(w->base, &w->conf->dns, &w->dns, &err) < 0) {
		w->dns_failed = true;
		log_event(NULL, LOGL_ERROR, "dns.failed", F_ERR(&err));
	}
	return w->dns;
}

void smtp_conn_name_start(struct smtp_conn *c, const struct net_addr *peer)
{
	const struct mta_conf *conf = &c->w->conf->mta;
	struct err err = { 0 };

	c->naming.outcome = DNS_PEER_UNKNOWN;
	if (net_addr_is_loopback(peer)) { /* unix sockets, too: ourselves are known without asking */
		c->naming.outcome = DNS_PEER_CONFIRMED;
		c->naming.ptr = strdup("localhost");
		return;
	}
	if (conf->client_names && c->door->which != CONF_LISTEN_LMTP && resolver(c->w) &&
	    dns_peer_find(c->w->dns, peer, conf->client_names_timeout_ms, conn_on_name, c, &c->naming.lookup,
	                  &err) < 0)
		log_event(&c->log, LOGL_WARNING, "session.not_named", F_ERR(&err));
}

void smtp_conn_name_stop(struct smtp_conn *c)
{
	c->naming.lookup = dns_peer_cancel(c->naming.lookup);
	free(c->naming.ptr);
	c->naming.ptr = NULL;
}

/*
 * Smart hosts: destinations whose mail does not go where the DNS says. A file of lines,
 *
 *   DESTINATION HOST[:PORT] [tls=may|required|verify|none] [login=NAME password-file=PATH]
 *
 * DESTINATION is a domain, ".domain" for all below it, or "*" for all that have no line of their own; the
 * closest one counts. HOST is a name, whose addresses are looked up, or "[address]"; "mx" alone is what the
 * DNS says. "#" begins a comment.
 */
#ifndef POD_MTA_OUTBOUND_ROUTES_H
#define POD_MTA_OUTBOUND_ROUTES_H

#include "base/err.h"
#include "base/span.h"

enum route_tls {
	ROUTE_TLS_MAY,      /* where the host offers it */
	ROUTE_TLS_REQUIRED, /* or no mail; any certificate */
	ROUTE_TLS_VERIFY,   /* and one for HOST's name; what a login means where nothing is said */
	ROUTE_TLS_NONE,
};

struct route {
	const char *destination;
	const char *host; /* NULL: by the DNS after all */
	uint16_t port;    /* 0: outbound.port */
	enum route_tls tls;
	const char *login, *password; /* NULL: none */
};

struct routes;

/*
 * Reads the file and those of the passwords. -POD_E_CONFIG with "FILE:LINE: what"; -POD_E_NOTFOUND and its
 * kin where a file cannot be read. *ret_routes is the caller's, for routes_free.
 */
int routes_load(const char *path, struct routes **ret_routes, struct err *err);
struct routes *routes_free(struct routes *routes); /* NULL is fine; returns NULL */
/* The closest one for a domain; NULL where there is none or it says "mx". routes may be NULL. */
const struct route *routes_find(const struct routes *routes, struct span domain);

#endif

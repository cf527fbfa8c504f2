/* What the HTTPS server shows to anybody: a page for people who came with a browser, and MTA-STS policies. */
#ifndef POD_IMAPD_HTTP_PAGES_H
#define POD_IMAPD_HTTP_PAGES_H

#include "conf/conf.h"
#include "directory/directory.h"
#include "imapd/http/http.h"

struct pages {
	const struct conf *conf;
	struct directory *directory;
};

/* For struct http_route; arg is a struct pages. */
void page_front(void *arg, struct http_exchange *x);
/* The MTA-STS policy of a hosted domain (RFC 8461 3.3), where that is configured: at mta-sts.DOMAIN only. */
void page_policy(void *arg, struct http_exchange *x);

#endif

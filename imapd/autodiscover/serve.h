/*
 * The URLs at which clients look for their settings. Handlers for the table of the HTTPS server's routes; arg
 * is a struct discovery. On the event loop's thread.
 */
#ifndef POD_IMAPD_AUTODISCOVER_SERVE_H
#define POD_IMAPD_AUTODISCOVER_SERVE_H

#include "conf/conf.h"
#include "directory/directory.h"
#include "imapd/account/account.h"
#include "imapd/http/http.h"
#include "net/tls.h"

struct discovery {
	const struct conf *conf;
	struct directory *directory;
	struct accounts *accounts;
	struct tls_context *const *tls; /* the worker's, which a reload changes: signs profiles */
};

/* POST /autodiscover/autodiscover.xml (MS-OXDSCLI 3.1.5, MS-ASCMD 2.2.1.1): with Basic authentication. */
void discover_pox(void *arg, struct http_exchange *x);
/* GET /autodiscover/autodiscover.json?Email=&Protocol=, .../autodiscover.json/v1.0/ADDRESS?Protocol=: for
 * anybody. */
void discover_json(void *arg, struct http_exchange *x);
/* GET /mail/config-v1.1.xml, /.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=: for anybody. */
void discover_thunderbird(void *arg, struct http_exchange *x);
/* GET /mobileconfig?email=ADDRESS&type=imap|eas: a signed profile, for anybody: it has no secret in it. */
void discover_apple(void *arg, struct http_exchange *x);

#endif

/* Basic authentication (RFC 7617). Pure. */
#ifndef POD_IMAPD_HTTP_BASIC_H
#define POD_IMAPD_HTTP_BASIC_H

#include "base/arena.h"
#include "base/span.h"

/*
 * What an Authorization header says. -POD_E_NOTFOUND: there is none, or of another scheme; -POD_E_SYNTAX;
 * -POD_E_NOMEM. In a, which has the password in it then.
 */
int http_basic_parse(struct arena *a, const char *authorization, struct span *ret_user,
                     struct span *ret_password);

#endif

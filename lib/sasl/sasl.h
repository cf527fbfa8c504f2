/*
 * What a front end has to know of a SASL exchange that it only relays (RFC 4422): which mechanisms there
 * are and, from the client's first message, whose it is, so that it can be sent to that user's volume.
 * It never checks anything: the store does (libsasl2). Pure and thread-safe.
 */
#ifndef POD_SASL_SASL_H
#define POD_SASL_SASL_H

#include "base/arena.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/span.h"

enum sasl_mechanism { SASL_PLAIN, SASL_LOGIN, SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_256_PLUS, SASL_MECHANISMS };

#define SASL_CLEARTEXT       1u /* sends the password: only under TLS or from loopback */
#define SASL_CHANNEL_BINDING 2u /* only under TLS */
#define SASL_SERVER_FIRST    4u /* the server speaks first (LOGIN's prompts) */

struct sasl_mechanism_info {
	const char *name;
	unsigned int flags;
};
extern const struct sasl_mechanism_info sasl_mechanisms[SASL_MECHANISMS];

int sasl_mechanism_parse(struct span name, enum sasl_mechanism *ret_mechanism);

/*
 * The authentication identity in the client's first message (decoded from base64): PLAIN (RFC 4616), LOGIN's
 * user name, SCRAM's n= (RFC 5802 5.1, =2C and =3D undone; *ret_binding gets the p= name or is empty).
 * An authorization identity other than the authentication identity is -POD_E_DENIED (there is no proxying
 * yet); -POD_E_SYNTAX otherwise. In a.
 */
int sasl_first_user(struct arena *a, enum sasl_mechanism m, struct span message, struct span *ret_user,
                    struct span *ret_binding);

#endif

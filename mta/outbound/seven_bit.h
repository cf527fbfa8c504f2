/*
 * A message with 8-bit bytes for a server without 8BITMIME (RFC 6152 3): its parts encoded anew, text as
 * quoted-printable, anything else as base64 (RFC 2045 6.7, 6.8). Pure.
 */
#ifndef POD_MTA_OUTBOUND_SEVEN_BIT_H
#define POD_MTA_OUTBOUND_SEVEN_BIT_H

#include "base/buf.h"
#include "base/err.h"

#define SEVEN_BIT_MAX (64u << 20) /* of a message that is encoded anew */

/*
 * Adds the whole message to out, in which all bytes are below 128 then. -POD_E_UNSUPPORTED: it cannot be
 * done, or must not be, for its signature would be broken; err says why. -POD_E_NOMEM.
 */
int seven_bit_encode(struct span message, struct buf *out, struct err *err);

#endif

/*
 * X-Podmail-Source: who sent a message, in the message itself, so that what its recipient thinks of it (he
 * moves it into Junk) can be told to whom it belongs, years later and on any host. Signed, since strangers
 * write header fields, too.
 *
 *   X-Podmail-Source: v1; address=192.0.2.1; domain=example.org; domain=mail.example; time=1800000000;
 * sign=HEX
 *
 * sign is an HMAC-SHA256 over the text before "; sign=". Pure but for the key's file; thread-safe.
 */
#ifndef POD_FILTER_SOURCE_H
#define POD_FILTER_SOURCE_H

#include "base/buf.h"
#include "mta/podfilter/filter.h"
#include "mta/podfilter/sender.h"

#define SOURCE_FIELD    "X-Podmail-Source"
#define SOURCE_KEY_SIZE 32

/* The key in a file, made where it is missing. Hosts that share volumes need the same. */
int source_key_load(const char *path, uint8_t key[SOURCE_KEY_SIZE], struct err *err);
/* The field's value for a message. */
void source_write(const struct session *s, const struct authentication *auth, int64_t now_s,
                  const uint8_t key[SOURCE_KEY_SIZE], struct buf *out);
/* Back from a header: -POD_E_NOTFOUND where there is none, -POD_E_DENIED where it is not ours. */
int source_read(struct span header, const uint8_t key[SOURCE_KEY_SIZE], struct sender *ret_sender);

#endif

/* The sessions of one connection: whom it may read, by number. Loop's thread only. */
#ifndef POD_STORE_SERVICE_SESSION_H
#define POD_STORE_SERVICE_SESSION_H

#include "base/span.h"

struct sessions;

struct sessions *sessions_create(void); /* NULL where memory is out */
struct sessions *sessions_free(struct sessions *s);
/* The number of a new session, or 0 where memory is out or there are too many. */
uint32_t session_open(struct sessions *s, struct span user_id);
bool session_close(struct sessions *s, uint32_t number); /* false: there is none */
/* Whose it is, valid until it is closed; SPAN_NONE where there is none. */
struct span session_user(const struct sessions *s, uint32_t number);
size_t sessions_count(const struct sessions *s);

#endif

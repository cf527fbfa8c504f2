/* How many connections each user has in this worker. On the event loop's thread. */
#ifndef POD_IMAPD_CONN_USERS_H
#define POD_IMAPD_CONN_USERS_H

#include <stdbool.h>

struct users;

struct users *users_create(void);
struct users *users_free(struct users *u);
/* Counts one more; false where the user has max already or memory is out. */
bool users_enter(struct users *u, const char *user_id, unsigned int max);
void users_leave(struct users *u, const char *user_id);

#endif

/* A message of the filter as the authentication of senders takes it, and its results as the filter takes
 * them. */
#ifndef POD_FILTER_AUTH_MESSAGE_H
#define POD_FILTER_AUTH_MESSAGE_H

#include "mta/podfilter/auth/mailauth.h"
#include "mta/podfilter/filter.h"

struct auth_message {
	struct auth_results results;
	struct fields fields; /* of the header, once it is complete */
	struct span body;     /* in the spool */
	bool judged;          /* results are whole */
	bool vouched_for;     /* DMARC failed, and an ARC chain that we trust says why */
};

/* The check's own part of a message, made when first asked for. NULL where memory is out. */
struct auth_message *auth_message_of(struct message *m);
struct mailauth *auth_message_process(const struct message *m);
struct lookup auth_message_lookup(const struct message *m);

/* Header and body as they came. */
int auth_message_read(struct message *m, struct fields *ret_fields, struct span *ret_body, struct err *err);
/* DKIM, ARC and DMARC. */
int auth_message_check(struct message *m, struct auth_message *am, struct err *err);

/* What other checks see (m->auth): of SPF, then of all. */
void auth_message_tell_spf(struct message *m, const struct auth_results *r);
void auth_message_tell(struct message *m, const struct auth_results *r);
void auth_message_log(const struct message *m, const struct auth_message *am);

/* Edits: a field on top; fields that claim to be our results removed; our ARC seal where the message goes on.
 */
void auth_message_insert(struct message *m, const struct field *field);
void auth_message_remove_forged(struct message *m);
void auth_message_seal(struct message *m, struct auth_message *am);

#endif

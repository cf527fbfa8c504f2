/* What a milter and we agree upon before it is asked anything (SMFIC_OPTNEG). Pure. */
#ifndef POD_MTA_MILTER_NEGOTIATE_H
#define POD_MTA_MILTER_NEGOTIATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "mta/milter/stage.h"

#define MILTER_PROTOCOL_MIN 2u
#define MILTER_PROTOCOL_MAX 6u
#define MILTER_SYMBOL_LISTS 7

struct milter_terms {
	unsigned int version;
	uint32_t actions; /* SMFIF_*: how it may change a message */
	uint32_t steps;   /* SMFIP_*: what it does not want, does not answer, understands */
	/* Macros it asked for, by SMFIM_*, blank or comma separated; NULL: it takes the usual ones. */
	const char *symbols[MILTER_SYMBOL_LISTS];
};

/* Adds the packet that offers all that protocol, 2 to 6, has. */
void milter_offer(struct buf *out, unsigned int protocol);
/*
 * Reads the answer. Texts are kept in a. -POD_E_PROTOCOL with words: malformed, or more than was offered;
 * -POD_E_VERSION: a version we do not speak; -POD_E_NOMEM.
 */
int milter_terms_parse(struct arena *a, struct span data, unsigned int protocol,
                       struct milter_terms *ret_terms, struct err *err);
/* Whether it may change header or body; whether it wants to be told of recipients we refuse; of leading
 * blanks. */
bool milter_terms_change_content(const struct milter_terms *t);
bool milter_terms_want_refused(const struct milter_terms *t);
bool milter_terms_leading_space(const struct milter_terms *t);
/* Whether the milter wants to be told of a stage, and whether it answers. */
bool milter_terms_want(const struct milter_terms *t, enum milter_stage stage);
bool milter_terms_answer(const struct milter_terms *t, enum milter_stage stage);
/* ---- for people ---- */

/* "add-header", "change-header", ...: how it may change a message. Fills names, returns how many. */
#define MILTER_NAMES_MAX 32
size_t milter_terms_actions(const struct milter_terms *t, const char *names[MILTER_NAMES_MAX]);
/* "no-helo", "no-reply-header", "skip", ...: what it does not want, does not answer, understands. */
size_t milter_terms_steps(const struct milter_terms *t, const char *names[MILTER_NAMES_MAX]);
/* Of which step symbols[list] is: "mail". */
const char *milter_symbols_name(size_t list);

#endif

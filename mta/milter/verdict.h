/* What a milter says, in our words. Pure. */
#ifndef POD_MTA_MILTER_VERDICT_H
#define POD_MTA_MILTER_VERDICT_H

#include "base/arena.h"
#include "base/err.h"

enum milter_action {
	MILTER_GO_ON,
	MILTER_ACCEPT,  /* and ask this milter no more about it */
	MILTER_REFUSE,  /* with a reply */
	MILTER_DISCARD, /* take the message, and drop it */
	MILTER_DROP,    /* the connection, without a word */
	MILTER_ACTIONS
};
extern const char *const milter_action_words[MILTER_ACTIONS];

struct milter_verdict {
	enum milter_action action;
	/* of a refusal: 4xx or 5xx; 421 ends the connection */
	unsigned int code;
	const char *enhanced; /* "5.7.1", never empty, of the code's class */
	const char *text;     /* clean; LF between lines */
};

/*
 * The reply a milter made itself (SMFIR_REPLYCODE): "550 5.7.1 words", or several lines "550-5.7.1 words"
 * CRLF
 * ... with one code. -POD_E_PROTOCOL with words where it is none. Texts in a.
 */
int milter_reply_parse(struct arena *a, struct span text, struct milter_verdict *ret_verdict,
                       struct err *err);

#endif

/*
 * The conversation with one milter, without I/O: what is said goes into a buf as packets, packets that come
 * are judged by what was said before. One thing is said at a time; where it has an answer, that comes first.
 */
#ifndef POD_MTA_MILTER_TALK_H
#define POD_MTA_MILTER_TALK_H

#include "mta/milter/edit.h"
#include "mta/milter/macros.h"
#include "mta/milter/verdict.h"

struct milter_talk {
	struct milter_terms terms;
	bool negotiated;
	bool waiting;            /* for an answer */
	enum milter_stage stage; /* last said */
	bool ended_well; /* the last thing was a message's end, and the milter let it go on */
	bool skip;               /* no more of this stage's kind (SMFIR_SKIP) */
};

/* What goes with a stage: nothing for CONNECT, DATA, EOH and END, whose data are facts, or none. */
struct milter_words {
	struct span text; /* HELO's name, the path's address, the line of an unknown command, a field's name,
	                     body bytes */
	struct span more; /* ESMTP arguments of a path, a field's value */
};

enum milter_heard {
	MILTER_HEARD_TERMS, /* negotiated */
	MILTER_HEARD_PROGRESS,
	MILTER_HEARD_EDIT,
	MILTER_HEARD_VERDICT, /* the answer */
};

struct milter_answer {
	enum milter_heard heard;
	struct milter_edit edit;
	struct milter_verdict verdict;
};

/* Forgets all, for a new connection. */
void milter_talk_reset(struct milter_talk *t);
/* A connection that served another session: what was agreed then holds. */
void milter_talk_resume(struct milter_talk *t, const struct milter_terms *terms);
/* Begins. An answer follows. */
void milter_talk_open(struct milter_talk *t, struct buf *out, unsigned int protocol);
/* Says a stage, its macros in front. Whether an answer follows; nothing is said that the milter does not
 * want. */
bool milter_talk_say(struct milter_talk *t, struct buf *out, enum milter_stage stage,
                     const struct milter_facts *facts, const struct milter_words *words);
/* No answers follow these. The message is over; the connection is; the next one begins on the same socket. */
void milter_talk_abort(struct buf *out);
void milter_talk_quit(struct buf *out);
void milter_talk_quit_nc(struct buf *out);
/* Whether the same socket may serve another session: quit_nc is understood, and a message's end was the last
 * thing said. */
bool milter_talk_may_go_on(const struct milter_talk *t);

/*
 * A packet came. 0 and *ret_answer; -POD_E_PROTOCOL, -POD_E_VERSION or -POD_E_NOMEM with words: the
 * conversation is then over. protocol: as offered. Texts are kept in a, which has to live as long as the
 * talk's terms (negotiation) or the message.
 */
int milter_talk_take(struct milter_talk *t, struct arena *a, unsigned int protocol,
                     const struct milter_packet *p, struct milter_answer *ret_answer, struct err *err);

#endif

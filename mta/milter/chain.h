/* Inside mta/milter: a chain and its members, shared by chain.c, member.c, feed.c and changes.c. */
#ifndef POD_MTA_MILTER_CHAIN_H
#define POD_MTA_MILTER_CHAIN_H

#include "mta/milter/message.h"
#include "mta/milter/set.h"

/* How far a milter has been shown the message. */
struct milter_feed {
	bool on;
	enum milter_stage stage; /* HEADER, EOH, BODY or END comes next */
	size_t field;
	uint64_t body;
};

/* One milter in one session. */
struct milter_member {
	struct milter_chain *chain;
	struct milter_filter *filter;
	struct milter_link *link; /* NULL: not connected */
	bool open;                /* the link is */
	bool stale; /* it served a session before, and has not said anything in this one: it may be closed
	               already */
	bool fresh_only;     /* that happened: connect anew */
	struct arena *arena; /* of the terms */
	struct milter_talk talk;
	bool told_connect;
	unsigned int told_helo;                     /* which of the chain's */
	bool told;                                  /* of the question under way */
	bool failed;                                /* at it: not tried again before the next one */
	bool accepted_connection, accepted_message; /* not asked any more */
	bool in_message;                            /* wants to know when it is aborted */
	uint64_t asked_us;
	struct milter_feed feed;
	/* what it wants to change, until its last word */
	struct milter_edit *edits;
	size_t n_edits, cap_edits;
	struct spool *body;
};

struct milter_chain {
	struct milter_set *set;
	const struct milter_facts *facts;
	const struct log *log;
	milter_answer_fn *fn;
	void *arg;
	struct milter_member *members;
	size_t n;
	struct buf out; /* packets being put together */
	/* the greeting last told, for those who connect later */
	struct buf helo;
	unsigned int helo_no;
	/* the question under way */
	bool asking;
	struct milter_question question;
	struct buf words;
	size_t turn; /* whose */
	/* the message */
	struct arena *arena;
	bool in_message; /* from MAIL on */
	struct milter_message message;
	bool streaming, complete;   /* it comes in; it is there */
	struct milter_verdict fate; /* decided before its end; GO_ON: it is not */
	const char *quarantine;
	struct milter_edit *edits; /* of the envelope */
	size_t n_edits, cap_edits;
};

enum milter_run { MILTER_RUN_DONE, MILTER_RUN_WAIT };

/* chain.c */
/* The member whose turn it is has answered, or cannot: the next one, or the answer. The chain may be gone
 * after it. */
void milter_chain_go_on(struct milter_chain *c);
/* Answers the question. The chain may be gone after it. */
void milter_chain_conclude(struct milter_chain *c, const struct milter_verdict *v);
bool milter_chain_asks(const struct milter_chain *c, const struct milter_member *m);

/* member.c */
/* Takes a member as far as it goes with the question. */
enum milter_run milter_member_run(struct milter_member *m);
/* Sends what is in chain->out; where an answer follows its time begins. */
void milter_member_send(struct milter_member *m, bool answer);
/* Says a stage. Whether an answer follows. */
bool milter_member_say(struct milter_member *m, enum milter_stage stage, const struct milter_words *words);
/* The milter failed: its connection goes, and what follows for the message is noted. */
void milter_member_fail(struct milter_member *m, const char *why);
/* The message is over: told where it is in it. */
void milter_member_abort(struct milter_member *m);
/* The session is over. */
void milter_member_done(struct milter_member *m);

/* feed.c */
/* Shows the message as far as it is there. DONE: the milter has had its last word, or wants no more. */
enum milter_run milter_feed_run(struct milter_member *m);

/* changes.c */
/* Notes a change a milter asks for. -POD_E_NOMEM, or what spool_add says. */
int milter_changes_note(struct milter_member *m, const struct milter_edit *e, struct err *err);
/* Its last word was good: they are done. -POD_E_LIMIT: the header is too large. */
int milter_changes_apply(struct milter_member *m);
void milter_changes_forget(struct milter_member *m);

#endif

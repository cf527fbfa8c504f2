/*
 * A message as milters see it: its header fields one by one, its body as bytes of a spool. It is taken apart
 * once, while it comes in, and changed here by what milters ask for; the next one sees it as changed.
 * Belongs to one session.
 */
#ifndef POD_MTA_MILTER_MESSAGE_H
#define POD_MTA_MILTER_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "mta/spool/spool.h"

/* Most bytes of header kept; a message with more is refused by the filters' room. */
#define MILTER_HEADER_MAX (2u << 20)

struct milter_field {
	struct span raw; /* all of it, with its line ends */
	size_t name_len;
	bool is_field; /* else a line in the header that is none: kept where it is, shown to nobody */
	bool ours;     /* put there by us on the way in (Return-Path, Received): shown to nobody, see below */
};

struct milter_message {
	struct arena *arena; /* of the fields */
	struct milter_field *fields;
	size_t n, cap;
	bool header_complete;
	bool has_separator; /* the empty line */
	bool header_changed;
	struct spool *spool; /* of the whole message, the session's */
	uint64_t body_off;   /* in it */
	struct spool *body;  /* what replaced the body; NULL: nothing has */
	/* the field being put together */
	struct buf partial;
	size_t line_at; /* where its last line begins */
	uint64_t taken; /* bytes of the spool gone through */
};

/* spool: borrowed until milter_message_done. -POD_E_NOMEM. */
int milter_message_init(struct milter_message *m, struct spool *spool);
/* Frees all, the replaced body too. Fine on a zeroed struct. */
void milter_message_done(struct milter_message *m);

/*
 * The next bytes, which the spool has already. ours: fields that we put on top, given whole.
 * -POD_E_LIMIT over MILTER_HEADER_MAX, -POD_E_NOMEM.
 */
int milter_message_add(struct milter_message *m, struct span bytes, bool ours);
/* There are no more: a message without an empty line is all header. */
int milter_message_end(struct milter_message *m);

/* Of a field: its name, and its value as it travels to a milter, lines ended by LF, in a scratch buffer. */
struct span milter_field_name(const struct milter_field *f);
void milter_field_value(const struct milter_field *f, bool leading_space, struct buf *ret_value);

/* The body's bytes there are by now, and some of them. */
uint64_t milter_message_body_size(const struct milter_message *m);
int milter_message_body_read(const struct milter_message *m, uint64_t off, uint8_t *to, size_t len,
                             struct err *err);

/* ---- changes ---- */

/*
 * A field with this value goes before the index-th one (from 0), past the end behind all. As for Sendmail and
 * Postfix our own Received field is number 0: index 0 puts it above that, 1 below. value: LF between lines;
 * space: it has its leading blank already.
 */
int milter_message_insert(struct milter_message *m, size_t index, struct span name, struct span value,
                          bool space);
/*
 * The nth field (from 1) of that name, of those that came with the message, gets another value, or goes where
 * value is empty. Where there is none it is added, as Sendmail does.
 */
int milter_message_change(struct milter_message *m, struct span name, size_t nth, struct span value,
                          bool space);
/* Our Return-Path field, for a sender that was changed. */
int milter_message_set_return_path(struct milter_message *m, struct span sender);
/* The body is now this spool, which the message owns from here on. */
void milter_message_replace_body(struct milter_message *m, struct spool *body);
/* Makes the spool hold the message as it is now; nothing is done where nothing changed. Errors as spool_add.
 */
int milter_message_settle(struct milter_message *m, struct err *err);

#endif

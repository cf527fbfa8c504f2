/*
 * Cuts commands from a client's bytes: lines, and the literals that continue them (RFC 3501 2.2.1, 4.3 and
 * RFC 7888). A command is gathered whole, up to a limit; an APPEND's message is not, it goes past.
 */
#ifndef POD_IMAPD_IMAP_INPUT_H
#define POD_IMAPD_IMAP_INPUT_H

#include <event2/buffer.h>

#include "base/buf.h"
#include "base/span.h"

enum imap_input_event {
	INPUT_MORE,          /* nothing yet */
	INPUT_LINE,          /* the command is complete: imap_input_command() */
	INPUT_WANTS_LITERAL, /* its line ends in a literal: accept or refuse it */
	INPUT_REFUSED,       /* a command that was refused has been swallowed to its end */
	INPUT_NOMEM,
};

enum imap_input_refusal { INPUT_NOT_REFUSED, INPUT_TOO_LONG, INPUT_BARE_LF, INPUT_LITERAL_TOO_LONG };

struct imap_input {
	struct buf cmd;        /* as it came, the CRLFs before literals included, without the last one */
	size_t line_start;     /* of the last line in cmd */
	uint64_t literal_left; /* still to come: into cmd, or thrown away when refused */
	uint64_t literal;      /* the one the line ends in, on INPUT_WANTS_LITERAL */
	bool literal_sync;     /* it waits for our "+" */
	enum imap_input_refusal refused;
};

/* Takes bytes off in until there is an event. limit: of the whole command. */
enum imap_input_event imap_input_step(struct imap_input *i, struct evbuffer *in, size_t limit);
/* After INPUT_WANTS_LITERAL: take it into the command. */
void imap_input_accept_literal(struct imap_input *i);
/* After INPUT_WANTS_LITERAL: swallow it, if it comes without being asked for, and the rest of the command. */
void imap_input_refuse_literal(struct imap_input *i, enum imap_input_refusal why);
/* The literal was taken by other means; its line goes on. */
void imap_input_pass_literal(struct imap_input *i);
static inline struct span imap_input_command(const struct imap_input *i)
{
	return buf_span(&i->cmd);
}
/* Ready for the next command; memory is given back where much was used or all is wanted. */
void imap_input_reset(struct imap_input *i, bool give_back);

#endif

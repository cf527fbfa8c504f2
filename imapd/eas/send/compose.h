/*
 * The message that goes out for SendMail, SmartReply and SmartForward (MS-ASCMD 2.2.1.17 to 19): the client's
 * MIME, the original quoted below it, and its envelope. Pure: no I/O.
 */
#ifndef POD_IMAPD_EAS_SEND_COMPOSE_H
#define POD_IMAPD_EAS_SEND_COMPOSE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/span.h"

enum compose_kind { COMPOSE_NEW, COMPOSE_REPLY, COMPOSE_FORWARD };

struct compose_order {
	enum compose_kind kind;
	struct span mime;     /* the client's message */
	bool replace;         /* ReplaceMime: it holds of the original all that it should */
	struct span original; /* of a reply or forward; empty: there is none to be quoted */
	const char *login;    /* the user's address */
	const char *name;     /* the user's display name, where From has to be put right and the client gives
	                         none; may be "" */
	/* Whether the user may call themselves that; address: address_key's form. */
	bool (*may_use)(void *arg, struct span address);
	void *arg;
	/* The text of an HTML document, both UTF-8, in the arena; 0 or -POD_E_NOMEM. */
	int (*html_to_text)(struct arena *a, struct span html, struct span *ret_text);
	struct guid id; /* of the delivery: Message-ID and boundaries are made of it */
	int64_t now_s;
};

/* Owns bytes: composed_done. Spans live in the arena of compose(). */
struct composed {
	struct span sender; /* of the envelope */
	struct span *rcpts; /* each once */
	size_t n_rcpts;
	struct span message_id; /* with < > */
	struct buf sent;        /* as the Sent folder keeps it, Bcc in it; CRLF-ended lines */
	size_t sent_header_len; /* of it */
	struct buf wire_header; /* the header that goes out, without Bcc; what follows it is that of `sent` */
};

/*
 * -POD_E_SYNTAX: the MIME is none (status 107); -POD_E_NOTFOUND: nobody is to get it (119);
 * -POD_E_UNSUPPORTED: a recipient is no address (116); -POD_E_NOMEM. On failure nothing is owned.
 */
int compose(struct arena *a, const struct compose_order *o, struct composed *ret);
void composed_done(struct composed *c);

#endif

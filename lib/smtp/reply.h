/*
 * Replies of an SMTP server (RFC 5321 4.2), cut from its bytes: strict about what a reply is, patient about
 * its words. Pure; bounded however much a server says.
 */
#ifndef POD_SMTP_REPLY_H
#define POD_SMTP_REPLY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define SMTP_REPLY_LINE_MAX  4096 /* RFC 5321 4.5.3.1.5 asks for 512 */
#define SMTP_REPLY_LINES_MAX 256
#define SMTP_REPLY_TEXT_MAX  8192 /* of all lines; what is over that is left out */

struct smtp_reply {
	uint16_t code;    /* 200..599 */
	struct span text; /* the lines' words, LF between them; may hold any byte but CR, LF and NUL */
};

struct smtp_reply_reader {
	struct buf line, text;
	unsigned int lines;
	uint16_t code; /* of the lines so far; 0: none yet */
};

void smtp_reply_reader_init(struct smtp_reply_reader *r);
void smtp_reply_reader_done(struct smtp_reply_reader *r);
/*
 * Reads from bytes up to the end of a reply, and says in *ret_used how far it came. 1: *ret_reply is whole,
 * good until the next call; 0: all bytes are used and more are needed; -POD_E_SYNTAX: that is no SMTP;
 * -POD_E_LIMIT: too much of it; -POD_E_NOMEM. A line may end in LF alone: there is nothing behind a reply
 * that could be smuggled.
 */
int smtp_reply_read(struct smtp_reply_reader *r, struct span bytes, size_t *ret_used,
                    struct smtp_reply *ret_reply);
/* Whether it stands between two replies. */
bool smtp_reply_reader_is_idle(const struct smtp_reply_reader *r);

#define SMTP_ENHANCED_SIZE 12 /* "5.999.999" and a NUL */

/*
 * The enhanced code (RFC 3463) at the start of the reply's words, where it is one and its class fits the
 * code's; otherwise the class alone, "5.0.0".
 */
void smtp_reply_enhanced(const struct smtp_reply *reply, char ret_code[SMTP_ENHANCED_SIZE]);
/*
 * The words on one line, without enhanced codes, printable ASCII, cut to what buf holds: for reports and
 * logs. Returns buf.
 */
char *smtp_reply_words(const struct smtp_reply *reply, char *buf, size_t size);

#endif

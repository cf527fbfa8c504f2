/* The commands, each in its cmd_NAME.c; their table is in command.c. */
#ifndef POD_IMAPD_IMAP_COMMANDS_H
#define POD_IMAPD_IMAP_COMMANDS_H

#include <event2/buffer.h>

#include "base/span.h"

struct imap_session;
struct imap_parser;

void imap_cmd_append(struct imap_session *s, struct imap_parser *p);
void imap_cmd_authenticate(struct imap_session *s, struct imap_parser *p);
void imap_cmd_capability(struct imap_session *s, struct imap_parser *p);
void imap_cmd_check(struct imap_session *s, struct imap_parser *p);
void imap_cmd_close(struct imap_session *s, struct imap_parser *p);
void imap_cmd_copy(struct imap_session *s, struct imap_parser *p);
void imap_cmd_create(struct imap_session *s, struct imap_parser *p);
void imap_cmd_delete(struct imap_session *s, struct imap_parser *p);
void imap_cmd_enable(struct imap_session *s, struct imap_parser *p);
void imap_cmd_examine(struct imap_session *s, struct imap_parser *p);
void imap_cmd_expunge(struct imap_session *s, struct imap_parser *p);
void imap_cmd_fetch(struct imap_session *s, struct imap_parser *p);
void imap_cmd_genurlauth(struct imap_session *s, struct imap_parser *p);
void imap_cmd_getquota(struct imap_session *s, struct imap_parser *p);
void imap_cmd_getquotaroot(struct imap_session *s, struct imap_parser *p);
void imap_cmd_id(struct imap_session *s, struct imap_parser *p);
void imap_cmd_idle(struct imap_session *s, struct imap_parser *p);
void imap_cmd_list(struct imap_session *s, struct imap_parser *p);
void imap_cmd_login(struct imap_session *s, struct imap_parser *p);
void imap_cmd_logout(struct imap_session *s, struct imap_parser *p);
void imap_cmd_lsub(struct imap_session *s, struct imap_parser *p);
void imap_cmd_move(struct imap_session *s, struct imap_parser *p);
void imap_cmd_namespace(struct imap_session *s, struct imap_parser *p);
void imap_cmd_noop(struct imap_session *s, struct imap_parser *p);
void imap_cmd_rename(struct imap_session *s, struct imap_parser *p);
void imap_cmd_resetkey(struct imap_session *s, struct imap_parser *p);
void imap_cmd_search(struct imap_session *s, struct imap_parser *p);
void imap_cmd_select(struct imap_session *s, struct imap_parser *p);
void imap_cmd_starttls(struct imap_session *s, struct imap_parser *p);
void imap_cmd_status(struct imap_session *s, struct imap_parser *p);
void imap_cmd_store(struct imap_session *s, struct imap_parser *p);
void imap_cmd_subscribe(struct imap_session *s, struct imap_parser *p);
void imap_cmd_unselect(struct imap_session *s, struct imap_parser *p);
void imap_cmd_unsubscribe(struct imap_session *s, struct imap_parser *p);

void imap_cmd_urlfetch(struct imap_session *s, struct imap_parser *p);

/* APPEND's way in: the command has come up to the literal that is its message (cmd_append.c). */
bool imap_append_begin(struct imap_session *s);
/* Bytes of the message; false where there were none. */
bool imap_append_take(struct imap_session *s, struct evbuffer *in);
/* The rest of the line after the message. */
void imap_append_end(struct imap_session *s, struct span rest);

#endif

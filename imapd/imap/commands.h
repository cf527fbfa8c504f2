/* The commands, each in its cmd_NAME.c; their table is in command.c. */
#ifndef POD_IMAPD_IMAP_COMMANDS_H
#define POD_IMAPD_IMAP_COMMANDS_H

#include <event2/buffer.h>

#include "base/span.h"

struct imap_session;
struct imap_parser;

void cmd_append(struct imap_session *s, struct imap_parser *p);
void cmd_authenticate(struct imap_session *s, struct imap_parser *p);
void cmd_capability(struct imap_session *s, struct imap_parser *p);
void cmd_check(struct imap_session *s, struct imap_parser *p);
void cmd_close(struct imap_session *s, struct imap_parser *p);
void cmd_copy(struct imap_session *s, struct imap_parser *p);
void cmd_create(struct imap_session *s, struct imap_parser *p);
void cmd_delete(struct imap_session *s, struct imap_parser *p);
void cmd_enable(struct imap_session *s, struct imap_parser *p);
void cmd_examine(struct imap_session *s, struct imap_parser *p);
void cmd_expunge(struct imap_session *s, struct imap_parser *p);
void cmd_fetch(struct imap_session *s, struct imap_parser *p);
void cmd_getquota(struct imap_session *s, struct imap_parser *p);
void cmd_getquotaroot(struct imap_session *s, struct imap_parser *p);
void cmd_id(struct imap_session *s, struct imap_parser *p);
void cmd_idle(struct imap_session *s, struct imap_parser *p);
void cmd_list(struct imap_session *s, struct imap_parser *p);
void cmd_login(struct imap_session *s, struct imap_parser *p);
void cmd_logout(struct imap_session *s, struct imap_parser *p);
void cmd_lsub(struct imap_session *s, struct imap_parser *p);
void cmd_move(struct imap_session *s, struct imap_parser *p);
void cmd_namespace(struct imap_session *s, struct imap_parser *p);
void cmd_noop(struct imap_session *s, struct imap_parser *p);
void cmd_rename(struct imap_session *s, struct imap_parser *p);
void cmd_search(struct imap_session *s, struct imap_parser *p);
void cmd_select(struct imap_session *s, struct imap_parser *p);
void cmd_starttls(struct imap_session *s, struct imap_parser *p);
void cmd_status(struct imap_session *s, struct imap_parser *p);
void cmd_store(struct imap_session *s, struct imap_parser *p);
void cmd_subscribe(struct imap_session *s, struct imap_parser *p);
void cmd_unselect(struct imap_session *s, struct imap_parser *p);
void cmd_unsubscribe(struct imap_session *s, struct imap_parser *p);

/* APPEND's way in: the command has come up to the literal that is its message (cmd_append.c). */
bool imap_append_begin(struct imap_session *s);
/* Bytes of the message; false where there were none. */
bool imap_append_take(struct imap_session *s, struct evbuffer *in);
/* The rest of the line after the message. */
void imap_append_end(struct imap_session *s, struct span rest);

#endif

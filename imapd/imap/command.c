#include "imapd/imap/session.h"

#include "base/cleanup.h"
#include "imapd/imap/commands.h"

#define NOT_AUTH IMAP_NOT_AUTHENTICATED
#define AUTH     (IMAP_AUTHENTICATED | IMAP_SELECTED)
#define ANY      (NOT_AUTH | AUTH)
#define SELECTED IMAP_SELECTED
#define UID      IMAP_CMD_UID
#define SYNC     IMAP_CMD_SYNC

/* clang-format off */
static const struct imap_command commands[] = {
	{ "APPEND",       imap_cmd_append,       AUTH,     SYNC },
	{ "AUTHENTICATE", imap_cmd_authenticate, NOT_AUTH, 0 },
	{ "CAPABILITY",   imap_cmd_capability,   ANY,      SYNC },
	{ "CHECK",        imap_cmd_check,        SELECTED, SYNC | IMAP_CMD_ASKS },
	{ "CLOSE",        imap_cmd_close,        SELECTED, 0 },
	{ "COPY",         imap_cmd_copy,         SELECTED, UID | IMAP_CMD_SYNC },
	{ "CREATE",       imap_cmd_create,       AUTH,     SYNC },
	{ "DELETE",       imap_cmd_delete,       AUTH,     SYNC },
	{ "ENABLE",       imap_cmd_enable,       AUTH,     SYNC },
	{ "EXAMINE",      imap_cmd_examine,      AUTH,     0 },
	{ "EXPUNGE",      imap_cmd_expunge,      SELECTED, UID | SYNC },
	{ "FETCH",        imap_cmd_fetch,        SELECTED, UID | IMAP_CMD_SYNC_IF_UID },
	{ "GENURLAUTH",   imap_cmd_genurlauth,   AUTH,     SYNC },
	{ "GETQUOTA",     imap_cmd_getquota,     AUTH,     SYNC },
	{ "GETQUOTAROOT", imap_cmd_getquotaroot, AUTH,     SYNC },
	{ "ID",           imap_cmd_id,           ANY,      SYNC },
	{ "IDLE",         imap_cmd_idle,         AUTH,     SYNC },
	{ "LIST",         imap_cmd_list,         AUTH,     SYNC },
	{ "LOGIN",        imap_cmd_login,        NOT_AUTH, 0 },
	{ "LOGOUT",       imap_cmd_logout,       ANY,      0 },
	{ "LSUB",         imap_cmd_lsub,         AUTH,     SYNC },
	{ "MOVE",         imap_cmd_move,         SELECTED, UID | SYNC },
	{ "NAMESPACE",    imap_cmd_namespace,    AUTH,     SYNC },
	{ "NOOP",         imap_cmd_noop,         ANY,      SYNC | IMAP_CMD_ASKS },
	{ "RENAME",       imap_cmd_rename,       AUTH,     SYNC },
	{ "RESETKEY",     imap_cmd_resetkey,     AUTH,     SYNC },
	{ "SEARCH",       imap_cmd_search,       SELECTED, UID | IMAP_CMD_SYNC_IF_UID },
	{ "SELECT",       imap_cmd_select,       AUTH,     0 },
	{ "STARTTLS",     imap_cmd_starttls,     NOT_AUTH, 0 },
	{ "STATUS",       imap_cmd_status,       AUTH,     SYNC },
	{ "STORE",        imap_cmd_store,        SELECTED, UID | IMAP_CMD_SYNC_IF_UID },
	{ "SUBSCRIBE",    imap_cmd_subscribe,    AUTH,     SYNC },
	{ "UNSELECT",     imap_cmd_unselect,     SELECTED, 0 },
	{ "UNSUBSCRIBE",  imap_cmd_unsubscribe,  AUTH,     SYNC },
	{ "URLFETCH",     imap_cmd_urlfetch,     AUTH,     SYNC },
};
/* clang-format on */

static const struct imap_command *find(struct span name)
{
	size_t low = 0, high = ARRAY_SIZE(commands);

	for (size_t i = low; i < high; i++)
		if (span_eq_nocase(name, span_of(commands[i].name)))
			return &commands[i];
	return NULL;
}

const struct imap_command *imap_command_find(struct imap_parser *p, bool *ret_uid)
{
	const struct imap_command *command;
	struct span name;

	*ret_uid = false;
	if (imap_parse_atom(p, &name) < 0)
		return NULL;
	if (span_eq_nocase(name, SPAN_LIT("UID"))) {
		if (imap_parse_space(p) < 0 || imap_parse_atom(p, &name) < 0)
			return NULL;
		*ret_uid = true;
	}
	command = find(name);
	return command && *ret_uid && !(command->flags & IMAP_CMD_UID) ? NULL : command;
}

/* The tag, kept for the reply; false where there is none to reply to. */
static bool take_tag(struct imap_session *s, struct imap_parser *p)
{
	struct span tag;

	if (imap_parse_tag(p, &tag) < 0 || tag.len > IMAP_TAG_MAX || imap_parse_space(p) < 0) {
		(void) strcpy(s->tag, "*");
		return false;
	}
	memcpy(s->tag, tag.p, tag.len);
	s->tag[tag.len] = '\0';
	return true;
}

static void run(struct imap_session *s, struct imap_parser *p)
{
	const struct imap_command *command;
	bool uid;

	if (!take_tag(s, p)) {
		imap_reply_bad(s, "Invalid tag");
		return;
	}
	command = imap_command_find(p, &uid);
	if (!command) {
		imap_reply_bad(s, "Unknown command");
	} else if (!(command->states & s->state)) {
		imap_reply_bad(s, "%s",
		               command->states & NOT_AUTH ? "Authenticated already"
		               : s->state == NOT_AUTH     ? "Authenticate first"
		                                          : "Select a mailbox first");
	} else {
		s->command = command;
		s->uid = uid;
		command->run(s, p);
	}
}

void imap_command_run(struct imap_session *s)
{
	struct imap_parser p = IMAP_PARSER(imap_input_command(&s->input), s->a);

	s->mode = IMAP_BUSY;
	run(s, &p);
}

#include "imapd/eas/commands.h"

#include "base/cleanup.h"
#include "imapd/eas/fetch/fetch.h"
#include "imapd/eas/folder/folder.h"
#include "imapd/eas/meeting/meeting.h"
#include "imapd/eas/provision/provision.h"
#include "imapd/eas/resolve/resolve.h"
#include "imapd/eas/send/send.h"
#include "imapd/eas/search/search.h"
#include "imapd/eas/settings/settings.h"
#include "imapd/eas/sync/commands.h"

/* clang-format off */
static const struct eas_command commands[] = {
	/* code  name  since  until  flags  root  run */
	{ 0, "Sync", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY | EAS_MAY_WAIT | EAS_TAKES_EMPTY, AIRSYNC_SYNC, eas_cmd_sync },
	{ 1, "SendMail", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY | EAS_TAKES_RFC822, COMPOSEMAIL_SENDMAIL, eas_cmd_send_mail },
	{ 2, "SmartForward", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY | EAS_TAKES_RFC822, COMPOSEMAIL_SMARTFORWARD,
	  eas_cmd_smart_forward },
	{ 3, "SmartReply", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY | EAS_TAKES_RFC822, COMPOSEMAIL_SMARTREPLY, eas_cmd_smart_reply },
	{ 4, "GetAttachment", EAS_2_5, EAS_14_1, EAS_NEEDS_POLICY | EAS_TAKES_EMPTY, 0, eas_cmd_get_attachment },
	{ 5, "GetHierarchy", EAS_2_5, EAS_12_1, EAS_NEEDS_POLICY | EAS_TAKES_EMPTY, FOLDERHIERARCHY_FOLDERS, eas_cmd_get_hierarchy },
	{ 9, "FolderSync", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY, FOLDERHIERARCHY_FOLDERSYNC, eas_cmd_folder_sync },
	{ 10, "FolderCreate", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY, FOLDERHIERARCHY_FOLDERCREATE, eas_cmd_folder_create },
	{ 11, "FolderDelete", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY, FOLDERHIERARCHY_FOLDERDELETE, eas_cmd_folder_delete },
	{ 12, "FolderUpdate", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY, FOLDERHIERARCHY_FOLDERUPDATE, eas_cmd_folder_update },
	{ 13, "MoveItems", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY, MOVE_MOVEITEMS, eas_cmd_move_items },
	{ 14, "GetItemEstimate", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY, GETITEMESTIMATE_GETITEMESTIMATE, eas_cmd_get_item_estimate },
	{ 15, "MeetingResponse", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY, MEETINGRESPONSE_MEETINGRESPONSE, eas_cmd_meeting_response },
	{ 16, "Search", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY, SEARCH_SEARCH, eas_cmd_search },
	{ 17, "Settings", EAS_12_0, EAS_16_1, EAS_NEEDS_POLICY, SETTINGS_SETTINGS, eas_cmd_settings },
	{ 18, "Ping", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY | EAS_MAY_WAIT | EAS_TAKES_EMPTY, PING_PING, eas_cmd_ping },
	{ 19, "ItemOperations", EAS_12_0, EAS_16_1, EAS_NEEDS_POLICY, ITEMOPERATIONS_ITEMOPERATIONS, eas_cmd_item_operations },
	{ 20, "Provision", EAS_2_5, EAS_16_1, 0, PROVISION_PROVISION, eas_cmd_provision },
	{ 21, "ResolveRecipients", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY, RESOLVERECIPIENTS_RESOLVERECIPIENTS,
	  eas_cmd_resolve_recipients },
	{ 22, "ValidateCert", EAS_2_5, EAS_16_1, EAS_NEEDS_POLICY, VALIDATECERT_VALIDATECERT, eas_cmd_validate_cert },
	{ 23, "Find", EAS_16_1, EAS_16_1, EAS_NEEDS_POLICY, FIND_FIND, eas_cmd_find },
	{ 0 },
};
/* clang-format on */

/* The empty row ends it. */
static const struct eas_command *end(void)
{
	return &commands[ARRAY_SIZE(commands) - 1];
}

const struct eas_command *eas_command_by_name(struct span name)
{
	for (const struct eas_command *c = commands; c < end(); c++)
		if (span_eq_nocase(name, span_of(c->name)))
			return c;
	return NULL;
}

const struct eas_command *eas_command_by_code(unsigned int code)
{
	for (const struct eas_command *c = commands; c < end(); c++)
		if (c->code == code)
			return c;
	return NULL;
}

void eas_commands_list(struct buf *out)
{
	for (const struct eas_command *c = commands; c < end(); c++) {
		if (out->len)
			buf_add_byte(out, ',');
		buf_add_str(out, c->name);
	}
}

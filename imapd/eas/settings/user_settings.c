/* What a device asks about its user. */
#include "imapd/eas/settings/settings.h"

/* Addresses that lead to the user's mailbox alone: his own, and his aliases. */
struct addresses {
	struct eas_request *rq;
	const char *own;
};

static int write_alias(void *arg, const char *name, const ProtobufCMessage *record)
{
	const Directory__Alias *alias = (const Directory__Alias *) record;
	struct addresses *as = arg;

	if (name[0] != '@' && alias->n_targets == 1 &&
	    span_eq_nocase(span_of(alias->targets[0]), span_of(as->own)))
		wbxml_str(&as->rq->out, SETTINGS_SMTPADDRESS, name);
	return 0;
}

static void write_addresses(struct eas_request *rq)
{
	struct addresses as = { rq, account_address(rq->account) };

	wbxml_open(&rq->out, SETTINGS_EMAILADDRESSES);
	wbxml_str(&rq->out, SETTINGS_SMTPADDRESS, as.own);
	(void) directory_each(rq->parts->directory, DIRECTORY_ALIAS, SPAN_NONE, write_alias, &as, NULL);
	if (rq->version >= EAS_14_1)
		wbxml_str(&rq->out, SETTINGS_PRIMARYSMTPADDRESS, as.own);
	wbxml_close(&rq->out);
}

static const char *display_name(struct eas_request *rq)
{
	const ProtobufCMessage *record;
	const char *name;

	if (directory_get(rq->parts->directory, rq->a, DIRECTORY_USER, span_of(account_address(rq->account)),
	                  &record, NULL) < 0)
		return account_address(rq->account);
	name = ((const Directory__User *) record)->display_name;
	return *name ? name : account_address(rq->account);
}

/* From 14.1 on the addresses are those of an account. */
static void write_account(struct eas_request *rq)
{
	wbxml_open(&rq->out, SETTINGS_ACCOUNTS);
	wbxml_open(&rq->out, SETTINGS_ACCOUNT);
	wbxml_str(&rq->out, SETTINGS_USERDISPLAYNAME, display_name(rq));
	write_addresses(rq);
	wbxml_close(&rq->out);
	wbxml_close(&rq->out);
}

void settings_user_information(struct eas_request *rq, const struct wbxml_node *node)
{
	if (!wbxml_child(node, SETTINGS_GET)) {
		settings_status(rq, SETTINGS_USERINFORMATION, SETTINGS_PROTOCOL_ERROR);
		return;
	}
	wbxml_open(&rq->out, SETTINGS_USERINFORMATION);
	wbxml_uint(&rq->out, SETTINGS_STATUS, SETTINGS_OK);
	wbxml_open(&rq->out, SETTINGS_GET);
	if (rq->version >= EAS_14_1)
		write_account(rq);
	else
		write_addresses(rq);
	wbxml_close(&rq->out);
	wbxml_close(&rq->out);
}

/* There is no rights management here: no templates (MS-ASRM 2.2.2.18). */
void settings_rights(struct eas_request *rq, const struct wbxml_node *node)
{
	if (rq->version < EAS_14_1 || !wbxml_child(node, SETTINGS_GET)) {
		settings_status(rq, SETTINGS_RIGHTSMANAGEMENTINFORMATION, SETTINGS_PROTOCOL_ERROR);
		return;
	}
	wbxml_open(&rq->out, SETTINGS_RIGHTSMANAGEMENTINFORMATION);
	wbxml_uint(&rq->out, SETTINGS_STATUS, SETTINGS_OK);
	wbxml_open(&rq->out, SETTINGS_GET);
	wbxml_empty(&rq->out, RIGHTSMANAGEMENT_RIGHTSMANAGEMENTTEMPLATES);
	wbxml_close(&rq->out);
	wbxml_close(&rq->out);
}

/* The methods of the control socket. */
#include "mta/podfilter/control/control_internal.h"

const struct control_method control_methods[] = {
	/* {} -> {"domains": [{"domain", "rotate_days", "keys"}]} */
	{ "dkim.domains", control_dkim_domains },
	/* {"domain"} -> {"domain", "rotate_days", "keys": [key]}, each with what the DNS has */
	{ "dkim.list", control_dkim_list },
	/* {"domain", "type", "bits"?} -> key */
	{ "dkim.create", control_dkim_create },
	/* {"domain", "selector", "force"?} -> key; refused where the DNS does not have it, unless forced */
	{ "dkim.activate", control_dkim_activate },
	{ "dkim.remove", control_dkim_remove },
	/* {"domain"} -> {"keys": [key]}: a successor of each active key */
	{ "dkim.rotate", control_dkim_rotate },
	/* {"domain", "days"} -> {"domain", "rotate_days"}; 0: never */
	{ "dkim.schedule", control_dkim_schedule },
	/* {"date"?, "again"?} -> {"date", "domains": [{"domain", "messages", "to": [{"address", "status"}]}]}
	 */
	{ "dmarc.report", control_dmarc_report },
	/* {"date"?} -> {"date", "domains": [{"domain", "messages", "sent", "policy"}]} */
	{ "dmarc.show", control_dmarc_show },
	{ NULL, NULL },
};

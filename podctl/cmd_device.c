/* Phones and mail programs that speak ActiveSync: what there is, wiping, letting in, policies. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"
#include "podctl/show.h"

static const struct output_column list_columns[] = {
	{ "USER", "address", OUTPUT_TEXT },   { "ID", "id", OUTPUT_TEXT },
	{ "TYPE", "type", OUTPUT_TEXT },      { "MODEL", "model", OUTPUT_TEXT },
	{ "OS", "os", OUTPUT_TEXT },          { "VERSION", "version", OUTPUT_TEXT },
	{ "SEEN", "last_seen", OUTPUT_TIME }, { "ACCESS", "access", OUTPUT_TEXT },
	{ "WIPE", "wipe", OUTPUT_TEXT },
};

static const struct output_column show_columns[] = {
	{ "User", "address", OUTPUT_TEXT },
	{ "Id", "id", OUTPUT_TEXT },
	{ "Type", "type", OUTPUT_TEXT },
	{ "Name", "name", OUTPUT_TEXT },
	{ "Model", "model", OUTPUT_TEXT },
	{ "IMEI", "imei", OUTPUT_TEXT },
	{ "System", "os", OUTPUT_TEXT },
	{ "Language", "os_language", OUTPUT_TEXT },
	{ "Telephone", "phone_number", OUTPUT_TEXT },
	{ "Operator", "operator", OUTPUT_TEXT },
	{ "Program", "user_agent", OUTPUT_TEXT },
	{ "Protocol version", "version", OUTPUT_TEXT },
	{ "First seen", "first_seen", OUTPUT_TIME },
	{ "Last seen", "last_seen", OUTPUT_TIME },
	{ "Access", "access", OUTPUT_TEXT },
	{ "since", "access_changed", OUTPUT_TIME },
	{ "Took policies", "provisioned", OUTPUT_YESNO },
	{ "at", "provisioned_at", OUTPUT_TIME },
	{ "Wipe", "wipe", OUTPUT_TEXT },
	{ "of the", "wipe_kind", OUTPUT_TEXT },
	{ "ordered", "wipe_ordered", OUTPUT_TIME },
	{ "told", "wipe_told", OUTPUT_TIME },
	{ "answered", "wipe_answered", OUTPUT_TIME },
	{ "Recovery password", "recovery_password", OUTPUT_TEXT },
};

static const struct output_column policy_columns[] = {
	{ "POLICY", "name", OUTPUT_TEXT },
	{ "VALUE", "value", OUTPUT_TEXT },
	{ "OTHERWISE", "otherwise", OUTPUT_TEXT },
	{ "WHAT", "help", OUTPUT_TEXT },
};

static const char *device_path(struct cli *cli, const char *what)
{
	return arena_printf(cli->arena, "/users/%s/devices/%s%s", client_segment(cli, cli->args[0]),
	                    client_segment(cli, cli->args[1]), what);
}

/* ---- list, show ---- */

static int add_devices(struct cli *cli, const char *address, json_t *all)
{
	const char *path = arena_printf(cli->arena, "/users/%s/devices", client_segment(cli, address));
	json_t *answer;
	int r = client_call(cli, "GET", path, NULL, &answer);

	if (r < 0)
		return r;
	r = json_array_extend(all, json_object_get(answer, "devices"));
	json_decref(answer);
	return r < 0 ? err_set(&cli->err, POD_E_NOMEM, "devices") : 0;
}

/* One user after the other: each is asked of his volume. */
static int add_everybodys(struct cli *cli, json_t *all)
{
	const char *domain = cli_option(cli, "--domain");
	json_t *answer, *user;
	size_t i;
	int r = client_list(
		cli,
		domain ? arena_printf(cli->arena, "/users?limit=1000&domain=%s", client_segment(cli, domain))
		       : "/users?limit=1000",
		"users", &answer);

	if (r < 0)
		return r;
	json_array_foreach(json_object_get(answer, "users"), i, user)
	{
		if (r == 0)
			r = add_devices(cli, json_string_value(json_object_get(user, "address")), all);
	}
	json_decref(answer);
	return r;
}

static int run_list(struct cli *cli)
{
	json_t *all = json_array(), *whole;
	int status;

	if ((cli->args_n > 0 ? add_devices(cli, cli->args[0], all) : add_everybodys(cli, all)) < 0) {
		json_decref(all);
		return cli_fail(cli);
	}
	whole = json_pack("{so}", "devices", all);
	status = output_rows(cli, list_columns, ARRAY_SIZE(list_columns), all, whole);
	json_decref(whole);
	return status;
}

static int run_show(struct cli *cli)
{
	return show_object(cli, device_path(cli, ""), show_columns, ARRAY_SIZE(show_columns));
}

/* ---- orders ---- */

static int order(struct cli *cli, const char *what, const char *field, const char *word, const char *done)
{
	json_t *answer;
	int status;

	if (client_call(cli, "POST", device_path(cli, what), json_pack("{ss}", field, word), &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "The device %s of %s %s.", cli->args[1], cli->args[0], done);
	json_decref(answer);
	return status;
}

static int wipe(struct cli *cli, const char *kind, const char *what)
{
	if (cli_option(cli, "--cancel"))
		return order(cli, "/wipe", "wipe", "cancel", "is not wiped, or may begin anew");
	if (!cli_option(cli, "--yes"))
		return cli_fail_with(cli, POD_E_SYNTAX, "give --yes where that is meant",
		                     "%s is deleted on the device %s", what, cli->args[1]);
	return order(cli, "/wipe", "wipe", kind, "is told to wipe when it connects next");
}

static int run_wipe(struct cli *cli)
{
	return wipe(cli, "device", "everything");
}

static int run_wipe_account(struct cli *cli)
{
	return wipe(cli, "account", "the account with its mail");
}

static int run_allow(struct cli *cli)
{
	return order(cli, "/access", "access", "allow", "may connect");
}

static int run_block(struct cli *cli)
{
	return order(cli, "/access", "access", "block", "may not connect");
}

static int run_remove(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "DELETE", device_path(cli, ""), NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Forgot the device %s of %s. One that connects again begins anew.",
	                     cli->args[1], cli->args[0]);
	json_decref(answer);
	return status;
}

/* ---- policies ---- */

/* "NAME=VALUE", "NAME=" to take it away. */
static json_t *settings(struct cli *cli)
{
	json_t *object = json_object();

	for (size_t i = 1; i < cli->args_n; i++) {
		struct span value, name = span_split(span_of(cli->args[i]), '=', &value);

		if (!value.p || name.len == 0 ||
		    json_object_set_new(object, arena_str(cli->arena, name),
		                        json_stringn((const char *) value.p, value.len)) < 0) {
			(void) err_set(&cli->err, POD_E_SYNTAX, "%.128s is not NAME=VALUE", cli->args[i]);
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static int run_policy(struct cli *cli)
{
	const char *owner = cli->args[0], *new_devices = cli_option(cli, "--new-devices");
	const char *path = arena_printf(cli->arena, "/%s/%s/device-policies",
	                                strchr(owner, '@') ? "users" : "domains", client_segment(cli, owner));
	json_t *answer, *body = NULL;
	int status;

	if (cli->args_n > 1 || new_devices) {
		json_t *values = settings(cli);

		if (!values)
			return cli_fail(cli);
		body = json_pack("{so, ss*}", "settings", values, "new_devices", new_devices);
	}
	if (client_call(cli, body ? "PATCH" : "GET", path, body, &answer) < 0)
		return cli_fail(cli);
	status = output_rows(cli, policy_columns, ARRAY_SIZE(policy_columns),
	                     json_object_get(answer, "policies"), answer);
	if (json_object_get(answer, "new_devices") && cli->format == CLI_TABLE)
		cli_note(cli, "New devices of %s: %s", owner,
		         json_string_value(json_object_get(answer, "new_devices")));
	json_decref(answer);
	return status;
}

static const struct command_option list_options[] = {
	{ "--domain", "DOMAIN", "Only those of this domain's users." },
	{ NULL, NULL, NULL },
};

static const struct command_option wipe_options[] = {
	{ "--yes", NULL, "Yes, it is meant." },
	{ "--cancel", NULL, "Takes the order back; a device that was wiped may begin anew." },
	{ NULL, NULL, NULL },
};

static const struct command_option policy_options[] = {
	{ "--new-devices", "HOW",
	  "A device that was not seen before: allow, quarantine (until podctl device allow), block." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "list", "[ADDRESS]", 0, 1, "Lists the devices of a user, or of all.", NULL, list_options,
	  run_list },
	{ "show", "ADDRESS ID", 2, 2, "Shows a device: what it is, what it was told.", NULL, NULL, run_show },
	{ "wipe", "ADDRESS ID", 2, 2, "Has a device delete everything on it.",
	  "It is told at its next request, whatever it asks for, and says when it has done so: podctl device "
	  "show. One that was "
	  "wiped and connects again is wiped again, until --cancel or podctl device remove.",
	  wipe_options, run_wipe },
	{ "wipe-account", "ADDRESS ID", 2, 2, "Has a device delete the account and its mail.",
	  "Needs protocol version 16.1; others can only be wiped whole.", wipe_options, run_wipe_account },
	{ "allow", "ADDRESS ID", 2, 2, "Lets a device in that was blocked or is in quarantine.", NULL, NULL,
	  run_allow },
	{ "block", "ADDRESS ID", 2, 2, "Lets a device in no more.", NULL, NULL, run_block },
	{ "remove", "ADDRESS ID", 2, 2, "Forgets a device and what it has synchronised.", NULL, NULL,
	  run_remove },
	{ "policy", "DOMAIN|ADDRESS [NAME=VALUE...]", 1, COMMAND_ARGS_MANY,
	  "Shows or sets what devices have to comply with.",
	  "Names and values are those of MS-ASPROV; NAME= takes one away. A user's stand in place of his "
	  "domain's. Devices take "
	  "changed policies at their next request.",
	  policy_options, run_policy },
};

const struct command_group command_device = { "device", "Phones and other devices that speak ActiveSync.",
	                                      commands, ARRAY_SIZE(commands) };

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"

/* clang-format off */
static const struct output_column columns[] = {
	{ "RECIPIENT", "recipient", OUTPUT_TEXT },
	{ "GOES TO", "to", OUTPUT_TEXT },
	{ "ADDRESSES", "addresses", OUTPUT_LIST },
	{ "TLS", "tls", OUTPUT_TEXT },
	{ "WHY", "why", OUTPUT_TEXT },
};
/* clang-format on */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* ---- mailboxes ---- */

static json_t *mailbox_row(struct cli *cli, const json_t *target)
{
	return json_pack("{s:s, s:s, s:s}", "recipient", text_of(target, "address"), "to",
	                 arena_printf(cli->arena, "volume %s", text_of(target, "volume")), "why",
	                 strcmp(text_of(target, "via"), "itself") == 0 ? "a mailbox of ours"
	                                                               : "an alias or group leads there");
}

/* ---- other servers ---- */

static const char *reason_of(struct cli *cli, const json_t *d)
{
	const json_t *route = json_object_get(d, "route");
	const char *by = text_of(d, "by"), *sts = text_of(d, "sts");
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (strcmp(by, "route") == 0)
		buf_printf(&b, "outbound.routes: %s%s", text_of(route, "destination"),
		           json_is_true(json_object_get(route, "login")) ? ", with a login" : "");
	else if (strcmp(by, "literal") == 0)
		buf_add_str(&b, "an address literal");
	else
		buf_printf(&b, "%s%s", strcmp(by, "mx") == 0 ? "MX" : "no MX: the domain's own address",
		           json_is_true(json_object_get(d, "dnssec")) ? ", proven by DNSSEC" : "");
	if (*sts)
		buf_printf(&b, ", MTA-STS %s", sts);
	return arena_str(cli->arena, buf_span(&b));
}

/* "dane", "may (no policy)": what the host's TLS has to show, and whose word that is. */
static const char *tls_of(struct cli *cli, const json_t *host)
{
	const char *policy = text_of(host, "policy");

	if (!*policy || strcmp(policy, "no-policy-found") == 0)
		return text_of(host, "tls");
	return arena_printf(cli->arena, "%s (%s)", text_of(host, "tls"), policy);
}

static json_t *host_row(struct cli *cli, const char *recipient, const json_t *host, const char *reason)
{
	bool use = json_is_true(json_object_get(host, "use"));
	const char *to = arena_printf(cli->arena, "%s:%lld", text_of(host, "host"),
	                              (long long) json_integer_value(json_object_get(host, "port")));

	return json_pack("{s:s, s:s, s:O, s:s, s:s}", "recipient", recipient, "to", to, "addresses",
	                 json_object_get(host, "addresses"), "tls", tls_of(cli, host), "why",
	                 use ? reason : arena_printf(cli->arena, "not used: %s", text_of(host, "why")));
}

/* Rows of all hosts. Whether mail goes to one of them. */
static bool add_remote(struct cli *cli, json_t *rows, const json_t *target)
{
	const json_t *d = json_object_get(target, "destination");
	const char *recipient = text_of(target, "address"), *error = text_of(d, "error");
	const char *reason = reason_of(cli, d);
	bool goes = false;
	json_t *host;
	size_t i;

	if (*error)
		(void) json_array_append_new(rows, json_pack("{s:s, s:s, s:s}", "recipient", recipient, "to",
		                                             "nowhere", "why", error));
	json_array_foreach(json_object_get(d, "hosts"), i, host)
	{
		goes |= json_is_true(json_object_get(host, "use"));
		(void) json_array_append_new(rows, host_row(cli, recipient, host, reason));
	}
	return goes;
}

static int run_show(struct cli *cli)
{
	const char *path = arena_printf(cli->arena, "/routes/%s", client_segment(cli, cli->args[0]));
	json_t *answer, *rows, *target;
	bool all_go = true;
	size_t i;
	int status;

	if (client_call(cli, "GET", path, NULL, &answer) < 0)
		return cli_fail(cli);
	rows = json_array();
	json_array_foreach(json_object_get(answer, "targets"), i, target)
	{
		if (strcmp(text_of(target, "kind"), "mailbox") == 0)
			(void) json_array_append_new(rows, mailbox_row(cli, target));
		else
			all_go &= add_remote(cli, rows, target);
	}
	status = output_rows(cli, columns, ARRAY_SIZE(columns), rows, answer);
	if (json_is_true(json_object_get(answer, "more")))
		cli_note(cli, "There are more recipients; the first %zu are shown.",
		         json_array_size(json_object_get(answer, "targets")));
	json_decref(rows);
	json_decref(answer);
	return status == CLI_OK && !all_go ? CLI_FAILED : status;
}

static const struct command commands[] = {
	{ "show", "ADDRESS", 1, 1, "Shows where mail for an address would go, and why.",
	  "A mailbox and its volume, or for each server of another domain, in the order in which they are "
	  "tried: its "
	  "addresses, what its TLS has to show (never, may, encrypt, verify, dane) and whose policy that is "
	  "(tlsa, sts), and "
	  "whether outbound.routes, the domain's MX or the domain itself leads there. The mta looks it up as "
	  "it does for a "
	  "message, and connects to nobody. Status 1 where mail can go nowhere now.",
	  NULL, run_show },
};

const struct command_group command_route = { "route", "Ways of mail.", commands, ARRAY_SIZE(commands) };

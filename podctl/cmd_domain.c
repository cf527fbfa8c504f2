#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/cmd_domain_dkim.h"
#include "podctl/cmd_domain_dns.h"
#include "podctl/commands.h"
#include "podctl/output.h"
#include "podctl/show.h"

static const struct output_column columns[] = {
	{ "DOMAIN", "name", OUTPUT_TEXT },
	{ "VOLUME", "default_volume", OUTPUT_TEXT },
	{ "SUBADDRESSES", "subaddressing", OUTPUT_YESNO },
	{ "LANGUAGE", "language", OUTPUT_TEXT },
	{ "DESCRIPTION", "description", OUTPUT_TEXT },
};

static int run_add(struct cli *cli)
{
	json_t *body =
		json_pack("{ss, ss*, ss*, ss*, sb}", "name", cli->args[0], "description",
	                  cli_option(cli, "--description"), "default_volume", cli_option(cli, "--volume"),
	                  "language", cli_option(cli, "--language"),
	                  "subaddressing", cli_option(cli, "--no-subaddresses") == NULL);
	json_t *answer;
	int status;

	if (client_call(cli, "POST", "/domains", body, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Added the domain %s.", cli->args[0]);
	json_decref(answer);
	return status;
}

static int run_set(struct cli *cli)
{
	const char *path = arena_printf(cli->arena, "/domains/%s", client_segment(cli, cli->args[0]));
	bool with = cli_option(cli, "--subaddresses"), without = cli_option(cli, "--no-subaddresses");
	json_t *body = json_pack("{ss*, ss*, ss*}", "description", cli_option(cli, "--description"),
	                         "default_volume", cli_option(cli, "--volume"), "language",
	                         cli_option(cli, "--language"));
	json_t *answer;
	int status;

	if (with && without) {
		json_decref(body);
		return cli_fail_with(cli, POD_E_SYNTAX, NULL, "--subaddresses and --no-subaddresses exclude each other");
	}
	if (with || without)
		(void) json_object_set_new(body, "subaddressing", json_boolean(with));
	if (client_call(cli, "PATCH", path, body, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Changed the domain %s.", cli->args[0]);
	json_decref(answer);
	return status;
}

static int run_list(struct cli *cli)
{
	return show_list(cli, "/domains", "domains", columns, ARRAY_SIZE(columns));
}

static int run_remove(struct cli *cli)
{
	const char *path = arena_printf(cli->arena, "/domains/%s", client_segment(cli, cli->args[0]));
	json_t *answer;
	int status;

	if (client_call(cli, "DELETE", path, NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Removed the domain %s.", cli->args[0]);
	json_decref(answer);
	return status;
}

static const struct command_option add_options[] = {
	{ "--description", "TEXT", "A remark for people." },
	{ "--volume", "NAME", "The volume that new users of the domain go to. Default: the emptiest." },
	{ "--language", "CODE", "The language of delivery reports to its users: en, de, fr, es, it, nl." },
	{ "--no-subaddresses", NULL, "user+detail@ does not reach user@." },
	{ NULL, NULL, NULL },
};

static const struct command_option set_options[] = {
	{ "--description", "TEXT", "A remark for people." },
	{ "--volume", "NAME", "The volume that new users of the domain go to; \"\" for the emptiest." },
	{ "--language", "CODE", "The language of delivery reports to its users: en, de, fr, es, it, nl." },
	{ "--subaddresses", NULL, "user+detail@ reaches user@." },
	{ "--no-subaddresses", NULL, "It does not." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "add", "DOMAIN", 1, 1, "Takes mail for a domain from now on.", NULL, add_options, run_add },
	{ "dkim", "DOMAIN ACTION [SELECTOR]", 2, 3, "Keys that a domain signs its mail with.",
	  domain_dkim_details, domain_dkim_options, domain_dkim_run },
	{ "dns", "DOMAIN", 1, 1, "Prints the records that the domain's DNS should have.",
	  "As lines of a zone file: MX, SPF, DMARC, TLS-RPT, where clients find IMAP, submission and autodiscover, TLSA of the "
	  "server's key, MTA-STS where imapd.mta_sts says so, and the domain's DKIM keys.",
	  NULL, domain_dns_run },
	{ "list", "", 0, 0, "Lists the domains.", NULL, NULL, run_list },
	{ "remove", "DOMAIN", 1, 1, "Takes no more mail for a domain.",
	  "Its users, aliases and groups have to be removed first.", NULL, run_remove },
	{ "set", "DOMAIN", 1, 1, "Changes a domain.", "What is not given stays as it is.", set_options, run_set },
};

const struct command_group command_domain = { "domain", "Domains that mail is taken for.", commands,
	                                      ARRAY_SIZE(commands) };

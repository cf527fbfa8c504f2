#include "podctl/cmd_domain_dkim.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/output.h"

static const struct output_column list_columns[] = {
	{ "SELECTOR", "selector", OUTPUT_TEXT },
	{ "TYPE", "type", OUTPUT_TEXT },
	{ "BITS", "bits", OUTPUT_NUMBER },
	{ "STATE", "state", OUTPUT_TEXT },
	{ "DNS", "dns", OUTPUT_TEXT },
	{ "MADE", "created", OUTPUT_TIME },
	{ "ACTIVE SINCE", "activated", OUTPUT_TIME },
	{ "RETIRED", "retired", OUTPUT_TIME },
};

static const struct output_column show_columns[] = {
	{ "Domain", "domain", OUTPUT_TEXT },
	{ "Selector", "selector", OUTPUT_TEXT },
	{ "Type", "type", OUTPUT_TEXT },
	{ "Bits", "bits", OUTPUT_NUMBER },
	{ "State", "state", OUTPUT_TEXT },
	{ "In the DNS", "dns", OUTPUT_TEXT },
	{ "Why", "dns_why", OUTPUT_TEXT },
	{ "Made", "created", OUTPUT_TIME },
	{ "Active since", "activated", OUTPUT_TIME },
	{ "Retired", "retired", OUTPUT_TIME },
	{ "Record", "zone_line", OUTPUT_TEXT },
};

const struct command_option domain_dkim_options[] = {
	{ "--type", "TYPE", "create: rsa or ed25519. Default: rsa, which every receiver can check." },
	{ "--bits", "NUMBER", "create: of an RSA key, 1024 to 4096. Default: 2048." },
	{ "--every", "DAYS",
	  "rotate: by itself from now on, each key after so many days (14 at least); \"never\" ends that." },
	{ "--force", NULL, "activate: without asking the DNS; remove: although it is or was in use." },
	{ NULL, NULL, NULL },
};

const char domain_dkim_details[] =
	"ACTION is one of\n"
	"  list                 the domain's keys, and whether the DNS has them\n"
	"  show SELECTOR        one key, with the record that belongs into the DNS\n"
	"  create               makes a key and prints its record; it signs nothing yet\n"
	"  activate SELECTOR    signs with it from now on, once the DNS has its record; the key in use "
	"retires\n"
	"  rotate               makes a successor of each key in use; with --every, a schedule does, and "
	"activates it "
	"when its record is there\n"
	"  remove SELECTOR      deletes a key; its record can then go, too\n"
	"Mail that users of the domain submit, and reports that the pod sends in its name, are signed with "
        "all "
	"of its active keys. A retired key's record has to stay in the "
	"DNS for a while (auth.dkim_grace), for mail that is on its way.";

static const char *path_of(struct cli *cli, const char *selector, const char *doing)
{
	const char *domain = client_segment(cli, cli->args[0]);

	selector = selector ? client_segment(cli, selector) : NULL;
	return arena_printf(cli->arena, "/domains/%s/dkim%s%s%s", domain ? domain : "", selector ? "/" : "",
	                    selector ? selector : "", doing);
}

/* The record is data, for a zone file or a form: to standard output, whole. */
static void print_record(const struct cli *cli, const json_t *key)
{
	if (cli->format == CLI_TABLE)
		(void) printf("%s\n", json_string_value(json_object_get(key, "zone_line")));
}

static int run_list(struct cli *cli, const char *selector)
{
	json_t *answer;
	json_int_t days;
	int status;

	if (client_call(cli, "GET", path_of(cli, NULL, ""), NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_rows(cli, list_columns, ARRAY_SIZE(list_columns), json_object_get(answer, "keys"),
	                     answer);
	days = json_integer_value(json_object_get(answer, "rotate_days"));
	if (days)
		cli_note(cli, "Keys are replaced every %d days.", (int) days);
	json_decref(answer);
	return status;
}

static int run_show(struct cli *cli, const char *selector)
{
	json_t *answer, *key, *found = NULL;
	int status;
	size_t i;

	if (client_call(cli, "GET", path_of(cli, NULL, ""), NULL, &answer) < 0)
		return cli_fail(cli);
	json_array_foreach(json_object_get(answer, "keys"), i, key)
	{
		if (strcmp(json_string_value(json_object_get(key, "selector")), selector) == 0)
			found = key;
	}
	status = found ? output_object(cli, show_columns, ARRAY_SIZE(show_columns), found)
	               : cli_fail_with(cli, POD_E_NOTFOUND, "podctl domain dkim DOMAIN list shows the keys",
	                               "%s has no key %s", cli->args[0], selector);
	json_decref(answer);
	return status;
}

static int run_create(struct cli *cli, const char *selector)
{
	const char *type = cli_option(cli, "--type"), *bits = cli_option(cli, "--bits");
	json_t *body = json_pack("{s:s}", "type", type ? type : "rsa"), *answer;
	uint32_t n;
	int status;

	if (bits && span_to_u32(span_of(bits), &n) < 0) {
		json_decref(body);
		return cli_fail_with(cli, POD_E_SYNTAX, NULL, "--bits %s is no number", bits);
	}
	if (bits)
		(void) json_object_set_new(body, "bits", json_integer(n));
	if (client_call(cli, "POST", path_of(cli, NULL, ""), body, &answer) < 0)
		return cli_fail(cli);
	selector = json_string_value(json_object_get(answer, "selector"));
	status = output_done(cli, answer, "Made the key %s. Put this record into the DNS, then activate it.",
	                     selector);
	print_record(cli, answer);
	json_decref(answer);
	return status;
}

static int run_activate(struct cli *cli, const char *selector)
{
	json_t *body = json_pack("{s:b}", "force", cli_option(cli, "--force") != NULL), *answer;
	int status;

	if (client_call(cli, "POST", path_of(cli, selector, "/activate"), body, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Mail of %s is signed with the key %s from now on.", cli->args[0],
	                     selector);
	json_decref(answer);
	return status;
}

static int run_remove(struct cli *cli, const char *selector)
{
	const char *force = cli_option(cli, "--force") ? "?force=true" : "";
	json_t *answer;
	int status;

	if (client_call(cli, "DELETE", path_of(cli, selector, force), NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Removed the key %s; its record can be taken out of the DNS.",
	                     selector);
	json_decref(answer);
	return status;
}

static int schedule(struct cli *cli, const char *every)
{
	json_t *answer;
	uint32_t days = 0;
	int status;

	if (strcmp(every, "never") != 0 && span_to_u32(span_of(every), &days) < 0)
		return cli_fail_with(cli, POD_E_SYNTAX, NULL, "--every %s: a number of days, or never",
		                     every);
	if (client_call(cli, "POST", path_of(cli, NULL, "/rotate"), json_pack("{s:i}", "days", (int) days),
	                &answer) < 0)
		return cli_fail(cli);
	status = days ? output_done(cli, answer, "Each key of %s is replaced after %u days.", cli->args[0],
	                            days)
	              : output_done(cli, answer, "Keys of %s are replaced by hand.", cli->args[0]);
	json_decref(answer);
	return status;
}

static int run_rotate(struct cli *cli, const char *selector)
{
	const char *every = cli_option(cli, "--every");
	json_t *answer, *key;
	int status;
	size_t i;

	if (every)
		return schedule(cli, every);
	if (client_call(cli, "POST", path_of(cli, NULL, "/rotate"), json_object(), &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "Put these records into the DNS, then activate the keys.");
	json_array_foreach(json_object_get(answer, "keys"), i, key) print_record(cli, key);
	json_decref(answer);
	return status;
}

static const struct {
	const char *name;
	bool selector;
	int (*run)(struct cli *cli, const char *selector);
} actions[] = {
	{ "list", false, run_list },        { "show", true, run_show },      { "create", false, run_create },
	{ "activate", true, run_activate }, { "rotate", false, run_rotate }, { "remove", true, run_remove },
};

int domain_dkim_run(struct cli *cli)
{
	const char *action = cli->args[1], *selector = cli->args_n > 2 ? cli->args[2] : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (strcmp(actions[i].name, action) != 0)
			continue;
		if (actions[i].selector != (selector != NULL))
			return cli_fail_with(
				cli, POD_E_SYNTAX, "podctl domain dkim --help", "%s takes %s", action,
				actions[i].selector ? "the selector of a key" : "no further argument");
		return actions[i].run(cli, selector);
	}
	return cli_fail_with(cli, POD_E_SYNTAX, "podctl domain dkim --help", "%s is no action on keys",
	                     action);
}

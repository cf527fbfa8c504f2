#include "podctl/cmd_domain_dns.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/output.h"

/* Keys that sign, or that mail on its way is signed with. Without podfilter there are none. */
static void add_dkim(struct cli *cli, const char *domain, json_t *answer)
{
	json_t *dkim = NULL, *key;
	size_t i;

	if (client_call(cli, "GET", arena_printf(cli->arena, "/domains/%s/dkim", domain), NULL, &dkim) < 0) {
		cli_note(cli, "The keys of DKIM are left out: %s", err_text(&cli->err));
		return;
	}
	json_array_foreach(json_object_get(dkim, "keys"), i, key)
	{
		(void) json_array_append_new(
			json_object_get(answer, "records"),
			json_pack("{s:s, s:O, s:s}", "type", "TXT", "zone_line",
		                  json_object_get(key, "zone_line"), "why",
		                  "DKIM (RFC 6376): a key that the domain's mail is signed with"));
	}
	json_decref(dkim);
}

/* A line of a zone file, its reason above it: to be pasted as it is. */
static void print_record(const json_t *record)
{
	const char *line = json_string_value(json_object_get(record, "zone_line"));

	(void) printf("; %s\n", json_string_value(json_object_get(record, "why")));
	if (line)
		(void) printf("%s\n", line);
	else
		(void) printf("%s. IN %s %s\n", json_string_value(json_object_get(record, "name")),
		              json_string_value(json_object_get(record, "type")),
		              json_string_value(json_object_get(record, "value")));
}

int domain_dns_run(struct cli *cli)
{
	const char *domain = client_segment(cli, cli->args[0]);
	json_t *answer, *record;
	size_t i;

	if (client_call(cli, "GET", arena_printf(cli->arena, "/domains/%s/dns", domain), NULL, &answer) < 0)
		return cli_fail(cli);
	add_dkim(cli, domain, answer);
	if (cli->format == CLI_TABLE)
		json_array_foreach(json_object_get(answer, "records"), i, record) print_record(record);
	else
		output_json(answer);
	json_decref(answer);
	return CLI_OK;
}

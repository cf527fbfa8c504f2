/* podctl user oof: what a user has answered with while they are away. */
#include "podctl/cmd_user_oof.h"

#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/date.h"
#include "podctl/output.h"

static const struct output_column columns[] = {
	{ "Address", "address", OUTPUT_TEXT },
	{ "Answers", "when", OUTPUT_TEXT },
	{ "Now", "now", OUTPUT_YESNO },
	{ "From", "from", OUTPUT_TIME },
	{ "To", "to", OUTPUT_TIME },
	{ "To users of the domain", "internal", OUTPUT_TEXT },
	{ "To others they know", "external_known", OUTPUT_TEXT },
	{ "To all others", "external", OUTPUT_TEXT },
};

const struct command_option user_oof_options[] = {
	{ "--on", NULL, "Mail is answered until --off." },
	{ "--off", NULL, "Mail is not answered; the texts are kept." },
	{ "--from", "TIME",
	  "Mail is answered from then on, with --to: 2026-12-24, or \"2026-12-24 12:00\"." },
	{ "--to", "TIME", "And no more from then on." },
	{ "--internal", "TEXT", "What users of the same domain are told; \"\": nothing." },
	{ "--external", "TEXT", "What others are told; \"\": nothing." },
	{ "--known-only", NULL, "Of others only those hear it to whom the user has written." },
	{ "--html", NULL, "The texts given here are HTML." },
	{ NULL, NULL, NULL },
};

static int add_time(struct cli *cli, const char *option, const char *field, json_t *body)
{
	const char *text = cli_option(cli, option);
	int64_t s;
	int r = text ? date_parse(span_of(text), &s, &cli->err) : 0;

	if (r == 0 && text)
		(void) json_object_set_new(body, field, json_integer((json_int_t) s));
	return r;
}

static void add_texts(struct cli *cli, json_t *body)
{
	const char *internal = cli_option(cli, "--internal"), *external = cli_option(cli, "--external");
	bool known_only = cli_option(cli, "--known-only");

	if (internal)
		(void) json_object_set_new(body, "internal", json_string(internal));
	if (external) {
		(void) json_object_set_new(body, "external_known", json_string(external));
		(void) json_object_set_new(body, "external", json_string(known_only ? "" : external));
	} else if (known_only) {
		(void) json_object_set_new(body, "external", json_string(""));
	}
	if ((internal || external) && cli_option(cli, "--html"))
		(void) json_object_set_new(body, "html", json_true());
}

/* What is to be changed; an empty object: nothing. */
static int make_body(struct cli *cli, json_t *body)
{
	bool on = cli_option(cli, "--on"), off = cli_option(cli, "--off"),
	     timed = cli_option(cli, "--from") || cli_option(cli, "--to");
	int r;

	if (on + off + timed > 1)
		return err_set(&cli->err, POD_E_SYNTAX, "--on, --off and a time exclude each other");
	if (on || off || timed)
		(void) json_object_set_new(body, "when", json_string(on ? "on" : off ? "off" : "timed"));
	r = add_time(cli, "--from", "from", body);
	if (r == 0)
		r = add_time(cli, "--to", "to", body);
	add_texts(cli, body);
	if (r == 0 && cli_option(cli, "--html") && !cli_option(cli, "--internal") &&
	    !cli_option(cli, "--external"))
		r = err_set(&cli->err, POD_E_SYNTAX, "--html is of a text that is given with it");
	return r;
}

int user_oof_run(struct cli *cli)
{
	const char *path = arena_printf(cli->arena, "/users/%s/oof", client_segment(cli, cli->args[0]));
	json_t *body = json_object(), *answer;
	bool changes;
	int status;

	if (!body || make_body(cli, body) < 0) {
		json_decref(body);
		return cli_fail(cli);
	}
	changes = json_object_size(body) > 0;
	if (!changes) {
		json_decref(body);
		body = NULL;
	}
	if (client_call(cli, changes ? "PATCH" : "GET", path, body, &answer) < 0)
		return cli_fail(cli);
	if (changes)
		status = output_done(cli, answer, "Mail to %s is %s.", cli->args[0],
		                     json_is_true(json_object_get(answer, "now")) ? "answered now"
		                                                                  : "not answered now");
	else
		status = output_object(cli, columns, ARRAY_SIZE(columns), answer);
	json_decref(answer);
	return status;
}

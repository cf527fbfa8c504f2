#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/date.h"
#include "podctl/duration.h"
#include "podctl/output.h"

#define FOLLOW_EVERY_S 1

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static void print_event(const json_t *event)
{
	const char *line = json_string_value(json_object_get(event, "line")), *name;
	json_t *fields = json_object_get(event, "fields"), *value;

	if (line) {
		(void) printf("%s\n", line);
		return;
	}
	(void) printf("%s  %-8s %-20s", text_of(event, "time"), text_of(event, "program"), text_of(event, "event"));
	json_object_foreach(fields, name, value)
	{
		char *text = json_dumps(value, JSON_ENCODE_ANY);

		if (text && strcmp(name, "trace") != 0)
			(void) printf(" %s=%s", name, json_is_string(value) ? json_string_value(value) : text);
		free(text);
	}
	(void) fputc('\n', stdout);
}

static void print_recipient(const json_t *r)
{
	const char *text = text_of(r, "text");

	(void) printf("  %-9s %s%s%s\n", text_of(r, "state"), text_of(r, "address"), *text ? ": " : "", text);
}

static void print_ids(const char *words, const json_t *ids)
{
	const json_t *id;
	size_t i;

	json_array_foreach(ids, i, id) (void) printf("  %s %s\n", words, json_string_value(id));
}

/* What became of it; then, where asked for, how. */
static void print_story(const json_t *story, size_t events_from)
{
	const json_t *recipients = json_object_get(story, "recipients"), *events = json_object_get(story, "events"), *one;
	const char *about = text_of(story, "report_on");
	size_t i;

	(void) printf("%s  %s  from <%s>  %s\n", text_of(story, "trace"), text_of(story, "first"), text_of(story, "sender"),
	              text_of(story, "state"));
	json_array_foreach(recipients, i, one) print_recipient(one);
	if (*about)
		(void) printf("  is a report about %s\n", about);
	print_ids("was reported in", json_object_get(story, "reports"));
	for (i = events_from; i < json_array_size(events); i++)
		print_event(json_array_get(events, i));
}

static bool is_settled(const json_t *story)
{
	const char *state = text_of(story, "state");

	return strcmp(state, "waiting") != 0 && strcmp(state, "held") != 0 && strcmp(state, "unknown") != 0;
}

/* Prints what is new every second, until nothing of the message waits any more. */
static int follow(struct cli *cli, const char *path, json_t *story)
{
	size_t printed = json_array_size(json_object_get(story, "events"));

	while (!is_settled(story)) {
		json_t *events;

		(void) fflush(stdout);
		(void) sleep(FOLLOW_EVERY_S);
		json_decref(story);
		if (client_call(cli, "GET", path, NULL, &story) < 0)
			return cli_fail(cli);
		events = json_object_get(story, "events");
		for (; printed < json_array_size(events); printed++)
			print_event(json_array_get(events, printed));
	}
	print_story(story, printed);
	json_decref(story);
	return CLI_OK;
}

static int run_one(struct cli *cli)
{
	const char *path = arena_printf(cli->arena, "/trace/%s", client_segment(cli, cli->args[0]));
	json_t *story;

	if (client_call(cli, "GET", path, NULL, &story) < 0)
		return cli_fail(cli);
	if (cli->format != CLI_JSON)
		print_story(story, 0);
	if (cli->format != CLI_JSON && cli_option(cli, "--follow"))
		return follow(cli, path, story);
	if (cli->format == CLI_JSON)
		output_json(story);
	json_decref(story);
	return CLI_OK;
}

/* A moment, or a time back from now: "2026-11-26 14:30", "2h". */
static int moment_parse(struct cli *cli, const char *text, int64_t *ret_ms)
{
	uint64_t back_s;
	int64_t s;

	if (duration_parse(span_of(text), &back_s, NULL) == 0) {
		*ret_ms = clock_wall_ms() - (int64_t) back_s * 1000;
		return 0;
	}
	if (date_parse(span_of(text), &s, NULL) < 0)
		return err_set(&cli->err, POD_E_SYNTAX, "\"%.64s\" is no time such as 2026-11-26, \"2026-11-26 14:30\" or 2h",
		               text);
	*ret_ms = s * 1000;
	return 0;
}

static const char *search_path(struct cli *cli)
{
	static const struct {
		const char *option, *name;
		bool moment;
	} parts[] = { { "--from", "from", false },       { "--to", "to", false },       { "--since", "since_ms", true },
		      { "--until", "until_ms", true }, { "--limit", "limit", false } };
	const char *path = "/trace?", *between = "";

	for (size_t i = 0; path && i < sizeof(parts) / sizeof(parts[0]); i++) {
		const char *text = cli_option(cli, parts[i].option);
		int64_t ms = 0;

		if (!text)
			continue;
		if (parts[i].moment && moment_parse(cli, text, &ms) < 0)
			return NULL;
		if (parts[i].moment)
			text = arena_printf(cli->arena, "%lld", (long long) ms);
		path = arena_printf(cli->arena, "%s%s%s=%s", path, between, parts[i].name, client_segment(cli, text));
		between = "&";
	}
	return path;
}

static int run_search(struct cli *cli)
{
	const char *path = search_path(cli);
	json_t *answer, *story;
	size_t i;

	if (!path || client_call(cli, "GET", path, NULL, &answer) < 0)
		return cli_fail(cli);
	if (cli->format == CLI_JSON)
		output_json(answer);
	else
		json_array_foreach(json_object_get(answer, "messages"), i, story)
			print_story(story, cli_option(cli, "--events") ? 0 : SIZE_MAX);
	if (cli->format != CLI_JSON && json_is_true(json_object_get(answer, "more")))
		(void) printf("There are more: see --limit, --since and --until.\n");
	json_decref(answer);
	return CLI_OK;
}

static int run_trace(struct cli *cli)
{
	bool search = cli_option(cli, "--from") || cli_option(cli, "--to") || cli_option(cli, "--since");

	if (search == (cli->args_n == 1))
		return cli_fail_with(cli, POD_E_SYNTAX, NULL, "a message's ID, or --from, --to or --since to look for some");
	if (search && cli_option(cli, "--follow"))
		return cli_fail_with(cli, POD_E_SYNTAX, NULL, "--follow is for one message");
	return search ? run_search(cli) : run_one(cli);
}

static const struct command_option options[] = {
	{ "--from", "ADDRESS", "Messages of this envelope sender." },
	{ "--to", "ADDRESS", "Messages to this recipient or mailbox." },
	{ "--since", "TIME", "Not older: 2026-11-26, \"2026-11-26 14:30\", or 2h for two hours ago." },
	{ "--until", "TIME", "Not newer." },
	{ "--limit", "N", "At most so many messages. Default: 20." },
	{ "--events", NULL, "Each message found with all its events, not with its outcome alone." },
	{ "--follow", NULL, "Waits and prints what happens to the message until all of it is settled." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "", "[ID]", 0, 1, "Shows the way of messages through the pod.",
	  "The id is in the answer to who sent the message (\"250 2.0.0 Ok id=ID\"), in its Received field, and in the log as "
	  "trace=ID. First comes what became of each recipient: delivered, sent (to another server), waiting or held (in the "
	  "queue), failed, expired, refused, put-off (its sender keeps it and tries again) or removed; then each step with "
	  "its time. A report to the sender is named by its own id.",
	  options, run_trace },
};

const struct command_group command_trace = { "trace", "The way of messages through the pod.", commands, 1 };

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "podctl/client.h"
#include "podctl/commands.h"
#include "podctl/output.h"

#define TEST_MAX (1u << 20) /* what a request to podd may hold */

static const struct output_column record_columns[] = {
	{ "KIND", "kind", OUTPUT_TEXT },     { "NAME", "name", OUTPUT_TEXT },
	{ "RATING", "rating", OUTPUT_TEXT }, { "GOOD", "good", OUTPUT_TEXT },
	{ "SPAM", "spam", OUTPUT_TEXT },     { "UNKNOWN RCPT", "unknown_recipients", OUTPUT_TEXT },
	{ "ERRORS", "errors", OUTPUT_TEXT },
};

static const struct output_column finding_columns[] = {
	{ "SYMBOL", "symbol", OUTPUT_TEXT },
	{ "POINTS", "points", OUTPUT_TEXT },
	{ "WHAT", "text", OUTPUT_TEXT },
};

static const struct output_column verdict_columns[] = {
	{ "Verdict", "verdict", OUTPUT_TEXT },
	{ "Points", "score", OUTPUT_TEXT },
	{ "Words", "text", OUTPUT_TEXT },
};

/* For tables: numbers with a fraction as texts of two digits. */
static void round_all(json_t *object)
{
	const char *name;
	json_t *value;
	char text[32];
	void *next;

	json_object_foreach_safe(object, next, name, value)
	{
		if (!json_is_real(value))
			continue;
		(void) snprintf(text, sizeof(text), "%.2f", json_real_value(value));
		(void) json_object_set_new(object, name, json_string(text));
	}
}

static void round_rows(json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) round_all(row);
}

static const char *reputation_path(struct cli *cli)
{
	return arena_printf(cli->arena, "/filter/reputation/%s", client_segment(cli, cli->args[0]));
}

static int run_show(struct cli *cli)
{
	json_t *answer, *records;
	int status = CLI_OK;

	if (client_call(cli, "GET", reputation_path(cli), NULL, &answer) < 0)
		return cli_fail(cli);
	records = json_object_get(answer, "records");
	if (cli->format != CLI_TABLE) {
		output_json(answer);
	} else if (json_array_size(records) == 0) {
		(void) printf("Nothing is known of %s.\n", cli->args[0]);
	} else {
		round_rows(records);
		status = output_rows(cli, record_columns, ARRAY_SIZE(record_columns), records, answer);
		(void) printf("\nAll in all: %.2f, of -1 (nothing but bad) to 1.\n",
		              json_number_value(json_object_get(answer, "rating")));
	}
	json_decref(answer);
	return status;
}

static int run_forget(struct cli *cli)
{
	json_t *answer;
	int status;

	if (client_call(cli, "DELETE", reputation_path(cli), NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_done(cli, answer, "%lld records of %s are forgotten.",
	                     (long long) json_integer_value(json_object_get(answer, "forgotten")),
	                     cli->args[0]);
	json_decref(answer);
	return status;
}

/* ---- test ---- */

static int read_message(struct cli *cli, const char *path, struct buf *out)
{
	_cleanup_(closep) int fd =
		strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	if (fd < 0)
		return err_errno(&cli->err, errno, "%s", path);
	while (n > 0 && out->len <= TEST_MAX) {
		uint8_t *to = buf_reserve(out, 65536);

		n = to ? read(fd, to, 65536) : -1;
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			out->len += (size_t) n;
	}
	if (n < 0)
		return err_errno(&cli->err, errno, "%s", path);
	return out->len > TEST_MAX ? err_set(&cli->err, POD_E_LIMIT, "%s: larger than 1 MiB", path) : 0;
}

static json_t *test_body(struct cli *cli, struct span message)
{
	static const struct {
		const char *option, *field;
	} options[] = { { "--address", "address" }, { "--helo", "helo" }, { "--from", "sender" } };
	_cleanup_(arena_freep) struct arena *a = arena_create(4 * TEST_MAX);
	struct span text = a ? base64_encode(a, message) : SPAN_NONE;
	json_t *body = text.p || !message.len
	                       ? json_pack("{s:s%}", "message", (const char *) text.p, text.len)
	                       : NULL;

	for (size_t i = 0; body && i < ARRAY_SIZE(options); i++)
		if (cli_option(cli, options[i].option))
			(void) json_object_set_new(body, options[i].field,
			                           json_string(cli_option(cli, options[i].option)));
	return body;
}

static int print_verdict(struct cli *cli, json_t *answer)
{
	json_t *findings = json_object_get(answer, "findings");
	int status;

	if (cli->format != CLI_TABLE) {
		output_json(answer);
		return CLI_OK;
	}
	round_all(answer);
	round_rows(findings);
	status = output_object(cli, verdict_columns, ARRAY_SIZE(verdict_columns), answer);
	(void) fputc('\n', stdout);
	return status == CLI_OK
	               ? output_rows(cli, finding_columns, ARRAY_SIZE(finding_columns), findings, answer)
	               : status;
}

static int run_test(struct cli *cli)
{
	_cleanup_buf_ struct buf message = BUF_INIT;
	json_t *body, *answer;
	int status;

	if (read_message(cli, cli->args[0], &message) < 0)
		return cli_fail(cli);
	body = test_body(cli, buf_span(&message));
	if (!body)
		return cli_fail_with(cli, POD_E_NOMEM, NULL, "test");
	if (client_call(cli, "POST", "/filter/test", body, &answer) < 0)
		return cli_fail(cli);
	status = print_verdict(cli, answer);
	json_decref(answer);
	return status;
}

static const struct command_option test_options[] = {
	{ "--address", "ADDRESS", "Whom it comes from. Default: 192.0.2.1." },
	{ "--helo", "NAME", "What he calls himself." },
	{ "--from", "ADDRESS", "The envelope's sender. Default: <>." },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "show", "ADDRESS|NETWORK|DOMAIN", 1, 1, "Shows the reputation of who sends.",
	  "Of an address its own and its network's (/24, or /48 of IPv6), of a domain that which SPF or DKIM "
	  "vouched for and that "
	  "of the name in HELO. Counts are of now: they halve in each filter.reputation_half_life.",
	  NULL, run_show },
	{ "forget", "ADDRESS|NETWORK|DOMAIN", 1, 1, "Forgets it.",
	  "A network is forgotten by its own name, 192.0.2.0/24.", NULL, run_forget },
	{ "test", "FILE", 1, 1, "Tells what would become of a message.",
	  "FILE is a message of at most 1 MiB, \"-\" for the standard input. Nothing is learnt from it.",
	  test_options, run_test },
};

const struct command_group command_filter = { "filter", "Who sends what, and what is thought of it.",
	                                      commands, ARRAY_SIZE(commands) };

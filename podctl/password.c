#include "podctl/password.h"

#include <errno.h>
#include <string.h>

#include "base/id.h"

/* 30 characters without 0 o 1 l i u, which look alike or make words. */
static const char alphabet[] = "abcdefghjkmnpqrstvwxyz23456789";

void password_make(char text[PASSWORD_MADE_SIZE])
{
	size_t n = 0, letters = sizeof(alphabet) - 1;

	while (n < PASSWORD_MADE_SIZE - 1) {
		uint8_t byte;

		if (n % 6 == 5) {
			text[n++] = '-';
			continue;
		}
		random_bytes(&byte, sizeof(byte));
		if (byte < 256 / letters * letters) /* the rest would favour some letters */
			text[n++] = alphabet[byte % letters];
	}
	text[n] = '\0';
}

static int read_line(struct cli *cli, const char **ret_password)
{
	char *text = arena_alloc(cli->arena, PASSWORD_MAX + 2);

	if (!text)
		return err_set(&cli->err, POD_E_NOMEM, "password");
	if (!fgets(text, PASSWORD_MAX + 2, stdin))
		return err_set(&cli->err, POD_E_SYNTAX, "no password came on standard input");
	text[strcspn(text, "\r\n")] = '\0';
	if (!*text || strlen(text) > PASSWORD_MAX)
		return err_set(&cli->err, POD_E_SYNTAX, "a password has 1 to %d bytes", PASSWORD_MAX);
	*ret_password = text;
	return 0;
}

int password_get(struct cli *cli, const char **ret_password, bool *ret_made)
{
	const char *given = cli_option(cli, "--password");
	char made[PASSWORD_MADE_SIZE];

	*ret_made = false;
	if (cli_option(cli, "--password-stdin"))
		return read_line(cli, ret_password);
	if (given) {
		cli_note(cli, "podctl: other users of this machine can see a command line; --password-stdin "
		              "is safer");
		*ret_password = given;
		return 0;
	}
	password_make(made);
	*ret_password = arena_str(cli->arena, span_of(made));
	*ret_made = true;
	return *ret_password ? 0 : err_set(&cli->err, POD_E_NOMEM, "password");
}

#include "podctl/show.h"

#include "podctl/client.h"

int show_list(struct cli *cli, const char *path, const char *key, const struct output_column *columns,
              size_t n)
{
	json_t *answer;
	int status;

	if (client_list(cli, path, key, &answer) < 0)
		return cli_fail(cli);
	status = output_rows(cli, columns, n, json_object_get(answer, key), answer);
	json_decref(answer);
	return status;
}

int show_object(struct cli *cli, const char *path, const struct output_column *columns, size_t n)
{
	json_t *answer;
	int status;

	if (client_call(cli, "GET", path, NULL, &answer) < 0)
		return cli_fail(cli);
	status = output_object(cli, columns, n, answer);
	json_decref(answer);
	return status;
}

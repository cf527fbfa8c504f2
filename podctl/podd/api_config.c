/* The configuration that podd runs with, and its reload. */
#include "podctl/podd/api.h"

void api_config_get(struct api_call *call)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct err err = { 0 };

	if (conf_print_json(call->podd->conf, &text, &err) < 0)
		api_fail(call, &err);
	else
		api_reply(call, 200, json_loadb((const char *) text.p, text.len, 0, NULL));
}

void api_config_reload(struct api_call *call)
{
	struct err err = { 0 };

	if (podd_reload(call->podd, &err) < 0)
		api_fail(call, &err);
	else
		api_reply(call, 200, json_pack("{ss}", "reloaded", call->podd->options->config_file));
}

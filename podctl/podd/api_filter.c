/* What podfilter knows of senders, and what it would say to a message. */
#include "base/cleanup.h"
#include "podctl/podd/filter_link.h"

void api_filter_show(struct api_call *call)
{
	filter_call(call, "filter.show", json_pack("{s:s}", "subject", call->params[0]), NULL);
}

void api_filter_forget(struct api_call *call)
{
	filter_call(call, "filter.forget", json_pack("{s:s}", "subject", call->params[0]), NULL);
}

void api_filter_test(struct api_call *call)
{
	static const char *const fields[] = { "message", "address", "helo", "sender" };
	json_t *in = json_object();
	const char *text;
	struct err err = { 0 };
	int r = api_only(call, fields, ARRAY_SIZE(fields), &err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fields); i++) {
		text = NULL;
		r = i ? api_string(call, fields[i], &text, &err)
		      : api_string_required(call, fields[i], &text, &err);
		if (r == 0 && text)
			(void) json_object_set_new(in, fields[i], json_string(text));
	}
	if (r < 0) {
		json_decref(in);
		api_fail(call, &err);
		return;
	}
	filter_call(call, "filter.test", in, NULL);
}

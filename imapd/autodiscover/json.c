#include <jansson.h>
#include <stdlib.h>

#include "imapd/autodiscover/autodiscover.h"

/* What each protocol's URL ends in. */
static const struct {
	struct span protocol;
	const char *name, *path;
} protocols[] = {
	{ SPAN_LIT("ActiveSync"), "ActiveSync", "/Microsoft-Server-ActiveSync" },
	{ SPAN_LIT("AutodiscoverV1"), "AutodiscoverV1", "/autodiscover/autodiscover.xml" },
};

static void put(struct buf *out, json_t *answer)
{
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

	if (text)
		buf_add_str(out, text);
	else
		out->failed = true;
	free(text);
	json_decref(answer);
}

static json_t *found(const char *name, const char *path, const struct autodiscover_place *place)
{
	return json_pack("{s:s, s:o}", "Protocol", name, "Url",
	                 json_sprintf("https://%s%s", place->https_host, path));
}

unsigned int autodiscover_json(struct buf *out, struct span protocol, const struct autodiscover_place *place)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (span_eq_nocase(protocol, protocols[i].protocol)) {
			put(out, found(protocols[i].name, protocols[i].path, place));
			return 200;
		}
	put(out,
	    json_pack("{s:s, s:s}", "ErrorCode",
	              protocol.len ? "InvalidProtocol" : "MandatoryParameterMissing", "ErrorMessage",
	              protocol.len ? "The protocols that are served here are: ActiveSync, AutodiscoverV1."
	                           : "A valid value must be provided for the query parameter 'Protocol'."));
	return 400;
}

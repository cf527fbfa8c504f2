/* Autodiscover requests: what was read comes back in an answer that can be read. */
#include <libxml/parser.h>

#include "base/cleanup.h"
#include "imapd/autodiscover/autodiscover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(256u << 10);
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct autodiscover_request rq;
	xmlDoc *answer;

	if (!a || autodiscover_parse(a, span_make(data, len), &rq, NULL) < 0)
		return 0;
	autodiscover_no_user(&out, rq.address);
	answer = xmlReadMemory((const char *) out.p, (int) out.len, "answer", NULL,
	                       XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (!answer)
		__builtin_trap();
	xmlFreeDoc(answer);
	return 0;
}

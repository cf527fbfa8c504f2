/* Lines of the log, which hold what peers sent, in quotes; and answers on the queue's socket. */
#include <stddef.h>
#include <stdint.h>

#include "podctl/podd/queue_link.h"
#include "podctl/podd/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = span_make(data, len), body;

	(void) trace_line_matches(in, SPAN_LIT("0123abcd"));
	json_decref(trace_line_json(in));
	(void) queue_answer_parse(in, &body);
	return 0;
}

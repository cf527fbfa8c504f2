/* Lines of the log, which hold what peers sent, in quotes; and answers on the queue's socket. */
#include <stddef.h>
#include <stdint.h>

#include "podctl/podd/queue_link.h"
#include "podctl/podd/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = span_make(data, len), body, value;

	(void) trace_line_field(in, "trace", &value);
	(void) trace_line_time_ms(in);
	json_decref(trace_line_json(in));
	(void) peer_answer_parse(in, &body);
	return 0;
}

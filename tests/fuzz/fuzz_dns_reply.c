/* A reply of a name server: the first byte chooses the type asked for. What is read stays within its bounds.
 */
#include "base/arena.h"
#include "base/cleanup.h"
#include "dns/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(512u << 10);
	struct dns_answer answer = { 0 };

	if (!a || len < 1)
		return 0;
	answer.type = data[0] % DNS_TYPES;
	if (answer.type == DNS_ADDR || dns_reply_parse(span_make(data + 1, len - 1), a, &answer) < 0)
		return 0;
	if ((answer.outcome == DNS_FOUND) != (answer.n > 0) || !answer.canonical)
		__builtin_trap();
	for (size_t i = 0; i < answer.n; i++) {
		if ((answer.mx && !answer.mx[i].host) || (answer.names && !answer.names[i]))
			__builtin_trap();
		if (i > 0 && answer.mx && answer.mx[i - 1].preference > answer.mx[i].preference)
			__builtin_trap();
	}
	return 0;
}

/* The first SASL message of a client: a mechanism (first byte) and what it sent. */
#include "base/cleanup.h"
#include "sasl/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct span message, user, binding, bytes, text;

	if (!a || len == 0)
		return 0;
	message = span_make(data + 1, len - 1);
	if (sasl_first_user(a, (enum sasl_mechanism) (data[0] % SASL_MECHANISMS), message, &user, &binding) == 0 &&
	    (user.len == 0 || !user.p))
		__builtin_trap();
	text = base64_encode(a, message);
	if (text.p && (base64_decode(a, text, &bytes) != 0 || !span_eq(bytes, message)))
		__builtin_trap();
	/* What decodes has one spelling only. */
	if (base64_decode(a, message, &bytes) == 0 && !span_eq(base64_encode(a, bytes), message))
		__builtin_trap();
	return 0;
}

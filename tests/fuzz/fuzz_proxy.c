/* The PROXY header: what is complete stays the same when bytes follow, what is a prefix is never refused. */
#include "net/listener.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct net_addr peer = { 0 }, local = { 0 };
	char text[NET_ADDR_TEXT_SIZE];
	int n = proxy_header_parse(span_make(data, len), &peer, &local);

	if (n > (int) len || n > PROXY_HEADER_MAX)
		__builtin_trap();
	if (n <= 0)
		return 0;
	if (proxy_header_parse(span_make(data, (size_t) n), &peer, &local) != n)
		__builtin_trap();
	for (size_t i = 0; i < (size_t) n; i++)
		if (proxy_header_parse(span_make(data, i), &peer, &local) != 0)
			__builtin_trap();
	(void) net_addr_format(&peer, text, sizeof(text));
	(void) net_addr_format(&local, text, sizeof(text));
	return 0;
}

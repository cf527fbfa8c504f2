#include "base/id.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"

void random_bytes(void *p, size_t len)
{
	uint8_t *to = p;

	while (len) {
		ssize_t n = getrandom(to, len, 0);

		if (n < 0 && errno != EINTR)
			abort();
		if (n > 0) {
			to += n;
			len -= (size_t) n;
		}
	}
}

struct guid guid_new(void)
{
	uint64_t ms = (uint64_t) clock_wall_ms();
	struct guid g;

	random_bytes(g.b, sizeof(g.b));
	for (int i = 0; i < 6; i++)
		g.b[i] = (uint8_t) (ms >> (40 - 8 * i));
	g.b[6] = (uint8_t) (0x70 | (g.b[6] & 0x0f));
	g.b[8] = (uint8_t) (0x80 | (g.b[8] & 0x3f));
	return g;
}

void guid_format(const struct guid *g, char text[ID_TEXT_SIZE])
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < ID_SIZE; i++) {
		text[2 * i] = hex[g->b[i] >> 4];
		text[2 * i + 1] = hex[g->b[i] & 15];
	}
	text[2 * ID_SIZE] = '\0';
}

int guid_parse(struct span text, struct guid *ret_guid)
{
	struct guid g;

	if (text.len != 2 * ID_SIZE)
		return -POD_E_SYNTAX;
	for (size_t i = 0; i < ID_SIZE; i++) {
		int byte = ascii_hex_pair(text.p + 2 * i);

		if (byte < 0)
			return -POD_E_SYNTAX;
		g.b[i] = (uint8_t) byte;
	}
	*ret_guid = g;
	return 0;
}

void trace_id_new(char text[TRACE_ID_SIZE])
{
	uint64_t ms = (uint64_t) clock_wall_ms();
	uint32_t random;

	random_bytes(&random, sizeof(random));
	(void) snprintf(text, TRACE_ID_SIZE, "%010llx%06x", (unsigned long long) (ms & 0xffffffffffULL),
	                random & 0xffffff);
}

#include "podctl/size.h"

int size_parse(struct span text, uint64_t *ret_bytes, struct err *err)
{
	static const char units[] = "kmgt";
	const char *unit = text.len > 1 ? strchr(units, ascii_lower(text.p[text.len - 1])) : NULL;
	unsigned int shift = unit && *unit ? 10 * (unsigned int) (unit - units + 1) : 0;
	uint64_t value;

	if (span_eq_nocase(text, SPAN_LIT("none"))) {
		*ret_bytes = 0;
		return 0;
	}
	if (span_to_u64(span_head(text, text.len - (shift ? 1 : 0)), &value) < 0 ||
	    value > (uint64_t) INT64_MAX >> shift)
		return err_set(err, POD_E_SYNTAX, "\"" SPAN_FMT "\" is no size; write 500M, 2G or none",
		               SPAN_ARG(text));
	*ret_bytes = value << shift;
	return 0;
}

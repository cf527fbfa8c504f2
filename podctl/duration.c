#include "podctl/duration.h"

#include "base/cleanup.h"

int duration_parse(struct span text, uint64_t *ret_s, struct err *err)
{
	static const struct {
		uint8_t letter;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	uint64_t n, s;

	if (span_eq_nocase(text, SPAN_LIT("none")) || span_eq(text, SPAN_LIT("0"))) {
		*ret_s = 0;
		return 0;
	}
	for (size_t i = 0; text.len && i < ARRAY_SIZE(units); i++)
		if (ascii_lower(text.p[text.len - 1]) == units[i].letter &&
		    span_to_u64(span_head(text, text.len - 1), &n) == 0 &&
		    !__builtin_mul_overflow(n, units[i].seconds, &s)) {
			*ret_s = s;
			return 0;
		}
	return err_set(err, POD_E_SYNTAX, "\"" SPAN_FMT "\" is no duration such as 20s, 5m, 2h or 7d",
	               SPAN_ARG(text));
}

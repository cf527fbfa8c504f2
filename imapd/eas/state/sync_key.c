#include "imapd/eas/state/sync_key.h"

#include <stdio.h>

#define EPOCH_DIGITS 16

static int take_epoch(struct span text, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < EPOCH_DIGITS; i++) {
		uint8_t c = text.p[i];

		if (!ascii_is_digit(c) && !(c >= 'a' && c <= 'f'))
			return -POD_E_SYNTAX;
		v = v << 4 | (uint64_t) (c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*ret = v;
	return 0;
}

int eas_sync_key_parse(struct span text, struct eas_sync_key *ret_key)
{
	struct eas_sync_key key;
	struct span number;

	if (span_eq(text, SPAN_LIT("0"))) {
		*ret_key = (struct eas_sync_key){ 0 };
		return 0;
	}
	if (text.len < EPOCH_DIGITS + 2 || text.p[EPOCH_DIGITS] != '.' || take_epoch(text, &key.epoch) < 0)
		return -POD_E_SYNTAX;
	number = span_skip(text, EPOCH_DIGITS + 1);
	if (number.p[0] == '0' || span_to_u64(number, &key.number) < 0)
		return -POD_E_SYNTAX;
	*ret_key = key;
	return 0;
}

void eas_sync_key_format(const struct eas_sync_key *key, char text[EAS_SYNC_KEY_SIZE])
{
	if (key->number == 0)
		(void) snprintf(text, EAS_SYNC_KEY_SIZE, "0");
	else
		(void) snprintf(text, EAS_SYNC_KEY_SIZE, "%016llx.%llu", (unsigned long long) key->epoch,
		                (unsigned long long) key->number);
}

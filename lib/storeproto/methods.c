#include "storeproto/storeproto.h"

static const struct store_method_info methods[] = {
#define X(no, NAME, request_, reply_, more_, roles_)                                                         \
	{                                                                                                    \
		.method = STORE_##NAME,                                                                      \
		.name = #NAME,                                                                               \
		.request = &podstore__##request_##__descriptor,                                              \
		.reply = &podstore__##reply_##__descriptor,                                                  \
		.more = &podstore__##more_##__descriptor,                                                    \
		.roles = (roles_),                                                                           \
	},
	STORE_METHODS(X)
#undef X
};

/* Numbers of the rows above. */
enum method_row {
#define X(no, NAME, request_, reply_, more_, roles_) ROW_##NAME,
	STORE_METHODS(X)
#undef X
};

#define METHOD_NUMBER_MAX 127 /* a row with a larger number does not compile below */

const struct store_method_info *store_method_find(unsigned int number)
{
	/* Index of the row plus one, so that a look-up is one load. Rows are made by the compiler. */
	static const uint8_t rows[METHOD_NUMBER_MAX + 1] = {
#define X(no, NAME, request_, reply_, more_, roles_) [no] = ROW_##NAME + 1,
		STORE_METHODS(X)
#undef X
	};

	if (number > METHOD_NUMBER_MAX || rows[number] == 0)
		return NULL;
	return &methods[rows[number] - 1];
}

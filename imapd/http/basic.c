#include "imapd/http/basic.h"

#include "base/base64.h"
#include "base/err.h"

int http_basic_parse(struct arena *a, const char *authorization, struct span *ret_user,
                     struct span *ret_password)
{
	static const struct span scheme = SPAN_LIT("Basic ");
	struct span header = span_trim(span_of(authorization ? authorization : "")), bytes, user, password;
	int r;

	if (!span_starts_nocase(header, scheme))
		return -POD_E_NOTFOUND;
	r = base64_decode(a, span_trim(span_skip(header, scheme.len)), &bytes);
	if (r < 0)
		return r;
	user = span_split(bytes, ':', &password);
	if (!password.p || user.len == 0)
		return -POD_E_SYNTAX;
	*ret_user = user;
	*ret_password = password;
	return 0;
}

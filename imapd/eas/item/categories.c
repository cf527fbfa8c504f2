#include "imapd/eas/item/categories.h"

#include "base/cleanup.h"
#include "imapd/eas/item/text.h"
#include "mime/mutf7.h"

/* atom-specials, and "$", at whose start a keyword is none of ours. */
#define SHIFTED "(){ %*\"\\]$"

/* Keywords that mail programs set, and no person. */
static bool is_other(struct span keyword)
{
	static const char *const others[] = { "Junk",      "NonJunk",    "NotJunk",
		                              "Forwarded", "Redirected", "MDNSent" };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (span_eq_nocase(keyword, span_of(others[i])))
			return true;
	return false;
}

int eas_category_keyword(struct arena *a, struct span category, const char **ret_keyword)
{
	_cleanup_buf_ struct buf out = { .limit = 4 * EAS_CATEGORY_NAME_MAX };
	const char *keyword;

	if (category.len == 0 || category.len > EAS_CATEGORY_NAME_MAX)
		return -POD_E_SYNTAX;
	/* A category of such a name has its first letter shifted, too, and so is another keyword. */
	if (mutf7_encode(category, is_other(category) ? SHIFTED "JNFRMjnfrm" : SHIFTED, &out) < 0 ||
	    out.failed)
		return -POD_E_SYNTAX;
	keyword = arena_str(a, buf_span(&out));
	if (!keyword)
		return -POD_E_NOMEM;
	*ret_keyword = keyword;
	return 0;
}

bool eas_keyword_category(struct arena *a, struct span keyword, struct span *ret_category)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct span category = keyword;

	if (keyword.len == 0 || keyword.p[0] == '$' || keyword.p[0] == '\\' || is_other(keyword))
		return false;
	/* One that somebody else made may be no modified UTF-7: it is shown as it is. */
	if (mutf7_decode(keyword, &out) == 0 && !out.failed && out.len > 0)
		category = arena_dup(a, buf_span(&out));
	category = eas_text_clean(a, category);
	if (category.len == 0)
		return false;
	*ret_category = category;
	return true;
}

#include "mta/deliver/answerable.h"

#include "base/cleanup.h"
#include "mime/address.h"
#include "mime/header.h"

/* Local parts behind which there is no person. */
static bool is_nobody(struct span local)
{
	static const char *const names[] = { "mailer-daemon", "postmaster", "noreply",      "no-reply",
		                             "no_reply",      "donotreply", "do-not-reply", "listserv",
		                             "majordomo",     "bounce",     "bounces",      "nobody" };
	static const char *const beginnings[] = { "owner-",    "bounce-",  "bounces-", "bounce+",
		                                  "bounces+",  "noreply-", "noreply+", "no-reply-",
		                                  "no-reply+", "prvs=" };
	static const char *const ends[] = { "-request", "-owner",    "-bounces", "-bounce",
		                            "-noreply", "-no-reply", "-relay",   "-errors" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (span_eq_nocase(local, span_of(names[i])))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++)
		if (span_starts_nocase(local, span_of(beginnings[i])))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct span end = span_of(ends[i]);

		if (local.len > end.len && span_eq_nocase(span_skip(local, local.len - end.len), end))
			return true;
	}
	return false;
}

static bool has_any(struct span value, const char *const *words)
{
	for (; *words; words++)
		if (span_find_nocase(value, span_of(*words)) != SIZE_MAX)
			return true;
	return false;
}

/* Fields that say that no person waits for an answer. words NULL: that it is there is enough. */
static bool forbids(const struct mime_field *f)
{
	static const char *const bulk[] = { "bulk", "list", "junk", "auto_reply", NULL };
	static const char *const suppress[] = { "all", "oof", "autoreply", NULL };
	static const char *const reports[] = { "multipart/report", NULL };
	static const char *const yes[] = { "yes", NULL };
	static const struct {
		const char *name;
		const char *const *words;
	} fields[] = {
		{ "Precedence", bulk },
		{ "X-Auto-Response-Suppress", suppress }, /* MS-OXCMAIL 2.1.3.2.20 */
		{ "Content-Type", reports },
		{ "X-Spam", yes },
		{ "X-Spam-Flag", yes },
		{ "X-Autoreply", NULL },
		{ "X-Autorespond", NULL },
		{ "X-Mailing-List", NULL },
		{ "Mailing-List", NULL },
		{ "X-Loop", NULL },
		{ "Feedback-ID", NULL },
	};

	if (span_eq_nocase(f->name, SPAN_LIT("Auto-Submitted"))) /* RFC 3834 5 */
		return !span_starts_nocase(span_trim(f->value), SPAN_LIT("no"));
	if (span_starts_nocase(f->name, SPAN_LIT("List-"))) /* RFC 2369, RFC 2919 */
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (span_eq_nocase(f->name, span_of(fields[i].name)))
			return !fields[i].words || has_any(f->value, fields[i].words);
	return false;
}

bool answerable_message(struct arena *a, struct span sender, struct span header)
{
	struct address who;
	struct mime_field f;

	if (!sender.len || address_parse_path(a, sender, true, &who, NULL) < 0 || !who.domain.len ||
	    is_nobody(who.local))
		return false;
	while (mime_field_next(&header, &f))
		if (forbids(&f))
			return false;
	return true;
}

static bool is_recipient_field(struct span name)
{
	static const char *const names[] = { "To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (span_eq_nocase(name, span_of(names[i])))
			return true;
	return false;
}

/* Room for n more, of which most messages have one or two. */
static struct span *grow(struct arena *a, struct span *names, size_t old, size_t n)
{
	return arena_grow(a, names, old, old + n, sizeof(*names));
}

static int add_names(struct arena *a, struct span value, struct span **names, size_t *n)
{
	struct address_list list;
	int r = address_list_parse(a, value, &list);
	size_t room = r == 0 && list.n < ANSWERABLE_NAMES_MAX - *n ? list.n : ANSWERABLE_NAMES_MAX - *n;
	struct span *grown = r == 0 && room ? grow(a, *names, *n, room) : *names;

	if (r < 0 || !room)
		return r == -POD_E_LIMIT ? 0 : r;
	if (!grown)
		return -POD_E_NOMEM;
	*names = grown;
	for (size_t i = 0; i < room; i++) {
		const struct address address = { list.entries[i].local, list.entries[i].domain };

		if (list.entries[i].kind != ADDRESS_MAILBOX || !address.domain.len)
			continue;
		grown[*n] = address_key(a, &address);
		if (!grown[(*n)++].p)
			return -POD_E_NOMEM;
	}
	return 0;
}

int answerable_names(struct arena *a, struct span header, struct span **ret_names, size_t *ret_n)
{
	struct span *names = NULL;
	struct mime_field f;
	size_t n = 0;
	int r = 0;

	while (r == 0 && mime_field_next(&header, &f))
		if (is_recipient_field(f.name))
			r = add_names(a, f.value, &names, &n);
	*ret_names = names;
	*ret_n = n;
	return r;
}

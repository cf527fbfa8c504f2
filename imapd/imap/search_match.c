#include "imapd/imap/search_match.h"

#include "imapd/imap/search_text.h"
#include "mime/date.h"
#include "mime/header.h"
#include "storeproto/storeproto.h"

#define SECONDS_PER_DAY 86400

static enum imap_match match_if(bool yes)
{
	return yes ? MATCH_YES : MATCH_NO;
}

static int32_t day_of(int64_t unix_s)
{
	int64_t day = unix_s / SECONDS_PER_DAY;

	return (int32_t) (unix_s % SECONDS_PER_DAY < 0 ? day - 1 : day);
}

static enum imap_match compare_days(enum imap_search_kind before, enum imap_search_kind on,
                                    enum imap_search_kind kind, int32_t day, int32_t asked)
{
	if (kind == before)
		return match_if(day < asked);
	return match_if(kind == on ? day == asked : day >= asked);
}

/* Disregards time and zone (RFC 3501 6.4.4): the day that the Date field names. A message without one never
 * matches. */
static enum imap_match match_sent(const struct imap_search_key *key, const struct imap_search_message *m)
{
	struct mime_field field;
	struct mail_date date;

	if (!mime_field_find(m->headers, SPAN_LIT("Date"), &field) ||
	    date_parse_rfc5322(span_trim(field.value), &date) < 0)
		return MATCH_NO;
	return compare_days(SEARCH_SENTBEFORE, SEARCH_SENTON, key->kind, date_day(date), key->day);
}

/* Some field of that name holds the text; an empty text asks only whether there is such a field. */
static bool header_has(struct arena *scratch, struct span header, struct span name, struct span text)
{
	struct mime_field field;

	while (mime_field_next(&header, &field))
		if (span_eq_nocase(field.name, name) &&
		    search_text_has(scratch, mime_decode_text(scratch, field.value), text))
			return true;
	return false;
}

static enum imap_match match_header(struct arena *scratch, const struct imap_search_key *key,
                                    const struct imap_search_message *m)
{
	if (mime_field_is_cached(key->name))
		return match_if(header_has(scratch, m->headers, key->name, key->text));
	if (!m->has_bytes)
		return MATCH_NEEDS_BYTES;
	return match_if(header_has(scratch, mime_header_of(m->bytes), key->name, key->text));
}

static struct span part_bytes(const struct imap_search_message *m, uint64_t off, uint64_t len)
{
	return span_head(span_skip(m->bytes, off), len);
}

static bool is_text(struct span header)
{
	struct mime_field field;

	return !mime_field_find(header, SPAN_LIT("Content-Type"), &field) ||
	       span_starts_nocase(span_trim(field.value), SPAN_LIT("text/"));
}

static bool whole_header_has(struct arena *scratch, struct span header, struct span text)
{
	struct mime_field field;

	while (mime_field_next(&header, &field))
		if (search_text_has(scratch, field.whole, text) ||
		    search_text_has(scratch, mime_decode_text(scratch, field.value), text))
			return true;
	return false;
}

/* Text leaves, decoded, and the headers of messages inside. */
static bool part_has(struct arena *scratch, const struct imap_search_message *m, uint32_t i, struct span text)
{
	const struct mime_part *part = &m->tree.parts[i];
	struct span header = part_bytes(m, part->header_off, part->header_len), decoded;

	if (i > 0 && m->tree.parts[part->parent].kind == MIME_MESSAGE &&
	    whole_header_has(scratch, header, text))
		return true;
	if (part->kind != MIME_LEAF || !is_text(header))
		return false;
	return mime_decode_body(scratch, header, part_bytes(m, part->body_off, part->body_len), &decoded) ==
	               0 &&
	       search_text_has(scratch, decoded, text);
}

static enum imap_match match_text(struct arena *scratch, const struct imap_search_key *key,
                                  const struct imap_search_message *m)
{
	if (!m->has_bytes)
		return MATCH_NEEDS_BYTES;
	if (key->kind == SEARCH_TEXT && whole_header_has(scratch, mime_header_of(m->bytes), key->text))
		return MATCH_YES;
	for (uint32_t i = 0; i < m->tree.n; i++)
		if (part_has(scratch, m, i, key->text))
			return MATCH_YES;
	return MATCH_NO;
}

/* AND ends at the first NO, OR at the first YES; what only the bytes can say is left open until then. */
static enum imap_match match_children(struct arena *scratch, const struct imap_search_key *key,
                                      const struct imap_search_message *m)
{
	enum imap_match decisive = key->kind == SEARCH_OR ? MATCH_YES : MATCH_NO;
	enum imap_match result = key->kind == SEARCH_OR ? MATCH_NO : MATCH_YES;

	for (const struct imap_search_key *c = key->child; c; c = c->next) {
		enum imap_match one = imap_search_match(scratch, c, m);

		if (one == decisive)
			return decisive;
		if (one == MATCH_NEEDS_BYTES)
			result = MATCH_NEEDS_BYTES;
	}
	return result;
}

static enum imap_match match_not(struct arena *scratch, const struct imap_search_key *key,
                                 const struct imap_search_message *m)
{
	enum imap_match one = imap_search_match(scratch, key->child, m);

	if (one == MATCH_NEEDS_BYTES)
		return one;
	return match_if(one == MATCH_NO);
}

/* Recursion is bounded by the parser (IMAP_SEARCH_DEPTH_MAX). */
enum imap_match imap_search_match(struct arena *scratch, const struct imap_search_key *key,
                                  const struct imap_search_message *m)
{
	switch (key->kind) {
	case SEARCH_AND:
	case SEARCH_OR: return match_children(scratch, key, m);
	case SEARCH_NOT: return match_not(scratch, key, m);
	case SEARCH_ALL: return MATCH_YES;
	case SEARCH_SEQS:
	case SEARCH_UIDS: return match_if(imap_ranges_has(&key->uids, m->uid));
	case SEARCH_FLAG:
	case SEARCH_KEYWORD: return match_if((m->flags & key->bit) != 0);
	case SEARCH_RECENT: return match_if(m->recent);
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
		return compare_days(SEARCH_BEFORE, SEARCH_ON, key->kind, day_of(m->internal_date), key->day);
	case SEARCH_SENTBEFORE:
	case SEARCH_SENTON:
	case SEARCH_SENTSINCE: return match_sent(key, m);
	case SEARCH_LARGER: return match_if(m->size > key->number);
	case SEARCH_SMALLER: return match_if(m->size < key->number);
	case SEARCH_MODSEQ: return match_if(m->modseq >= key->number);
	case SEARCH_HEADER: return match_header(scratch, key, m);
	case SEARCH_BODY:
	case SEARCH_TEXT: return match_text(scratch, key, m);
	}
	return MATCH_NO;
}

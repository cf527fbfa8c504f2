#include "imapd/eas/item/note.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "mime/date.h"

#define DEFAULT_TYPE SPAN_LIT("Flag for follow up")

enum value_kind { KIND_TEXT, KIND_DATE, KIND_BOOL };

static const struct {
	enum wbxml_tag tag;
	enum value_kind kind;
} values[EAS_FLAG_VALUES] = {
	[EAS_FLAG_TYPE] = { EMAIL_FLAGTYPE, KIND_TEXT },
	[EAS_FLAG_COMPLETE_TIME] = { EMAIL_COMPLETETIME, KIND_DATE },
	[EAS_FLAG_DATE_COMPLETED] = { TASKS_DATECOMPLETED, KIND_DATE },
	[EAS_FLAG_SUBJECT] = { TASKS_SUBJECT, KIND_TEXT },
	[EAS_FLAG_START] = { TASKS_STARTDATE, KIND_DATE },
	[EAS_FLAG_UTC_START] = { TASKS_UTCSTARTDATE, KIND_DATE },
	[EAS_FLAG_DUE] = { TASKS_DUEDATE, KIND_DATE },
	[EAS_FLAG_UTC_DUE] = { TASKS_UTCDUEDATE, KIND_DATE },
	[EAS_FLAG_REMINDER_SET] = { TASKS_REMINDERSET, KIND_BOOL },
	[EAS_FLAG_REMINDER] = { TASKS_REMINDERTIME, KIND_DATE },
	[EAS_FLAG_ORDINAL] = { TASKS_ORDINALDATE, KIND_DATE },
	[EAS_FLAG_SUB_ORDINAL] = { TASKS_SUBORDINALDATE, KIND_TEXT },
};

/* ---- reading ---- */

static int time_of(struct span text, int64_t *ret_s)
{
	struct mail_date d;
	int r = date_parse_rfc3339(text, &d);

	if (r == 0)
		*ret_s = d.unix_s;
	return r;
}

static bool is_value(struct span text, enum value_kind kind)
{
	int64_t s;

	switch (kind) {
	case KIND_TEXT: return text.len <= EAS_FLAG_VALUE_MAX;
	case KIND_DATE: return time_of(text, &s) == 0;
	case KIND_BOOL: return span_eq(text, SPAN_LIT("0")) || span_eq(text, SPAN_LIT("1"));
	}
	return false;
}

static int read_status(const struct wbxml_node *n, struct eas_note *note)
{
	if (n->text.len != 1 || n->text.p[0] < '0' || n->text.p[0] > '2')
		return -POD_E_SYNTAX;
	note->flag = (enum eas_flag_status)(n->text.p[0] - '0');
	return 0;
}

static int read_value(const struct wbxml_node *n, struct eas_note *note)
{
	for (size_t i = 0; i < EAS_FLAG_VALUES; i++) {
		if (values[i].tag != n->tag)
			continue;
		if (note->values[i].p || !is_value(n->text, values[i].kind))
			return -POD_E_SYNTAX;
		note->values[i] = n->text.p ? n->text : SPAN_LIT("");
		return 0;
	}
	return -POD_E_SYNTAX;
}

/* Whether two dates are there and the second is before the first. */
static bool is_before(const struct eas_note *note, enum eas_flag_value start, enum eas_flag_value due)
{
	int64_t from, to;

	return time_of(note->values[start], &from) == 0 && time_of(note->values[due], &to) == 0 && to < from;
}

static bool is_consistent(const struct eas_note *note)
{
	bool reminder = span_eq(note->values[EAS_FLAG_REMINDER_SET], SPAN_LIT("1"));

	return !is_before(note, EAS_FLAG_START, EAS_FLAG_DUE) &&
	       !is_before(note, EAS_FLAG_UTC_START, EAS_FLAG_UTC_DUE) &&
	       (!reminder || note->values[EAS_FLAG_REMINDER].p);
}

static int set_completed(struct arena *a, int64_t now_s, struct eas_note *note)
{
	char *text = arena_alloc(a, CLOCK_ISO_SIZE);

	if (!text)
		return -POD_E_NOMEM;
	clock_format_iso(now_s * 1000, text, CLOCK_ISO_SIZE);
	if (!note->values[EAS_FLAG_COMPLETE_TIME].p)
		note->values[EAS_FLAG_COMPLETE_TIME] = span_of(text);
	if (!note->values[EAS_FLAG_DATE_COMPLETED].p)
		note->values[EAS_FLAG_DATE_COMPLETED] = note->values[EAS_FLAG_COMPLETE_TIME];
	return 0;
}

static void clear(struct eas_note *note)
{
	*note = (struct eas_note){ .verb = note->verb, .verb_s = note->verb_s };
}

int eas_flag_read(struct arena *a, const struct wbxml_node *node, int64_t now_s, struct eas_note *note)
{
	struct eas_note n = { .verb = note->verb, .verb_s = note->verb_s };
	bool said = false;
	int r = 0;

	for (const struct wbxml_node *c = node->first; r == 0 && c; c = c->next) {
		if (c->tag == EMAIL_STATUS && !said) {
			said = true;
			r = read_status(c, &n);
		} else {
			r = read_value(c, &n);
		}
	}
	if (r == 0 && ((node->first && !said) || !is_consistent(&n)))
		r = -POD_E_SYNTAX;
	if (r == 0 && n.flag == EAS_FLAG_COMPLETE)
		r = set_completed(a, now_s, &n);
	if (r < 0)
		return r;
	if (n.flag == EAS_FLAG_NONE)
		clear(&n);
	*note = n;
	return 0;
}

/* ---- writing ---- */

void eas_flag_write(struct wbxml_writer *w, const struct eas_note *note)
{
	if (note->flag == EAS_FLAG_NONE) {
		wbxml_empty(w, EMAIL_FLAG);
		return;
	}
	wbxml_open(w, EMAIL_FLAG);
	wbxml_uint(w, EMAIL_STATUS, note->flag);
	wbxml_text(w, EMAIL_FLAGTYPE,
	           note->values[EAS_FLAG_TYPE].len > 0 ? note->values[EAS_FLAG_TYPE] : DEFAULT_TYPE);
	for (size_t i = EAS_FLAG_TYPE + 1; i < EAS_FLAG_VALUES; i++)
		if (note->values[i].p)
			wbxml_text(w, values[i].tag, note->values[i]);
	wbxml_close(w);
}

/* ---- kept ----
 * A version byte, the flag's status, the verb, its time (8 bytes, little-endian), then for each value its
 * number, its length (2 bytes) and its bytes.
 */
#define PACK_VERSION 1
#define PACK_HEAD    11

void eas_note_pack(const struct eas_note *note, struct buf *out)
{
	buf_add_byte(out, PACK_VERSION);
	buf_add_byte(out, (uint8_t) note->flag);
	buf_add_byte(out, (uint8_t) note->verb);
	for (size_t i = 0; i < 8; i++)
		buf_add_byte(out, (uint8_t) ((uint64_t) note->verb_s >> 8 * i));
	for (size_t i = 0; i < EAS_FLAG_VALUES; i++) {
		struct span v = span_head(note->values[i], EAS_FLAG_VALUE_MAX);

		if (!v.p)
			continue;
		buf_add_byte(out, (uint8_t) i);
		buf_add_byte(out, (uint8_t) v.len);
		buf_add_byte(out, (uint8_t) (v.len >> 8));
		buf_add(out, v);
	}
}

int eas_note_unpack(struct span kept, struct eas_note *ret_note)
{
	struct eas_note n = { .flag = EAS_FLAG_NONE };
	uint64_t when = 0;

	if (kept.len < PACK_HEAD || kept.p[0] != PACK_VERSION || kept.p[1] > EAS_FLAG_ACTIVE)
		return -POD_E_CORRUPT;
	n.flag = (enum eas_flag_status) kept.p[1];
	n.verb = kept.p[2];
	for (size_t i = 0; i < 8; i++)
		when |= (uint64_t) kept.p[3 + i] << 8 * i;
	n.verb_s = (int64_t) when;
	for (kept = span_skip(kept, PACK_HEAD); kept.len > 0;) {
		size_t len = kept.len >= 3 ? (size_t) kept.p[1] | (size_t) kept.p[2] << 8 : 0;

		if (kept.len < 3 + len || kept.p[0] >= EAS_FLAG_VALUES)
			return -POD_E_CORRUPT;
		n.values[kept.p[0]] = span_make(kept.p + 3, len);
		kept = span_skip(kept, 3 + len);
	}
	*ret_note = n;
	return 0;
}

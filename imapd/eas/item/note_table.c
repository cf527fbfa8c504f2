/* A version byte, then for each note, the one changed last at the end: GUID (16 bytes), length (2), the
 * packed note. */
#include <stdio.h>

#include "base/id.h"
#include "imapd/eas/item/note_table.h"

#define TABLE_VERSION 1
#define ENTRY_HEAD    (ID_SIZE + 2)

struct entry {
	struct span guid, note, whole;
};

void eas_note_table_name(struct span guid, char name[EAS_NOTE_TABLE_NAME])
{
	(void) snprintf(name, EAS_NOTE_TABLE_NAME, "eas-notes/%x",
	                guid.len > 0 ? guid.p[guid.len - 1] & 0xfu : 0u);
}

/* What follows the version; empty for a table that is none. */
static struct span entries_of(struct span table)
{
	return table.len > 0 && table.p[0] == TABLE_VERSION ? span_skip(table, 1) : SPAN_NONE;
}

static bool next_entry(struct span *rest, struct entry *ret_entry)
{
	size_t len;

	if (rest->len < ENTRY_HEAD)
		return false;
	len = (size_t) rest->p[ID_SIZE] | (size_t) rest->p[ID_SIZE + 1] << 8;
	if (rest->len < ENTRY_HEAD + len)
		return false;
	*ret_entry = (struct entry){ .guid = span_head(*rest, ID_SIZE),
		                     .note = span_make(rest->p + ENTRY_HEAD, len),
		                     .whole = span_head(*rest, ENTRY_HEAD + len) };
	*rest = span_skip(*rest, ENTRY_HEAD + len);
	return true;
}

int eas_note_table_find(struct span table, struct span guid, struct eas_note *ret_note)
{
	struct span rest = entries_of(table);
	struct entry e;

	while (next_entry(&rest, &e))
		if (span_eq(e.guid, guid))
			return eas_note_unpack(e.note, ret_note);
	return -POD_E_NOTFOUND;
}

static size_t count_others(struct span rest, struct span guid)
{
	struct entry e;
	size_t n = 0;

	while (next_entry(&rest, &e))
		n += !span_eq(e.guid, guid);
	return n;
}

static void put_entry(struct buf *out, struct span guid, const struct eas_note *note)
{
	_cleanup_buf_ struct buf packed = BUF_INIT;

	eas_note_pack(note, &packed);
	out->failed |= packed.failed;
	buf_add(out, guid);
	buf_add_byte(out, (uint8_t) packed.len);
	buf_add_byte(out, (uint8_t) (packed.len >> 8));
	buf_add(out, buf_span(&packed));
}

void eas_note_table_put(struct span table, struct span guid, const struct eas_note *note, struct buf *out)
{
	struct span rest = entries_of(table);
	size_t others = count_others(rest, guid), drop;
	struct entry e;

	drop = note && others >= EAS_NOTE_TABLE_MAX ? others - (EAS_NOTE_TABLE_MAX - 1) : 0;
	buf_add_byte(out, TABLE_VERSION);
	while (next_entry(&rest, &e)) {
		if (span_eq(e.guid, guid))
			continue;
		if (drop > 0)
			drop--;
		else
			buf_add(out, e.whole);
	}
	if (note)
		put_entry(out, guid, note);
}

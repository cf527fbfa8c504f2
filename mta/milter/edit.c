#include "mta/milter/edit.h"

#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>

#include "base/cleanup.h"

#define NAME_MAX_BYTES 998 /* a line of RFC 5322 2.1.1 */

const char *const milter_edit_words[MILTER_EDITS] = {
	[MILTER_ADD_HEADER] = "add-header",       [MILTER_INSERT_HEADER] = "insert-header",
	[MILTER_CHANGE_HEADER] = "change-header", [MILTER_REPLACE_BODY] = "replace-body",
	[MILTER_ADD_RCPT] = "add-rcpt",           [MILTER_DELETE_RCPT] = "delete-rcpt",
	[MILTER_CHANGE_SENDER] = "change-sender", [MILTER_QUARANTINE] = "quarantine",
};

enum shape { FIELD, INDEX_FIELD, ADDRESS, ADDRESS_ARGS, REASON, BYTES };

static const struct {
	uint8_t letter;
	enum milter_edit_kind kind;
	uint32_t action;
	enum shape shape;
} edits[] = {
	{ SMFIR_ADDHEADER, MILTER_ADD_HEADER, SMFIF_ADDHDRS, FIELD },
	{ SMFIR_INSHEADER, MILTER_INSERT_HEADER, SMFIF_ADDHDRS, INDEX_FIELD },
	{ SMFIR_CHGHEADER, MILTER_CHANGE_HEADER, SMFIF_CHGHDRS, INDEX_FIELD },
	{ SMFIR_REPLBODY, MILTER_REPLACE_BODY, SMFIF_CHGBODY, BYTES },
	{ SMFIR_ADDRCPT, MILTER_ADD_RCPT, SMFIF_ADDRCPT, ADDRESS },
	{ SMFIR_ADDRCPT_PAR, MILTER_ADD_RCPT, SMFIF_ADDRCPT_PAR, ADDRESS_ARGS },
	{ SMFIR_DELRCPT, MILTER_DELETE_RCPT, SMFIF_DELRCPT, ADDRESS },
	{ SMFIR_CHGFROM, MILTER_CHANGE_SENDER, SMFIF_CHGFROM, ADDRESS_ARGS },
	{ SMFIR_QUARANTINE, MILTER_QUARANTINE, SMFIF_QUARANTINE, REASON },
};

static bool is_field_name(struct span s)
{
	bool good = s.len > 0 && s.len <= NAME_MAX_BYTES;

	for (size_t i = 0; good && i < s.len; i++)
		good = s.p[i] > ' ' && s.p[i] < 0x7f && s.p[i] != ':';
	return good;
}

static struct span without_brackets(struct span s)
{
	s = span_trim(s);
	return s.len >= 2 && s.p[0] == '<' && s.p[s.len - 1] == '>' ? span_make(s.p + 1, s.len - 2) : s;
}

static bool take_field(struct span data, struct milter_edit *e)
{
	return milter_get_text(&data, &e->name) && milter_get_text(&data, &e->value) &&
	       is_field_name(e->name);
}

/* address NUL [ arguments NUL ] */
static bool take_address(struct span data, bool arguments, struct milter_edit *e)
{
	if (!milter_get_text(&data, &e->name))
		return false;
	e->name = without_brackets(e->name);
	if (arguments && data.len && !milter_get_text(&data, &e->value))
		return false;
	e->value = span_trim(e->value);
	return true;
}

static bool take(enum shape shape, struct span data, struct milter_edit *e)
{
	switch (shape) {
	case FIELD: return take_field(data, e);
	case INDEX_FIELD: return milter_get_u32(&data, &e->index) && take_field(data, e);
	case ADDRESS: return take_address(data, false, e);
	case ADDRESS_ARGS: return take_address(data, true, e);
	case REASON: return milter_get_text(&data, &e->value);
	case BYTES: e->value = data; return true;
	}
	return false;
}

/* Body bytes are used at once; the rest waits for the milter's last word. */
static int keep(struct arena *a, struct milter_edit *e)
{
	if (e->kind == MILTER_REPLACE_BODY)
		return 0;
	e->name = e->name.p ? arena_dup(a, e->name) : SPAN_LIT("");
	e->value = e->value.p ? arena_dup(a, e->value) : SPAN_LIT("");
	return e->name.p && e->value.p ? 0 : -POD_E_NOMEM;
}

int milter_edit_parse(struct arena *a, const struct milter_packet *p, const struct milter_terms *terms,
                      struct milter_edit *ret_edit, struct err *err)
{
	size_t i = 0;
	struct milter_edit e = { 0 };

	while (i < ARRAY_SIZE(edits) && edits[i].letter != p->letter)
		i++;
	if (i == ARRAY_SIZE(edits))
		return 0;
	e.kind = edits[i].kind;
	if (!(terms->actions & edits[i].action))
		return err_set(err, POD_E_PROTOCOL, "it asks for %s without having announced that",
		               milter_edit_words[e.kind]);
	if (!take(edits[i].shape, p->data, &e))
		return err_set(err, POD_E_PROTOCOL, "a malformed %s", milter_edit_words[e.kind]);
	if (keep(a, &e) < 0)
		return err_set(err, POD_E_NOMEM, "no memory for a milter's changes");
	*ret_edit = e;
	return 1;
}

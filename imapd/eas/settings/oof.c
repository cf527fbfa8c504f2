/* Settings:Oof (MS-ASCMD 2.2.3.126): what mail is answered with while the user is away. */
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "imapd/eas/item/html.h"
#include "imapd/eas/settings/settings.h"
#include "mime/date.h"
#include "mime/utf8.h"
#include "storeproto/oof.h"

#define TRIES 3 /* against others who change it */

static const enum wbxml_tag audience_tags[OOF_AUDIENCES] = { [OOF_INTERNAL] = SETTINGS_APPLIESTOINTERNAL,
	                                                     [OOF_EXTERNAL_KNOWN] =
	                                                             SETTINGS_APPLIESTOEXTERNALKNOWN,
	                                                     [OOF_EXTERNAL] =
	                                                             SETTINGS_APPLIESTOEXTERNALUNKNOWN };

static char *unconst(const char *s)
{
	return (char *) (uintptr_t) s;
}

/* ---- the state ---- */

static int read_oof(struct eas_request *rq, struct account_state *s, Podstore__Oof **ret, struct err *err)
{
	int r;

	*s = (struct account_state){ .name = OOF_STATE };
	r = account_state_get(rq->account, rq->a, s, err);
	return r == 0 ? oof_unpack(rq->a, s->value, ret, err) : r;
}

/* ---- Get ---- */

/* MS-ASDTYPE 2.7.2: with milliseconds. */
static void write_time(struct eas_request *rq, enum wbxml_tag tag, int64_t s)
{
	time_t t = (time_t) s;
	char text[32];
	struct tm tm;

	if (gmtime_r(&t, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000Z", &tm) > 0)
		wbxml_str(&rq->out, tag, text);
}

/* The text as the client wants it, whatever it was set as. */
static void write_text(struct eas_request *rq, const Podstore__OofText *t, bool html)
{
	_cleanup_buf_ struct buf other = BUF_INIT;
	struct span text = span_of(t->text);

	if (t->html && !html)
		eas_html_to_text(text, &other);
	else if (!t->html && html)
		eas_text_to_html(text, &other);
	if (t->html != html)
		text = buf_span(&other);
	wbxml_text(&rq->out, SETTINGS_REPLYMESSAGE, text);
	wbxml_str(&rq->out, SETTINGS_BODYTYPE, html ? "HTML" : "Text");
}

static void write_message(struct eas_request *rq, const Podstore__Oof *oof, enum oof_audience who, bool html)
{
	const Podstore__OofText *t = oof_text(oof, who);

	wbxml_open(&rq->out, SETTINGS_OOFMESSAGE);
	wbxml_empty(&rq->out, audience_tags[who]);
	wbxml_uint(&rq->out, SETTINGS_ENABLED, t && t->enabled);
	if (t && *t->text)
		write_text(rq, t, html);
	wbxml_close(&rq->out);
}

static bool body_type(const struct wbxml_node *node, bool *ret_html)
{
	*ret_html = node && span_eq_nocase(node->text, SPAN_LIT("HTML"));
	return node && (*ret_html || span_eq_nocase(node->text, SPAN_LIT("Text")));
}

static void get(struct eas_request *rq, const struct wbxml_node *node)
{
	Podstore__Oof *oof = NULL;
	struct account_state state;
	struct err err = { 0 };
	bool html;
	int r;

	if (!body_type(wbxml_child(node, SETTINGS_BODYTYPE), &html)) {
		settings_status(rq, SETTINGS_OOF, SETTINGS_PROTOCOL_ERROR);
		return;
	}
	r = read_oof(rq, &state, &oof, &err);
	if (r < 0) {
		settings_status(rq, SETTINGS_OOF, settings_status_of(r));
		return;
	}
	wbxml_open(&rq->out, SETTINGS_OOF);
	wbxml_uint(&rq->out, SETTINGS_STATUS, SETTINGS_OK);
	wbxml_open(&rq->out, SETTINGS_GET);
	wbxml_uint(&rq->out, SETTINGS_OOFSTATE, oof->when);
	if (oof->when == OOF_TIMED) {
		write_time(rq, SETTINGS_STARTTIME, oof->from_s);
		write_time(rq, SETTINGS_ENDTIME, oof->until_s);
	}
	for (int i = 0; i < OOF_AUDIENCES; i++)
		write_message(rq, oof, (enum oof_audience) i, html);
	wbxml_close(&rq->out);
	wbxml_close(&rq->out);
}

/* ---- Set ---- */

static enum settings_status set_time(const struct wbxml_node *node, enum wbxml_tag tag, int64_t *ret_s)
{
	const struct wbxml_node *time = wbxml_child(node, tag);
	struct mail_date date;

	if (!time)
		return SETTINGS_OK;
	if (date_parse_rfc3339(time->text, &date) < 0)
		return SETTINGS_INVALID;
	*ret_s = date.unix_s;
	return SETTINGS_OK;
}

static enum settings_status set_when(const struct wbxml_node *node, Podstore__Oof *oof)
{
	uint64_t state = oof->when;
	int r = wbxml_child_uint(node, SETTINGS_OOFSTATE, OOF_TIMED, &state);
	enum settings_status status =
		r < 0 ? SETTINGS_INVALID : set_time(node, SETTINGS_STARTTIME, &oof->from_s);

	if (status == SETTINGS_OK)
		status = set_time(node, SETTINGS_ENDTIME, &oof->until_s);
	if (status != SETTINGS_OK)
		return status;
	/* A time that is said needs both its ends, and its state needs it said. */
	if (!wbxml_child(node, SETTINGS_STARTTIME) != !wbxml_child(node, SETTINGS_ENDTIME) ||
	    (r == 1 && state == OOF_TIMED && !wbxml_child(node, SETTINGS_STARTTIME)))
		return SETTINGS_INVALID;
	oof->when = (uint32_t) state;
	return oof->when == OOF_TIMED && oof->from_s >= oof->until_s ? SETTINGS_CONFLICTING : SETTINGS_OK;
}

static Podstore__OofText **field_of(Podstore__Oof *oof, enum oof_audience who)
{
	Podstore__OofText **const fields[OOF_AUDIENCES] = { [OOF_INTERNAL] = &oof->internal,
		                                            [OOF_EXTERNAL_KNOWN] = &oof->external_known,
		                                            [OOF_EXTERNAL] = &oof->external };

	return fields[who];
}

/* Which one a message is for; OOF_AUDIENCES where it is none or several. */
static enum oof_audience audience_of(const struct wbxml_node *message)
{
	enum oof_audience who = OOF_AUDIENCES;

	for (int i = 0; i < OOF_AUDIENCES; i++) {
		if (!wbxml_child(message, audience_tags[i]))
			continue;
		if (who != OOF_AUDIENCES)
			return OOF_AUDIENCES;
		who = (enum oof_audience) i;
	}
	return who;
}

static enum settings_status set_words(struct arena *a, const struct wbxml_node *message, Podstore__OofText *t)
{
	const struct wbxml_node *words = wbxml_child(message, SETTINGS_REPLYMESSAGE);
	const struct wbxml_node *type = wbxml_child(message, SETTINGS_BODYTYPE);
	bool html = false;

	if ((words && !type) || (type && type->text.len && !body_type(type, &html)))
		return words && !type ? SETTINGS_PROTOCOL_ERROR : SETTINGS_INVALID;
	if (!words)
		return SETTINGS_OK;
	if (words->text.len > OOF_TEXT_MAX || !utf8_is_valid(words->text))
		return SETTINGS_INVALID;
	t->text = words->text.len ? arena_str(a, words->text) : unconst("");
	t->html = html;
	return t->text ? SETTINGS_OK : SETTINGS_UNAVAILABLE;
}

static enum settings_status set_message(struct arena *a, const struct wbxml_node *message, Podstore__Oof *oof,
                                        unsigned int *seen)
{
	enum oof_audience who = audience_of(message);
	Podstore__OofText *t = arena_new(a, Podstore__OofText);
	enum settings_status status;
	bool enabled;

	if (who == OOF_AUDIENCES || *seen & 1u << who)
		return SETTINGS_PROTOCOL_ERROR;
	if (!t)
		return SETTINGS_UNAVAILABLE;
	*seen |= 1u << who;
	podstore__oof_text__init(t);
	if (*field_of(oof, who))
		*t = **field_of(oof, who);
	*field_of(oof, who) = t;
	status = set_words(a, message, t);
	enabled = t->enabled || wbxml_child(message, SETTINGS_REPLYMESSAGE);
	if (status == SETTINGS_OK && wbxml_child_bool(message, SETTINGS_ENABLED, enabled, &enabled) < 0)
		return SETTINGS_INVALID;
	t->enabled = enabled;
	return status;
}

static enum settings_status apply(struct arena *a, const struct wbxml_node *node, Podstore__Oof *oof)
{
	enum settings_status status = set_when(node, oof);
	unsigned int seen = 0;

	for (const struct wbxml_node *m = wbxml_child(node, SETTINGS_OOFMESSAGE); m && status == SETTINGS_OK;
	     m = wbxml_again(m))
		status = set_message(a, m, oof, &seen);
	if (status == SETTINGS_OK && oof_check(oof, NULL) < 0)
		status = SETTINGS_INVALID;
	return status;
}

/* One that says again what holds is no change: who was answered stays so. */
static enum settings_status set_once(struct eas_request *rq, const struct wbxml_node *node, int *ret_r,
                                     struct err *err)
{
	struct span before = SPAN_NONE, after = SPAN_NONE;
	enum settings_status status;
	struct account_state state;
	Podstore__Oof *oof = NULL;

	*ret_r = read_oof(rq, &state, &oof, err);
	if (*ret_r == 0)
		*ret_r = oof_pack(rq->a, oof, &before);
	if (*ret_r < 0)
		return settings_status_of(*ret_r);
	status = apply(rq->a, node, oof);
	if (status != SETTINGS_OK || (oof_pack(rq->a, oof, &after) == 0 && span_eq(before, after)))
		return status;
	oof->set_at_ms = clock_wall_ms();
	*ret_r = oof_pack(rq->a, oof, &after);
	if (*ret_r == 0)
		*ret_r = account_state_put(rq->account, rq->a, &state, after, err);
	return settings_status_of(*ret_r);
}

static void set(struct eas_request *rq, const struct wbxml_node *node)
{
	enum settings_status status = SETTINGS_OK;
	struct err err = { 0 };
	int r = -POD_E_CONFLICT;

	for (int i = 0; i < TRIES && r == -POD_E_CONFLICT; i++)
		status = set_once(rq, node, &r, &err);
	if (r < 0)
		log_event(&rq->log, LOGL_WARNING, "eas.oof_not_set", F_ERR(&err));
	settings_status(rq, SETTINGS_OOF, status);
}

void settings_oof(struct eas_request *rq, const struct wbxml_node *node)
{
	const struct wbxml_node *wish = node->first;

	if (wish && !wish->next && wish->tag == SETTINGS_GET)
		get(rq, wish);
	else if (wish && !wish->next && wish->tag == SETTINGS_SET)
		set(rq, wish);
	else
		settings_status(rq, SETTINGS_OOF, SETTINGS_PROTOCOL_ERROR);
}

#include "imapd/eas/settings/settings.h"

#include "base/cleanup.h"

static const struct {
	enum wbxml_tag tag;
	settings_fn *answer;
} questions[] = {
	{ SETTINGS_OOF, settings_oof },
	{ SETTINGS_DEVICEPASSWORD, settings_device_password },
	{ SETTINGS_DEVICEINFORMATION, settings_device_information },
	{ SETTINGS_USERINFORMATION, settings_user_information },
	{ SETTINGS_RIGHTSMANAGEMENTINFORMATION, settings_rights },
};

static settings_fn *find(enum wbxml_tag tag)
{
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++)
		if (questions[i].tag == tag)
			return questions[i].answer;
	return NULL;
}

/* Nothing of a request that is wrong anywhere is done. */
static bool is_right(const struct wbxml_node *body)
{
	if (!body || body->tag != SETTINGS_SETTINGS || !body->first)
		return false;
	for (const struct wbxml_node *n = body->first; n; n = n->next)
		if (!find(n->tag) || wbxml_again(n))
			return false;
	return true;
}

void eas_cmd_settings(struct eas_request *rq)
{
	if (!is_right(rq->body)) {
		eas_answer_status(rq, SETTINGS_SETTINGS, SETTINGS_PROTOCOL_ERROR);
		return;
	}
	wbxml_open(&rq->out, SETTINGS_SETTINGS);
	wbxml_uint(&rq->out, SETTINGS_STATUS, SETTINGS_OK);
	for (const struct wbxml_node *n = rq->body->first; n; n = n->next)
		find(n->tag)(rq, n);
	wbxml_close(&rq->out);
}

void settings_status(struct eas_request *rq, enum wbxml_tag tag, enum settings_status status)
{
	wbxml_open(&rq->out, tag);
	wbxml_uint(&rq->out, SETTINGS_STATUS, status);
	wbxml_close(&rq->out);
}

enum settings_status settings_status_of(int code)
{
	switch (-code) {
	case POD_E_NONE: return SETTINGS_OK;
	case POD_E_SYNTAX:
	case POD_E_LIMIT: return SETTINGS_INVALID;
	case POD_E_DENIED: return SETTINGS_DENIED;
	default: return SETTINGS_UNAVAILABLE;
	}
}

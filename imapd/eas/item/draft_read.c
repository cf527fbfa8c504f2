#include "base/base64.h"
#include "base/cleanup.h"
#include "imapd/eas/item/draft.h"

static struct span text_of(const struct wbxml_node *n)
{
	return n->text.p ? n->text : SPAN_LIT("");
}

/* MS-ASAIRS 2.2.2.9: Type and Data; of MIME nothing is taken, as its header would be a second one. */
static int read_body(const struct wbxml_node *n, struct eas_draft *d)
{
	uint64_t type;

	if (d->body_type != 0 || wbxml_child_uint(n, AIRSYNCBASE_TYPE, EAS_BODY_HTML, &type) != 1 ||
	    type == 0)
		return -POD_E_SYNTAX;
	d->body_type = (enum eas_body_type) type;
	d->body = wbxml_child_text(n, AIRSYNCBASE_DATA);
	return 0;
}

/* Content is bytes, or base64. */
static int read_content(struct arena *a, const struct wbxml_node *add, struct span *ret_bytes)
{
	const struct wbxml_node *n = wbxml_child(add, AIRSYNCBASE_CONTENT);

	if (!n)
		return -POD_E_SYNTAX;
	if (n->opaque || n->text.len == 0) {
		*ret_bytes = text_of(n);
		return 0;
	}
	return base64_decode(a, span_trim(n->text), ret_bytes);
}

static int read_file(struct arena *a, const struct wbxml_node *add, struct eas_draft *d)
{
	struct eas_draft_file f = { .client_id = wbxml_child_text(add, AIRSYNCBASE_CLIENTID),
		                    .name = wbxml_child_text(add, AIRSYNCBASE_DISPLAYNAME),
		                    .type = wbxml_child_text(add, AIRSYNCBASE_CONTENTTYPE),
		                    .content_id = wbxml_child_text(add, AIRSYNCBASE_CONTENTID) };
	int r = read_content(a, add, &f.bytes);

	if (r == 0)
		r = wbxml_child_bool(add, AIRSYNCBASE_ISINLINE, false, &f.shown);
	if (r == 0 && d->files_n == EAS_DRAFT_FILES_MAX)
		r = -POD_E_LIMIT;
	if (r == 0)
		d->files[d->files_n++] = f;
	return r;
}

static int read_files(struct arena *a, const struct wbxml_node *attachments, struct eas_draft *d)
{
	int r = 0;

	if (d->files)
		return -POD_E_SYNTAX;
	d->files = arena_array(a, EAS_DRAFT_FILES_MAX, sizeof(*d->files));
	d->removed = arena_array(a, EAS_DRAFT_FILES_MAX, sizeof(*d->removed));
	if (!d->files || !d->removed)
		return -POD_E_NOMEM;
	for (const struct wbxml_node *n = attachments->first; r == 0 && n; n = n->next) {
		struct span reference = wbxml_child_text(n, AIRSYNCBASE_FILEREFERENCE);

		if (n->tag == AIRSYNCBASE_ADD)
			r = read_file(a, n, d);
		else if (n->tag != AIRSYNCBASE_DELETE || reference.len == 0 ||
		         d->removed_n == EAS_DRAFT_FILES_MAX)
			r = -POD_E_SYNTAX;
		else
			d->removed[d->removed_n++] = reference;
	}
	return r;
}

static int read_text(const struct wbxml_node *n, struct span *to, struct eas_draft *d)
{
	if (to->p)
		return -POD_E_SYNTAX;
	*to = text_of(n);
	d->said = true;
	return 0;
}

int eas_draft_read(struct arena *a, const struct wbxml_node *data, struct eas_draft *ret_draft)
{
	struct eas_draft d = { .said = false };
	const struct {
		enum wbxml_tag tag;
		struct span *to;
	} texts[] = {
		{ EMAIL_TO, &d.to },           { EMAIL_CC, &d.cc },
		{ EMAIL2_BCC, &d.bcc },        { EMAIL_REPLYTO, &d.reply_to },
		{ EMAIL_SUBJECT, &d.subject }, { EMAIL_IMPORTANCE, &d.importance },
	};
	int r = 0;

	for (const struct wbxml_node *n = data ? data->first : NULL; r == 0 && n; n = n->next) {
		for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++)
			if (n->tag == texts[i].tag)
				r = read_text(n, texts[i].to, &d);
		if (r == 0 && n->tag == AIRSYNCBASE_BODY)
			r = read_body(n, &d);
		else if (r == 0 && n->tag == AIRSYNCBASE_ATTACHMENTS)
			r = read_files(a, n, &d);
	}
	d.said |= d.body_type != 0 || d.files_n > 0 || d.removed_n > 0;
	if (r == 0)
		*ret_draft = d;
	return r;
}

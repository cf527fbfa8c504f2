#include "imapd/eas/fetch/attachment.h"

#include "imapd/eas/device/device.h"
#include "imapd/eas/folder/folder.h"
#include "imapd/eas/item/reference.h"
#include "mime/header.h"
#include "mime/mime.h"

#define SCRATCH_MAX ((size_t) 256 << 20)

void attachment_done(struct attachment *at)
{
	account_body_done(&at->body);
	at->a = arena_free(at->a);
}

static int tree_of(struct attachment *at, struct mime_tree *ret_tree)
{
	if (at->body.parts.len > 0 && mime_tree_unpack(at->a, at->body.parts, ret_tree) == 0)
		return 0;
	return mime_parse(at->a, at->body.bytes, ret_tree);
}

static int section(const struct attachment *at, const struct mime_tree *tree, const struct eas_reference *r,
                   enum mime_section what, struct span *ret_bytes)
{
	struct mime_range range;
	int e = mime_section_find(tree, r->path, r->path_n, what, &range);

	if (e < 0)
		return e;
	if (range.off > at->body.bytes.len || range.len > at->body.bytes.len - range.off)
		return -POD_E_CORRUPT;
	*ret_bytes = span_make(at->body.bytes.p + range.off, (size_t) range.len);
	return 0;
}

static bool is_token(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || (c > ' ' && strchr("/!#$&^_.+-", c));
}

/* The type alone, in its canonical case: parameters are of the encoding that was taken off. */
static const char *type_of(struct arena *a, struct span header)
{
	struct mime_field f;
	struct span value;
	size_t n = 0;
	char *type;

	if (!mime_field_find(header, SPAN_LIT("Content-Type"), &f))
		return "application/octet-stream";
	value = span_trim(f.value);
	while (n < value.len && n < 200 && is_token(value.p[n]))
		n++;
	if (span_find_byte(span_head(value, n), '/') == SIZE_MAX)
		return "application/octet-stream";
	type = arena_str(a, span_head(value, n));
	for (size_t i = 0; type && type[i]; i++)
		type[i] = (char) ascii_lower((uint8_t) type[i]);
	return type;
}

static int read_part(struct attachment *at, const struct eas_reference *r)
{
	static const struct eas_reference whole = { .path_n = 0 };
	struct span header, body;
	struct mime_tree tree;
	bool only;
	int e;

	if (r->path_n == 0) {
		at->bytes = at->body.bytes;
		at->type = "message/rfc822";
		return 0;
	}
	e = tree_of(at, &tree);
	if (e == 0)
		e = section(at, &tree, r, MIME_SECTION_BODY, &body);
	if (e < 0)
		return e;
	/* The header of the one part of a message that has no others is the message's. */
	only = r->path_n == 1 && tree.parts[0].kind != MIME_MULTIPART;
	e = section(at, &tree, only ? &whole : r, only ? MIME_SECTION_HEADER : MIME_SECTION_MIME, &header);
	if (e == 0)
		e = mime_decode_transfer(at->a, header, body, &at->bytes);
	at->type = type_of(at->a, header);
	return e == 0 && !at->type ? -POD_E_NOMEM : e;
}

int attachment_open(struct eas_request *rq, struct span reference, struct attachment *ret_attachment)
{
	struct attachment at = { .a = NULL };
	const Podstore__Mailbox *mailbox;
	struct eas_reference r;
	int e = eas_file_reference_parse(reference, &r);

	if (e == 0)
		e = eas_folder_find(rq, r.folder_id, &mailbox, NULL);
	if (e == 0)
		e = account_body_open(rq->account, mailbox->id, r.uid, &at.body, NULL);
	if (e < 0)
		return e;
	at.a = arena_create(SCRATCH_MAX);
	e = at.a ? read_part(&at, &r) : -POD_E_NOMEM;
	if (e < 0)
		attachment_done(&at);
	else
		*ret_attachment = at;
	return e;
}

uint64_t attachment_largest(const struct eas_request *rq)
{
	const struct device_policy_set *set = &rq->device->policies;
	uint32_t largest = device_policy_number(set, "MaxAttachmentSize", 0);

	if (device_policy_number(set, "AttachmentsEnabled", 1) == 0)
		return 0;
	return largest > 0 ? largest : UINT64_MAX;
}

int attachment_cut(struct span bytes, struct span range, struct span *ret_part, uint64_t *ret_first)
{
	struct span rest, head = span_split(range, '-', &rest);
	uint64_t first, last;

	if (span_to_u64(head, &first) < 0 || span_to_u64(rest, &last) < 0 || last < first)
		return -POD_E_SYNTAX;
	if (first >= bytes.len)
		return -POD_E_LIMIT;
	if (last >= bytes.len)
		last = bytes.len - 1;
	*ret_part = span_make(bytes.p + first, (size_t) (last - first + 1));
	*ret_first = first;
	return 0;
}

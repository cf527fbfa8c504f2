#include "base/err.h"
#include "mime/charset.h"
#include "mime/content.h"
#include "mime/header.h"
#include "mime/mime.h"
#include "mime/transfer.h"
#include "mime/utf8.h"

typedef size_t transfer_decoder(struct span in, uint8_t *to);

static const struct {
	const char *name;
	transfer_decoder *decode;
} decoders[] = {
	{ "base64", transfer_base64 },
	{ "quoted-printable", transfer_quoted_printable },
};

static struct span field_value(struct span header, struct span name)
{
	struct mime_field f;

	return mime_field_find(header, name, &f) ? f.value : SPAN_NONE;
}

/* The decoder for a Content-Transfer-Encoding; NULL for 7bit, 8bit, binary and what nobody knows. */
static transfer_decoder *decoder_of(struct span encoding)
{
	struct span rest, token = content_token(encoding, &rest);

	for (size_t i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++)
		if (span_eq_nocase(token, span_of(decoders[i].name)))
			return decoders[i].decode;
	return NULL;
}

int mime_decode_transfer(struct arena *a, struct span part_header, struct span body, struct span *ret_bytes)
{
	transfer_decoder *decode =
		decoder_of(field_value(part_header, SPAN_LIT("Content-Transfer-Encoding")));
	uint8_t *to = decode ? arena_alloc(a, body.len) : NULL;

	if (decode && !to)
		return -POD_E_NOMEM;
	*ret_bytes = decode ? span_make(to, decode(body, to)) : body;
	return 0;
}

size_t mime_part_names(struct arena *a, struct span part_header, struct span names[MIME_PART_NAMES_MAX])
{
	static const struct {
		struct span field, param;
	} places[] = { { SPAN_LIT("Content-Disposition"), SPAN_LIT("filename") },
		       { SPAN_LIT("Content-Type"), SPAN_LIT("name") } };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct span params, value = field_value(part_header, places[i].field), plain, extended;

		(void) content_token(value, &params);
		if (i == 1)
			params = content_type_parse(value).params;
		plain = content_param_find(a, params, places[i].param);
		extended = content_param_find_extended(a, params, places[i].param);
		if (plain.len)
			names[n++] = mime_decode_text(a, plain);
		if (extended.len)
			names[n++] = extended;
	}
	return n;
}

int mime_decode_body(struct arena *a, struct span part_header, struct span body, struct span *ret_text)
{
	struct content_type type = content_type_parse(field_value(part_header, SPAN_LIT("Content-Type")));
	struct span charset, text;
	int r = mime_decode_transfer(a, part_header, body, &text);

	if (r < 0)
		return r;
	charset = content_param_find(a, type.params, SPAN_LIT("charset"));
	if (charset.len == 0 && !utf8_is_valid(text))
		charset = SPAN_LIT("windows-1252"); /* eight-bit text that says nothing of itself */
	if (charset.len && (type.type.len == 0 || span_eq_nocase(type.type, SPAN_LIT("text"))))
		text = charset_to_utf8(a, charset, text);
	if (!text.p && body.len)
		return -POD_E_NOMEM;
	*ret_text = text;
	return 0;
}

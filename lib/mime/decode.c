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

int mime_decode_body(struct arena *a, struct span part_header, struct span body, struct span *ret_text)
{
	struct content_type type = content_type_parse(field_value(part_header, SPAN_LIT("Content-Type")));
	transfer_decoder *decode =
		decoder_of(field_value(part_header, SPAN_LIT("Content-Transfer-Encoding")));
	struct span charset, text = body;

	if (decode) {
		uint8_t *to = arena_alloc(a, body.len);

		if (!to)
			return -POD_E_NOMEM;
		text = span_make(to, decode(body, to));
	}
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

#include "imapd/eas/query.h"

#include "base/base64.h"
#include "base/cleanup.h"

#define QUERY_MAX 4096u

/* ---- device ids ---- */

static bool is_id_byte(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_' || c == '.';
}

static bool is_hex_byte(uint8_t c)
{
	return ascii_is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

static bool all_bytes(struct span s, bool (*is)(uint8_t c))
{
	for (size_t i = 0; i < s.len; i++)
		if (!is(s.p[i]))
			return false;
	return s.len > 0;
}

static const char *in_hex(struct arena *a, struct span raw)
{
	static const char digits[] = "0123456789ABCDEF";
	char *text = arena_alloc(a, raw.len * 2 + 1);

	for (size_t i = 0; text && i < raw.len; i++) {
		text[2 * i] = digits[raw.p[i] >> 4];
		text[2 * i + 1] = digits[raw.p[i] & 15];
	}
	return text;
}

static const char *in_capitals(struct arena *a, struct span s)
{
	char *text = arena_str(a, s);

	for (char *p = text; p && *p; p++)
		*p = (char) ascii_upper((uint8_t) *p);
	return text;
}

const char *eas_device_id(struct arena *a, struct span sent)
{
	/* "..", as a segment of a URL in somebody's admin API client, would be the folder above. */
	bool plain = all_bytes(sent, is_id_byte) && sent.p[0] != '.';

	if (sent.len == 0 || sent.len > EAS_DEVICE_ID_SENT_MAX)
		return NULL;
	if (!plain)
		return in_hex(a, sent);
	return all_bytes(sent, is_hex_byte) ? in_capitals(a, sent) : arena_str(a, sent);
}

/* ---- values ---- */

/* As text; NULL where it has a NUL or another control character in it, or memory is out. */
static const char *text_of(struct arena *a, struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] < 0x20 || value.p[i] == 0x7f)
			return NULL;
	return arena_str(a, value);
}

static void set_device_id(struct arena *a, struct eas_query *q, struct span sent)
{
	const char *id = eas_device_id(a, sent);

	q->device_id = id ? id : "";
	q->device_id_is_bad = !id && sent.len > 0;
}

/* RFC 3986 2.1. A percent sign that begins nothing stands for itself, as clients mean it. */
static struct span percent_decode(struct arena *a, struct span s)
{
	uint8_t *out = arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; out && i < s.len; i++) {
		int byte = s.p[i] == '%' && i + 2 < s.len ? ascii_hex_pair(s.p + i + 1) : -1;

		if (byte >= 0) {
			out[n++] = (uint8_t) byte;
			i += 2;
		} else {
			out[n++] = s.p[i];
		}
	}
	return out ? span_make(out, n) : SPAN_NONE;
}

/* ---- plain (2.2.1.1.1.2) ---- */

enum {
	TEXT_DEVICE_TYPE,
	TEXT_USER,
	TEXT_ATTACHMENT,
	TEXT_COLLECTION,
	TEXT_ITEM,
	TEXT_LONG_ID,
	TEXT_OCCURRENCE,
	TEXTS
};

static const char **text_field(struct eas_query *q, int which)
{
	const char **fields[TEXTS] = {
		[TEXT_DEVICE_TYPE] = &q->device_type,
		[TEXT_USER] = &q->user,
		[TEXT_ATTACHMENT] = &q->attachment_name,
		[TEXT_COLLECTION] = &q->collection_id,
		[TEXT_ITEM] = &q->item_id,
		[TEXT_LONG_ID] = &q->long_id,
		[TEXT_OCCURRENCE] = &q->occurrence,
	};

	return fields[which];
}

static int set_text(struct arena *a, struct eas_query *q, int which, struct span value, struct err *err)
{
	const char *text = text_of(a, value);

	if (!text)
		return err_set(err, POD_E_SYNTAX, "a control character in the query");
	*text_field(q, which) = text;
	return 0;
}

static int set_plain(struct arena *a, struct eas_query *q, struct span name, struct span value,
                     struct err *err)
{
	static const struct {
		struct span name;
		int which;
	} texts[] = {
		{ SPAN_LIT("DeviceType"), TEXT_DEVICE_TYPE },
		{ SPAN_LIT("User"), TEXT_USER },
		{ SPAN_LIT("AttachmentName"), TEXT_ATTACHMENT },
		{ SPAN_LIT("CollectionId"), TEXT_COLLECTION },
		{ SPAN_LIT("ItemId"), TEXT_ITEM },
		{ SPAN_LIT("LongId"), TEXT_LONG_ID },
		{ SPAN_LIT("Occurrence"), TEXT_OCCURRENCE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (span_eq_nocase(name, texts[i].name))
			return set_text(a, q, texts[i].which, value, err);
	if (span_eq_nocase(name, SPAN_LIT("Cmd")))
		q->command = value;
	else if (span_eq_nocase(name, SPAN_LIT("DeviceId")))
		set_device_id(a, q, value);
	else if (span_eq_nocase(name, SPAN_LIT("SaveInSent")))
		q->save_in_sent = span_eq_nocase(value, SPAN_LIT("T"));
	return 0; /* others are not for us */
}

static int parse_plain(struct arena *a, struct span query, struct eas_query *q, struct err *err)
{
	int r = 0;

	while (r == 0 && query.len) {
		struct span value, pair = span_split(query, '&', &query),
				   name = span_split(pair, '=', &value);

		r = set_plain(a, q, percent_decode(a, name), percent_decode(a, value), err);
	}
	return r;
}

static bool is_plain(struct span query)
{
	while (query.len) {
		struct span value, pair = span_split(query, '&', &query),
				   name = span_split(pair, '=', &value);

		if (value.p && span_eq_nocase(name, SPAN_LIT("Cmd")))
			return true;
	}
	return false;
}

/* ---- base64 (2.2.1.1.1.1) ---- */

/* What is left of the bytes; failed where there were fewer than asked for. */
struct reader {
	struct span left;
	bool failed;
};

static struct span take(struct reader *r, size_t n)
{
	struct span s = span_head(r->left, n);

	if (s.len < n)
		r->failed = true;
	r->left = span_skip(r->left, n);
	return s;
}

static uint8_t take_byte(struct reader *r)
{
	struct span s = take(r, 1);

	return s.len ? *s.p : 0;
}

static struct span take_counted(struct reader *r)
{
	return take(r, take_byte(r));
}

/* Padding is often missing, a plus sign may have become a space, and some say it all in RFC 4648's other
 * alphabet. */
static int decode_lenient(struct arena *a, struct span text, struct span *ret_bytes)
{
	char *copy = arena_alloc(a, text.len + 4);
	size_t n = 0;

	if (!copy)
		return -POD_E_NOMEM;
	while (text.len && text.p[text.len - 1] == '=')
		text.len--;
	for (; n < text.len; n++)
		switch (text.p[n]) {
		case ' ':
		case '-': copy[n] = '+'; break;
		case '_': copy[n] = '/'; break;
		default: copy[n] = (char) text.p[n];
		}
	while (n % 4)
		copy[n++] = '=';
	return base64_decode(a, span_make(copy, n), ret_bytes);
}

static int set_parameter(struct arena *a, struct eas_query *q, unsigned int tag, struct span value,
                         struct err *err)
{
	static const int texts[] = { [0] = TEXT_ATTACHMENT, [1] = TEXT_COLLECTION, [3] = TEXT_ITEM,
		                     [4] = TEXT_LONG_ID,    [6] = TEXT_OCCURRENCE, [8] = TEXT_USER };

	if (tag == 7) {
		q->save_in_sent = value.len && (value.p[0] & 1);
		q->accept_multipart = value.len && (value.p[0] & 2);
	} else if (tag == 0 || (tag < ARRAY_SIZE(texts) && texts[tag])) {
		return set_text(a, q, texts[tag], value, err);
	}
	return 0; /* others are not for us */
}

static void take_policy_key(struct eas_query *q, struct reader *r)
{
	struct span key = take_counted(r);

	if (key.len == 4) {
		q->has_policy_key = true;
		q->policy_key = (uint32_t) key.p[0] | (uint32_t) key.p[1] << 8 | (uint32_t) key.p[2] << 16 |
		                (uint32_t) key.p[3] << 24;
	} else if (key.len) {
		r->failed = true;
	}
}

static int parse_base64(struct arena *a, struct span query, struct eas_query *q, struct err *err)
{
	struct reader r = { 0 };
	int e = decode_lenient(a, percent_decode(a, query), &r.left);

	if (e < 0)
		return err_set(err, (enum pod_error) - e,
		               "the query is neither parameters with a Cmd nor base64");
	q->base64 = true;
	q->version = take_byte(&r);
	q->code = take_byte(&r);
	(void) take(&r, 2); /* a locale: the language of texts, of which we send none */
	set_device_id(a, q, take_counted(&r));
	take_policy_key(q, &r);
	e = set_text(a, q, TEXT_DEVICE_TYPE, take_counted(&r), err);
	while (e == 0 && !r.failed && r.left.len) {
		unsigned int tag = take_byte(&r);

		e = set_parameter(a, q, tag, take_counted(&r), err);
	}
	if (e == 0 && r.failed)
		e = err_set(err, POD_E_SYNTAX, "the base64 query ends too early");
	return e;
}

int eas_query_parse(struct arena *a, struct span query, struct eas_query *ret_query, struct err *err)
{
	struct eas_query q = { .device_id = "" };
	int r;

	for (int i = 0; i < TEXTS; i++)
		*text_field(&q, i) = "";
	if (query.len > QUERY_MAX)
		return err_set(err, POD_E_SYNTAX, "a query of %zu bytes", query.len);
	if (query.len == 0)
		return err_set(err, POD_E_SYNTAX, "there is no query: which command is it?");
	r = is_plain(query) ? parse_plain(a, query, &q, err) : parse_base64(a, query, &q, err);
	if (r < 0)
		return r;
	*ret_query = q;
	return 0;
}

#include "mta/milter/verdict.h"

#include "base/buf.h"
#include "base/cleanup.h"

#define LINES_MAX 32 /* as many as libmilter lets a filter give */
#define LINE_MAX_BYTES                                                                       \
	490 /* with code and enhanced code a line stays within the 512 of RFC 5321 4.5.3.1.5 \
	     */

const char *const milter_action_words[MILTER_ACTIONS] = {
	[MILTER_GO_ON] = "continue",  [MILTER_ACCEPT] = "accept", [MILTER_REFUSE] = "refuse",
	[MILTER_DISCARD] = "discard", [MILTER_DROP] = "drop",
};

/* reply-code = ( "4" / "5" ) 2DIGIT */
static unsigned int code_of(struct span line)
{
	if (line.len < 3 || (line.p[0] != '4' && line.p[0] != '5') || !ascii_is_digit(line.p[1]) ||
	    !ascii_is_digit(line.p[2]) || (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return 0;
	return (unsigned int) (line.p[0] - '0') * 100 + (unsigned int) (line.p[1] - '0') * 10 +
	       (unsigned int) (line.p[2] - '0');
}

/* Length of "class.subject.detail" (RFC 3463 section 2) at the start of s, of the given class; 0 where there
 * is none. */
static size_t enhanced_len(struct span s, uint8_t class)
{
	size_t n = 1;

	if (!s.len || s.p[0] != class)
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;

		if (n >= s.len || s.p[n] != '.')
			return 0;
		n++;
		while (n < s.len && digits < 4 && ascii_is_digit(s.p[n])) {
			n++;
			digits++;
		}
		if (digits == 0 || digits > 3)
			return 0;
	}
	return n == s.len || s.p[n] == ' ' ? n : 0;
}

/* What goes to the client is one line of text whatever the milter put there; "%%" is how libmilter has "%".
 */
static void add_clean(struct buf *out, struct span text)
{
	text = span_head(text, LINE_MAX_BYTES);
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '%' && i + 1 < text.len && text.p[i + 1] == '%')
			i++;
		buf_add_byte(out, text.p[i] < ' ' || text.p[i] == 0x7f ? '?' : text.p[i]);
	}
}

static int take_line(struct arena *a, struct span line, struct milter_verdict *v, struct buf *text,
                     struct err *err)
{
	unsigned int code = code_of(line);
	struct span words = span_trim(span_skip(line, 4));
	size_t n;

	if (!code || (v->code && v->code != code))
		return err_set(err, POD_E_PROTOCOL, "it gave a reply that is none: %.80s",
		               (const char *) line.p);
	n = enhanced_len(words, line.p[0]);
	if (n && !v->enhanced)
		v->enhanced = arena_str(a, span_head(words, n));
	if (v->code)
		buf_add_byte(text, '\n');
	v->code = code;
	add_clean(text, span_trim(span_skip(words, n)));
	return 0;
}

int milter_reply_parse(struct arena *a, struct span text, struct milter_verdict *ret_verdict, struct err *err)
{
	struct milter_verdict v = { .action = MILTER_REFUSE };
	_cleanup_buf_ struct buf words = BUF_INIT;
	struct span rest = span_of(arena_str(a, span_trim(text)));
	size_t lines = 0;
	int r = rest.p ? 0 : -POD_E_NOMEM;

	while (r == 0 && rest.p && lines++ < LINES_MAX)
		r = take_line(a, span_trim(span_split(rest, '\n', &rest)), &v, &words, err);
	if (r < 0)
		return r;
	if (!v.enhanced)
		v.enhanced = v.code < 500 ? "4.7.1" : "5.7.1";
	v.text = words.failed ? NULL
	                      : arena_str(a, words.len ? buf_span(&words) : SPAN_LIT("Refused by a filter"));
	if (!v.text)
		return err_set(err, POD_E_NOMEM, "no memory for a milter's reply");
	*ret_verdict = v;
	return 0;
}

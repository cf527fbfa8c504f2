/* Text out of HTML, by the events of libxml2's parser: no tree is built. */
#include <limits.h>
#include <libxml/HTMLparser.h>

#include "base/cleanup.h"
#include "imapd/eas/item/html.h"

#define QUOTES_MAX 8
#define HREF_MAX   2000
/* The parser compares each end tag with all elements that are open: those of a hostile message could be a
 * million. Behind so many it begins anew. */
#define DEPTH_MAX 400

enum effect {
	HIDDEN = 1u << 0, /* what is inside is not shown */
	LINE = 1u << 1,   /* on lines of its own */
	GAP = 1u << 2,    /* with an empty line around it */
	BREAK = 1u << 3,
	ITEM = 1u << 4,
	CELL = 1u << 5,
	KEEP = 1u << 6, /* white space is kept */
	QUOTE = 1u << 7,
	RULE = 1u << 8,
	LINK = 1u << 9,
	IMAGE = 1u << 10,
};

static const struct {
	const char *name;
	unsigned int effects;
} elements[] = {
	{ "head", HIDDEN },
	{ "script", HIDDEN },
	{ "style", HIDDEN },
	{ "title", HIDDEN },
	{ "noscript", HIDDEN },
	{ "object", HIDDEN },
	{ "select", HIDDEN },
	{ "textarea", HIDDEN },
	{ "p", LINE | GAP },
	{ "h1", LINE | GAP },
	{ "h2", LINE | GAP },
	{ "h3", LINE | GAP },
	{ "h4", LINE | GAP },
	{ "h5", LINE | GAP },
	{ "h6", LINE | GAP },
	{ "ul", LINE },
	{ "ol", LINE },
	{ "dl", LINE },
	{ "dt", LINE },
	{ "dd", LINE },
	{ "div", LINE },
	{ "table", LINE },
	{ "tr", LINE },
	{ "center", LINE },
	{ "form", LINE },
	{ "fieldset", LINE },
	{ "address", LINE },
	{ "article", LINE },
	{ "section", LINE },
	{ "header", LINE },
	{ "footer", LINE },
	{ "body", LINE },
	{ "pre", LINE | GAP | KEEP },
	{ "blockquote", LINE | QUOTE },
	{ "hr", LINE | RULE },
	{ "li", LINE | ITEM },
	{ "td", CELL },
	{ "th", CELL },
	{ "br", BREAK },
	{ "a", LINK },
	{ "img", IMAGE },
};

struct reader {
	struct buf *out;
	unsigned int hidden, keep, quotes; /* how many such elements are open */
	bool at_start;                     /* nothing is on the line yet */
	bool space;                        /* white space is due before the next word */
	bool gap;                          /* an empty line is due before the next line */
	bool any;                          /* there is text before */
	bool quoting;                      /* a quotation has begun and nothing is in it yet */
	size_t link_from;
	char href[HREF_MAX + 1]; /* of the link that is open; "" */
	htmlParserCtxtPtr parser;
	unsigned int depth; /* elements that are open */
	size_t stopped_at;  /* in the parser's bytes */
};

static unsigned int effects_of(const xmlChar *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(elements); i++)
		if (strcmp((const char *) name, elements[i].name) == 0)
			return elements[i].effects;
	return 0;
}

static void end_line(struct reader *r)
{
	if (!r->at_start)
		buf_add_str(r->out, "\r\n");
	r->at_start = true;
	r->space = false;
}

static void put_quotes(struct reader *r)
{
	for (unsigned int i = 0; i < r->quotes && i < QUOTES_MAX; i++)
		buf_add_str(r->out, "> ");
}

/* Before the first word of a line. */
static void begin_line(struct reader *r)
{
	if (r->gap && r->any && !r->quoting) {
		put_quotes(r);
		buf_add_str(r->out, "\r\n");
	}
	put_quotes(r);
	r->gap = r->at_start = r->quoting = false;
	r->any = true;
}

static void put_word(struct reader *r, struct span word)
{
	if (word.len == 0)
		return;
	if (r->at_start)
		begin_line(r);
	else if (r->space)
		buf_add_byte(r->out, ' ');
	r->space = false;
	buf_add(r->out, word);
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static void put_flowing(struct reader *r, struct span text)
{
	while (text.len > 0) {
		size_t n = 0;

		while (n < text.len && !is_space(text.p[n]))
			n++;
		put_word(r, span_head(text, n));
		text = span_skip(text, n);
		if (text.len > 0)
			r->space = true;
		while (text.len > 0 && is_space(text.p[0]))
			text = span_skip(text, 1);
	}
}

static void put_kept(struct reader *r, struct span text)
{
	while (text.p) {
		struct span line = span_split(text, '\n', &text);

		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		put_word(r, line);
		if (text.p) {
			if (r->at_start)
				begin_line(r);
			end_line(r);
		}
	}
}

static void on_text(void *ctx, const xmlChar *text, int len)
{
	struct reader *r = ctx;
	struct span s = span_make(text, (size_t) len);

	if (r->hidden > 0)
		return;
	if (r->keep > 0)
		put_kept(r, s);
	else
		put_flowing(r, s);
}

static const char *attribute(const xmlChar **attributes, const char *name)
{
	for (size_t i = 0; attributes && attributes[i]; i += 2)
		if (strcmp((const char *) attributes[i], name) == 0)
			return attributes[i + 1] ? (const char *) attributes[i + 1] : "";
	return NULL;
}

/* Only what leads out of the message is worth telling. */
static void open_link(struct reader *r, const char *href)
{
	struct span target = span_trim(span_of(href));

	r->href[0] = '\0';
	r->link_from = r->out->len;
	if (target.len > HREF_MAX || (!span_starts_nocase(target, SPAN_LIT("http:")) &&
	                              !span_starts_nocase(target, SPAN_LIT("https:"))))
		return;
	memcpy(r->href, target.p, target.len);
	r->href[target.len] = '\0';
}

static void close_link(struct reader *r)
{
	struct span target = span_of(r->href), shown = SPAN_NONE;

	if (r->out->len > r->link_from)
		shown = span_trim(span_make(r->out->p + r->link_from, r->out->len - r->link_from));
	if (target.len > 0 && shown.len > 0 && span_find(target, shown) == SIZE_MAX) {
		buf_add_str(r->out, " <");
		buf_add(r->out, target);
		buf_add_byte(r->out, '>');
	}
	r->href[0] = '\0';
}

static void put_image(struct reader *r, const char *alt)
{
	struct span text = span_trim(span_of(alt));

	if (text.len == 0)
		return;
	put_word(r, SPAN_LIT("["));
	put_flowing(r, text);
	r->space = false;
	put_word(r, SPAN_LIT("]"));
}

static void put_rule(struct reader *r)
{
	put_word(r, SPAN_LIT("----------------------------------------"));
	end_line(r);
}

static void close_one(unsigned int *open, unsigned int has)
{
	if (has && *open > 0)
		--*open;
}

static void stop_here(struct reader *r)
{
	long at = xmlByteConsumed(r->parser);

	if (at > 0)
		r->stopped_at = (size_t) at;
	xmlStopParser(r->parser);
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar **attributes)
{
	struct reader *r = ctx;
	unsigned int effects = effects_of(name);

	if (++r->depth > DEPTH_MAX)
		stop_here(r);
	r->hidden += (effects & HIDDEN) != 0;
	if (r->hidden > 0)
		return;
	if (effects & LINE)
		end_line(r);
	r->gap |= (effects & GAP) != 0;
	r->keep += (effects & KEEP) != 0;
	if (effects & QUOTE) {
		r->quotes++;
		r->quoting = true;
	}
	if (effects & BREAK) {
		if (r->at_start)
			begin_line(r);
		end_line(r);
	}
	if (effects & ITEM) {
		put_word(r, SPAN_LIT("*"));
		r->space = true;
	}
	if (effects & CELL)
		r->space = !r->at_start;
	if (effects & RULE)
		put_rule(r);
	if (effects & LINK)
		open_link(r, attribute(attributes, "href"));
	if (effects & IMAGE)
		put_image(r, attribute(attributes, "alt"));
}

static void on_end(void *ctx, const xmlChar *name)
{
	struct reader *r = ctx;
	unsigned int effects = effects_of(name);

	close_one(&r->depth, 1);
	if (r->hidden == 0) {
		if (effects & LINK)
			close_link(r);
		if (effects & LINE)
			end_line(r);
		r->gap |= (effects & GAP) != 0;
		close_one(&r->keep, effects & KEEP);
		close_one(&r->quotes, effects & QUOTE);
	}
	close_one(&r->hidden, effects & HIDDEN);
}

static void parser_freep(htmlParserCtxtPtr *p)
{
	if (*p && (*p)->myDoc)
		xmlFreeDoc((*p)->myDoc);
	htmlFreeParserCtxt(*p);
}

/* Parses up to where the elements are too deep, or to the end; what is left. */
static struct span read_some(struct reader *r, struct span html)
{
	htmlSAXHandler sax = { .startElement = on_start,
		               .endElement = on_end,
		               .characters = on_text,
		               .cdataBlock = on_text,
		               .ignorableWhitespace = on_text };
	_cleanup_(parser_freep) htmlParserCtxtPtr parser =
		htmlCreatePushParserCtxt(&sax, r, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);

	if (!parser) {
		r->out->failed = true;
		return SPAN_NONE;
	}
	r->parser = parser;
	r->stopped_at = html.len;
	(void) htmlCtxtUseOptions(parser, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
	                                          HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
	(void) htmlParseChunk(parser, (const char *) html.p, (int) html.len, 0);
	(void) htmlParseChunk(parser, NULL, 0, 1);
	return span_skip(html, r->stopped_at);
}

/* It stopped within a tag, whose element counts as closed, like all others that were open. */
static struct span begin_anew(struct reader *r, struct span rest)
{
	r->hidden = r->keep = r->quotes = r->depth = 0;
	while (rest.len > 0 && (is_space(rest.p[0]) || rest.p[0] == '/'))
		rest = span_skip(rest, 1);
	return rest.len > 0 && rest.p[0] == '>' ? span_skip(rest, 1) : rest;
}

void eas_html_to_text(struct span html, struct buf *out)
{
	struct reader r = { .out = out, .at_start = true };

	html = span_head(html, EAS_HTML_READ_MAX);
	do
		html = begin_anew(&r, read_some(&r, html));
	while (html.len > 0 && !out->failed);
	end_line(&r);
}

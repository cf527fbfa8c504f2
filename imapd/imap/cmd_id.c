#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"

#define ID_PAIRS_MAX 30 /* RFC 2971 3.3 */
#define ID_LOGGED    100

/* id_params_list = "(" *(string SP nstring) ")" / nil */
static int parse_params(struct imap_parser *p, struct span *ret_name, struct span *ret_version)
{
	int r;

	if (imap_take_word(p, "NIL"))
		return 0;
	r = imap_parse_byte(p, '(');
	for (int i = 0; r == 0 && imap_peek(p) != ')'; i++) {
		struct span key, value;

		if (i == ID_PAIRS_MAX)
			return imap_parse_fail(p, "Too many fields");
		if (i > 0)
			r = imap_parse_space(p);
		if (r == 0)
			r = imap_parse_string(p, &key);
		if (r == 0)
			r = imap_parse_space(p);
		if (r == 0)
			r = imap_parse_nstring(p, &value);
		if (r == 0 && span_eq_nocase(key, SPAN_LIT("name")))
			*ret_name = value;
		if (r == 0 && span_eq_nocase(key, SPAN_LIT("version")))
			*ret_version = value;
	}
	return r == 0 ? imap_parse_byte(p, ')') : r;
}

/* RFC 2971: what the client is goes into the log, what we are is told. */
void imap_cmd_id(struct imap_session *s, struct imap_parser *p)
{
	struct span name = SPAN_NONE, version = SPAN_NONE;
	int r = imap_parse_space(p);

	if (r == 0)
		r = parse_params(p, &name, &version);
	if (r == 0)
		r = imap_parse_end(p);
	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	log_event(s->log, LOGL_DEBUG, "client.named", F_SPAN("name", span_head(name, ID_LOGGED)),
	          F_SPAN("version", span_head(version, ID_LOGGED)));
	imap_untagged(s, "ID (\"name\" \"podmail\" \"version\" \"%s\")", s->settings->version);
	imap_reply_ok(s, "ID done");
}

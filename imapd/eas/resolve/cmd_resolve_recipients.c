/*
 * Who is meant by what was typed as a recipient: people of the user's own domain. There are no certificates,
 * no pictures and no calendars here: what is asked of them is answered with "none", which has statuses of its
 * own.
 */
#include "base/cleanup.h"
#include "imapd/eas/resolve/resolve.h"
#include "mime/date.h"

/* Of the command (MS-ASCMD 2.2.3.177.11). */
enum { STATUS_OK = 1, STATUS_PROTOCOL = 5, STATUS_SERVER = 6 };
/* Of one recipient. */
enum { RECIPIENT_ONE = 1, RECIPIENT_SEVERAL = 2, RECIPIENT_SOME_OF_SEVERAL = 3, RECIPIENT_NONE = 4 };

#define NO_CERTIFICATE 7
#define NO_PICTURE     173

#define TO_MAX        100
#define AMBIGUOUS_MAX 100
#define TO_LEN_MAX    256 /* characters (MS-ASCMD 2.2.3.182) */
#define SLOT_S        1800
#define WINDOW_MAX_S  (42 * 86400) /* of availability, as Exchange has it (MS-ASCMD 2.2.3.60.1) */

/* What is wanted beside names. */
struct wanted {
	bool certificates, picture;
	uint64_t ambiguous_max;
	struct mail_date from, to; /* of availability */
	bool availability;
};

static bool read_date(const struct wbxml_node *node, enum wbxml_tag tag, struct mail_date *ret)
{
	return date_parse_rfc3339(wbxml_child_text(node, tag), ret) == 0;
}

static bool read_options(const struct wbxml_node *options, struct wanted *ret)
{
	const struct wbxml_node *availability = wbxml_child(options, RESOLVERECIPIENTS_AVAILABILITY);
	uint64_t retrieval = 1;

	*ret = (struct wanted){ .ambiguous_max = AMBIGUOUS_MAX };
	if (wbxml_child_uint(options, RESOLVERECIPIENTS_CERTIFICATERETRIEVAL, 3, &retrieval) < 0 ||
	    retrieval == 0 ||
	    wbxml_child_uint(options, RESOLVERECIPIENTS_MAXAMBIGUOUSRECIPIENTS, 9999, &ret->ambiguous_max) <
	            0)
		return false;
	ret->certificates = retrieval > 1;
	ret->picture = wbxml_child(options, RESOLVERECIPIENTS_PICTURE) != NULL;
	if (ret->ambiguous_max > AMBIGUOUS_MAX)
		ret->ambiguous_max = AMBIGUOUS_MAX;
	if (!availability)
		return true;
	ret->availability = true;
	return read_date(availability, RESOLVERECIPIENTS_STARTTIME, &ret->from) &&
	       read_date(availability, RESOLVERECIPIENTS_ENDTIME, &ret->to) &&
	       ret->from.unix_s < ret->to.unix_s && ret->to.unix_s - ret->from.unix_s <= WINDOW_MAX_S;
}

/* A digit for each half hour: 4, nothing is known. */
static void write_availability(struct eas_request *rq, const struct wanted *w)
{
	size_t slots = (size_t) ((w->to.unix_s - w->from.unix_s + SLOT_S - 1) / SLOT_S);
	char *digits = arena_alloc(rq->a, slots + 1);

	wbxml_open(&rq->out, RESOLVERECIPIENTS_AVAILABILITY);
	wbxml_uint(&rq->out, RESOLVERECIPIENTS_STATUS, STATUS_OK);
	if (digits)
		memset(digits, '4', slots);
	wbxml_text(&rq->out, RESOLVERECIPIENTS_MERGEDFREEBUSY, span_make(digits, digits ? slots : 0));
	wbxml_close(&rq->out);
}

static void write_none(struct eas_request *rq, enum wbxml_tag tag, unsigned int status)
{
	wbxml_open(&rq->out, tag);
	wbxml_uint(&rq->out, RESOLVERECIPIENTS_STATUS, status);
	if (tag == RESOLVERECIPIENTS_CERTIFICATES)
		wbxml_uint(&rq->out, RESOLVERECIPIENTS_CERTIFICATECOUNT, 0);
	wbxml_close(&rq->out);
}

static void write_person(struct eas_request *rq, const struct wanted *w, const struct directory_person *p)
{
	wbxml_open(&rq->out, RESOLVERECIPIENTS_RECIPIENT);
	wbxml_uint(&rq->out, RESOLVERECIPIENTS_TYPE, 1); /* of the address book of all */
	wbxml_str(&rq->out, RESOLVERECIPIENTS_DISPLAYNAME, *p->display_name ? p->display_name : p->address);
	wbxml_str(&rq->out, RESOLVERECIPIENTS_EMAILADDRESS, p->address);
	if (w->availability && rq->version >= EAS_14_0)
		write_availability(rq, w);
	if (w->certificates)
		write_none(rq, RESOLVERECIPIENTS_CERTIFICATES, NO_CERTIFICATE);
	if (w->picture && rq->version >= EAS_14_1)
		write_none(rq, RESOLVERECIPIENTS_PICTURE, NO_PICTURE);
	wbxml_close(&rq->out);
}

static unsigned int status_of(size_t n, bool more)
{
	if (n == 0)
		return RECIPIENT_NONE;
	if (more)
		return RECIPIENT_SOME_OF_SEVERAL;
	return n == 1 ? RECIPIENT_ONE : RECIPIENT_SEVERAL;
}

static int write_response(struct eas_request *rq, const struct wanted *w, struct span to, struct err *err)
{
	struct directory_person *people = NULL;
	struct span domain, text = span_trim(to);
	size_t n = 0, shown;
	bool more = false;
	int r = 0;

	(void) span_split(span_of(account_address(rq->account)), '@', &domain);
	if (text.len > 0)
		r = directory_people_find(rq->parts->directory, rq->a, domain, text, AMBIGUOUS_MAX, &people,
		                          &n, &more, err);
	if (r < 0)
		return r;
	shown = n > 1 && n > w->ambiguous_max ? w->ambiguous_max : n;
	wbxml_open(&rq->out, RESOLVERECIPIENTS_RESPONSE);
	wbxml_text(&rq->out, RESOLVERECIPIENTS_TO, to);
	wbxml_uint(&rq->out, RESOLVERECIPIENTS_STATUS, status_of(n, more || shown < n));
	if (n > 0)
		wbxml_uint(&rq->out, RESOLVERECIPIENTS_RECIPIENTCOUNT, n);
	for (size_t i = 0; i < shown; i++)
		write_person(rq, w, &people[i]);
	wbxml_close(&rq->out);
	return 0;
}

static size_t characters_of(struct span utf8)
{
	size_t n = 0;

	for (size_t i = 0; i < utf8.len; i++)
		n += (utf8.p[i] & 0xc0) != 0x80;
	return n;
}

/* As many as may be asked for at once, and each of a length that is one. */
static bool names_fit(const struct wbxml_node *body)
{
	size_t n = 0;

	for (const struct wbxml_node *to = wbxml_child(body, RESOLVERECIPIENTS_TO); to; to = wbxml_again(to))
		if (++n > TO_MAX || characters_of(to->text) > TO_LEN_MAX)
			return false;
	return n > 0;
}

/* That nobody was found must not be said where nobody could be looked for. */
static void fail(struct eas_request *rq, const struct err *err)
{
	log_event(&rq->log, LOGL_ERROR, "eas.directory_failed", F_ERR(err));
	eas_answer_status(rq, RESOLVERECIPIENTS_RESOLVERECIPIENTS, STATUS_SERVER);
}

void eas_cmd_resolve_recipients(struct eas_request *rq)
{
	const struct wbxml_node *options = wbxml_child(rq->body, RESOLVERECIPIENTS_OPTIONS);
	struct err err = { 0 };
	struct wanted w;

	if (!names_fit(rq->body) || (options && wbxml_again(options)) || !read_options(options, &w)) {
		eas_answer_status(rq, RESOLVERECIPIENTS_RESOLVERECIPIENTS, STATUS_PROTOCOL);
		return;
	}
	wbxml_open(&rq->out, RESOLVERECIPIENTS_RESOLVERECIPIENTS);
	wbxml_uint(&rq->out, RESOLVERECIPIENTS_STATUS, STATUS_OK);
	for (const struct wbxml_node *to = wbxml_child(rq->body, RESOLVERECIPIENTS_TO); to;
	     to = wbxml_again(to)) {
		if (write_response(rq, &w, to->text, &err) < 0) {
			fail(rq, &err);
			return;
		}
	}
	wbxml_close(&rq->out);
}

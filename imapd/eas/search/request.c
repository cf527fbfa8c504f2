#include "imapd/eas/search/request.h"

#include "base/cleanup.h"
#include "mime/date.h"

static void init(struct search_request *q, unsigned int version)
{
	*q = (struct search_request){
		.mail_class = true,
		.after_s = INT64_MIN,
		.before_s = INT64_MAX,
		.last = SEARCH_RANGE_USUAL,
	};
	eas_item_options_init(&q->options, version);
}

/* A child that may be there once: its text, or SPAN_NONE. False: it is there twice. */
static bool once(const struct wbxml_node *node, enum wbxml_tag tag, struct span *ret_text)
{
	const struct wbxml_node *n = wbxml_child(node, tag);

	*ret_text = SPAN_NONE;
	if (n)
		*ret_text = n->text.p ? n->text : SPAN_LIT("");
	return !n || !wbxml_again(n);
}

/* "m-n" */
static bool read_range(const struct wbxml_node *options, enum wbxml_tag tag, struct search_request *q)
{
	struct span text, rest, head;
	uint32_t first, last;

	if (!once(options, tag, &text))
		return false;
	if (!text.p)
		return true;
	head = span_split(text, '-', &rest);
	if (span_to_u32(head, &first) < 0 || span_to_u32(rest, &last) < 0 || last < first)
		return false;
	q->first = first;
	q->last = last;
	return true;
}

/* An empty element: whether it is there. False: it is there twice, or says "no" in words. */
static bool read_switch(const struct wbxml_node *options, enum wbxml_tag tag, bool *ret_on)
{
	const struct wbxml_node *n = wbxml_child(options, tag);

	return (!n || !wbxml_again(n)) && wbxml_child_bool(options, tag, false, ret_on) == 0;
}

/* ---- criteria of both ---- */

static void read_class(const struct wbxml_node *n, bool *any, struct search_request *q)
{
	if (!*any)
		q->mail_class = false;
	*any = true;
	q->mail_class |= span_eq(n->text, SPAN_LIT("Email"));
}

static bool add_folder(const struct wbxml_node *n, struct search_request *q)
{
	if (n->text.len == 0 || q->folders_n == SEARCH_FOLDERS_MAX)
		return false;
	q->folders[q->folders_n++] = n->text;
	return true;
}

/* GreaterThan and LessThan: {Email:DateReceived, Value}. A time that is there already makes it too complex.
 */
static unsigned int read_time(const struct wbxml_node *n, int64_t unset, int64_t *time_s)
{
	struct span value = wbxml_child_text(n, SEARCH_VALUE);
	struct mail_date d;

	if (*time_s != unset || !wbxml_child(n, EMAIL_DATERECEIVED))
		return SEARCH_STATUS_TOO_COMPLEX;
	if (date_parse_rfc3339(value, &d) < 0)
		return SEARCH_STATUS_BAD_REQUEST;
	*time_s = d.unix_s;
	return 0;
}

/* ---- Search ---- */

static unsigned int read_criterion(const struct wbxml_node *n, bool *any_class, struct search_request *q)
{
	switch ((int) n->tag) {
	case AIRSYNC_CLASS: read_class(n, any_class, q); return 0;
	case AIRSYNC_COLLECTIONID: return add_folder(n, q) ? 0 : SEARCH_STATUS_BAD_REQUEST;
	case SEARCH_FREETEXT:
		if (q->text.p)
			return SEARCH_STATUS_TOO_COMPLEX;
		q->text = n->text.p ? n->text : SPAN_LIT("");
		return 0;
	case SEARCH_CONVERSATIONID:
		if (q->conversation.p)
			return SEARCH_STATUS_TOO_COMPLEX;
		q->conversation = n->text;
		return n->text.len == 16 ? 0 : SEARCH_STATUS_BAD_REQUEST;
	case SEARCH_GREATERTHAN: return read_time(n, INT64_MIN, &q->after_s);
	case SEARCH_LESSTHAN: return read_time(n, INT64_MAX, &q->before_s);
	case SEARCH_AND:
	case SEARCH_OR:
	case SEARCH_EQUALTO: return SEARCH_STATUS_TOO_COMPLEX;
	default: return SEARCH_STATUS_BAD_REQUEST;
	}
}

/* Query{And{...}}; of one criterion alone the And may be missing. */
static unsigned int read_query(const struct wbxml_node *query, struct search_request *q)
{
	const struct wbxml_node *all = wbxml_child(query, SEARCH_AND);
	bool any_class = false;
	unsigned int status = 0;

	if (all && all->next)
		return wbxml_again(all) ? SEARCH_STATUS_BAD_REQUEST : SEARCH_STATUS_TOO_COMPLEX;
	if (wbxml_child(query, SEARCH_OR))
		return SEARCH_STATUS_TOO_COMPLEX;
	for (const struct wbxml_node *n = all ? all->first : query->first; status == 0 && n; n = n->next)
		status = read_criterion(n, &any_class, q);
	if (status == 0 && q->text.len == 0 && !q->conversation.p && q->after_s == INT64_MIN &&
	    q->before_s == INT64_MAX)
		status = SEARCH_STATUS_BAD_REQUEST;
	return status;
}

static unsigned int read_options(const struct wbxml_node *options, struct search_request *q)
{
	static const enum wbxml_tag single[] = { AIRSYNC_MIMESUPPORT, SEARCH_USERNAME, SEARCH_PASSWORD,
		                                 SEARCH_PICTURE };
	bool rebuild;
	struct span text;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(single); i++)
		if (!once(options, single[i], &text))
			return SEARCH_STATUS_BAD_REQUEST;
	/* Nothing is kept of a search, so that each is built anew. */
	if (!read_range(options, SEARCH_RANGE, q) || !read_switch(options, SEARCH_DEEPTRAVERSAL, &q->deep) ||
	    !read_switch(options, SEARCH_REBUILDRESULTS, &rebuild))
		return SEARCH_STATUS_BAD_REQUEST;
	q->pictures = wbxml_child(options, SEARCH_PICTURE) != NULL;
	r = eas_item_options_read(options, &q->options);
	if (r == -POD_E_UNSUPPORTED)
		return EAS_STATUS_BODY_PART_TYPE;
	return r < 0 ? SEARCH_STATUS_BAD_REQUEST : 0;
}

static bool read_store(struct span name, enum search_store *ret_store)
{
	static const struct {
		struct span name;
		enum search_store store;
	} stores[] = { { SPAN_LIT("Mailbox"), SEARCH_MAILBOX },
		       { SPAN_LIT("GAL"), SEARCH_PEOPLE },
		       { SPAN_LIT("DocumentLibrary"), SEARCH_DOCUMENTS } };

	for (size_t i = 0; i < ARRAY_SIZE(stores); i++) {
		if (span_eq_nocase(name, stores[i].name)) {
			*ret_store = stores[i].store;
			return true;
		}
	}
	return false;
}

unsigned int search_request_read(const struct wbxml_node *store, unsigned int version,
                                 struct search_request *ret_request)
{
	const struct wbxml_node *query = wbxml_child(store, SEARCH_QUERY),
				*options = wbxml_child(store, SEARCH_OPTIONS);
	struct search_request q;
	unsigned int status = 0;

	init(&q, version);
	if (!read_store(wbxml_child_text(store, SEARCH_NAME), &q.store) || !query || wbxml_again(query) ||
	    (options && wbxml_again(options)))
		return SEARCH_STATUS_BAD_REQUEST;
	if (options)
		status = read_options(options, &q);
	if (status == 0 && q.store == SEARCH_MAILBOX && !query->first && query->text.len > 0)
		q.text = query->text;
	else if (status == 0 && q.store == SEARCH_MAILBOX)
		status = read_query(query, &q);
	else if (status == 0 && q.store == SEARCH_PEOPLE)
		q.text = query->text;
	if (status == 0 && q.store == SEARCH_PEOPLE && q.text.len == 0)
		status = SEARCH_STATUS_BAD_REQUEST;
	if (status == 0)
		*ret_request = q;
	return status;
}

/* ---- Find ---- */

static bool read_find_query(const struct wbxml_node *query, struct search_request *q)
{
	bool any_class = false;

	for (const struct wbxml_node *n = query->first; n; n = n->next) {
		if (n->tag == AIRSYNC_CLASS)
			read_class(n, &any_class, q);
		else if (n->tag == AIRSYNC_COLLECTIONID && !add_folder(n, q))
			return false;
		else if (n->tag == FIND_FREETEXT && q->text.p)
			return false;
		else if (n->tag == FIND_FREETEXT)
			q->text = n->text.p ? n->text : SPAN_LIT("");
		else if (n->tag != AIRSYNC_COLLECTIONID)
			return false;
	}
	return q->text.len > 0;
}

unsigned int find_request_read(const struct wbxml_node *execute, unsigned int version,
                               struct search_request *ret_request)
{
	const struct wbxml_node *mail = wbxml_child(execute, FIND_MAILBOXSEARCHCRITERION);
	const struct wbxml_node *people = wbxml_child(execute, FIND_GALSEARCHCRITERION), *query, *options;
	struct search_request q;

	init(&q, version);
	if (!mail == !people)
		return FIND_STATUS_BAD_REQUEST;
	q.store = mail ? SEARCH_MAILBOX : SEARCH_PEOPLE;
	query = wbxml_child(mail ? mail : people, FIND_QUERY);
	options = wbxml_child(mail ? mail : people, FIND_OPTIONS);
	if (!query || wbxml_again(query) || (options && wbxml_again(options)) ||
	    !read_range(options, FIND_RANGE, &q) || !read_switch(options, FIND_DEEPTRAVERSAL, &q.deep))
		return FIND_STATUS_BAD_REQUEST;
	q.pictures = wbxml_child(options, FIND_PICTURE) != NULL;
	if (people)
		q.text = query->text;
	if (people ? q.text.len == 0 : !read_find_query(query, &q))
		return FIND_STATUS_BAD_REQUEST;
	*ret_request = q;
	return 0;
}

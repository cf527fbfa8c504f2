#include "imapd/eas/search/people.h"

#define PEOPLE_MAX        1000
#define STATUS_NO_PICTURE 173

int people_find(struct eas_request *rq, struct span text, struct people *ret_people)
{
	struct people p = { .n = 0 };
	struct span domain;
	bool more;
	int r;

	(void) span_split(span_of(account_address(rq->account)), '@', &domain);
	r = directory_people_find(rq->parts->directory, rq->a, domain, span_trim(text), PEOPLE_MAX, &p.found,
	                          &p.n, &more, NULL);
	if (r == 0)
		*ret_people = p;
	return r;
}

static void put_present(struct wbxml_writer *w, enum wbxml_tag tag, struct span text)
{
	if (text.len > 0)
		wbxml_text(w, tag, text);
}

/* "Ann Lee" is a first and a last name; of one word it is the last that is missing. */
static void put_names(struct wbxml_writer *w, struct span name)
{
	size_t last = name.len;

	while (last > 0 && name.p[last - 1] != ' ')
		last--;
	if (last == 0) {
		put_present(w, GAL_FIRSTNAME, name);
		return;
	}
	put_present(w, GAL_FIRSTNAME, span_trim(span_head(name, last)));
	put_present(w, GAL_LASTNAME, span_skip(name, last));
}

void people_write(struct eas_request *rq, const struct directory_person *person, bool pictures)
{
	struct wbxml_writer *w = &rq->out;
	struct span rest, address = span_of(person->address), alias = span_split(address, '@', &rest);
	struct span name = span_trim(span_of(person->display_name));

	wbxml_text(w, GAL_DISPLAYNAME, name.len > 0 ? name : alias);
	wbxml_text(w, GAL_ALIAS, alias);
	if (!person->group)
		put_names(w, name);
	wbxml_text(w, GAL_EMAILADDRESS, address);
	if (pictures && rq->version >= EAS_14_1) {
		wbxml_open(w, GAL_PICTURE);
		wbxml_uint(w, GAL_STATUS, STATUS_NO_PICTURE);
		wbxml_close(w);
	}
}

/* The address book of a domain: its users and groups, searched by how their names begin. */
#include <string.h>

#include "directory/directory_internal.h"

struct search {
	struct arena *a;
	struct span domain, text;
	struct directory_person *people;
	size_t n, max;
	bool more;
};

/* A word is what stands behind a space or a punctuation mark: "Anne-Marie O'Neil" has four. */
static bool begins_a_word(const char *name, size_t i)
{
	return i == 0 || (strchr(" -'.,(\"", name[i - 1]) != NULL);
}

static bool name_matches(const char *name, struct span text)
{
	struct span all = span_of(name);

	for (size_t i = 0; i + text.len <= all.len; i++)
		if (begins_a_word(name, i) && span_starts_nocase(span_skip(all, i), text))
			return true;
	return false;
}

static bool is_of_domain(const struct search *s, const char *address)
{
	struct span domain;

	(void) span_split(span_of(address), '@', &domain);
	return span_eq_nocase(domain, s->domain);
}

/* Returns 1 where enough were found. */
static int add(struct search *s, const char *address, const char *display_name, bool group)
{
	struct directory_person *p = &s->people[s->n];

	if (!is_of_domain(s, address) ||
	    (!span_starts_nocase(span_of(address), s->text) && !name_matches(display_name, s->text)))
		return 0;
	if (s->n == s->max) {
		s->more = true;
		return 1;
	}
	*p = (struct directory_person){ arena_str(s->a, span_of(address)),
		                        arena_str(s->a, span_of(display_name)), group };
	if (!p->address || !p->display_name)
		return -POD_E_NOMEM;
	s->n++;
	return 0;
}

static int add_user(void *arg, const char *name, const ProtobufCMessage *record)
{
	const Directory__User *u = (const Directory__User *) record;

	return strcmp(u->state, "active") == 0 ? add(arg, name, u->display_name, false) : 0;
}

static int add_group(void *arg, const char *name, const ProtobufCMessage *record)
{
	return add(arg, name, ((const Directory__Group *) record)->display_name, true);
}

int directory_people_find(struct directory *dir, struct arena *a, struct span domain, struct span text,
                          size_t max, struct directory_person **ret_people, size_t *ret_n, bool *ret_more,
                          struct err *err)
{
	struct search s = { .a = a, .domain = domain, .text = text, .max = max };
	int r;

	s.people = arena_array(a, max + 1, sizeof(*s.people));
	if (!s.people)
		return err_set(err, POD_E_NOMEM, "people");
	r = directory_each(dir, DIRECTORY_USER, SPAN_NONE, add_user, &s, err);
	if (r == 0)
		r = directory_each(dir, DIRECTORY_GROUP, SPAN_NONE, add_group, &s, err);
	if (r == -POD_E_NOMEM)
		return err_set(err, POD_E_NOMEM, "people");
	*ret_people = s.people;
	*ret_n = s.n;
	*ret_more = s.more;
	return r < 0 ? r : 0;
}

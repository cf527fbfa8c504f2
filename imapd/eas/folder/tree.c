#include "imapd/eas/folder/tree.h"

#include <stdlib.h>

#include "base/err.h"

/* ---- making ---- */

/* Whether path is "prefix/something". */
static bool is_under(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 && path[len] == '/';
}

/* The nearest folder above path; those were put into the tree before it. */
static const struct eas_folder *nearest_above(const struct eas_tree *t, const char *path)
{
	const struct eas_folder *best = NULL;

	for (size_t i = 0; i < t->n; i++)
		if (is_under(path, t->folders[i].path) &&
		    (!best || strlen(t->folders[i].path) > strlen(best->path)))
			best = &t->folders[i];
	return best;
}

/* Of several mailboxes with the same special use the first is it. */
static unsigned int type_in(const struct eas_tree *t, const Podstore__Mailbox *m)
{
	unsigned int type = eas_folder_type_of(m->name, m->special_use);

	for (size_t i = 0; i < t->n && type != EAS_FOLDER_MAIL; i++)
		if (t->folders[i].type == type)
			type = EAS_FOLDER_MAIL;
	return type;
}

static void add_mailbox(struct eas_tree *t, const Podstore__Mailbox *m)
{
	const struct eas_folder *above = nearest_above(t, m->name);
	unsigned int type = type_in(t, m);

	t->folders[t->n++] = (struct eas_folder){
		.id = m->guid,
		.parent = above ? above->id : EAS_ROOT_ID,
		.name = type == EAS_FOLDER_INBOX ? "Inbox" : m->name + (above ? strlen(above->path) + 1 : 0),
		.type = type,
		.path = m->name,
	};
}

int eas_tree_make(struct arena *a, const Podstore__MailboxListReply *list, struct eas_tree *ret_tree)
{
	struct eas_tree t = { arena_array(a, list->n_mailboxes + 1, sizeof(struct eas_folder)), 0 };

	if (!t.folders)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < list->n_mailboxes; i++)
		if (list->mailboxes[i]->exists)
			add_mailbox(&t, list->mailboxes[i]);
	*ret_tree = t;
	return 0;
}

/* ---- looking ---- */

const struct eas_folder *eas_tree_find(const struct eas_tree *t, struct span id)
{
	for (size_t i = 0; i < t->n; i++)
		if (span_eq(span_of(t->folders[i].id), id))
			return &t->folders[i];
	return NULL;
}

const struct eas_folder *eas_tree_child(const struct eas_tree *t, struct span parent, struct span name)
{
	for (size_t i = 0; i < t->n; i++)
		if (span_eq(span_of(t->folders[i].parent), parent) &&
		    span_eq_nocase(span_of(t->folders[i].name), name))
			return &t->folders[i];
	return NULL;
}

bool eas_tree_is_below(const struct eas_tree *t, struct span id, struct span folder)
{
	const struct eas_folder *f = eas_tree_find(t, id);

	/* Never more steps than there are folders: what a device knows may be an odd tree. */
	for (size_t i = 0; f && i < t->n; i++) {
		if (span_eq(span_of(f->id), folder))
			return true;
		f = eas_tree_find(t, span_of(f->parent));
	}
	return false;
}

/* ---- comparing ---- */

static int by_id(const void *a, const void *b)
{
	const struct eas_folder *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

static const struct eas_folder **sorted(struct arena *a, const struct eas_tree *t)
{
	const struct eas_folder **s = arena_array(a, t->n + 1, sizeof(*s));

	for (size_t i = 0; s && i < t->n; i++)
		s[i] = &t->folders[i];
	if (s)
		qsort(s, t->n, sizeof(*s), by_id);
	return s;
}

static const struct eas_folder *find_sorted(const struct eas_folder **s, size_t n, const struct eas_folder *f)
{
	const struct eas_folder **found = bsearch(&f, s, n, sizeof(*s), by_id);

	return found ? *found : NULL;
}

static bool looks_same(const struct eas_folder *x, const struct eas_folder *y)
{
	return strcmp(x->parent, y->parent) == 0 && strcmp(x->name, y->name) == 0 && x->type == y->type;
}

int eas_tree_compare(struct arena *a, const struct eas_tree *from, const struct eas_tree *to,
                     struct eas_tree_diff *ret_diff)
{
	const struct eas_folder **old = sorted(a, from), **new = sorted(a, to);
	struct eas_tree_diff d = { .adds = arena_array(a, to->n + 1, sizeof(*d.adds)),
		                   .updates = arena_array(a, to->n + 1, sizeof(*d.updates)),
		                   .deletes = arena_array(a, from->n + 1, sizeof(*d.deletes)) };

	if (!old || !new || !d.adds || !d.updates || !d.deletes)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < to->n; i++) {
		const struct eas_folder *f = &to->folders[i], *was = find_sorted(old, from->n, f);

		if (!was)
			d.adds[d.adds_n++] = f;
		else if (!looks_same(was, f))
			d.updates[d.updates_n++] = f;
	}
	for (size_t i = from->n; i > 0; i--)
		if (!find_sorted(new, to->n, &from->folders[i - 1]))
			d.deletes[d.deletes_n++] = &from->folders[i - 1];
	*ret_diff = d;
	return 0;
}

/* ---- altering ---- */

int eas_tree_with(struct arena *a, const struct eas_tree *t, const struct eas_folder *folder,
                  struct eas_tree *ret_tree)
{
	struct eas_tree copy = { arena_array(a, t->n + 1, sizeof(struct eas_folder)), t->n };
	bool there = false;

	if (!copy.folders)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < t->n; i++) {
		bool is = strcmp(t->folders[i].id, folder->id) == 0;

		copy.folders[i] = is ? *folder : t->folders[i];
		there |= is;
	}
	if (!there)
		copy.folders[copy.n++] = *folder;
	*ret_tree = copy;
	return 0;
}

int eas_tree_without(struct arena *a, const struct eas_tree *t, struct span id, struct eas_tree *ret_tree)
{
	struct eas_tree copy = { arena_array(a, t->n + 1, sizeof(struct eas_folder)), 0 };

	if (!copy.folders)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < t->n; i++)
		if (!eas_tree_is_below(t, span_of(t->folders[i].id), id))
			copy.folders[copy.n++] = t->folders[i];
	*ret_tree = copy;
	return 0;
}

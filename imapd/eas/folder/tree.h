/* A tree of folders: made of the store's mailboxes, compared with what a device knows. Pure. */
#ifndef POD_IMAPD_EAS_FOLDER_TREE_H
#define POD_IMAPD_EAS_FOLDER_TREE_H

#include "base/arena.h"
#include "imapd/eas/folder/classes.h"
#include "storeproto/storeproto.h"

#define EAS_ROOT_ID "0" /* the parent of what is at the top */

struct eas_folder {
	const char *id, *parent, *name; /* name: for people */
	unsigned int type;
	const char *path; /* of its mailbox; NULL in what a device knows */
};
/* Parents before their children. */
struct eas_tree {
	struct eas_folder *folders;
	size_t n;
};

/*
 * Mailboxes in the order in which the store lists them. One whose parent is only a name is a child of the
 * next one above that exists. -POD_E_NOMEM. Strings stay the list's.
 */
int eas_tree_make(struct arena *a, const Podstore__MailboxListReply *list, struct eas_tree *ret_tree);
/* NULL: there is none. */
const struct eas_folder *eas_tree_find(const struct eas_tree *t, struct span id);
/* One with that parent and name, the case of ASCII letters aside. */
const struct eas_folder *eas_tree_child(const struct eas_tree *t, struct span parent, struct span name);
/* Whether id is folder or anywhere below it. */
bool eas_tree_is_below(const struct eas_tree *t, struct span id, struct span folder);

/* What makes one tree out of another. Pointers into the two. */
struct eas_tree_diff {
	const struct eas_folder **adds, **updates, **deletes; /* deletes: children before their parents */
	size_t adds_n, updates_n, deletes_n;
};
int eas_tree_compare(struct arena *a, const struct eas_tree *from, const struct eas_tree *to,
                     struct eas_tree_diff *ret_diff);
static inline bool eas_tree_diff_is_empty(const struct eas_tree_diff *d)
{
	return d->adds_n + d->updates_n + d->deletes_n == 0;
}

/* Copies with one more folder, one changed, or one and all below it gone; strings stay the callers'.
 * -POD_E_NOMEM. */
int eas_tree_with(struct arena *a, const struct eas_tree *t, const struct eas_folder *folder,
                  struct eas_tree *ret_tree);
int eas_tree_without(struct arena *a, const struct eas_tree *t, struct span id, struct eas_tree *ret_tree);

#endif

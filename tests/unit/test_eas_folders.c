/* imapd/eas/folder: the tree that devices see, and the keys of what they know of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "imapd/eas/folder/hierarchy.h"

static const Podstore__MailboxListReply *mailboxes(struct arena *a, const char *const *rows, size_t n)
{
	Podstore__MailboxListReply *list = arena_new(a, Podstore__MailboxListReply);

	podstore__mailbox_list_reply__init(list);
	list->mailboxes = arena_array(a, n, sizeof(*list->mailboxes));
	for (size_t i = 0; i < n; i++) {
		Podstore__Mailbox *m = arena_new(a, Podstore__Mailbox);
		struct span use, guid, name = span_split(span_of(rows[i]), '|', &guid);

		podstore__mailbox__init(m);
		guid = span_split(guid, '|', &use);
		m->name = arena_str(a, name);
		m->guid = arena_str(a, guid);
		m->special_use = arena_str(a, use);
		m->exists = guid.len > 0;
		list->mailboxes[list->n_mailboxes++] = m;
	}
	return list;
}

static const char *text_of(struct arena *a, const struct eas_tree *t)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	for (size_t i = 0; i < t->n; i++)
		buf_printf(&out, "%s<%s %s %u\n", t->folders[i].id, t->folders[i].parent, t->folders[i].name,
		           t->folders[i].type);
	return arena_str(a, buf_span(&out));
}

static void a_tree_has_the_folders_that_exist(void **state)
{
	static const char *const rows[] = {
		"INBOX|i|",   "A||",           "A/B|b|",         "A/B/C|c|",       "Drafts|d|\\Drafts",
		"INBOX/x|x|", "Sent|s|\\Sent", "Sent2|t|\\Sent", "Trash|r|\\Trash"
	};
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);
	struct eas_tree t;

	assert_int_equal(eas_tree_make(a, mailboxes(a, rows, ARRAY_SIZE(rows)), &t), 0);
	assert_string_equal(text_of(a, &t), "i<0 Inbox 2\nb<0 A/B 12\nc<b C 12\nd<0 Drafts 3\nx<i x 12\n"
	                                    "s<0 Sent 5\nt<0 Sent2 12\nr<0 Trash 4\n");
	assert_true(eas_tree_is_below(&t, SPAN_LIT("c"), SPAN_LIT("b")));
	assert_true(eas_tree_is_below(&t, SPAN_LIT("b"), SPAN_LIT("b")));
	assert_false(eas_tree_is_below(&t, SPAN_LIT("b"), SPAN_LIT("c")));
	assert_string_equal(eas_tree_child(&t, SPAN_LIT("b"), SPAN_LIT("c"))->id, "c");
	assert_null(eas_tree_child(&t, SPAN_LIT("0"), SPAN_LIT("C")));
}

static struct eas_tree tree_of(struct arena *a, const char *const *rows, size_t n)
{
	struct eas_tree t;

	assert_int_equal(eas_tree_make(a, mailboxes(a, rows, n), &t), 0);
	return t;
}

static void a_comparison_tells_what_to_do(void **state)
{
	static const char *const old_rows[] = { "INBOX|i|", "A|a|", "A/B|b|", "A/C|c|", "D|d|", "D/E|e|" };
	static const char *const new_rows[] = { "INBOX|i|", "A|a|", "A/B2|b|", "C|c|", "F|f|" };
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);
	struct eas_tree old = tree_of(a, old_rows, ARRAY_SIZE(old_rows));
	struct eas_tree new = tree_of(a, new_rows, ARRAY_SIZE(new_rows));
	struct eas_tree_diff d;

	assert_int_equal(eas_tree_compare(a, &old, &new, &d), 0);
	assert_int_equal(d.adds_n, 1);
	assert_string_equal(d.adds[0]->id, "f");
	assert_int_equal(d.updates_n, 2);
	assert_string_equal(d.updates[0]->name, "B2");
	assert_string_equal(d.updates[1]->parent, "0");
	assert_int_equal(d.deletes_n, 2);
	assert_string_equal(d.deletes[0]->id, "e"); /* before its parent */
	assert_int_equal(eas_tree_compare(a, &new, &new, &d), 0);
	assert_true(eas_tree_diff_is_empty(&d));
}

static void what_a_device_did_is_what_it_knows(void **state)
{
	static const char *const rows[] = { "INBOX|i|", "A|a|", "A/B|b|" };
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);
	struct eas_tree t = tree_of(a, rows, ARRAY_SIZE(rows)), next;
	struct eas_folder n = { .id = "n", .parent = "a", .name = "New", .type = EAS_FOLDER_MAIL };

	assert_int_equal(eas_tree_with(a, &t, &n, &next), 0);
	assert_int_equal(next.n, 4);
	n.name = "Newer";
	assert_int_equal(eas_tree_with(a, &next, &n, &next), 0);
	assert_int_equal(next.n, 4);
	assert_string_equal(eas_tree_find(&next, SPAN_LIT("n"))->name, "Newer");
	assert_int_equal(eas_tree_without(a, &next, SPAN_LIT("a"), &next), 0);
	assert_string_equal(text_of(a, &next), "i<0 Inbox 2\n");
}

static enum hierarchy_key judge_newest(const struct hierarchy *h, char key[EAS_SYNC_KEY_SIZE])
{
	hierarchy_key(h, key);
	return hierarchy_judge(h, span_of(key));
}

static void keys_are_good_for_two_generations(void **state)
{
	static const char *const rows[] = { "INBOX|i|", "A|a|", "A/B|b|" };
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);
	struct eas_tree t = tree_of(a, rows, ARRAY_SIZE(rows)), less = tree_of(a, rows, 2);
	char first[EAS_SYNC_KEY_SIZE], second[EAS_SYNC_KEY_SIZE], third[EAS_SYNC_KEY_SIZE];
	struct hierarchy h = { 0 };

	assert_int_equal(hierarchy_judge(&h, SPAN_LIT("0")), HIERARCHY_KEY_ZERO);
	assert_int_equal(hierarchy_judge(&h, SPAN_LIT("1")), HIERARCHY_KEY_BAD);
	hierarchy_step(&h, HIERARCHY_KEY_ZERO, &less);
	assert_int_equal(judge_newest(&h, first), HIERARCHY_KEY_NOW);
	hierarchy_step(&h, HIERARCHY_KEY_NOW, &t);
	assert_int_equal(judge_newest(&h, second), HIERARCHY_KEY_NOW);
	assert_int_equal(hierarchy_judge(&h, span_of(first)), HIERARCHY_KEY_BEFORE);
	assert_int_equal(hierarchy_base(&h, HIERARCHY_KEY_BEFORE)->n, 2);
	/* The second answer was lost, and the tree has changed since: its key is never good again. */
	hierarchy_step(&h, HIERARCHY_KEY_BEFORE, &less);
	assert_int_equal(judge_newest(&h, third), HIERARCHY_KEY_NOW);
	assert_int_equal(hierarchy_judge(&h, span_of(second)), HIERARCHY_KEY_BAD);
	assert_int_equal(hierarchy_judge(&h, span_of(first)), HIERARCHY_KEY_BEFORE);
	hierarchy_step(&h, HIERARCHY_KEY_NOW, &t);
	assert_int_equal(hierarchy_judge(&h, span_of(first)), HIERARCHY_KEY_BAD);
	assert_int_equal(hierarchy_judge(&h, span_of(third)), HIERARCHY_KEY_BEFORE);
	hierarchy_step(&h, HIERARCHY_KEY_ZERO, &t);
	assert_int_equal(hierarchy_judge(&h, span_of(third)), HIERARCHY_KEY_BAD);
}

static const char *let_go(struct arena *a, const struct hierarchy *h, enum hierarchy_key key,
                          const struct eas_tree *store)
{
	struct buf b = BUF_INIT;
	size_t n;
	const char **ids = hierarchy_let_go(a, h, key, store, &n);
	const char *text;

	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s ", ids[i]);
	text = arena_str(a, buf_span(&b));
	buf_done(&b);
	return text;
}

static void a_folder_is_let_go_when_the_device_shows_that_it_knows(void **state)
{
	static const char *const rows[] = { "INBOX|i|", "A|a|", "A/B|b|" };
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);
	struct eas_tree all = tree_of(a, rows, 3), two = tree_of(a, rows, 2), one = tree_of(a, rows, 1);
	struct hierarchy h = { 0 };

	assert_string_equal(let_go(a, &h, HIERARCHY_KEY_ZERO, &all), "");
	hierarchy_step(&h, HIERARCHY_KEY_ZERO, &all);
	assert_string_equal(let_go(a, &h, HIERARCHY_KEY_NOW, &two), ""); /* it is yet to be told */
	hierarchy_step(&h, HIERARCHY_KEY_NOW, &two);
	assert_string_equal(let_go(a, &h, HIERARCHY_KEY_BEFORE, &two), "");
	assert_string_equal(let_go(a, &h, HIERARCHY_KEY_NOW, &two), "b ");
	assert_string_equal(let_go(a, &h, HIERARCHY_KEY_NOW, &all), ""); /* it is there again */
	assert_string_equal(let_go(a, &h, HIERARCHY_KEY_ZERO, &one), "b a ");
	assert_string_equal(let_go(a, &h, HIERARCHY_KEY_ZERO, &two), "b ");
}

static void a_hierarchy_survives_its_bytes(void **state)
{
	static const char *const rows[] = { "INBOX|i|", "A|a|", "A/B|b|" };
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);
	struct eas_tree t = tree_of(a, rows, ARRAY_SIZE(rows)), less = tree_of(a, rows, 2);
	struct hierarchy h = { 0 }, back;

	hierarchy_step(&h, HIERARCHY_KEY_ZERO, &less);
	hierarchy_step(&h, HIERARCHY_KEY_NOW, &t);
	assert_int_equal(hierarchy_decode(a, hierarchy_encode(a, &h), &back), 0);
	assert_true(back.epoch == h.epoch && back.now.number == 2 && back.before.number == 1);
	assert_string_equal(text_of(a, &back.now.tree), text_of(a, &t));
	assert_string_equal(text_of(a, &back.before.tree), text_of(a, &less));
	assert_int_equal(hierarchy_decode(a, SPAN_LIT("\xff\xff\xff"), &back), -POD_E_CORRUPT);
}

static void classes_of_other_kinds_are_known_but_not_served(void **state)
{
	assert_true(eas_class_of_type(EAS_FOLDER_INBOX)->served);
	assert_ptr_equal(eas_class_of_type(EAS_FOLDER_MAIL), eas_class_by_name(SPAN_LIT("Email")));
	assert_false(eas_class_of_type(EAS_FOLDER_USER_CALENDAR)->served);
	assert_ptr_equal(eas_class_of_type(EAS_FOLDER_NOTES), eas_class_by_name(SPAN_LIT("Notes")));
	assert_null(eas_class_of_type(EAS_FOLDER_RECIPIENTS));
	assert_null(eas_class_by_name(SPAN_LIT("email")));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_has_the_folders_that_exist),
		cmocka_unit_test(a_comparison_tells_what_to_do),
		cmocka_unit_test(what_a_device_did_is_what_it_knows),
		cmocka_unit_test(keys_are_good_for_two_generations),
		cmocka_unit_test(a_folder_is_let_go_when_the_device_shows_that_it_knows),
		cmocka_unit_test(a_hierarchy_survives_its_bytes),
		cmocka_unit_test(classes_of_other_kinds_are_known_but_not_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a phone did itself, where others did something to the same message and where its answer got lost, case
 * by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "tests/support/eas_server.h"

#define SEEN    STORE_FLAG_SEEN
#define FLAGGED STORE_FLAG_FLAGGED
#define DELETED STORE_FLAG_DELETED
#define KEYWORD (1u << STORE_KEYWORD_SHIFT)

enum { INBOX, TRASH, OTHER };

struct scene {
	struct mail_world w;
	struct eas_server server;
	struct eas_kept kept;
	struct arena *a;
	uint64_t key[WORLD_BOXES]; /* the newest that the phone has */
	struct eas_answered in;    /* the last answer */
};

static void nothing(void *arg)
{
}

/* Others change a flag of the Inbox's first message while a request runs, once. */
static void flag_first(void *arg)
{
	struct scene *s = arg;

	(void) world_flag(&s->w, INBOX, 1, FLAGGED);
	s->server.meanwhile = nothing;
}

static void scene_done(struct scene *s)
{
	world_done(&s->w);
	eas_kept_done(&s->kept);
	s->a = arena_free(s->a);
}

/* A request with the phone's newest key; where its answer is lost, the key stays. */
static void ask(struct scene *s, struct eas_asked asked, bool lost)
{
	asked.key = s->key[asked.box];
	asked.window = asked.window ? asked.window : 100;
	eas_server_ask(&s->server, &s->kept, &asked, false, s->a, &s->in);
	if (!lost && !asked.is_move)
		s->key[asked.box] = s->in.key;
}

static void hear(struct scene *s, unsigned int box)
{
	ask(s, (struct eas_asked){ .box = box }, false);
}

static struct eas_asked set(uint32_t uid, uint32_t bits, uint32_t value)
{
	return (struct eas_asked){
		.box = INBOX, .act = EAS_ACT_SET, .uid = uid, .bits = bits, .value = value
	};
}

static struct eas_asked move(uint32_t uid, unsigned int target)
{
	return (struct eas_asked){ .is_move = true, .box = INBOX, .target = target, .uid = uid };
}

/* The phone has these messages of the Inbox, and all other folders are empty. */
static void scene_init(struct scene *s, const uint32_t *flags, size_t n)
{
	*s = (struct scene){ .a = arena_create((size_t) 16 << 20) };
	s->server = (struct eas_server){ .w = &s->w, .trash = TRASH, .meanwhile = nothing, .arg = s };
	world_init(&s->w, 1);
	for (unsigned int box = 0; box <= OTHER; box++)
		s->w.box[box].exists = true;
	for (size_t i = 0; i < n; i++)
		(void) world_deliver(&s->w, INBOX, flags[i], 0);
	for (unsigned int box = 0; box <= OTHER; box++) {
		hear(s, box);
		hear(s, box);
	}
}

static uint32_t flags_of(const struct scene *s, unsigned int box, uint32_t uid)
{
	return s->w.box[box].mail[uid].flags;
}

static void assert_told(const struct scene *s, enum eas_tell tell, uint32_t uid, uint32_t flags)
{
	for (size_t i = 0; i < s->in.n; i++)
		if (s->in.steps[i].uid == uid) {
			assert_int_equal(s->in.steps[i].tell, tell);
			if (tell == EAS_TELL_ADD || tell == EAS_TELL_CHANGE)
				assert_int_equal(s->in.flags[i], flags);
			return;
		}
	fail_msg("nothing is told of %u", uid);
}

static void assert_quiet(struct scene *s, unsigned int box)
{
	hear(s, box);
	assert_int_equal(s->in.n, 0);
}

static const uint32_t plain[] = { 0, 0 };

/* ---- refused ---- */

static void what_stood_against_a_change_is_told_though_it_is_as_before_again(void **state)
{
	_cleanup_(scene_done) struct scene s;
	struct eas_asked asked = set(1, FLAGGED, FLAGGED);

	scene_init(&s, plain, 2);
	world_expunge(&s.w, INBOX, 2);
	(void) world_flag(&s.w, INBOX, 1, FLAGGED);
	asked.window = 1; /* there is no room for it beside the Delete */
	ask(&s, asked, false);
	assert_int_equal(s.in.act_status, 7);
	assert_told(&s, EAS_TELL_DELETE, 2, 0);
	(void) world_flag(&s.w, INBOX, 1, 0);
	hear(&s, INBOX);
	assert_told(&s, EAS_TELL_CHANGE, 1, 0);
	assert_quiet(&s, INBOX);
}

static void a_refused_change_is_refused_again_with_its_answer(void **state)
{
	_cleanup_(scene_done) struct scene s;

	scene_init(&s, plain, 1);
	(void) world_flag(&s.w, INBOX, 1, SEEN);
	(void) world_flag(&s.w, INBOX, 1, SEEN | FLAGGED);
	for (int i = 0; i < 3; i++) {
		ask(&s, set(1, FLAGGED, 0), i < 2);
		assert_int_equal(s.in.act_status, 7);
		assert_told(&s, EAS_TELL_CHANGE, 1, SEEN | FLAGGED);
		assert_int_equal(flags_of(&s, INBOX, 1), SEEN | FLAGGED);
	}
	assert_int_equal(s.server.same, 2);
	assert_quiet(&s, INBOX);
}

static void a_change_carried_out_after_what_its_answer_tells_is_told(void **state)
{
	_cleanup_(scene_done) struct scene s;

	scene_init(&s, plain, 1);
	s.server.meanwhile = flag_first;
	ask(&s, set(1, FLAGGED, 0), true);
	assert_told(&s, EAS_TELL_CHANGE, 1, FLAGGED);
	ask(&s, set(1, FLAGGED, 0), false);
	assert_told(&s, EAS_TELL_CHANGE, 1, FLAGGED);
	hear(&s, INBOX);
	assert_told(&s, EAS_TELL_CHANGE, 1, flags_of(&s, INBOX, 1));
	assert_quiet(&s, INBOX);
}

/* ---- going ---- */

static void a_change_does_not_bring_back_what_its_answer_tells_as_gone(void **state)
{
	_cleanup_(scene_done) struct scene s;

	scene_init(&s, plain, 1);
	(void) world_flag(&s.w, INBOX, 1, DELETED);
	for (int i = 0; i < 2; i++) {
		ask(&s, set(1, SEEN, SEEN), i < 1);
		assert_told(&s, EAS_TELL_DELETE, 1, 0);
	}
	assert_quiet(&s, INBOX);
	(void) world_flag(&s.w, INBOX, 1, SEEN);
	hear(&s, INBOX);
	assert_told(&s, EAS_TELL_ADD, 1, SEEN);
}

static void a_change_of_nothing_leaves_what_goes_to_be_told(void **state)
{
	_cleanup_(scene_done) struct scene s;
	static const uint32_t flags[] = { 0, SEEN };
	struct eas_asked asked = { .box = INBOX, .window = 1 };

	scene_init(&s, flags, 2);
	world_expunge(&s.w, INBOX, 1);
	(void) world_flag(&s.w, INBOX, 2, SEEN | DELETED);
	ask(&s, asked, false);
	assert_told(&s, EAS_TELL_DELETE, 1, 0);
	ask(&s, set(2, SEEN, SEEN), false);
	assert_told(&s, EAS_TELL_DELETE, 2, 0);
	assert_quiet(&s, INBOX);
}

/* ---- adds ---- */

static struct eas_asked add(void)
{
	return (struct eas_asked){ .box = INBOX, .act = EAS_ACT_ADD, .client_id = 1 };
}

/* Something else in the answer that is not so any more: it is made anew. */
static void add_in_vain(struct scene *s)
{
	(void) world_deliver(&s->w, INBOX, 0, 0);
	ask(s, add(), true);
	(void) world_flag(&s->w, INBOX, 1, FLAGGED);
}

static void what_others_made_of_an_added_message_is_told_with_the_answer_that_comes_again(void **state)
{
	_cleanup_(scene_done) struct scene s;

	scene_init(&s, plain, 0);
	add_in_vain(&s);
	(void) world_flag(&s.w, INBOX, s.in.uid, SEEN | KEYWORD);
	ask(&s, add(), false);
	assert_int_equal(s.server.made_anew, 1);
	assert_told(&s, EAS_TELL_CHANGE, s.in.uid, SEEN | KEYWORD);
	assert_quiet(&s, INBOX);
}

static void an_added_message_that_others_removed_is_told_as_gone(void **state)
{
	_cleanup_(scene_done) struct scene s;

	scene_init(&s, plain, 0);
	add_in_vain(&s);
	world_expunge(&s.w, INBOX, s.in.uid);
	for (int i = 0; i < 3; i++) {
		ask(&s, add(), i < 2);
		assert_told(&s, EAS_TELL_DELETE, s.in.uid, 0);
	}
	assert_quiet(&s, INBOX);
}

/* ---- moves ---- */

static void what_others_made_of_a_moved_message_is_told_whatever_becomes_of_it(void **state)
{
	static const uint32_t later[] = { 0, SEEN, FLAGGED, SEEN | FLAGGED, KEYWORD, SEEN | KEYWORD };

	for (size_t i = 0; i < ARRAY_SIZE(later); i++) {
		_cleanup_(scene_done) struct scene s;

		scene_init(&s, plain, 1);
		(void) world_flag(&s.w, INBOX, 1, KEYWORD);
		ask(&s, move(1, OTHER), false);
		assert_int_equal(s.in.status, 3);
		(void) world_flag(&s.w, OTHER, s.in.uid, later[i]);
		hear(&s, OTHER);
		assert_told(&s, EAS_TELL_CHANGE, 1, later[i]);
		assert_quiet(&s, OTHER);
		assert_quiet(&s, INBOX);
	}
}

static void a_repeated_move_is_answered_though_one_of_its_folders_is_gone(void **state)
{
	static const unsigned int gone[] = { INBOX, OTHER };

	for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
		_cleanup_(scene_done) struct scene s;

		scene_init(&s, plain, 2);
		ask(&s, move(1, OTHER), true);
		s.w.box[gone[i]].exists = false;
		ask(&s, move(1, OTHER), false);
		assert_int_equal(s.in.status, 3);
		assert_int_equal(s.in.uid, 1);
		assert_quiet(&s, gone[i] == INBOX ? OTHER : INBOX);
		ask(&s, move(2, OTHER), false);
		assert_int_equal(s.in.status, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stood_against_a_change_is_told_though_it_is_as_before_again),
		cmocka_unit_test(a_refused_change_is_refused_again_with_its_answer),
		cmocka_unit_test(a_change_carried_out_after_what_its_answer_tells_is_told),
		cmocka_unit_test(a_change_does_not_bring_back_what_its_answer_tells_as_gone),
		cmocka_unit_test(a_change_of_nothing_leaves_what_goes_to_be_told),
		cmocka_unit_test(
			what_others_made_of_an_added_message_is_told_with_the_answer_that_comes_again),
		cmocka_unit_test(an_added_message_that_others_removed_is_told_as_gone),
		cmocka_unit_test(what_others_made_of_a_moved_message_is_told_whatever_becomes_of_it),
		cmocka_unit_test(a_repeated_move_is_answered_though_one_of_its_folders_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* One arena for the tests of a program: made before them, or before each, by cmocka's set-up functions. */
#ifndef TESTS_TEST_ARENA_H
#define TESTS_TEST_ARENA_H

#include "base/arena.h"

extern struct arena *test_arena;

int test_arena_make(void **state);
int test_arena_free(void **state);

#endif

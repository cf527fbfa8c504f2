#include "tests/support/test_arena.h"

struct arena *test_arena;

int test_arena_make(void **state)
{
	test_arena = arena_create(32 << 20);
	return test_arena ? 0 : -1;
}

int test_arena_free(void **state)
{
	test_arena = arena_free(test_arena);
	return 0;
}

/*
 * What AddressSanitizer and ThreadSanitizer have to be told when a thread changes its stack; nothing without
 * them. Of fiber.c alone.
 */
#ifndef POD_BASE_FIBER_SANITIZE_H
#define POD_BASE_FIBER_SANITIZE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#elif __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define FIBER_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define FIBER_TSAN 1
#endif

#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* Of one stack, the thread's own among them. */
struct fiber_sanitize {
	void *fake_stack;   /* AddressSanitizer's, while another stack runs */
	const void *bottom; /* of the thread's own stack, which only AddressSanitizer knows */
	size_t size;
	void *fiber; /* ThreadSanitizer's */
};

#ifdef FIBER_ASAN
/* Whose stack was left last: where one arrives, its limits are told. */
static struct fiber_sanitize *fiber_sanitize_left;
#endif

static inline void fiber_sanitize_init(struct fiber_sanitize *s)
{
	*s = (struct fiber_sanitize){ 0 };
#ifdef FIBER_TSAN
	s->fiber = __tsan_create_fiber(0);
#endif
}

static inline void fiber_sanitize_done(struct fiber_sanitize *s)
{
#ifdef FIBER_TSAN
	if (s->fiber)
		__tsan_destroy_fiber(s->fiber);
#endif
	s->fiber = NULL;
}

/* Right before the switch; stack NULL: the thread's own. ends: here will never run again. */
static inline void fiber_sanitize_leave(struct fiber_sanitize *here, struct fiber_sanitize *there,
                                        const void *stack, size_t size, bool ends)
{
#ifdef FIBER_ASAN
	fiber_sanitize_left = here;
	__sanitizer_start_switch_fiber(ends ? NULL : &here->fake_stack, stack ? stack : there->bottom,
	                               stack ? size : there->size);
#endif
#ifdef FIBER_TSAN
	if (!here->fiber)
		here->fiber = __tsan_get_current_fiber(); /* the thread's own */
	__tsan_switch_to_fiber(there->fiber, 0);
#endif
	(void) here, (void) there, (void) stack, (void) size, (void) ends;
}

/* Right after it; here NULL: on a stack that nothing ran on before. */
static inline void fiber_sanitize_arrived(struct fiber_sanitize *here)
{
#ifdef FIBER_ASAN
	struct fiber_sanitize *left = fiber_sanitize_left;

	__sanitizer_finish_switch_fiber(here ? here->fake_stack : NULL, &left->bottom, &left->size);
#endif
	(void) here;
}

#endif

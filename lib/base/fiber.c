#include "base/fiber.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/fiber_sanitize.h"

/* Stacks that are kept for the next fibers, most of which come soon after the last ones. */
#define KEPT_MAX 16

struct fiber {
	ucontext_t context, *back; /* whom to go back to */
	struct fiber *resumer;     /* NULL: the thread's own stack */
	struct fiber *next_kept;
	uint8_t *mapping; /* the guard page, then the stack */
	fiber_fn *fn;
	void *arg;
	bool running, ended;
	struct fiber_sanitize sanitize;
};

static struct fiber *current, *kept;
static ucontext_t thread_context;
static struct fiber_sanitize thread_sanitize;
static size_t kept_n, living;

static size_t page_bytes(void)
{
	static size_t bytes;

	if (!bytes)
		bytes = (size_t) sysconf(_SC_PAGESIZE);
	return bytes;
}

static struct fiber *fiber_free(struct fiber *f)
{
	fiber_sanitize_done(&f->sanitize);
	(void) munmap(f->mapping, page_bytes() + FIBER_STACK_BYTES);
	free(f);
	return NULL;
}

static struct fiber *fiber_create(void)
{
	struct fiber *f = calloc(1, sizeof(*f));
	void *mapping;

	if (!f)
		return NULL;
	mapping = mmap(NULL, page_bytes() + FIBER_STACK_BYTES, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (mapping == MAP_FAILED) {
		free(f);
		return NULL;
	}
	f->mapping = mapping;
	if (mprotect(mapping, page_bytes(), PROT_NONE) < 0)
		return fiber_free(f);
	return f;
}

static struct fiber *take_kept(void)
{
	struct fiber *f = kept;

	if (f) {
		kept = f->next_kept;
		kept_n--;
	}
	return f;
}

static void keep(struct fiber *f)
{
	if (kept_n >= KEPT_MAX) {
		(void) fiber_free(f);
		return;
	}
	fiber_sanitize_done(&f->sanitize);
	f->next_kept = kept;
	kept = f;
	kept_n++;
}

static uint8_t *stack_of(struct fiber *f)
{
	return f->mapping + page_bytes();
}

/* The first thing on a new stack. Pointers do not pass through makecontext, whose arguments are ints. */
static void begin(void)
{
	struct fiber *f = current;

	fiber_sanitize_arrived(NULL);
	f->fn(f->arg);
	f->ended = true;
	fiber_suspend();
	abort(); /* nobody resumes what has ended */
}

/* From whoever runs now into f. */
static void enter(struct fiber *f)
{
	struct fiber *from = current;
	struct fiber_sanitize *here = from ? &from->sanitize : &thread_sanitize;

	f->resumer = from;
	f->back = from ? &from->context : &thread_context;
	f->running = true;
	current = f;
	fiber_sanitize_leave(here, &f->sanitize, stack_of(f), FIBER_STACK_BYTES, false);
	(void) swapcontext(f->back, &f->context);
	fiber_sanitize_arrived(here);
	current = from;
	if (f->ended) {
		living--;
		keep(f);
	}
}

/* Of its own, as the compiler takes getcontext() for a setjmp() and distrusts the variables beside it. */
static __attribute__((noinline)) bool set_up(struct fiber *f)
{
	if (getcontext(&f->context) < 0)
		return false;
	f->context.uc_stack.ss_sp = stack_of(f);
	f->context.uc_stack.ss_size = FIBER_STACK_BYTES;
	f->context.uc_link = NULL;
	makecontext(&f->context, begin, 0);
	return true;
}

int fiber_start(fiber_fn *fn, void *arg)
{
	struct fiber *f = take_kept();

	if (!f)
		f = fiber_create();
	if (!f)
		return -POD_E_NOMEM;
	f->fn = fn;
	f->arg = arg;
	f->ended = false;
	if (!set_up(f)) {
		(void) fiber_free(f);
		return -POD_E_NOMEM;
	}
	fiber_sanitize_init(&f->sanitize);
	living++;
	enter(f);
	return 0;
}

struct fiber *fiber_self(void)
{
	return current;
}

void fiber_suspend(void)
{
	struct fiber *f = current;
	struct fiber_sanitize *there;

	assert(f);
	there = f->resumer ? &f->resumer->sanitize : &thread_sanitize;
	f->running = false;
	fiber_sanitize_leave(&f->sanitize, there, f->resumer ? stack_of(f->resumer) : NULL, FIBER_STACK_BYTES,
	                     f->ended);
	(void) swapcontext(&f->context, f->back);
	fiber_sanitize_arrived(&f->sanitize);
}

void fiber_resume(struct fiber *f)
{
	assert(!f->running && !f->ended);
	enter(f);
}

size_t fiber_count(void)
{
	return living;
}

void fiber_release_stacks(void)
{
	struct fiber *f;

	while ((f = take_kept()))
		(void) fiber_free(f);
}

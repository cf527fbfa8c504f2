#include "store/service/post.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct post {
	struct event event;
	int fd;
	_Atomic(struct note *) newest;
};

void post_send(struct post *p, struct note *note)
{
	struct note *newest = atomic_load_explicit(&p->newest, memory_order_relaxed);
	const uint64_t one = 1;

	do
		note->next = newest;
	while (!atomic_compare_exchange_weak_explicit(&p->newest, &newest, note, memory_order_release,
	                                              memory_order_relaxed));
	if (!newest)
		while (write(p->fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
}

void post_deliver(struct post *p)
{
	struct note *newest = atomic_exchange_explicit(&p->newest, NULL, memory_order_acquire), *oldest = NULL;

	while (newest) {
		struct note *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct note *next = oldest->next;

		oldest->run(oldest);
		oldest = next;
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) > 0 || errno == EAGAIN)
		post_deliver(arg);
}

int post_create(struct event_base *base, struct post **ret_post, struct err *err)
{
	struct post *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(err, POD_E_NOMEM, "no memory");
	p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->fd < 0) {
		free(p);
		return err_errno(err, errno, "eventfd");
	}
	(void) event_assign(&p->event, base, p->fd, EV_READ | EV_PERSIST, on_wake, p);
	(void) event_add(&p->event, NULL);
	*ret_post = p;
	return 0;
}

struct post *post_free(struct post *p)
{
	if (p) {
		(void) event_del(&p->event);
		(void) close(p->fd);
		free(p);
	}
	return NULL;
}

#include "imapd/eas/device/notice.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "imapd/eas/device/internal.h"

#define ARENA_MAX (256u << 10) /* of what is read for one account */
#define SOON_MS   100          /* an import is hundreds of commits: they are looked at together */

struct device_notice {
	const struct eas_parts *parts;
	int fd;
	struct event *written, *soon;
};

/* A user of whom nothing can be read for now stays as he was. */
static void look_at(void *arg, struct account *ac)
{
	const struct eas_parts *parts = arg;
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_MAX);
	struct directory_user user;
	struct eas_rules rules;
	int r = a ? directory_user_find(parts->directory, a, span_of(account_address(ac)), &user, NULL)
	          : -POD_E_NOMEM;

	if (r == -POD_E_NOTFOUND || r == -POD_E_DENIED)
		account_refuse(ac);
	else if (r == 0 && eas_rules_of(parts->directory, a, account_address(ac), &rules, NULL) == 0)
		account_set_rules(ac, rules.print);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct device_notice *n = arg;

	accounts_each(n->parts->accounts, look_at, (void *) (uintptr_t) n->parts);
}

static void on_written(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval soon = { .tv_usec = SOON_MS * 1000 };
	struct device_notice *n = arg;

	directory_notice_take(fd);
	if (!evtimer_pending(n->soon, NULL))
		(void) evtimer_add(n->soon, &soon);
}

int device_notice_create(const struct eas_parts *parts, struct device_notice **ret_notice, struct err *err)
{
	struct device_notice *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return err_set(err, POD_E_NOMEM, "the directory's notices");
	n->parts = parts;
	n->fd = -1;
	r = directory_notice_open(parts->conf->pod.directory_dir, &n->fd, err);
	if (r == 0) {
		n->written = event_new(parts->base, n->fd, EV_READ | EV_PERSIST, on_written, n);
		n->soon = evtimer_new(parts->base, on_soon, n);
		if (!n->written || !n->soon || event_add(n->written, NULL) < 0)
			r = err_set(err, POD_E_NOMEM, "the directory's notices");
	}
	if (r < 0)
		(void) device_notice_free(n);
	else
		*ret_notice = n;
	return r;
}

struct device_notice *device_notice_free(struct device_notice *n)
{
	if (!n)
		return NULL;
	if (n->written)
		event_free(n->written);
	if (n->soon)
		event_free(n->soon);
	if (n->fd >= 0)
		(void) close(n->fd);
	free(n);
	return NULL;
}

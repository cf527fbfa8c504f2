#include "mta/queue/own_mail.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "mime/mime.h"

static int out_of_memory(struct err *err)
{
	return err_set(err, POD_E_NOMEM, "a message of our own");
}

int own_mail_resolve(struct directory *dir, struct arena *a, const char *to, struct directory_targets *ret,
                     struct err *err)
{
	struct directory_target *remote;
	int r = dir ? directory_resolve(dir, a, span_of(to), ret, err) : -POD_E_UNSUPPORTED;

	if (r == 0 && ret->n == 0)
		return err_set(err, POD_E_NOTFOUND, "%.128s: nobody has this address", to);
	if (r != -POD_E_UNSUPPORTED)
		return r;
	remote = arena_new(a, struct directory_target);
	if (!remote)
		return out_of_memory(err);
	*remote = (struct directory_target){ .kind = TARGET_REMOTE, .address = to };
	*ret = (struct directory_targets){ remote, 1 };
	return 0;
}

static Queue__Recipient *recipient(struct arena *a, const struct directory_target *t, const char *original)
{
	Queue__Recipient *r = arena_new(a, Queue__Recipient);

	if (!r)
		return NULL;
	queue__recipient__init(r);
	r->state = t->kind == TARGET_MAILBOX ? QUEUE__STATE__WAITING : QUEUE__STATE__OUTBOUND;
	r->address = arena_str(a, span_of(t->address));
	r->original = arena_str(a, span_of(original));
	return r->address && r->original ? r : NULL;
}

static int fill_item(struct arena *a, const struct directory_targets *targets, const char *to,
                     Queue__Item *item)
{
	struct guid id = guid_new();

	queue__item__init(item);
	item->id = (ProtobufCBinaryData){ ID_SIZE, arena_alloc(a, ID_SIZE) };
	item->recipients = arena_array(a, targets->n, sizeof(*item->recipients));
	if (!item->id.data || !item->recipients)
		return -POD_E_NOMEM;
	memcpy(item->id.data, id.b, ID_SIZE);
	for (size_t i = 0; i < targets->n; i++) {
		item->recipients[i] = recipient(a, &targets->items[i], to);
		if (!item->recipients[i])
			return -POD_E_NOMEM;
	}
	item->n_recipients = targets->n;
	item->arrived_s = clock_wall_s();
	return 0;
}

static int body_file(struct span body, int *ret_fd)
{
	_cleanup_(closep) int fd = memfd_create("own-mail", MFD_CLOEXEC);

	while (fd >= 0 && body.len) {
		ssize_t n = write(fd, body.p, body.len);

		if (n <= 0 && errno != EINTR)
			return -POD_E_NOMEM;
		body = span_skip(body, n > 0 ? (size_t) n : 0);
	}
	if (fd < 0)
		return -POD_E_NOMEM;
	*ret_fd = take_fd(&fd);
	return 0;
}

int own_mail_make_for(struct arena *a, char *trace, const char *to, const struct directory_targets *targets,
                      struct span message, enum own_mail_signed is_signed, struct own_mail *ret,
                      struct err *err)
{
	struct mime_summary *parsed = arena_new(a, struct mime_summary);

	if (!parsed || mime_summarize(a, message, parsed) < 0 || fill_item(a, targets, to, &ret->item) < 0 ||
	    body_file(message, &ret->fd) < 0)
		return out_of_memory(err);
	ret->item.trace = trace;
	ret->item.size = message.len;
	ret->item.own = is_signed == OWN_MAIL_UNSIGNED;
	queue__summary__init(&ret->summary);
	queue_summary_set(&ret->summary, parsed);
	queue__submission__init(&ret->submission);
	ret->submission.item = &ret->item;
	ret->submission.summary = &ret->summary;
	return 0;
}

int own_mail_make(struct directory *dir, struct arena *a, char *trace, const char *to, struct span message,
                  enum own_mail_signed is_signed, struct own_mail *ret, struct err *err)
{
	struct directory_targets targets = { 0 };
	int r = own_mail_resolve(dir, a, to, &targets, err);

	return r < 0 ? r : own_mail_make_for(a, trace, to, &targets, message, is_signed, ret, err);
}

void own_mail_done(struct own_mail *m)
{
	closep(&m->fd);
}

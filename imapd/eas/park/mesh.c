#include "imapd/eas/park/mesh.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct mesh {
	unsigned int n, index; /* of this worker */
	struct event *event;
	mesh_fn *fn;
	void *arg;
	int ends[][2]; /* of each worker: where it listens, where others speak */
};

int mesh_create(unsigned int workers, struct mesh **ret_mesh, struct err *err)
{
	struct mesh *m = calloc(1, sizeof(*m) + workers * sizeof(m->ends[0]));

	if (!m)
		return err_set(err, POD_E_NOMEM, "sockets between workers");
	for (; m->n < workers; m->n++)
		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, m->ends[m->n]) < 0) {
			int r = err_errno(err, errno, "sockets between workers");

			(void) mesh_free(m);
			return r;
		}
	*ret_mesh = m;
	return 0;
}

struct mesh *mesh_free(struct mesh *m)
{
	if (!m)
		return NULL;
	if (m->event)
		event_free(m->event);
	for (unsigned int i = 0; i < m->n; i++) {
		(void) close(m->ends[i][0]);
		(void) close(m->ends[i][1]);
	}
	free(m);
	return NULL;
}

static void on_word(evutil_socket_t fd, short what, void *arg)
{
	struct mesh *m = arg;
	uint8_t word[MESH_WORD_MAX];
	ssize_t n;

	while ((n = recv(fd, word, sizeof(word), 0)) > 0)
		m->fn(m->arg, span_make(word, (size_t) n));
}

int mesh_listen(struct mesh *m, struct event_base *base, unsigned int index, mesh_fn *fn, void *arg,
                struct err *err)
{
	m->index = index;
	m->fn = fn;
	m->arg = arg;
	m->event = event_new(base, m->ends[index][0], EV_READ | EV_PERSIST, on_word, m);
	if (!m->event || event_add(m->event, NULL) < 0)
		return err_set(err, POD_E_NOMEM, "sockets between workers");
	return 0;
}

/* One that is too busy to listen misses it: the old wait there ends at its time, then. */
void mesh_say(struct mesh *m, struct span word)
{
	for (unsigned int i = 0; i < m->n; i++)
		if (i != m->index)
			(void) send(m->ends[i][1], word.p, word.len, MSG_NOSIGNAL);
}

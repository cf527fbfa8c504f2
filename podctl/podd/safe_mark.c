#include "podctl/podd/safe_mark.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static uint64_t number(const json_t *object, const char *name)
{
	return (uint64_t) json_integer_value(json_object_get(object, name));
}

/* How far the last of the standbys is; false where one of them is nowhere in particular. */
static bool standbys_at(const json_t *status, uint64_t *ret_lsn)
{
	const json_t *peers = json_object_get(status, "peers"), *peer;
	uint64_t least = UINT64_MAX;
	size_t i;

	json_array_foreach(peers, i, peer)
	{
		if (!json_is_true(json_object_get(peer, "connected")) || number(peer, "dirty_bytes"))
			return false;
		if (number(peer, "durable_lsn") < least)
			least = number(peer, "durable_lsn");
	}
	*ret_lsn = least;
	return json_array_size(peers) > 0;
}

/* Where they are many, every second one goes, and only every second one comes: the mark then moves in larger steps. */
static void remember(struct safe_mark *m, int64_t asked_ms, uint64_t lsn)
{
	if (m->polls++ % m->every)
		return;
	if (m->n == SAFE_MARK_POINTS) {
		for (unsigned int i = 0; i < SAFE_MARK_POINTS / 2; i++)
			m->points[i] = m->points[2 * i];
		m->n = SAFE_MARK_POINTS / 2;
		m->every *= 2;
	}
	m->points[m->n].asked_ms = asked_ms;
	m->points[m->n++].durable_lsn = lsn;
}

/* The newest moment whose log the standbys have reached goes with all before it. */
static bool reach(struct safe_mark *m, uint64_t lsn)
{
	unsigned int reached = 0;

	while (reached < m->n && m->points[reached].durable_lsn <= lsn)
		reached++;
	if (!reached)
		return false;
	m->safe_ms = m->points[reached - 1].asked_ms;
	m->n -= reached;
	memmove(m->points, m->points + reached, m->n * sizeof(m->points[0]));
	return true;
}

bool safe_mark_take(struct safe_mark *m, const json_t *status, int64_t asked_ms, uint64_t token)
{
	uint64_t own = number(json_object_get(status, "cursors"), "durable"), lsn = 0;
	bool known = standbys_at(status, &lsn);

	if (m->token != token || !m->every)
		*m = (struct safe_mark){ .token = token, .every = 1 };
	if (known && lsn >= own) { /* they have all there is */
		*m = (struct safe_mark){ .token = token, .every = 1, .safe_ms = asked_ms };
		return true;
	}
	remember(m, asked_ms, own);
	return known && reach(m, lsn);
}

void safe_mark_publish(const struct safe_mark *m, const char *run_dir, const char *volume)
{
	char path[PATH_MAX], draft[PATH_MAX], text[64];
	_cleanup_(closep) int fd = -1;
	int len = snprintf(text, sizeof(text), "%" PRId64 " %" PRIu64 "\n", m->safe_ms, m->token);

	if ((size_t) snprintf(path, sizeof(path), "%s/safe-%s", run_dir, volume) >= sizeof(path) ||
	    (size_t) snprintf(draft, sizeof(draft), "%s/.safe-%s", run_dir, volume) >= sizeof(draft))
		return;
	fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd >= 0 && write(fd, text, (size_t) len) == len)
		(void) rename(draft, path);
}

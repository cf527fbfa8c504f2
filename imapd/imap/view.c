#include "imapd/imap/view.h"

#include <stdlib.h>

void imap_view_done(struct imap_view *v)
{
	free(v->runs);
	*v = (struct imap_view){ 0 };
}

static int reserve_runs(struct imap_view *v, size_t n)
{
	size_t cap = v->cap ? v->cap : 2;
	struct imap_run *runs;

	if (n <= v->cap)
		return 0;
	while (cap < n)
		cap *= 2;
	runs = reallocarray(v->runs, cap, sizeof(*runs));
	if (!runs)
		return -POD_E_NOMEM;
	v->runs = runs;
	v->cap = cap;
	return 0;
}

/* One above the last sequence number of run i. */
static uint32_t run_end(const struct imap_view *v, size_t i)
{
	return i + 1 < v->n ? v->runs[i + 1].seq : v->exists + 1;
}

int imap_view_append(struct imap_view *v, uint32_t first, uint32_t last)
{
	uint32_t known = imap_view_last_uid(v);

	if (first <= known)
		first = known + 1;
	if (first > last || last - first >= UINT32_MAX - v->exists)
		return 0;
	if (v->n == 0 || first != known + 1) {
		if (reserve_runs(v, v->n + 1) < 0)
			return -POD_E_NOMEM;
		v->runs[v->n++] = (struct imap_run){ v->exists + 1, first };
	}
	v->exists += last - first + 1;
	return 0;
}

/* The last run whose seq is not above seq; there must be one. */
static size_t run_of_seq(const struct imap_view *v, uint32_t seq)
{
	size_t low = 0, high = v->n;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (v->runs[mid].seq <= seq)
			low = mid;
		else
			high = mid;
	}
	return low;
}

uint32_t imap_view_uid(const struct imap_view *v, uint32_t seq)
{
	const struct imap_run *run;

	if (seq == 0 || seq > v->exists)
		return 0;
	run = &v->runs[run_of_seq(v, seq)];
	return run->uid + (seq - run->seq);
}

uint32_t imap_view_seq_from(const struct imap_view *v, uint32_t uid)
{
	size_t low = 0, high = v->n;
	const struct imap_run *run;
	uint32_t seq, end;

	if (v->n == 0 || uid <= v->runs[0].uid)
		return 1;
	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (v->runs[mid].uid <= uid)
			low = mid;
		else
			high = mid;
	}
	run = &v->runs[low];
	end = run_end(v, low);
	seq = uid - run->uid < end - run->seq ? run->seq + (uid - run->uid) : end;
	return seq;
}

uint32_t imap_view_seq(const struct imap_view *v, uint32_t uid)
{
	uint32_t seq = imap_view_seq_from(v, uid);

	return imap_view_uid(v, seq) == uid && uid != 0 ? seq : 0;
}

uint32_t imap_view_cursor_seq(const struct imap_view *v, struct imap_view_cursor *c, uint32_t uid)
{
	while (c->run < v->n) {
		const struct imap_run *run = &v->runs[c->run];

		if (uid < run->uid)
			return 0;
		if (uid - run->uid < run_end(v, c->run) - run->seq)
			return run->seq + (uid - run->uid);
		c->run++;
	}
	return 0;
}

int imap_view_remove(struct imap_view *v, uint32_t first, uint32_t last)
{
	uint32_t gone = last - first + 1;
	uint32_t uid_after = imap_view_uid(v, last + 1);
	size_t from, to;
	bool starts_run;

	if (first == 0 || first > last || last > v->exists)
		return 0;
	if (reserve_runs(v, v->n + 1) < 0)
		return -POD_E_NOMEM;
	from = run_of_seq(v, first);
	to = run_of_seq(v, last);
	/* What is left of the run that holds `last` becomes a run of its own, unless it ends there. */
	starts_run = last + 1 < run_end(v, to);
	if (v->runs[from].seq < first)
		from++; /* its head stays */
	to++;
	if (starts_run) {
		memmove(&v->runs[from + 1], &v->runs[to], (v->n - to) * sizeof(*v->runs));
		v->runs[from] = (struct imap_run){ last + 1, uid_after };
		v->n = from + 1 + (v->n - to);
	} else {
		memmove(&v->runs[from], &v->runs[to], (v->n - to) * sizeof(*v->runs));
		v->n = from + (v->n - to);
	}
	for (size_t i = from; i < v->n; i++)
		v->runs[i].seq -= gone;
	v->exists -= gone;
	return 0;
}

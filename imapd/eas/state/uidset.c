#include "imapd/eas/state/uidset.h"

#include "base/err.h"

#define NUMBER_MAX 10 /* bytes of one */

void eas_uidset_init(struct eas_uidset *s, struct arena *a)
{
	*s = (struct eas_uidset){ .a = a };
}

static bool reserve(struct eas_uidset *s, size_t n)
{
	size_t cap = s->cap ? s->cap : 16;
	struct eas_run *grown;

	if (s->failed || n <= s->cap)
		return !s->failed;
	while (cap < n)
		cap *= 2;
	grown = arena_grow(s->a, s->r, s->n, cap, sizeof(*grown));
	if (!grown) {
		s->failed = true;
		return false;
	}
	s->r = grown;
	s->cap = cap;
	return true;
}

void eas_uidset_copy(struct eas_uidset *to, const struct eas_uidset *from)
{
	to->n = 0;
	to->failed |= from->failed;
	if (!reserve(to, from->n) || from->n == 0)
		return;
	memcpy(to->r, from->r, from->n * sizeof(*from->r));
	to->n = from->n;
}

size_t eas_uidset_find(const struct eas_uidset *s, uint32_t uid)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->r[mid].last < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool eas_uidset_get(const struct eas_uidset *s, uint32_t uid, uint32_t *ret_token)
{
	size_t i = eas_uidset_find(s, uid);

	if (i == s->n || s->r[i].first > uid)
		return false;
	if (ret_token)
		*ret_token = s->r[i].token;
	return true;
}

uint64_t eas_uidset_count(const struct eas_uidset *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += (uint64_t) s->r[i].last - s->r[i].first + 1;
	return n;
}

/* ---- changing ---- */

/* In place of the runs from i to j (without it), these. */
static void replace(struct eas_uidset *s, size_t i, size_t j, const struct eas_run *with, size_t n)
{
	size_t after = s->n - j;

	if (!reserve(s, i + n + after))
		return;
	if (after)
		memmove(&s->r[i + n], &s->r[j], after * sizeof(*s->r));
	for (size_t k = 0; k < n; k++)
		s->r[i + k] = with[k];
	s->n = i + n + after;
}

/* What is left of the runs from i to j when first to last is taken out: at most two. */
static size_t remains(const struct eas_uidset *s, size_t i, size_t j, uint32_t first, uint32_t last,
                      struct eas_run *ret)
{
	size_t n = 0;

	if (i < j && s->r[i].first < first)
		ret[n++] = (struct eas_run){ s->r[i].first, first - 1, s->r[i].token };
	if (i < j && s->r[j - 1].last > last)
		ret[n++] = (struct eas_run){ last + 1, s->r[j - 1].last, s->r[j - 1].token };
	return n;
}

/* The first run that begins behind uid. */
static size_t find_behind(const struct eas_uidset *s, size_t from, uint32_t uid)
{
	size_t lo = from, hi = s->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->r[mid].first <= uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void eas_uidset_remove(struct eas_uidset *s, uint32_t first, uint32_t last)
{
	size_t i = eas_uidset_find(s, first), j = find_behind(s, i, last);
	struct eas_run left[2];

	if (i < j)
		replace(s, i, j, left, remains(s, i, j, first, last, left));
}

static bool joins(const struct eas_run *a, const struct eas_run *b)
{
	return a->token == b->token && a->last != UINT32_MAX && a->last + 1 == b->first;
}

/* The run at i and the one behind it become one where they can. */
static void join(struct eas_uidset *s, size_t i)
{
	if (i + 1 >= s->n || !joins(&s->r[i], &s->r[i + 1]))
		return;
	s->r[i].last = s->r[i + 1].last;
	replace(s, i + 1, i + 2, NULL, 0);
}

void eas_uidset_put(struct eas_uidset *s, uint32_t first, uint32_t last, uint32_t token)
{
	size_t i = eas_uidset_find(s, first), j = find_behind(s, i, last), n = 0;
	struct eas_run with[3], left[2];
	size_t left_n = remains(s, i, j, first, last, left);

	if (left_n && left[0].last < first)
		with[n++] = left[0];
	with[n++] = (struct eas_run){ first, last, token };
	if (left_n && left[left_n - 1].first > last)
		with[n++] = left[left_n - 1];
	replace(s, i, j, with, n);
	if (s->failed)
		return;
	for (size_t k = i + n; k > i; k--)
		join(s, k - 1);
	if (i)
		join(s, i - 1);
}

/* ---- comparing ---- */

static void add_run(struct eas_uidset *out, uint32_t first, uint32_t last, uint32_t token)
{
	const struct eas_run run = { first, last, token };

	if (out->n && joins(&out->r[out->n - 1], &run))
		out->r[out->n - 1].last = last;
	else
		replace(out, out->n, out->n, &run, 1);
}

/* What of run is not in b, from b's run at *at on. */
static void subtract_run(struct eas_run run, const struct eas_uidset *b, size_t *at, enum eas_compare how,
                         struct eas_uidset *out)
{
	while (*at < b->n && b->r[*at].last < run.first)
		++*at;
	for (size_t i = *at; i < b->n && b->r[i].first <= run.last; i++) {
		uint32_t from = b->r[i].first > run.first ? b->r[i].first : run.first;
		uint32_t to = b->r[i].last < run.last ? b->r[i].last : run.last;

		if (from > run.first)
			add_run(out, run.first, from - 1, run.token);
		if (how == EAS_COMPARE_TOKENS && b->r[i].token != run.token)
			add_run(out, from, to, run.token);
		if (to == run.last)
			return;
		run.first = to + 1;
	}
	add_run(out, run.first, run.last, run.token);
}

void eas_uidset_subtract(const struct eas_uidset *a, const struct eas_uidset *b, enum eas_compare how,
                         struct eas_uidset *out)
{
	size_t at = 0;

	for (size_t i = 0; i < a->n; i++)
		subtract_run(a->r[i], b, &at, how, out);
}

/* ---- bytes ---- */

static size_t write_number(uint8_t *to, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		to[n++] = (uint8_t) (v | 0x80);
	to[n++] = (uint8_t) v;
	return n;
}

void eas_put_number(struct buf *out, uint64_t v)
{
	uint8_t *to = buf_reserve(out, NUMBER_MAX);

	if (to)
		out->len += write_number(to, v);
}

int eas_take_number(struct span *in, uint64_t *ret)
{
	uint64_t v = 0;

	if (in->len && in->p[0] < 0x80) { /* most are small */
		*ret = in->p[0];
		*in = span_skip(*in, 1);
		return 0;
	}
	for (size_t i = 0; i < in->len && i < NUMBER_MAX; i++) {
		uint64_t bits = in->p[i] & 0x7f;

		if (i == 9 && bits > 1)
			return -POD_E_CORRUPT;
		v |= bits << 7 * i;
		if (in->p[i] & 0x80)
			continue;
		if (i && bits == 0)
			return -POD_E_CORRUPT;
		*in = span_skip(*in, i + 1);
		*ret = v;
		return 0;
	}
	return -POD_E_CORRUPT;
}

/*
 * The number of runs, then for each its distance from the end of the one before, twice, plus one where its
 * token is another than that one's; its length less one; its token where it is another.
 */
void eas_uidset_encode(const struct eas_uidset *s, struct buf *out)
{
	uint64_t end = 0;
	uint32_t token = 0;

	eas_put_number(out, s->n);
	for (size_t i = 0; i < s->n; i++) {
		const struct eas_run *r = &s->r[i];
		bool other = r->token != token;

		eas_put_number(out, (r->first - end) << 1 | other);
		eas_put_number(out, r->last - r->first);
		if (other)
			eas_put_number(out, r->token);
		end = r->last;
		token = r->token;
	}
	if (s->failed)
		out->failed = true;
}

static int take_run(struct span *in, uint64_t end, uint32_t token, struct eas_run *ret)
{
	uint64_t distance, length, t = token;
	int r = eas_take_number(in, &distance);

	if (r == 0)
		r = eas_take_number(in, &length);
	if (r == 0 && distance & 1)
		r = eas_take_number(in, &t);
	if (r < 0 || t > UINT32_MAX || (distance & 1 && t == token) || distance >> 1 == 0 ||
	    (distance >> 1) > UINT32_MAX - end || length > UINT32_MAX - end - (distance >> 1))
		return -POD_E_CORRUPT;
	*ret = (struct eas_run){ (uint32_t) (end + (distance >> 1)),
		                 (uint32_t) (end + (distance >> 1) + length), (uint32_t) t };
	return 0;
}

int eas_uidset_decode(struct span *in, struct eas_uidset *ret)
{
	uint64_t n = 0, end = 0;
	uint32_t token = 0;
	int r = eas_take_number(in, &n);

	ret->n = 0;
	/* A run has two bytes at least: a number that lies takes no memory. */
	if (r < 0 || n > in->len / 2)
		return -POD_E_CORRUPT;
	if (!reserve(ret, n))
		return -POD_E_NOMEM;
	for (uint64_t i = 0; i < n; i++) {
		struct eas_run run;

		r = take_run(in, end, token, &run);
		if (r < 0 || (i && joins(&ret->r[i - 1], &run)))
			return -POD_E_CORRUPT;
		ret->r[ret->n++] = run;
		end = run.last;
		token = run.token;
	}
	return 0;
}

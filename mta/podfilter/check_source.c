/* X-Podmail-Source (source.h): ours is added, others' are removed. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "mta/podfilter/checks.h"
#include "mta/podfilter/filter_internal.h"
#include "mta/podfilter/source.h"

struct foreign {
	unsigned int n;
};

static void source_header(struct message *m, const struct header *h)
{
	size_t self = check_self(&check_source);
	struct foreign *f = m->of_check[self];

	if (!span_eq_nocase(h->name, SPAN_LIT(SOURCE_FIELD)))
		return;
	if (!f)
		m->of_check[self] = f = arena_new(m->arena, struct foreign);
	if (f)
		f->n++;
}

static void source_edit(struct message *m)
{
	const struct foreign *f = m->of_check[check_self(&check_source)];
	_cleanup_buf_ struct buf value = { .limit = 1500 };

	for (unsigned int n = f ? f->n : 0; n > 0; n--)
		message_delete_header(m, SOURCE_FIELD, n);
	if (m->session->direction != DIRECTION_IN || !m->session->client_text[0])
		return;
	source_write(m->session, &m->auth, clock_wall_s(), m->session->filter->source_key, &value);
	message_insert_header(m, 1, SOURCE_FIELD, buf_str(&value));
}

const struct check check_source = {
	.name = "source",
	.directions = CHECK_ALL,
	.header = source_header,
	.edit = source_edit,
};

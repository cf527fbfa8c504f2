#include "mta/milter/set.h"

#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define ARENA_MAX (1u << 20)

struct milter_idle {
	LIST_ENTRY(milter_idle) link;
	struct milter_filter *filter;
	struct milter_line line;
	struct event expiry;
};

/* ---- connections that wait ---- */

static void idle_free(struct milter_idle *i)
{
	LIST_REMOVE(i, link);
	i->filter->n_idle--;
	(void) event_del(&i->expiry);
	free(i);
}

static void idle_close(struct milter_idle *i, struct span last)
{
	(void) milter_link_close(i->line.link, last);
	(void) arena_free(i->line.arena);
	idle_free(i);
}

static void quit(struct milter_idle *i)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	milter_talk_quit(&b);
	idle_close(i, buf_span(&b));
}

static void on_expired(evutil_socket_t fd, short what, void *arg)
{
	quit(arg);
}

static void on_nothing(void *owner)
{
}

/* Nothing was asked: it does not keep to the protocol. */
static void on_idle_packet(void *owner, const struct milter_packet *p)
{
	idle_close(owner, SPAN_NONE);
}

static void on_idle_lost(void *owner, const char *why)
{
	idle_close(owner, SPAN_NONE);
}

static const struct milter_link_ops idle_ops = { on_nothing, on_idle_packet, on_nothing, on_idle_lost };

bool milter_filter_take(struct milter_filter *f, const struct milter_link_ops *ops, void *owner,
                        struct milter_line *ret_line)
{
	struct milter_idle *i = LIST_FIRST(&f->idle);

	if (!i)
		return false;
	*ret_line = i->line;
	milter_link_give(i->line.link, ops, owner);
	idle_free(i);
	return true;
}

void milter_filter_keep(struct milter_filter *f, const struct milter_line *line)
{
	struct timeval tv = { MILTER_IDLE_MS / 1000, 0 };
	struct milter_idle *i = f->n_idle < MILTER_IDLE_MAX ? calloc(1, sizeof(*i)) : NULL;

	if (!i) {
		(void) milter_link_close(line->link, SPAN_NONE);
		(void) arena_free(line->arena);
		return;
	}
	i->filter = f;
	i->line = *line;
	(void) evtimer_assign(&i->expiry, f->set->base, on_expired, i);
	LIST_INSERT_HEAD(&f->idle, i, link);
	f->n_idle++;
	milter_link_expect(line->link, 0);
	milter_link_give(line->link, &idle_ops, i);
	if (event_add(&i->expiry, &tv) < 0)
		quit(i);
}

/* ---- the set ---- */

static int filter_init(struct milter_set *set, struct milter_filter *f, const struct conf_milter *conf,
                       const struct milter_counted *counted, struct err *err)
{
	*f = (struct milter_filter){ .set = set,
		                     .conf = *conf,
		                     .counters = milter_counted_find(counted, conf->name) };
	f->conf.name = arena_str(set->arena, span_of(conf->name));
	f->conf.socket = arena_str(set->arena, span_of(conf->socket));
	LIST_INIT(&f->idle);
	if (!f->conf.name || !f->conf.socket)
		return err_set(err, POD_E_NOMEM, "no memory for milters");
	return milter_address_parse(span_of(conf->socket), &f->address, err);
}

static int fill(struct milter_set *set, const struct milter_set_options *o, struct err *err)
{
	const struct conf_milter *confs = o->milters->items;
	int r = 0;

	set->arena = arena_create(ARENA_MAX);
	set->filters = set->arena ? arena_array(set->arena, o->milters->n, sizeof(*set->filters)) : NULL;
	set->tmp_dir = set->filters ? arena_str(set->arena, span_of(o->tmp_dir)) : NULL;
	set->memory_per_message = o->memory_per_message;
	if (!set->tmp_dir)
		return err_set(err, POD_E_NOMEM, "no memory for milters");
	for (; r == 0 && set->n < o->milters->n; set->n++)
		r = filter_init(set, &set->filters[set->n], &confs[set->n], o->counted, err);
	return r;
}

size_t milter_set_size(const struct milter_set *set)
{
	return set ? set->n : 0;
}

const struct conf_milter *milter_set_at(const struct milter_set *set, size_t i, size_t *ret_idle)
{
	if (ret_idle)
		*ret_idle = set->filters[i].n_idle;
	return &set->filters[i].conf;
}

int milter_set_create(struct event_base *base, const struct milter_set_options *o,
                      struct milter_set **ret_set, struct err *err)
{
	struct milter_set *set = NULL;
	int r;

	if (o->milters->n) {
		set = calloc(1, sizeof(*set));
		if (!set)
			return err_set(err, POD_E_NOMEM, "no memory for milters");
		set->base = base;
		set->refs = 1;
		r = fill(set, o, err);
		if (r < 0) {
			(void) milter_set_unref(set);
			return r;
		}
	}
	*ret_set = set;
	return 0;
}

struct milter_set *milter_set_ref(struct milter_set *set)
{
	set->refs++;
	return set;
}

struct milter_set *milter_set_unref(struct milter_set *set)
{
	if (!set || --set->refs)
		return NULL;
	for (size_t i = 0; i < set->n; i++)
		while (!LIST_EMPTY(&set->filters[i].idle))
			quit(LIST_FIRST(&set->filters[i].idle));
	(void) arena_free(set->arena);
	free(set);
	return NULL;
}

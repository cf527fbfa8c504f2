#include "mta/milter/probe.h"

#include <stdlib.h>

#include "base/clock.h"
#include "mta/milter/link.h"
#include "mta/milter/talk.h"

#define ARENA_MAX (64u << 10)

struct milter_probe {
	struct milter_link *link;
	struct arena *arena; /* of the terms */
	struct milter_talk talk;
	unsigned int protocol, timeout_ms;
	uint64_t started_us, open_us;
	milter_probe_fn *fn;
	void *arg;
};

static void finish(struct milter_probe *p, const struct milter_probed *result)
{
	_cleanup_buf_ struct buf quit = BUF_INIT;

	if (result->fine)
		milter_talk_quit(&quit);
	p->link = milter_link_close(p->link, buf_span(&quit));
	p->fn(p->arg, result);
	(void) milter_probe_cancel(p);
}

static void fail(struct milter_probe *p, const char *why)
{
	finish(p, &(struct milter_probed){ .why = why });
}

static void probe_on_open(void *arg)
{
	struct milter_probe *p = arg;
	_cleanup_buf_ struct buf out = BUF_INIT;

	p->open_us = clock_mono_us();
	milter_talk_open(&p->talk, &out, p->protocol);
	milter_link_send(p->link, buf_span(&out));
	milter_link_expect(p->link, p->timeout_ms);
}

static void probe_on_packet(void *arg, const struct milter_packet *packet)
{
	struct milter_probe *p = arg;
	struct milter_answer answer;
	struct err err = { 0 };
	const struct milter_probed fine = { .fine = true,
		                            .terms = &p->talk.terms,
		                            .connect_us = p->open_us - p->started_us,
		                            .answer_us = clock_mono_us() - p->open_us };

	if (milter_talk_take(&p->talk, p->arena, p->protocol, packet, &answer, &err) < 0)
		fail(p, err_text(&err));
	else
		finish(p, &fine);
}

static void probe_on_room(void *arg)
{
}

static void probe_on_lost(void *arg, const char *why)
{
	fail(arg, why);
}

static unsigned int shorter(uint64_t ms, unsigned int limit_ms)
{
	return ms < limit_ms ? (unsigned int) ms : limit_ms;
}

int milter_probe_start(struct event_base *base, const struct conf_milter *milter, unsigned int timeout_ms,
                       milter_probe_fn *fn, void *arg, struct milter_probe **ret_probe, struct err *err)
{
	static const struct milter_link_ops ops = { probe_on_open, probe_on_packet, probe_on_room,
		                                    probe_on_lost };
	const struct milter_limits limits = { .connect_ms = shorter(milter->connect_timeout_ms, timeout_ms),
		                              .send_ms = shorter(milter->send_timeout_ms, timeout_ms) };
	struct milter_probe *p = calloc(1, sizeof(*p));
	struct milter_address address;
	int r = milter_address_parse(span_of(milter->socket), &address, err);

	if (p)
		*p = (struct milter_probe){ .arena = arena_create(ARENA_MAX),
			                    .protocol = milter->protocol,
			                    .timeout_ms = shorter(milter->timeout_ms, timeout_ms),
			                    .started_us = clock_mono_us(),
			                    .fn = fn,
			                    .arg = arg };
	if (r == 0 && (!p || !p->arena))
		r = err_set(err, POD_E_NOMEM, "asking a milter");
	if (r == 0) {
		milter_talk_reset(&p->talk);
		p->link = milter_link_open(base, &address, &limits, &ops, p, err);
		r = p->link ? 0 : -POD_E_UNAVAILABLE;
	}
	if (r < 0)
		(void) milter_probe_cancel(p);
	else
		*ret_probe = p;
	return r;
}

struct milter_probe *milter_probe_cancel(struct milter_probe *p)
{
	if (!p)
		return NULL;
	(void) milter_link_close(p->link, SPAN_NONE);
	(void) arena_free(p->arena);
	free(p);
	return NULL;
}

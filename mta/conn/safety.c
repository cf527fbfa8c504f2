/* A message that a volume has taken, and whose standby may not have it yet: into the safety net before the 250. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mta/conn/internal.h"

#define LOOKUP_ARENA (64u << 10)

struct safetynet_watch smtp_safety_watch(struct worker *w, const char *volume)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(LOOKUP_ARENA);

	return w->conf->mta.safetynet ? safetynet_watch(w->dir, a, volume) : (struct safetynet_watch){ 0, false };
}

static bool wanted(const struct handover_part *p)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(LOOKUP_ARENA);

	return safetynet_wants(&p->safety, p->c->w->dir, a, p->volume.volume);
}

/* The message as the queue would take it over, for the recipients that this volume has now. */
static int pack_part(struct smtp_conn *c, const struct plan_volume *v, struct span *ret_envelope)
{
	struct handover *h = c->handover;
	enum plan_rest *rests = h->rests, *part = arena_array(h->mail->arena, h->plan.n, sizeof(*part));
	Queue__Submission *s;
	uint8_t *packed;
	size_t n = 0;
	int r;

	if (!part)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < v->n_mailboxes; i++)
		if (h->plan.links[v->link_of[i]].verdict == DELIVER_DONE) {
			part[v->link_of[i]] = PLAN_QUEUE;
			n++;
		}
	if (!n)
		return 0;
	h->rests = part;
	r = smtp_submission_make(c, h->mail, h->mail->arena, &s);
	h->rests = rests;
	if (r < 0)
		return r;
	ret_envelope->len = queue__submission__get_packed_size(s);
	packed = arena_alloc(h->mail->arena, ret_envelope->len);
	if (!packed)
		return -POD_E_NOMEM;
	(void) queue__submission__pack(s, packed);
	ret_envelope->p = packed;
	return 0;
}

void smtp_safety_keep(struct smtp_conn *c, const struct handover_part *p)
{
	struct safetynet_message m = { .volume = p->volume.volume, .id = c->handover->id, .token = p->safety.token,
		                       .acked_ms = clock_wall_ms(), .fd = -1, .size = c->handover->size };
	struct err err = { 0 };
	int r;

	if (!wanted(p))
		return;
	r = pack_part(c, &p->volume, &m.envelope);
	if (r == 0 && m.envelope.len)
		r = spool_bytes(c->spool, &m.bytes, &err);
	if (r == 0 && m.envelope.len)
		r = safetynet_keep(c->w->conf->mta.queue_dir, &m, &err);
	/* The volume has it durably, as its mode promises: what fails here does not fail the message. */
	if (r < 0)
		log_event(&c->mail_log, LOGL_ERROR, "safetynet.failed", F_STR("volume", p->volume.volume), F_STR("text", err.text), F_CODE(r));
}

/*
 * What a milter sends: packets cut out of bytes, taken by a conversation that is at a stage the first byte
 * chooses, with all actions agreed or none; and a header that comes in pieces, changed by what was
 * understood.
 */
#include <stdlib.h>

#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>

#include "base/cleanup.h"
#include "mta/milter/message.h"
#include "mta/milter/talk.h"

static void change(struct milter_message *m, const struct milter_edit *e)
{
	if (e->kind == MILTER_ADD_HEADER)
		(void) milter_message_insert(m, SIZE_MAX, e->name, e->value, false);
	else if (e->kind == MILTER_INSERT_HEADER)
		(void) milter_message_insert(m, e->index, e->name, e->value, true);
	else if (e->kind == MILTER_CHANGE_HEADER)
		(void) milter_message_change(m, e->name, e->index, e->value, false);
}

static void converse(struct arena *a, struct milter_talk *t, struct span in, struct milter_message *m)
{
	struct milter_packet p;
	struct milter_answer answer;
	size_t used;

	while (milter_packet_take(in, &p, &used) == 1) {
		if (milter_talk_take(t, a, MILTER_PROTOCOL_MAX, &p, &answer, NULL) < 0)
			return;
		if (answer.heard == MILTER_HEARD_EDIT)
			change(m, &answer.edit);
		t->waiting = true;
		in = span_skip(in, used);
	}
}

static void read_header(struct milter_message *m, struct spool *spool, struct span bytes, size_t piece)
{
	while (bytes.len) {
		struct span part = span_head(bytes, piece);

		if (spool_add(spool, part, NULL) < 0 || milter_message_add(m, part, false) < 0)
			return;
		bytes = span_skip(bytes, piece);
	}
	(void) milter_message_end(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1u << 20);
	struct spool *spool = spool_create(1u << 20, "/tmp");
	struct milter_message m = { 0 };
	struct milter_talk t = { 0 };
	struct span in = span_make(data, len), header;
	bool changed;

	if (len > 2 && a && spool && milter_message_init(&m, spool) == 0) {
		header = span_split(span_skip(in, 2), '\xff', &in);
		read_header(&m, spool, header, 1 + data[1] % 16);
		t.waiting = true;
		t.negotiated = data[0] & 0x80;
		t.stage = data[0] % MILTER_STAGES;
		t.terms = (struct milter_terms){ .version = 6,
			                         .actions = data[0] & 0x40 ? SMFI_CURR_ACTS : 0,
			                         .steps = data[0] & 0x20 ? SMFIP_SKIP : 0 };
		converse(a, &t, in, &m);
		changed = m.header_changed;
		if (milter_message_settle(&m, NULL) < 0 && !changed)
			abort();
	}
	milter_message_done(&m);
	(void) spool_free(spool);
	return 0;
}

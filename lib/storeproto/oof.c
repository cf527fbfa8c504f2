#include "storeproto/oof.h"

static void *take(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void give_back(void *arena, void *p)
{
}

ProtobufCAllocator oof_allocator(struct arena *a)
{
	return (ProtobufCAllocator){ .alloc = take, .free = give_back, .allocator_data = a };
}

const Podstore__OofText *oof_text(const Podstore__Oof *o, enum oof_audience who)
{
	const Podstore__OofText *const texts[OOF_AUDIENCES] = { [OOF_INTERNAL] = o->internal,
		                                                [OOF_EXTERNAL_KNOWN] = o->external_known,
		                                                [OOF_EXTERNAL] = o->external };

	return texts[who];
}

bool oof_is_on(const Podstore__Oof *o, int64_t now_s)
{
	return o->when == OOF_ON || (o->when == OOF_TIMED && o->from_s <= now_s && now_s < o->until_s);
}

static int check_text(const Podstore__OofText *t, struct err *err)
{
	struct span text;

	if (!t)
		return 0;
	text = span_of(t->text);
	if (text.len > OOF_TEXT_MAX)
		return err_set(err, POD_E_LIMIT, "an answer has at most %u bytes", OOF_TEXT_MAX);
	return 0;
}

int oof_check(const Podstore__Oof *o, struct err *err)
{
	int r = 0;

	if (o->when > OOF_TIMED)
		return err_set(err, POD_E_SYNTAX, "answers are off, on, or on for a time");
	if (o->when == OOF_TIMED && (!o->from_s || o->from_s >= o->until_s))
		return err_set(err, POD_E_SYNTAX, "a time begins before it ends");
	for (int i = 0; r == 0 && i < OOF_AUDIENCES; i++)
		r = check_text(oof_text(o, (enum oof_audience) i), err);
	return r;
}

int oof_unpack(struct arena *a, struct span value, Podstore__Oof **ret, struct err *err)
{
	ProtobufCAllocator al = oof_allocator(a);
	Podstore__Oof *o = podstore__oof__unpack(&al, value.len, value.p ? value.p : (const uint8_t *) "");

	if (!o)
		return err_set(err, POD_E_CORRUPT, "settings of answers cannot be read");
	*ret = o;
	return 0;
}

int oof_pack(struct arena *a, const Podstore__Oof *o, struct span *ret_value)
{
	size_t len = podstore__oof__get_packed_size(o);
	uint8_t *p = arena_alloc(a, len + 1);

	if (!p)
		return -POD_E_NOMEM;
	*ret_value = span_make(p, podstore__oof__pack(o, p));
	return 0;
}

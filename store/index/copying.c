#include "store/index/copying.h"

#include "store/index/mailbox.h"
#include "store/index/place.h"
#include "store/index/ranges.h"

int copying_check_quota(const struct user_state *u, const struct picks *p, struct err *err)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < p->n; i++)
		bytes += p->items[i].r.size;
	return p->n ? message_check_quota(u, bytes, err) : 0;
}

/* The bits of the source's keywords in the target, for those that the picked messages have. */
struct keyword_map {
	uint32_t bit[STORE_KEYWORDS_MAX];
};

static int map_keywords(struct batch *b, const struct mailbox_state *source, struct mailbox_state *target,
                        const struct picks *p, struct keyword_map *map, struct err *err)
{
	struct span used[STORE_KEYWORDS_MAX];
	uint32_t flags = 0, all = 0;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < p->n; i++)
		flags |= p->items[i].r.flags;
	for (size_t i = 0; i < source->info.keywords_n; i++)
		if (flags & 1u << (STORE_KEYWORD_SHIFT + i))
			used[n++] = span_of(source->info.keywords[i]);
	/* All at once: one writing of the target's file, and a limit is told before anything is done. */
	r = mailbox_keywords(b, target, used, n, true, &all, err);
	for (size_t i = 0; r == 0 && i < source->info.keywords_n; i++) {
		const struct span name = span_of(source->info.keywords[i]);

		r = mailbox_keywords(b, target, &name, 1, false, &map->bit[i], err);
	}
	return r;
}

static uint32_t map_flags(const struct keyword_map *map, uint32_t flags)
{
	uint32_t mapped = flags & STORE_FLAGS_SYSTEM;

	for (unsigned int i = 0; i < STORE_KEYWORDS_MAX; i++)
		if (flags & 1u << (STORE_KEYWORD_SHIFT + i))
			mapped |= map->bit[i];
	return mapped;
}

static struct record copy_of(const struct batch *b, const struct keyword_map *map, const struct record *r)
{
	struct record copy = *r;

	copy.flags = map_flags(map, r->flags);
	copy.save_date = b->now;
	return copy;
}

static int link_all(struct batch *b, const struct mailbox_state *source, const struct mailbox_state *target,
                    const struct keyword_map *map, const struct picks *p, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->n; i++) {
		const struct record copy = copy_of(b, map, &p->items[i].r);
		const struct place_name to = place_name_of(target->id, target->counts.uidnext + (uint32_t) i, &copy);
		const struct place_name from = place_name_of(source->id, p->items[i].uid, &p->items[i].r);

		r = message_link_copy(b, &to, source, &from, err);
	}
	return r;
}

static int add_all(struct batch *b, struct user_state *u, const struct mailbox_state *source,
                   struct mailbox_state *target, const struct keyword_map *map, const struct picks *p,
                   struct ranges_builder *from, struct ranges_builder *to, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->n; i++) {
		const struct record copy = copy_of(b, map, &p->items[i].r);
		uint32_t uid = target->counts.uidnext;
		struct message_summary s;

		r = message_get_summary(b, source->id, p->items[i].uid, &s, err);
		if (r == 0)
			r = message_add(b, u, target, &copy, &s, err);
		if (r == 0)
			r = ranges_add(from, p->items[i].uid, p->items[i].uid);
		if (r == 0)
			r = ranges_add(to, uid, uid);
	}
	return batch_wrote(b, r, err);
}

int copying_all(struct batch *b, struct user_state *u, struct mailbox_state *source, struct mailbox_state *target,
                const struct picks *p, struct arena *a, struct uid_ranges *ret_source, struct uid_ranges *ret_dest,
                struct err *err)
{
	struct ranges_builder from = { .a = a }, to = { .a = a };
	struct staged *mark = b->staged;
	struct keyword_map map = { 0 };
	int r;

	if (p->n == 0) {
		*ret_source = *ret_dest = (struct uid_ranges){ 0 };
		return 0;
	}
	r = p->n > UINT32_MAX / 2 ? err_set(err, POD_E_LIMIT, "too many messages") :
	                            message_reserve_uids(b, target, (uint32_t) p->n, err);
	if (r == 0)
		r = map_keywords(b, source, target, p, &map, err);
	if (r == 0)
		r = link_all(b, source, target, &map, p, err);
	if (r < 0) {
		batch_unstage(b, mark);
		return r;
	}
	r = add_all(b, u, source, target, &map, p, &from, &to, err);
	if (r < 0)
		return r;
	*ret_source = from.list;
	*ret_dest = to.list;
	return 0;
}

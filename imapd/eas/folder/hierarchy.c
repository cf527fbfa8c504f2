#include "imapd/eas/folder/hierarchy.h"

#include "base/id.h"
#include "imapd/eas/folder/hierarchy.pb-c.h"

/* ---- keys and generations ---- */

enum hierarchy_key hierarchy_judge(const struct hierarchy *h, struct span text)
{
	struct eas_sync_key key;

	if (eas_sync_key_parse(text, &key) < 0)
		return HIERARCHY_KEY_BAD;
	if (key.number == 0)
		return HIERARCHY_KEY_ZERO;
	if (key.epoch != h->epoch || h->now.number == 0)
		return HIERARCHY_KEY_BAD;
	if (key.number == h->now.number)
		return HIERARCHY_KEY_NOW;
	return key.number == h->before.number ? HIERARCHY_KEY_BEFORE : HIERARCHY_KEY_BAD;
}

const struct eas_tree *hierarchy_base(const struct hierarchy *h, enum hierarchy_key key)
{
	static const struct eas_tree nothing;

	switch (key) {
	case HIERARCHY_KEY_NOW: return &h->now.tree;
	case HIERARCHY_KEY_BEFORE: return &h->before.tree;
	case HIERARCHY_KEY_ZERO:
	case HIERARCHY_KEY_BAD: break;
	}
	return &nothing;
}

void hierarchy_step(struct hierarchy *h, enum hierarchy_key key, const struct eas_tree *next)
{
	uint64_t number = h->now.number + 1;

	if (key == HIERARCHY_KEY_ZERO) {
		random_bytes(&h->epoch, sizeof(h->epoch));
		h->before = (struct hierarchy_generation){ 0 };
		number = 1;
	} else if (key == HIERARCHY_KEY_NOW) {
		h->before = h->now;
	}
	h->now = (struct hierarchy_generation){ number, *next };
}

static size_t add_missing(const char **ids, size_t n, const struct eas_tree *from,
                          const struct eas_tree *known, const struct eas_tree *store)
{
	for (size_t i = 0; i < from->n; i++) {
		struct span id = span_of(from->folders[i].id);

		if (!eas_tree_find(known, id) && !eas_tree_find(store, id))
			ids[n++] = from->folders[i].id;
	}
	return n;
}

const char **hierarchy_let_go(struct arena *a, const struct hierarchy *h, enum hierarchy_key key,
                              const struct eas_tree *store, size_t *ret_n)
{
	static const struct eas_tree nothing;
	const char **ids = arena_array(a, h->before.tree.n + h->now.tree.n + 1, sizeof(*ids));
	size_t n = 0;

	if (ids && (key == HIERARCHY_KEY_NOW || key == HIERARCHY_KEY_ZERO))
		n = add_missing(ids, n, &h->before.tree, &h->now.tree, store);
	if (ids && key == HIERARCHY_KEY_ZERO)
		n = add_missing(ids, n, &h->now.tree, &nothing, store);
	*ret_n = n;
	return ids;
}

void hierarchy_key(const struct hierarchy *h, char text[EAS_SYNC_KEY_SIZE])
{
	struct eas_sync_key key = { h->epoch, h->now.number };

	eas_sync_key_format(&key, text);
}

/* ---- bytes ---- */

static void *alloc_in(void *a, size_t size)
{
	return arena_alloc(a, size);
}

static void free_in(void *a, void *p)
{
	/* It goes with the arena. */
}

static int decode_generation(struct arena *a, const Eas__FolderGeneration *m,
                             struct hierarchy_generation *ret)
{
	if (!m)
		return 0;
	ret->number = m->number;
	ret->tree.n = m->n_folders;
	ret->tree.folders = arena_array(a, m->n_folders + 1, sizeof(struct eas_folder));
	for (size_t i = 0; ret->tree.folders && i < m->n_folders; i++)
		ret->tree.folders[i] = (struct eas_folder){ .id = m->folders[i]->id,
			                                    .parent = m->folders[i]->parent,
			                                    .name = m->folders[i]->name,
			                                    .type = m->folders[i]->type };
	return ret->tree.folders ? 0 : -POD_E_NOMEM;
}

int hierarchy_decode(struct arena *a, struct span bytes, struct hierarchy *ret_h)
{
	ProtobufCAllocator in_arena = { alloc_in, free_in, a };
	Eas__Hierarchy *m = eas__hierarchy__unpack(&in_arena, bytes.len, bytes.p);
	struct hierarchy h = { 0 };
	int r;

	if (!m)
		return -POD_E_CORRUPT;
	h.epoch = m->epoch;
	r = decode_generation(a, m->now, &h.now);
	if (r == 0)
		r = decode_generation(a, m->before, &h.before);
	if (r == 0)
		*ret_h = h;
	return r;
}

static char *unconst(const char *s)
{
	return (char *) (uintptr_t) s;
}

static Eas__FolderGeneration *encode_generation(struct arena *a, const struct hierarchy_generation *g)
{
	Eas__FolderGeneration *m = arena_new(a, Eas__FolderGeneration);
	Eas__Folder *folders = arena_array(a, g->tree.n + 1, sizeof(*folders));

	if (!m || !folders)
		return NULL;
	eas__folder_generation__init(m);
	m->number = g->number;
	m->folders = arena_array(a, g->tree.n + 1, sizeof(*m->folders));
	for (size_t i = 0; m->folders && i < g->tree.n; i++) {
		const struct eas_folder *f = &g->tree.folders[i];

		eas__folder__init(&folders[i]);
		folders[i].id = unconst(f->id);
		folders[i].parent = unconst(f->parent);
		folders[i].name = unconst(f->name);
		folders[i].type = f->type;
		m->folders[m->n_folders++] = &folders[i];
	}
	return m->folders ? m : NULL;
}

struct span hierarchy_encode(struct arena *a, const struct hierarchy *h)
{
	Eas__Hierarchy m = EAS__HIERARCHY__INIT;
	uint8_t *bytes;
	size_t len;

	m.epoch = h->epoch;
	m.now = encode_generation(a, &h->now);
	m.before = h->before.number ? encode_generation(a, &h->before) : NULL;
	if (!m.now || (h->before.number && !m.before))
		return SPAN_NONE;
	len = eas__hierarchy__get_packed_size(&m);
	bytes = arena_alloc(a, len + 1);
	return bytes ? span_make(bytes, eas__hierarchy__pack(&m, bytes)) : SPAN_NONE;
}

/* ---- in the store ---- */

static char *state_name(struct eas_request *rq)
{
	return arena_printf(rq->a, "eas/%s/folders", rq->device_id);
}

int hierarchy_load(struct eas_request *rq, struct hierarchy *ret_h, struct err *err)
{
	struct account_state s = { .name = state_name(rq) };
	int r = account_state_get(rq->account, rq->a, &s, err);

	*ret_h = (struct hierarchy){ 0 };
	if (r < 0 || s.version == 0)
		return r;
	r = hierarchy_decode(rq->a, s.value, ret_h);
	ret_h->version = s.version;
	if (r == -POD_E_CORRUPT) {
		log_event(&rq->log, LOGL_WARNING, "eas.state_damaged", F_STR("state", s.name));
		r = 0;
	}
	return r < 0 ? err_set(err, (enum pod_error) - r, "folders") : 0;
}

int hierarchy_save(struct eas_request *rq, struct hierarchy *h, struct err *err)
{
	struct account_state s = { .name = state_name(rq), .version = h->version };
	int r = account_state_put(rq->account, rq->a, &s, hierarchy_encode(rq->a, h), err);

	h->version = s.version;
	return r;
}

#include "conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "conf/conf_internal.h"

#define ARENA_LIMIT (16u << 20)

/* One byte more than allowed is read, so that a file that is too large shows. */
static int read_all(int fd, struct buf *out, struct err *err)
{
	for (;;) {
		uint8_t *to = buf_reserve(out, 4096);
		ssize_t n = to ? read(fd, to, 4096) : -1;

		if (!to)
			return err_set(err, POD_E_NOMEM, "reading the configuration");
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "reading the configuration");
		if (n == 0 || out->len > UCL_SIZE_MAX)
			return 0;
		out->len += (size_t) n;
	}
}

static int read_file(const char *path, struct buf *out, struct err *err)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, POD_E_IO, "%s: not a regular file", path);
	return read_all(fd, out, err);
}

static struct conf_loaded *loaded_new(const char *path)
{
	struct arena *arena = arena_create(ARENA_LIMIT);
	struct conf_loaded *l = arena ? arena_new(arena, struct conf_loaded) : NULL;

	if (l) {
		l->arena = arena;
		l->conf.file = arena_str(arena, span_of(path));
	}
	if (!l || !l->conf.file) {
		(void) arena_free(arena);
		return NULL;
	}
	return l;
}

static int read_text(struct conf_loaded *l, struct span text, struct problems *problems)
{
	const struct ucl_node *root = ucl_parse(l->arena, text, problems);

	if (!root)
		return -POD_E_NOMEM;
	conf_apply(l, root, problems);
	if (problems->nomem)
		return -POD_E_NOMEM;
	conf_derive(l, problems);
	problems_sort(problems);
	return problems->nomem ? -POD_E_NOMEM : 0;
}

static int hand_over(const struct problems *found, struct arena *a, struct conf_problems *ret_problems)
{
	struct conf_problem *items = arena_array(a, found->n, sizeof(*items));

	if (!items)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < found->n; i++) {
		items[i] = (struct conf_problem){ found->items[i].line,
			                          arena_str(a, span_of(found->items[i].text)) };
		if (!items[i].text)
			return -POD_E_NOMEM;
	}
	*ret_problems = (struct conf_problems){ items, found->n };
	return 0;
}

/* Hands the problems to the caller and says the first of them in err. */
static int refuse(const struct problems *found, const char *path, struct arena *a,
                  struct conf_problems *ret_problems, struct err *err)
{
	const struct conf_problem *first = &found->items[0];
	_cleanup_buf_ struct buf more = BUF_INIT;

	if (ret_problems && hand_over(found, a, ret_problems) < 0)
		return err_set(err, POD_E_NOMEM, "%s", path);
	if (found->n > 1)
		buf_printf(&more, " (and %zu more)", found->n - 1);
	if (first->line)
		return err_set(err, POD_E_CONFIG, "%s:%u: %s%s", path, first->line, first->text,
		               buf_str(&more));
	return err_set(err, POD_E_CONFIG, "%s: %s%s", path, first->text, buf_str(&more));
}

int conf_load_text(struct span text, const char *path, struct arena *a, struct conf_problems *ret_problems,
                   const struct conf **ret_conf, struct err *err)
{
	struct conf_loaded *l = loaded_new(path);
	struct problems problems = { 0 };
	int r;

	if (!l)
		return err_set(err, POD_E_NOMEM, "%s", path);
	problems.a = l->arena;
	r = read_text(l, text, &problems);
	if (r < 0)
		r = err_set(err, POD_E_NOMEM, "%s", path);
	else if (problems.n)
		r = refuse(&problems, path, a, ret_problems, err);
	if (r < 0) {
		(void) conf_free(&l->conf);
		return r;
	}
	if (ret_problems)
		*ret_problems = (struct conf_problems){ 0 };
	*ret_conf = &l->conf;
	return 0;
}

int conf_load(const char *path, struct arena *a, struct conf_problems *ret_problems,
              const struct conf **ret_conf, struct err *err)
{
	_cleanup_(freep) char *absolute = realpath(path, NULL);
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r;

	if (!absolute)
		return err_errno(err, errno, "%s", path);
	r = read_file(absolute, &text, err);
	return r < 0 ? r : conf_load_text(buf_span(&text), absolute, a, ret_problems, ret_conf, err);
}

const struct conf *conf_free(const struct conf *conf)
{
	const struct conf_loaded *l = (const struct conf_loaded *) (const void *) conf;

	if (l)
		(void) arena_free(l->arena);
	return NULL;
}

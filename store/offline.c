#include "store/offline.h"

#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/index/index.h"

#define MAP_BYTES (64ull << 30)
#define PROGRESS_EVERY_MS 500

struct reporter {
	const char *what;
	json_t *problems; /* NULL: they are printed as they come */
	uint64_t shown_ms;
	bool line_open; /* a progress line is on the terminal */
};

static int failed(const char *what, const char *path, const struct err *err)
{
	(void) fprintf(stderr, "stored: %s of %s: %s\n", what, path, err_text(err));
	return STORE_EXIT_FAILED;
}

int offline_create(const char *path, const char *name)
{
	struct err err = { 0 };

	return volume_create(path, name, &err) < 0 ? failed("making", path, &err) : STORE_EXIT_GOOD;
}

static void close_line(struct reporter *r)
{
	if (r->line_open)
		(void) fputc('\n', stderr);
	r->line_open = false;
}

static void on_problem(void *arg, const char *text)
{
	struct reporter *r = arg;

	if (r->problems) {
		(void) json_array_append_new(r->problems, json_string(text));
		return;
	}
	close_line(r);
	(void) printf("%s\n", text);
}

/* For somebody who watches: a line that is written over, on a terminal only. */
static void on_progress(void *arg, const struct fsck_report *so_far)
{
	struct reporter *r = arg;
	uint64_t now = clock_mono_ms();

	if (!isatty(STDERR_FILENO) || now - r->shown_ms < PROGRESS_EVERY_MS)
		return;
	r->shown_ms = now;
	r->line_open = true;
	(void) fprintf(stderr, "\r%s: %llu users, %llu messages, %llu problems", r->what,
	               (unsigned long long) so_far->users, (unsigned long long) so_far->messages,
	               (unsigned long long) so_far->problems);
}

static void print_report(struct reporter *r, const char *path, const struct fsck_report *f)
{
	json_t *j;

	close_line(r);
	if (!r->problems) {
		(void) printf("%s: %llu users, %llu messages, %llu problems, %llu mended\n", path,
		              (unsigned long long) f->users, (unsigned long long) f->messages,
		              (unsigned long long) f->problems, (unsigned long long) f->repaired);
		return;
	}
	j = json_pack("{s:s, s:I, s:I, s:I, s:I, s:O}", "path", path, "users", (json_int_t) f->users, "messages",
	              (json_int_t) f->messages, "problems", (json_int_t) f->problems, "repaired",
	              (json_int_t) f->repaired, "found", r->problems);
	(void) json_dumpf(j, stdout, JSON_COMPACT);
	(void) fputc('\n', stdout);
	json_decref(j);
}

/*
 * Root repairs as the volume's owner, or the store could not open what was made; and whoever can plant files in a
 * volume gains no more from it than from the store.
 */
static int become_owner(const char *path, struct err *err)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (stat(path, &st) < 0)
		return err_errno(err, errno, "%s", path);
	if (st.st_uid != 0 && (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
	                       setresuid(st.st_uid, st.st_uid, st.st_uid) < 0))
		return err_errno(err, errno, "becoming the owner of %s", path);
	return 0;
}

static struct fsck_report begin(struct reporter *r, const char *what, const struct store_options *o)
{
	*r = (struct reporter){ .what = what, .problems = o->json ? json_array() : NULL };
	return (struct fsck_report){ .problem = on_problem, .progress = on_progress, .arg = r };
}

int offline_rebuild(const char *path, const struct store_options *o)
{
	struct reporter reporter;
	struct fsck_report f = begin(&reporter, "rebuild", o);
	struct err err = { 0 };
	int r = become_owner(path, &err);

	if (r == 0)
		r = volume_rebuild(path, &f, &err);
	if (r == 0)
		print_report(&reporter, path, &f);
	json_decref(reporter.problems);
	return r < 0 ? failed("rebuild", path, &err) : STORE_EXIT_GOOD;
}

int offline_fsck(const char *path, const struct store_options *o)
{
	const struct volume_options vo = { .path = path, .map_bytes = MAP_BYTES, .users_max = 1000,
		                           .write_behind_ms = 1000, .delivery_memory_days = 7 };
	struct reporter reporter;
	struct fsck_report f = begin(&reporter, "fsck", o);
	struct volume *vol = NULL;
	struct err err = { 0 };
	int r = become_owner(path, &err);

	if (r == 0)
		r = volume_open(&vo, &vol, &err);
	if (r == 0)
		r = volume_fsck(vol, SPAN_NONE, o->repair, &f, &err);
	if (r == 0)
		print_report(&reporter, path, &f);
	(void) volume_close(vol);
	json_decref(reporter.problems);
	if (r < 0)
		return failed("fsck", path, &err);
	return f.problems > f.repaired ? STORE_EXIT_PROBLEMS : STORE_EXIT_GOOD;
}

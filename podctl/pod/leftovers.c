#include "podctl/pod/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/span.h"
#include "podctl/pod/pidfile.h"

#define FOUND_MAX   1024
#define CMDLINE_MAX 16384

struct found {
	struct process_mark marks[FOUND_MAX];
	size_t n;
};

/* In the order in which they are ended. */
enum layer { LAYER_PROGRAMS, LAYER_MOUNTS, LAYER_DEVICES, LAYERS, LAYER_NONE };

static const struct {
	const char *name;
	enum layer layer;
} programs[] = {
	{ "podd", LAYER_PROGRAMS },      { "mta", LAYER_PROGRAMS },     { "imapd", LAYER_PROGRAMS },
	{ "podfilter", LAYER_PROGRAMS },
	{ "stored", LAYER_PROGRAMS },    { "volattach", LAYER_MOUNTS }, { "nbdkit", LAYER_DEVICES },
	{ "replicator", LAYER_DEVICES },
};

static enum layer layer_of(struct span path)
{
	struct span name = path, rest = path;

	while (rest.p)
		name = span_split(rest, '/', &rest);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (span_eq(name, span_of(programs[i].name)))
			return programs[i].layer;
	return LAYER_NONE;
}

static bool is_below(struct span path, const char *folder)
{
	size_t len = strlen(folder);

	return path.len > len && memcmp(path.p, folder, len) == 0 && path.p[len] == '/';
}

/* Whether an argument, with the one behind it, says that the process is of this pod. */
static bool names_pod(struct span word, struct span next, enum layer layer, const struct leftovers_of *pod)
{
	static const struct span folder = SPAN_LIT("folder=");

	switch (layer) {
	case LAYER_PROGRAMS:
		return span_eq(word, SPAN_LIT("--config")) && span_eq(next, span_of(pod->config_file));
	case LAYER_MOUNTS: return span_eq(word, SPAN_LIT("--socket")) && is_below(next, pod->run_dir);
	case LAYER_DEVICES:
		return (span_eq(word, SPAN_LIT("--folder")) && is_below(next, pod->sites_dir)) ||
		       (span_starts_nocase(word, folder) &&
		        is_below(span_skip(word, folder.len), pod->sites_dir));
	case LAYERS:
	case LAYER_NONE: break;
	}
	return false;
}

/* cmdline: the arguments, each with a NUL behind it (proc(5)). */
static bool is_of_pod(struct span cmdline, const struct leftovers_of *pod, enum layer layer)
{
	struct span rest, word = span_split(cmdline, '\0', &rest), behind;

	if (layer_of(word) != layer)
		return false;
	while (rest.p) {
		word = span_split(rest, '\0', &rest);
		if (names_pod(word, rest.p ? span_split(rest, '\0', &behind) : SPAN_NONE, layer, pod))
			return true;
	}
	return false;
}

static bool process_is_of_pod(pid_t pid, const struct leftovers_of *pod, enum layer layer)
{
	char path[64], cmdline[CMDLINE_MAX];
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	(void) snprintf(path, sizeof(path), "/proc/%d/cmdline", (int) pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, cmdline, sizeof(cmdline));
	return n > 0 && is_of_pod(span_make(cmdline, (size_t) n), pod, layer);
}

static int find(const struct leftovers_of *pod, enum layer layer, struct found *found, struct err *err)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	if (!d)
		return err_errno(err, errno, "/proc");
	found->n = 0;
	while (found->n < FOUND_MAX && (e = readdir(d))) {
		struct process_mark mark;
		uint32_t pid;

		/* The mark first: what it marks is then what the command line is read of, or gone. */
		if (span_to_u32(span_of(e->d_name), &pid) < 0 || (pid_t) pid == getpid() ||
		    process_mark_of((pid_t) pid, &mark, NULL) < 0 || !process_is_of_pod(mark.pid, pod, layer))
			continue;
		found->marks[found->n++] = mark;
	}
	(void) closedir(d);
	return 0;
}

static int signal_all(const struct found *found, int signal, struct err *err)
{
	for (size_t i = 0; i < found->n; i++) {
		int r = process_mark_signal(&found->marks[i], signal, err);

		if (r < 0 && r != -POD_E_NOTFOUND)
			return r;
	}
	return 0;
}

/* Waits for all within one time. */
static int wait_all(const struct found *found, unsigned int timeout_ms, struct err *err)
{
	unsigned int each_ms = 50, waited_ms = 0;

	for (size_t i = 0; i < found->n; i++) {
		while (process_mark_wait(&found->marks[i], each_ms, err) == -POD_E_TIMEOUT) {
			waited_ms += each_ms;
			if (waited_ms >= timeout_ms)
				return -POD_E_TIMEOUT;
		}
	}
	return 0;
}

static int end_layer(const struct leftovers_of *pod, enum layer layer, unsigned int timeout_ms,
                     unsigned int *ended, struct err *err)
{
	struct found found;
	int r = find(pod, layer, &found, err);

	if (r < 0)
		return r;
	*ended += (unsigned int) found.n;
	r = signal_all(&found, SIGTERM, err);
	if (r == 0 && wait_all(&found, timeout_ms, NULL) < 0) {
		r = signal_all(&found, SIGKILL, err);
		if (r == 0)
			r = wait_all(&found, timeout_ms, err);
	}
	return r;
}

/* Mounts below the folder, the fifth field of each line (proc(5)); our names have nothing that would be
 * escaped. */
static void clear_mounts(const char *volumes_dir)
{
	_cleanup_(fclosep) FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_(freep) char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		struct span rest = span_of(line), where = SPAN_NONE;
		char path[PATH_MAX];

		for (int i = 0; i < 5 && rest.p; i++)
			where = span_split(rest, ' ', &rest);
		if (!is_below(where, volumes_dir) || where.len >= sizeof(path))
			continue;
		(void) snprintf(path, sizeof(path), SPAN_FMT, SPAN_ARG(where));
		(void) umount2(path, MNT_DETACH);
	}
}

int leftovers_end(const struct leftovers_of *pod, unsigned int timeout_ms, unsigned int *ret_ended,
                  struct err *err)
{
	unsigned int ended = 0;
	int r = 0;

	for (int layer = 0; r == 0 && layer < LAYERS; layer++)
		r = end_layer(pod, (enum layer) layer, timeout_ms, &ended, err);
	if (r < 0)
		return r;
	if (geteuid() == 0)
		clear_mounts(pod->volumes_dir);
	*ret_ended = ended;
	return 0;
}

#include "replicator/attach/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/span.h"
#include "base/version.h"
#include "replicator/attach/filesystem.h"

#define DETACH_TIMEOUT_DEFAULT_S 10
#define TIMEOUT_MAX_S            (365u * 24 * 3600)

static const char help[] =
	"usage: volattach --socket PATH --export NAME [--mount DIR] [OPTION]...\n"
	"\n"
	"Makes a block device of an NBD export of this host, mounts it, and holds it until SIGTERM. A server "
	"that is\n"
	"restarted is a pause for the file system, not an error. SIGHUP: the export has grown, so grow too.\n"
	"\n"
	"  --socket PATH        the NBD server's unix socket\n"
	"  --export NAME        the export: a volume's name, or NAME@SNAPSHOT\n"
	"  --mount DIR          where to mount its file system; without it there is a device only\n"
	"  --grown-file PATH    where to tell how growing went: its bytes, or \"error\" and why\n"
	"  --mkfs ext4|xfs      make one, if the volume is blank\n"
	"  --read-only          write nothing, replay no journal: for snapshots\n"
	"  --method auto|kernel|fuse\n"
	"                       the kernel's nbd, or FUSE and a loop device; auto (default) takes the first "
	"there is\n"
	"  --dead-timeout S     without a server for S seconds, fail (default 0: wait for ever)\n"
	"  --detach-timeout S   at the end, wait S seconds for who uses the volume, and for the server "
	"(default 10)\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 good; 1 it failed, or the end of the volume's writes is not known to have reached "
	"the server;\n"
	"2 wrong usage; 3 no such server or export. See volattach(8).\n";

enum {
	OPT_SOCKET = 256,
	OPT_EXPORT,
	OPT_MOUNT,
	OPT_GROWN,
	OPT_MKFS,
	OPT_READ_ONLY,
	OPT_METHOD,
	OPT_DEAD,
	OPT_DETACH,
	OPT_HELP,
	OPT_VERSION
};

static const struct option options[] = {
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "export", required_argument, NULL, OPT_EXPORT },
	{ "mount", required_argument, NULL, OPT_MOUNT },
	{ "grown-file", required_argument, NULL, OPT_GROWN },
	{ "mkfs", required_argument, NULL, OPT_MKFS },
	{ "read-only", no_argument, NULL, OPT_READ_ONLY },
	{ "method", required_argument, NULL, OPT_METHOD },
	{ "dead-timeout", required_argument, NULL, OPT_DEAD },
	{ "detach-timeout", required_argument, NULL, OPT_DETACH },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const struct {
	const char *name;
	enum attach_method method;
} methods[] = { { "auto", ATTACH_AUTO }, { "kernel", ATTACH_KERNEL }, { "fuse", ATTACH_FUSE } };

static int wrong(const char *why)
{
	(void) fprintf(stderr, "volattach: %s\nTry volattach --help.\n", why);
	return ATTACH_EXIT_USAGE;
}

static int take_seconds(uint64_t *ret_ms)
{
	uint32_t s;

	if (span_to_u32(span_of(optarg), &s) < 0 || s > TIMEOUT_MAX_S)
		return wrong("a timeout is a number of seconds");
	*ret_ms = (uint64_t) s * 1000;
	return -1;
}

static int take_method(enum attach_method *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (strcmp(optarg, methods[i].name) == 0) {
			*ret = methods[i].method;
			return -1;
		}
	}
	return wrong("--method is auto, kernel or fuse");
}

static int take(struct attach_options *o, int option)
{
	switch (option) {
	case OPT_SOCKET: o->socket = optarg; return -1;
	case OPT_EXPORT: o->export_name = optarg; return -1;
	case OPT_MOUNT: o->mount_dir = optarg; return -1;
	case OPT_GROWN: o->grown_file = optarg; return -1;
	case OPT_MKFS:
		o->make_fs = optarg;
		return filesystem_type_by_name(optarg) ? -1 : wrong("--mkfs makes ext4 or xfs");
	case OPT_READ_ONLY: o->read_only = true; return -1;
	case OPT_METHOD: return take_method(&o->method);
	case OPT_DEAD: return take_seconds(&o->dead_timeout_ms);
	case OPT_DETACH: return take_seconds(&o->detach_timeout_ms);
	case OPT_HELP: (void) fputs(help, stdout); return ATTACH_EXIT_GOOD;
	case OPT_VERSION: (void) printf("volattach (podmail) %s\n", POD_VERSION); return ATTACH_EXIT_GOOD;
	default: return wrong("unknown option, or one without its value");
	}
}

int attach_options_parse(int argc, char **argv, struct attach_options *ret)
{
	struct attach_options o = { .detach_timeout_ms = DETACH_TIMEOUT_DEFAULT_S * 1000 };
	int option, r;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		r = take(&o, option);
		if (r >= 0)
			return r;
	}
	if (optind < argc)
		return wrong("too many arguments");
	if (!o.socket || !o.export_name)
		return wrong("--socket and --export are needed");
	if (o.make_fs && (o.read_only || !o.mount_dir))
		return wrong("--mkfs goes with --mount, and not with --read-only");
	*ret = o;
	return -1;
}

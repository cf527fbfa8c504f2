#include "store/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/version.h"

static const char help[] =
	"usage: stored --config FILE --volume NAME              serve a volume of a pod\n"
	"       stored --config FILE --volume NAME --create     make it, in the pod's volumes folder\n"
	"       stored --create PATH --name NAME                make an empty volume in a folder\n"
	"       stored --rebuild PATH [--format json]           make the index anew from the files\n"
	"       stored --fsck PATH [--repair] [--format json]   compare files and index\n"
	"\n"
	"The store of one volume: Maildir files, the index over them, and its users' accounts. A volume that is\n"
	"served cannot be rebuilt or checked from here: it is locked (see podctl volume fsck).\n"
	"\n"
	"  --config FILE   the pod's podmail.conf\n"
	"  --volume NAME   the volume's name in the directory; with it --rebuild and --fsck need no PATH\n"
	"  --name NAME     the name written into a new volume\n"
	"  --repair        mend what --fsck finds\n"
	"  --format FMT    text (default) or json: one object with the figures and every problem\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 good; 1 it could not be done; 2 wrong usage; 3 --fsck found problems that remain.\n"
	"See stored(8).\n";

enum { OPT_CONFIG = 256, OPT_VOLUME, OPT_CREATE, OPT_REBUILD, OPT_FSCK, OPT_NAME, OPT_REPAIR, OPT_FORMAT, OPT_HELP,
       OPT_VERSION };

static const struct option options[] = {
	{ "config", required_argument, NULL, OPT_CONFIG }, { "volume", required_argument, NULL, OPT_VOLUME },
	{ "create", no_argument, NULL, OPT_CREATE },       { "rebuild", no_argument, NULL, OPT_REBUILD },
	{ "fsck", no_argument, NULL, OPT_FSCK },           { "name", required_argument, NULL, OPT_NAME },
	{ "repair", no_argument, NULL, OPT_REPAIR },       { "format", required_argument, NULL, OPT_FORMAT },
	{ "help", no_argument, NULL, OPT_HELP },           { "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static int wrong(const char *why)
{
	(void) fprintf(stderr, "stored: %s\nTry stored --help.\n", why);
	return STORE_EXIT_USAGE;
}

static int set_command(struct store_options *o, enum store_command command)
{
	if (o->command != STORE_SERVE)
		return wrong("--create, --rebuild and --fsck are alternatives");
	o->command = command;
	return -1;
}

static int take(struct store_options *o, int option)
{
	switch (option) {
	case OPT_CONFIG: o->config = optarg; return -1;
	case OPT_VOLUME: o->volume = optarg; return -1;
	case OPT_NAME: o->name = optarg; return -1;
	case OPT_REPAIR: o->repair = true; return -1;
	case OPT_CREATE: return set_command(o, STORE_CREATE);
	case OPT_REBUILD: return set_command(o, STORE_REBUILD);
	case OPT_FSCK: return set_command(o, STORE_CHECK_FILES);
	case OPT_FORMAT:
		o->json = strcmp(optarg, "json") == 0;
		return o->json || strcmp(optarg, "text") == 0 ? -1 : wrong("--format is text or json");
	case OPT_HELP: (void) fputs(help, stdout); return STORE_EXIT_GOOD;
	case OPT_VERSION: (void) printf("stored (podmail) %s\n", POD_VERSION); return STORE_EXIT_GOOD;
	default: return wrong("unknown option");
	}
}

static int check(const struct store_options *o)
{
	bool of_a_pod = o->config && o->volume;

	if ((o->config || o->volume) && !of_a_pod)
		return wrong("--config and --volume go together");
	if (of_a_pod == (o->path != NULL))
		return wrong(o->path ? "a PATH, or --config and --volume, not both" : "which volume?");
	if (o->command == STORE_SERVE && !of_a_pod)
		return wrong("serving a volume takes --config and --volume");
	if (o->command == STORE_CREATE && !of_a_pod && !o->name)
		return wrong("--create PATH takes --name NAME");
	if (o->repair && o->command != STORE_CHECK_FILES)
		return wrong("--repair goes with --fsck");
	return -1;
}

int store_options_parse(int argc, char **argv, struct store_options *ret)
{
	struct store_options o = { 0 };
	int option, r;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		r = take(&o, option);
		if (r >= 0)
			return r;
	}
	if (optind < argc)
		o.path = argv[optind++];
	if (optind < argc)
		return wrong("too many arguments");
	r = check(&o);
	if (r < 0)
		*ret = o;
	return r;
}

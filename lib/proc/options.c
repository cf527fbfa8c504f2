#include "proc/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/version.h"

#define EXIT_USAGE 2

static void usage(const struct daemon_words *w, FILE *f)
{
	(void) fprintf(f,
	               "usage: %s --config FILE\n"
	               "\n"
	               "%s\n"
	               "\n"
	               "  --config FILE   the pod's podmail.conf\n"
	               "  --help          this text\n"
	               "  --version       the version\n"
	               "\n"
	               "%s",
	               w->name, w->what, w->signals);
}

int daemon_options(const struct daemon_words *w, int argc, char **argv, const char **ret_config)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
		                                 { "help", no_argument, NULL, 'h' },
		                                 { "version", no_argument, NULL, 'v' },
		                                 { NULL, 0, NULL, 0 } };
	const char *config = NULL;
	int o;

	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (o) {
		case 'c': config = optarg; break;
		case 'h': usage(w, stdout); return EXIT_SUCCESS;
		case 'v': (void) printf("%s (podmail) %s\n", w->name, POD_VERSION); return EXIT_SUCCESS;
		default: usage(w, stderr); return EXIT_USAGE;
		}
	}
	if (!config || optind < argc) {
		usage(w, stderr);
		return EXIT_USAGE;
	}
	*ret_config = config;
	return -1;
}

/* podd: the agent that runs the pod's programs on this host. See podd(8). */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/version.h"
#include "podctl/podd/podd.h"

static const char usage[] =
	"usage: podd --config FILE [--bin-dir DIR] [--log-to-stderr]\n"
	"\n"
	"Runs the programs of a pod on this host: a stored for each volume, mta and imapd. Restarts what "
	"dies,\n"
	"keeps the directory, serves the admin API and the metrics. Runs in the foreground until SIGTERM;\n"
	"SIGHUP reloads the configuration. podctl up starts it in the background.\n"
	"\n"
	"  -c, --config FILE    the pod's podmail.conf\n"
	"  -b, --bin-dir DIR    where stored, mta and imapd are (default: where podd is)\n"
	"  -e, --log-to-stderr  copy every line of the log to standard error\n"
	"  -h, --help           this text\n"
	"  -V, --version        the version\n";

/* The folder of our own executable. */
static const char *own_folder(char *buf, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", buf, size - 1);
	char *slash;

	if (n < 0)
		return NULL;
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	if (slash)
		*slash = '\0';
	return buf;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },  { "bin-dir", required_argument, NULL, 'b' },
		{ "log-to-stderr", no_argument, NULL, 'e' }, { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },       { 0 },
	};
	char bin[PATH_MAX], config[PATH_MAX];
	struct podd_options o = { .bin_dir = own_folder(bin, sizeof(bin)) };
	const char *file = NULL;
	struct err err = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "c:b:ehV", options, NULL)) >= 0) {
		switch (c) {
		case 'c': file = optarg; break;
		case 'b': o.bin_dir = optarg; break;
		case 'e': o.log_to_stderr = true; break;
		case 'h': (void) fputs(usage, stdout); return 0;
		case 'V': (void) printf("podd %s\n", POD_VERSION); return 0;
		default: (void) fputs(usage, stderr); return 2;
		}
	}
	if (!file || optind < argc || !o.bin_dir) {
		(void) fputs(usage, stderr);
		return 2;
	}
	if (!realpath(file, config)) {
		(void) fprintf(stderr, "podd: %s: %m\n", file);
		return 1;
	}
	o.config_file = config;
	if (podd_run(&o, &err) < 0) {
		(void) fprintf(stderr, "podd: %s\n", err_text(&err));
		return 1;
	}
	return 0;
}

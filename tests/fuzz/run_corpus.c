/* Runs a fuzz target over files and folders named on the command line: the corpus as a plain test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int run_file(const char *path)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "rb");
	_cleanup_buf_ struct buf b = BUF_INIT;
	size_t n;

	if (!f) {
		perror(path);
		return 1;
	}
	do {
		uint8_t *to = buf_reserve(&b, 65536);

		n = to ? fread(to, 1, 65536, f) : 0;
		b.len += n;
	} while (n);
	(void) LLVMFuzzerTestOneInput(b.p, b.len);
	return 0;
}

static int run_folder(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int r = 0;

	if (!d) {
		perror(path);
		return 1;
	}
	while ((e = readdir(d))) {
		char file[4096];

		if (e->d_name[0] == '.')
			continue;
		(void) snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		r |= run_file(file);
	}
	(void) closedir(d);
	return r;
}

int main(int argc, char **argv)
{
	int r = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			r |= run_folder(argv[i]);
		else
			r |= run_file(argv[i]);
	}
	return r;
}

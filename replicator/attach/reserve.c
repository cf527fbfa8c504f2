#include "replicator/attach/reserve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define SETTING "/proc/sys/vm/min_free_kbytes"
#define MAX_KIB (UINT64_C(64) << 10)

uint64_t reserve_wanted_kib(uint64_t memory_kib)
{
	return memory_kib / 16 < MAX_KIB ? memory_kib / 16 : MAX_KIB;
}

static uint64_t memory_kib(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (uint64_t) pages * (uint64_t) size / 1024 : 0;
}

/* 0: it cannot be read. */
static uint64_t now_kib(void)
{
	FILE *f = fopen(SETTING, "re");
	uint64_t kib = 0;

	if (f && fscanf(f, "%" SCNu64, &kib) != 1)
		kib = 0;
	if (f)
		(void) fclose(f);
	return kib;
}

static int set_kib(uint64_t kib)
{
	FILE *f = fopen(SETTING, "we");
	int r;

	if (!f)
		return errno;
	r = fprintf(f, "%" PRIu64 "\n", kib) < 0 ? errno : 0;
	return fclose(f) != 0 ? errno : r;
}

void reserve_raise(void)
{
	uint64_t is = now_kib(), wanted = reserve_wanted_kib(memory_kib());
	int e;

	if (is == 0 || is >= wanted)
		return;
	e = set_kib(wanted);
	if (e)
		log_event(NULL, LOGL_NOTICE, "attach.reserve_is_small", F_STR("setting", SETTING),
		          F_UINT("kib", is), F_UINT("wanted_kib", wanted), F_STR("error", strerror(e)));
	else
		log_event(NULL, LOGL_NOTICE, "attach.reserve_raised", F_STR("setting", SETTING),
		          F_UINT("from_kib", is), F_UINT("to_kib", wanted));
}

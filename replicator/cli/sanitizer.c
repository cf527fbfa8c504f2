#include "replicator/cli/sanitizer.h"

#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#if defined(__SANITIZE_ADDRESS__)
#define RUNTIME "libasan.so"
#elif defined(__SANITIZE_THREAD__)
#define RUNTIME "libtsan.so"
#endif

#ifdef RUNTIME

static int is_runtime(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *slash = strrchr(info->dlpi_name, '/');

	if (!slash || strncmp(slash + 1, RUNTIME, strlen(RUNTIME)) != 0)
		return 0;
	*(const char **) arg = info->dlpi_name;
	return 1;
}

int sanitizer_hand_on(struct err *err)
{
	_cleanup_buf_ struct buf list = BUF_INIT;
	const char *runtime = NULL, *more = getenv("LD_PRELOAD");

	if (dl_iterate_phdr(is_runtime, (void *) &runtime) == 0)
		return err_set(err, POD_E_NOTFOUND, RUNTIME " is not loaded here");
	buf_printf(&list, "%s:%s%s%s", runtime, SANITIZER_FIRST, more ? ":" : "", more ? more : "");
	if (list.failed || setenv("LD_PRELOAD", buf_str(&list), 1) < 0)
		return err_set(err, POD_E_NOMEM, "LD_PRELOAD");
	return 0;
}

#else

int sanitizer_hand_on(struct err *err)
{
	(void) err;
	return 0;
}

#endif

#include "podctl/podd/replication_able.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"

static bool there(const char *path, int mode)
{
	return access(path, mode) == 0;
}

/* The server of exports is a package of its own. */
static bool nbdkit_there(void)
{
	static const char *const places[] = { "/usr/bin/nbdkit", "/usr/sbin/nbdkit", "/usr/local/bin/nbdkit",
		                              "/usr/local/sbin/nbdkit" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (there(places[i], X_OK))
			return true;
	return false;
}

int replication_able(const struct podd *p, struct err *err)
{
	static const char *const programs[] = { "replicator", "volattach" };
	char path[PATH_MAX];

	if (geteuid() != 0)
		return err_set(err, POD_E_DENIED, "mounting a volume takes root");
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (!there(podd_program(p, programs[i], path, sizeof(path)), X_OK))
			return err_set(err, POD_E_UNSUPPORTED, "%s is missing", path);
	if (!nbdkit_there())
		return err_set(err, POD_E_UNSUPPORTED, "nbdkit is not installed");
	if (there("/sys/module/nbd", F_OK) ||
	    (there("/dev/fuse", R_OK | W_OK) && there("/dev/loop-control", R_OK | W_OK)))
		return 0;
	return err_set(err, POD_E_UNSUPPORTED, "this host has neither nbd, nor FUSE with loop devices");
}

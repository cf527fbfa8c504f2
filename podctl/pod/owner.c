#include "podctl/pod/owner.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

static int give(const char *path, const char *user, struct err *err)
{
	const struct passwd *pw = *user ? getpwnam(user) : NULL;
	const struct group *gr = getgrnam(POD_GROUP);

	if (*user && !pw)
		return err_set(err, POD_E_NOTFOUND,
		               "there is no user %s; podctl up makes it, or: useradd --system %s", user,
		               user);
	if (!gr)
		return err_set(err, POD_E_NOTFOUND,
		               "there is no group %s; podctl up makes it, or: groupadd --system %s",
		               POD_GROUP, POD_GROUP);
	if (chown(path, pw ? pw->pw_uid : 0, gr->gr_gid) < 0)
		return err_errno(err, errno, "%s", path);
	return 0;
}

int owned_folder_make(const char *path, mode_t mode, const char *user, struct err *err)
{
	int r;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "%s", path);
	r = geteuid() == 0 ? give(path, user, err) : 0;
	if (r == 0 && chmod(path, mode) < 0) /* after the chown, which clears set-id bits */
		return err_errno(err, errno, "%s", path);
	return r;
}

int owned_file_give(const char *path, mode_t mode, const char *user, struct err *err)
{
	int r = geteuid() == 0 ? give(path, user, err) : 0;

	if (r == 0 && chmod(path, mode) < 0)
		return err_errno(err, errno, "%s", path);
	return r;
}

int owned_file_set(const char *path, mode_t mode, struct err *err)
{
	return owned_file_give(path, mode, "", err);
}

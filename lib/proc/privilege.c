#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proc/proc.h"

struct account {
	uid_t uid;
	gid_t gid;
};

/* 0, -POD_E_NOTFOUND or another error; without text. */
static int account_find(const char *user, struct account *ret_account)
{
	struct passwd pw, *found = NULL;
	long size = sysconf(_SC_GETPW_R_SIZE_MAX);
	size_t room = size > 0 ? (size_t) size : 16384;
	_cleanup_(freep) char *buf = malloc(room);
	int errnum;

	if (!buf)
		return -POD_E_NOMEM;
	errnum = getpwnam_r(user, &pw, buf, room, &found);
	if (!found)
		return errnum == 0 || errnum == ENOENT || errnum == ESRCH ? -POD_E_NOTFOUND : -POD_E_IO;
	*ret_account = (struct account){.uid = pw.pw_uid, .gid = pw.pw_gid};
	return 0;
}

uid_t privilege_uid_of(const char *user)
{
	struct account account;

	return account_find(user, &account) == 0 ? account.uid : (uid_t) -1;
}

/* The kernel forgets the parent-death signal when credentials change (prctl(2)). */
static int keep_parent_death_signal(int sig, struct err *err)
{
	if (sig && prctl(PR_SET_PDEATHSIG, (unsigned long) sig) < 0)
		return err_errno(err, errno, "PR_SET_PDEATHSIG");
	return 0;
}

static int become(const char *user, const struct account *account, struct err *err)
{
	int sig = 0;

	if (prctl(PR_GET_PDEATHSIG, &sig) < 0)
		return err_errno(err, errno, "PR_GET_PDEATHSIG");
	if (initgroups(user, account->gid) < 0)
		return err_errno(err, errno, "groups of user %s", user);
	if (setresgid(account->gid, account->gid, account->gid) < 0)
		return err_errno(err, errno, "group of user %s", user);
	if (setresuid(account->uid, account->uid, account->uid) < 0)
		return err_errno(err, errno, "becoming user %s", user);
	if (setuid(0) == 0)
		return err_set(err, POD_E_INTERNAL, "root came back after becoming user %s", user);
	return keep_parent_death_signal(sig, err);
}

int privilege_drop(const char *user, struct err *err)
{
	struct account account;
	int r;

	if (user[0] == '\0')
		return 0;
	r = account_find(user, &account);
	if (r == -POD_E_NOTFOUND)
		return err_set(err, POD_E_NOTFOUND,
		               "there is no user \"%s\"; make one with: "
		               "useradd --system --no-create-home --shell /usr/sbin/nologin %s",
		               user, user);
	if (r < 0)
		return err_set(err, (enum pod_error) - r, "looking up user \"%s\"", user);
	if (account.uid == geteuid() && account.uid == getuid() && account.uid != 0)
		return 0;
	if (geteuid() != 0)
		return err_set(err, POD_E_DENIED, "only root can become user \"%s\"", user);
	if (account.uid == 0)
		return err_set(err, POD_E_DENIED, "\"%s\" is root: name an unprivileged user", user);
	return become(user, &account, err);
}

/* Permitted, effective and inheritable become what is left of the set; ambient is what an exec leaves (capabilities(7)). */
static int capabilities_set(uint64_t wanted, struct err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capget, &head, data) < 0)
		return err_errno(err, errno, "capabilities");
	for (size_t i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t) (wanted >> (32 * i));
		data[i].effective = data[i].inheritable = data[i].permitted;
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return err_errno(err, errno, "capabilities");
	for (unsigned long cap = 0; cap < 64; cap++)
		if (data[cap / 32].permitted & (1u << (cap % 32)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_errno(err, errno, "keeping capability %lu", cap);
	return 0;
}

int privilege_drop_keeping(const char *user, uint64_t capabilities, struct err *err)
{
	uid_t before = getuid();
	int r;

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "PR_SET_KEEPCAPS");
	r = privilege_drop(user, err);
	return r == 0 && getuid() != before ? capabilities_set(capabilities, err) : r;
}

static int raise_descriptors(struct err *err)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return err_errno(err, errno, "RLIMIT_NOFILE");
	l.rlim_cur = l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l) < 0)
		return err_errno(err, errno, "RLIMIT_NOFILE");
	return 0;
}

int privilege_harden(struct err *err)
{
	/* 0 would still let a core handler behind a pipe have it; 1 is what the kernel takes for "never"
	 * (core(5)). */
	const struct rlimit no_core = {.rlim_cur = 1, .rlim_max = 1};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "PR_SET_NO_NEW_PRIVS");
	if (setrlimit(RLIMIT_CORE, &no_core) < 0)
		return err_errno(err, errno, "RLIMIT_CORE");
	return raise_descriptors(err);
}

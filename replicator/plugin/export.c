#include "replicator/plugin/export.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_MARK '@'

/* Of the numbers the protocol knows (NBD protocol, "Error values"); what is not listed is EIO. */
static const struct {
	enum pod_error code;
	int number;
} errnos[] = {
	{ POD_E_NOSPACE, ENOSPC },      { POD_E_SYNTAX, EINVAL },   { POD_E_NOMEM, ENOMEM },
	{ POD_E_DENIED, EPERM },        { POD_E_STALE, ESHUTDOWN }, { POD_E_CANCELLED, ESHUTDOWN },
	{ POD_E_NOTFOUND, ESHUTDOWN }, /* a snapshot that was dropped while it was read */
	{ POD_E_UNSUPPORTED, ENOTSUP },
};

int export_errno(int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(errnos); i++)
		if (code == -(int) errnos[i].code)
			return errnos[i].number;
	return EIO;
}

/* Which kind name means; -POD_E_NOTFOUND where it does not begin with the volume's name. */
static int choose(struct export *e, const char *name, struct err *err)
{
	struct span rest, volume = span_split(span_of(name), SNAPSHOT_MARK, &rest);

	if (*name && !span_eq(volume, span_of(e->replica->settings->name)))
		return err_set(err, POD_E_NOTFOUND, "there is no such export; the volume here is %s",
		               e->replica->settings->name);
	if (!rest.p)
		return export_volume_open(e, err);
	if (rest.len >= sizeof(e->snapshot))
		return err_set(err, POD_E_NOTFOUND, "there is no snapshot of such a long name");
	memcpy(e->snapshot, rest.p, rest.len);
	return export_snapshot_open(e, err);
}

int export_open(struct replica *r, const char *name, struct export **ret_e, struct err *err)
{
	struct export *e = calloc(1, sizeof(*e));
	int rc;

	if (!e)
		return err_set(err, POD_E_NOMEM, "export");
	e->replica = r;
	rc = choose(e, name, err);
	if (rc < 0) {
		free(e);
		return rc;
	}
	*ret_e = e;
	return 0;
}

struct export *export_close(struct export *e)
{
	if (e && e->kind->close)
		e->kind->close(e);
	free(e);
	return NULL;
}

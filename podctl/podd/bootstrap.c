#include "podctl/podd/bootstrap.h"

static int ensure(struct directory *dir, enum directory_kind kind, const char *name,
                  const ProtobufCMessage *record, struct err *err)
{
	int r = directory_create(dir, kind, span_of(name), record, err);

	return r == -POD_E_EXISTS ? 0 : r;
}

int directory_bootstrap(struct directory *dir, const struct conf *conf, struct err *err)
{
	Directory__Site site = DIRECTORY__SITE__INIT, standby = DIRECTORY__SITE__INIT;
	Directory__Pod pod = DIRECTORY__POD__INIT;
	Directory__Host host = DIRECTORY__HOST__INIT;
	int r;

	pod.domain = (char *) (uintptr_t) conf->pod.domain;
	host.site = (char *) (uintptr_t) conf->pod.site;
	host.address = (char *) (uintptr_t) conf->pod.listen_address;
	r = ensure(dir, DIRECTORY_SITE, conf->pod.site, &site.base, err);
	if (r == 0)
		r = ensure(dir, DIRECTORY_SITE, conf->replication.standby_site, &standby.base, err);
	if (r == 0)
		r = ensure(dir, DIRECTORY_POD, conf->pod.name, &pod.base, err);
	if (r == 0)
		r = ensure(dir, DIRECTORY_HOST, conf->pod.host, &host.base, err);
	return r;
}

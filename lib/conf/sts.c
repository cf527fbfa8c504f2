#include <stdio.h>

#include "base/fnv.h"
#include "conf/conf.h"

enum { STS_OFF };

/* The words of section_imapd.c, in their order; the first is off. */
static const char *const modes[] = { "", "none", "testing", "enforce" };

static void add_mx(struct span host, struct buf *out)
{
	if (host.len)
		buf_printf(out, "mx: " SPAN_FMT "\r\n", SPAN_ARG(host));
}

bool conf_sts_policy(const struct conf *conf, struct buf *out)
{
	const struct imapd_conf *c = &conf->imapd;
	struct span rest = span_of(c->mta_sts_mx[0] ? c->mta_sts_mx : conf->mta.hostname);

	if (c->mta_sts == STS_OFF)
		return false;
	buf_printf(out, "version: STSv1\r\nmode: %s\r\n", modes[c->mta_sts]);
	while (rest.p)
		add_mx(span_trim(span_split(rest, ',', &rest)), out);
	buf_printf(out, "max_age: %llu\r\n", (unsigned long long) (c->mta_sts_max_age_ms / 1000));
	return true;
}

char *conf_sts_id(struct span policy, char ret_id[CONF_STS_ID_SIZE])
{
	(void) snprintf(ret_id, CONF_STS_ID_SIZE, "%016llx", (unsigned long long) fnv64(FNV64_START, policy));
	return ret_id;
}

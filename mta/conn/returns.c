/* Bounces of forwarded mail come back to rewritten addresses (mta/srs). */
#include "base/clock.h"
#include "mta/conn/internal.h"

int smtp_conn_returns_to(const struct smtp_conn *c, struct arena *a, struct span address, struct span *ret_sender,
                         struct err *err)
{
	struct address given, sender;
	int r;

	if (!c->w->srs || address_parse_path(a, address, true, &given, NULL) < 0 || !srs_is(&given) ||
	    directory_domain_find(c->w->dir, given.domain, NULL) < 0)
		return 0;
	r = srs_reverse(c->w->srs, a, &given, clock_wall_s(), &sender, err);
	if (r == -POD_E_NOMEM)
		return r;
	if (r < 0)
		return err_set(err, POD_E_STALE, "a return address that is old or not ours");
	*ret_sender = address_format(a, &sender);
	return ret_sender->p ? 1 : err_set(err, POD_E_NOMEM, "no memory for an address");
}

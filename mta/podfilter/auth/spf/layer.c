#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mta/podfilter/auth/spf/layer.h"

static const struct {
	ns_type number;
	enum dns_type type;
	bool counts; /* as a void lookup: those that terms of a record cause */
} types[] = {
	{ ns_t_a, DNS_A, true },     { ns_t_aaaa, DNS_AAAA, true }, { ns_t_mx, DNS_MX, true },
	{ ns_t_ptr, DNS_PTR, true }, { ns_t_txt, DNS_TXT, false },
};

static int herrno_of(enum dns_outcome outcome)
{
	switch (outcome) {
	case DNS_FOUND: return NETDB_SUCCESS;
	case DNS_NODATA: return NO_DATA;
	case DNS_NXDOMAIN: return HOST_NOT_FOUND;
	case DNS_TEMPORARY:
	case DNS_BOGUS:
	case DNS_OUTCOMES: break;
	}
	return TRY_AGAIN;
}

static bool add_bytes(SPF_dns_rr_t *rr, struct span bytes, bool text)
{
	if (text && memchr(bytes.p ? (const char *) bytes.p : "", 0, bytes.len))
		return true; /* no record of SPF has a NUL, and libspf2 would see half of it */
	if (SPF_dns_rr_buf_realloc(rr, rr->num_rr, bytes.len + 1) != SPF_E_SUCCESS)
		return false;
	memcpy(rr->rr[rr->num_rr], bytes.p, bytes.len);
	if (text)
		((char *) rr->rr[rr->num_rr])[bytes.len] = '\0';
	rr->num_rr++;
	return true;
}

static bool add_record(SPF_dns_rr_t *rr, const struct dns_answer *answer, size_t i)
{
	const struct sockaddr_storage *addr;

	switch (answer->type) {
	case DNS_A:
		addr = &answer->addr[i].ss;
		return add_bytes(rr, span_make(&((const struct sockaddr_in *) addr)->sin_addr, 4), false);
	case DNS_AAAA:
		addr = &answer->addr[i].ss;
		return add_bytes(rr, span_make(&((const struct sockaddr_in6 *) addr)->sin6_addr, 16), false);
	case DNS_MX: return add_bytes(rr, span_of(answer->mx[i].host), true);
	case DNS_PTR: return add_bytes(rr, span_of(answer->names[i]), true);
	case DNS_TXT: return add_bytes(rr, answer->txt[i], true);
	default: return true;
	}
}

static SPF_dns_rr_t *rr_of(SPF_dns_server_t *server, const char *name, ns_type number,
                           const struct dns_answer *answer)
{
	SPF_dns_rr_t *rr =
		SPF_dns_rr_new_init(server, name, number, (int) answer->ttl_s, herrno_of(answer->outcome));

	for (size_t i = 0; rr && answer->outcome == DNS_FOUND && i < answer->n; i++)
		if (!add_record(rr, answer, i)) {
			SPF_dns_rr_free(rr);
			return NULL;
		}
	return rr;
}

/*
 * What RFC 7208 makes a syntax error and libspf2 lets pass: a mechanism whose domain is empty behind its
 * colon (7.1), and a modifier that may come once coming twice (6).
 */
static bool is_malformed(struct span record)
{
	static const struct span once[] = { SPAN_LIT("redirect="), SPAN_LIT("exp=") };
	unsigned int seen[ARRAY_SIZE(once)] = { 0 };

	if (!span_eq_nocase(span_split(record, ' ', &record), SPAN_LIT("v=spf1")))
		return false;
	while (record.p) {
		struct span term = span_split(record, ' ', &record);

		if (term.len && term.p[term.len - 1] == ':')
			return true;
		for (size_t i = 0; i < ARRAY_SIZE(once); i++)
			if (span_starts_nocase(term, once[i]) && ++seen[i] > 1)
				return true;
	}
	return false;
}

static void look_for_malformed(struct spf_layer *layer, const struct dns_answer *answer)
{
	for (size_t i = 0; answer->type == DNS_TXT && answer->outcome == DNS_FOUND && i < answer->n; i++)
		layer->malformed = layer->malformed || is_malformed(answer->txt[i]);
}

/* What to say without asking anybody: no further questions, of this check. */
static SPF_dns_rr_t *no_more(SPF_dns_server_t *server, const char *name, ns_type number)
{
	return SPF_dns_rr_new_init(server, name, number, 0, TRY_AGAIN);
}

static SPF_dns_rr_t *layer_lookup(SPF_dns_server_t *server, const char *name, ns_type number,
                                  int should_cache)
{
	struct spf_layer *layer = server->hook;
	struct dns_answer answer;
	size_t i = 0;

	while (i < ARRAY_SIZE(types) && types[i].number != number)
		i++;
	if (i == ARRAY_SIZE(types)) /* the type SPF: RFC 7208 3.1 has done away with it */
		return SPF_dns_rr_new_nxdomain(server, name);
	layer->too_late = layer->too_late || clock_mono_ms() >= layer->deadline_ms;
	if (layer->too_late || layer->over_limit)
		return no_more(server, name, number);
	layer->asked++;
	answer = lookup_ask(layer->lookup, types[i].type, name, layer->a);
	if (types[i].counts && lookup_is_void(&answer) && ++layer->voids > SPF_VOID_LOOKUPS_MAX) {
		layer->over_limit = true;
		return no_more(server, name, number);
	}
	look_for_malformed(layer, &answer);
	return rr_of(server, name, number, &answer);
}

static void layer_destroy(SPF_dns_server_t *server)
{
	free(server);
}

SPF_dns_server_t *spf_layer_dns(struct spf_layer *layer)
{
	SPF_dns_server_t *server = calloc(1, sizeof(*server));

	if (server)
		*server = (SPF_dns_server_t){
			.destroy = layer_destroy, .lookup = layer_lookup, .name = "podmail", .hook = layer
		};
	return server;
}

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <strings.h>

#include "base/cleanup.h"
#include "dns/internal.h"

/* Longer chains of aliases are not followed; resolvers stop about here too. */
#define ALIASES_MAX 16

static const struct {
	const char *name;
	int number;
} types[DNS_TYPES] = {
	[DNS_MX] = { "MX", ns_t_mx },          [DNS_A] = { "A", ns_t_a },
	[DNS_AAAA] = { "AAAA", ns_t_aaaa },    [DNS_ADDR] = { "AAAA and A", 0 },
	[DNS_TLSA] = { "TLSA", 52 }, /* RFC 6698 7.1; older than glibc's list */
	[DNS_TXT] = { "TXT", ns_t_txt },       [DNS_PTR] = { "PTR", ns_t_ptr },
	[DNS_CNAME] = { "CNAME", ns_t_cname }, [DNS_NS] = { "NS", ns_t_ns },
};

const char *dns_type_name(enum dns_type type)
{
	return types[type].name;
}

int dns_type_number(enum dns_type type)
{
	return types[type].number;
}

/* What is read, and the arrays that it becomes. */
struct reply {
	ns_msg msg;
	struct arena *arena;
	struct dns_mx *mx;
	struct net_addr *addr;
	struct dns_tlsa *tlsa;
	struct span *txt;
	const char **names;
	size_t n; /* records read */
};

/* Case means nothing in a name (RFC 4343), and servers give back that of the question. */
static const char *keep_lower(struct arena *a, const char *name)
{
	char *kept = arena_str(a, span_of(name));

	for (char *c = kept; c && *c; c++)
		*c = (char) ascii_lower((uint8_t) *c);
	return kept;
}

/* A name inside of the message; "." for the root, where the library says "". */
static int name_at(struct reply *r, const uint8_t *at, const char **ret_name)
{
	char text[NS_MAXDNAME];
	const char *name;

	if (ns_name_uncompress(ns_msg_base(r->msg), ns_msg_end(r->msg), at, text, sizeof(text)) < 0)
		return -POD_E_SYNTAX;
	name = keep_lower(r->arena, text[0] ? text : ".");
	if (!name)
		return -POD_E_LIMIT;
	*ret_name = name;
	return 0;
}

static int read_mx(struct reply *r, const ns_rr *rr)
{
	if (ns_rr_rdlen(*rr) < 3)
		return -POD_E_SYNTAX;
	r->mx[r->n].preference = ns_get16(ns_rr_rdata(*rr));
	return name_at(r, ns_rr_rdata(*rr) + 2, &r->mx[r->n].host);
}

static int read_addr(struct reply *r, const ns_rr *rr)
{
	struct net_addr *a = &r->addr[r->n];
	struct sockaddr_in *in = (void *) &a->ss;
	struct sockaddr_in6 *in6 = (void *) &a->ss;
	bool v6 = ns_rr_type(*rr) == ns_t_aaaa;

	if (ns_rr_rdlen(*rr) != (v6 ? 16 : 4))
		return -POD_E_SYNTAX;
	a->ss.ss_family = v6 ? AF_INET6 : AF_INET;
	a->len = v6 ? sizeof(*in6) : sizeof(*in);
	memcpy(v6 ? (void *) &in6->sin6_addr : (void *) &in->sin_addr, ns_rr_rdata(*rr), ns_rr_rdlen(*rr));
	return 0;
}

/* A record too short to be one is kept: it says that there is something, of a usage nobody knows (RFC
 * 7672 2.1.1). */
static int read_tlsa(struct reply *r, const ns_rr *rr)
{
	struct dns_tlsa *t = &r->tlsa[r->n];
	const uint8_t *p = ns_rr_rdata(*rr);

	*t = (struct dns_tlsa){ .usage = UINT8_MAX };
	if (ns_rr_rdlen(*rr) < 3)
		return 0;
	*t = (struct dns_tlsa){ .usage = p[0], .selector = p[1], .matching = p[2] };
	t->data = arena_dup(r->arena, span_make(p + 3, (size_t) ns_rr_rdlen(*rr) - 3));
	return t->data.p || ns_rr_rdlen(*rr) == 3 ? 0 : -POD_E_LIMIT;
}

static int read_txt(struct reply *r, const ns_rr *rr)
{
	struct span rest = span_make(ns_rr_rdata(*rr), ns_rr_rdlen(*rr));
	uint8_t *out = arena_alloc(r->arena, rest.len + 1);
	size_t len = 0;

	if (!out)
		return -POD_E_LIMIT;
	while (rest.len > 0) {
		size_t n = rest.p[0];

		if (n + 1 > rest.len)
			return -POD_E_SYNTAX;
		memcpy(out + len, rest.p + 1, n);
		len += n;
		rest = span_skip(rest, n + 1);
	}
	r->txt[r->n] = span_make(out, len);
	return 0;
}

static int read_name(struct reply *r, const ns_rr *rr)
{
	return name_at(r, ns_rr_rdata(*rr), &r->names[r->n]);
}

typedef int read_fn(struct reply *r, const ns_rr *rr);

static read_fn *const readers[DNS_TYPES] = {
	[DNS_MX] = read_mx,   [DNS_A] = read_addr,   [DNS_AAAA] = read_addr,  [DNS_TLSA] = read_tlsa,
	[DNS_TXT] = read_txt, [DNS_PTR] = read_name, [DNS_CNAME] = read_name, [DNS_NS] = read_name,
};

/* Room for n records of the type; the other arrays stay NULL. */
static int arrays_make(struct reply *r, enum dns_type type, size_t n)
{
	void *made = NULL;

	switch (type) {
	case DNS_MX: made = r->mx = arena_array(r->arena, n, sizeof(*r->mx)); break;
	case DNS_A:
	case DNS_AAAA:
	case DNS_ADDR: made = r->addr = arena_array(r->arena, n, sizeof(*r->addr)); break;
	case DNS_TLSA: made = r->tlsa = arena_array(r->arena, n, sizeof(*r->tlsa)); break;
	case DNS_TXT: made = r->txt = arena_array(r->arena, n, sizeof(*r->txt)); break;
	case DNS_PTR:
	case DNS_CNAME:
	case DNS_NS: made = r->names = arena_array(r->arena, n, sizeof(*r->names)); break;
	case DNS_TYPES: break;
	}
	return made ? 0 : -POD_E_LIMIT;
}

static void ttl_note(struct dns_answer *answer, const ns_rr *rr)
{
	if (ns_rr_ttl(*rr) < answer->ttl_s)
		answer->ttl_s = ns_rr_ttl(*rr);
}

/* Where the alias of that name leads: 1 and the target, 0 where it is none. */
static int alias_target(struct reply *r, const char *owner, struct dns_answer *answer,
                        const char **ret_target)
{
	ns_rr rr;

	for (int i = 0; i < ns_msg_count(r->msg, ns_s_an); i++) {
		if (ns_parserr(&r->msg, ns_s_an, i, &rr) < 0)
			return -POD_E_SYNTAX;
		if (ns_rr_type(rr) != ns_t_cname || strcasecmp(ns_rr_name(rr), owner) != 0)
			continue;
		ttl_note(answer, &rr);
		return name_at(r, ns_rr_rdata(rr), ret_target) ?: 1;
	}
	return 0;
}

static int aliases_follow(struct reply *r, struct dns_answer *answer, const char *name)
{
	answer->canonical = name;
	for (int i = 0; i < ALIASES_MAX && answer->type != DNS_CNAME; i++) {
		int found = alias_target(r, answer->canonical, answer, &answer->canonical);

		if (found <= 0)
			return found;
	}
	return 0;
}

static int records_read(struct reply *r, struct dns_answer *answer)
{
	int total = ns_msg_count(r->msg, ns_s_an);
	int e = total > 0 ? arrays_make(r, answer->type, (size_t) total) : 0;
	ns_rr rr;

	for (int i = 0; e == 0 && i < total; i++) {
		if (ns_parserr(&r->msg, ns_s_an, i, &rr) < 0)
			return -POD_E_SYNTAX;
		if ((int) ns_rr_type(rr) != types[answer->type].number || ns_rr_class(rr) != ns_c_in ||
		    strcasecmp(ns_rr_name(rr), answer->canonical) != 0)
			continue;
		e = readers[answer->type](r, &rr);
		if (e == 0) {
			ttl_note(answer, &rr);
			r->n++;
		}
	}
	return e;
}

static int question_name(struct reply *r, const char **ret_name)
{
	ns_rr rr;

	if (ns_msg_count(r->msg, ns_s_qd) != 1 || ns_parserr(&r->msg, ns_s_qd, 0, &rr) < 0)
		return -POD_E_SYNTAX;
	*ret_name = keep_lower(r->arena, ns_rr_name(rr));
	return *ret_name ? 0 : -POD_E_LIMIT;
}

static enum dns_outcome outcome_of(unsigned int rcode, size_t n)
{
	if (rcode == ns_r_nxdomain)
		return DNS_NXDOMAIN;
	if (rcode != ns_r_noerror)
		return DNS_TEMPORARY;
	return n ? DNS_FOUND : DNS_NODATA;
}

int dns_reply_parse(struct span packet, struct arena *a, struct dns_answer *answer)
{
	struct reply r = { .arena = a };
	const char *name = NULL;
	int e;

	if (packet.len > NS_MAXMSG || ns_initparse(packet.p, (int) packet.len, &r.msg) < 0)
		return -POD_E_SYNTAX;
	answer->ttl_s = UINT32_MAX;
	e = question_name(&r, &name) ?: aliases_follow(&r, answer, name);
	if (e == 0)
		e = records_read(&r, answer);
	if (e < 0)
		return e;
	answer->outcome = outcome_of(ns_msg_getflag(r.msg, ns_f_rcode), r.n);
	answer->n = answer->outcome == DNS_FOUND ? r.n : 0;
	if (answer->n) {
		answer->mx = r.mx;
		answer->addr = r.addr;
		answer->tlsa = r.tlsa;
		answer->txt = r.txt;
		answer->names = r.names;
		if (r.mx)
			dns_mx_sort(r.mx, r.n);
	}
	return 0;
}

/*
 * The client's address in DNSBLs and DNSWLs. All are asked at once, at the connection's first MAIL. What does
 * not answer says nothing: a failure of the DNS refuses nobody.
 */
#include "mta/podfilter/check_dns_lists.h"

#include <stdlib.h>
#include <string.h>

#include "mta/podfilter/checks.h"
#include "mta/podfilter/dns_lists.h"
#include "mta/podfilter/resolver.h"

#define LISTS_MAX 32

struct lists {
	size_t n;
	struct filter_dns_list items[LISTS_MAX];
};

/* One list's answer about one client. */
struct opinion {
	const struct filter_dns_list *list;
	const struct log *log;
	char name[DNS_NAME_SIZE];
	bool listed;
};

struct opinions {
	size_t n;
	struct hit {
		const char *zone;
		int hundredths;
	} hits[LISTS_MAX];
	int bad, good; /* sums in hundredths, good below 0 */
};

static int lists_configure(const struct conf *conf, void **ret_lists, struct err *err)
{
	struct lists *l = calloc(1, sizeof(*l));
	struct span rest = span_of(conf->filter.dns_lists);
	int r = l ? 0 : err_set(err, POD_E_NOMEM, "lists");

	while (r == 0 && rest.p) {
		struct span one = span_trim(span_split(rest, ',', &rest));

		if (one.len && l->n == LISTS_MAX)
			r = err_set(err, POD_E_LIMIT, "more than %d lists", LISTS_MAX);
		else if (one.len && (r = filter_dns_list_parse(one, &l->items[l->n], err)) == 0)
			l->n++;
	}
	if (r < 0)
		free(l);
	else
		*ret_lists = l;
	return r;
}

/* On the resolver's thread. */
static void take_opinion(void *arg, const struct dns_answer *answer)
{
	struct opinion *o = arg;

	if (answer->outcome == DNS_TEMPORARY || answer->outcome == DNS_BOGUS)
		log_event(o->log, LOGL_NOTICE, "filter.list_silent", F_SPAN("list", o->list->zone),
		          F_STR("why", answer->why));
	for (size_t i = 0; answer->outcome == DNS_FOUND && i < answer->n; i++) {
		o->listed |= dns_list_counts(o->list, &answer->addr[i]);
		if (dns_list_is_refusal(&answer->addr[i]))
			log_event(o->log, LOGL_WARNING, "filter.list_refuses_us",
			          F_SPAN("list", o->list->zone));
	}
}

static void keep_hits(struct session *s, const struct opinion *asked, size_t n, struct opinions *to)
{
	for (size_t i = 0; i < n; i++) {
		int points = asked[i].list->hundredths;

		if (!asked[i].listed)
			continue;
		to->hits[to->n++] = (struct hit){ arena_str(s->arena, asked[i].list->zone) ?: "", points };
		*(points > 0 ? &to->bad : &to->good) += points;
	}
}

static void ask(struct session *s, const struct lists *l, struct opinions *to)
{
	struct opinion *asked = calloc(l->n, sizeof(*asked));
	struct resolver_query queries[LISTS_MAX];
	char zone[300];
	size_t n = 0;

	for (size_t i = 0; asked && i < l->n; i++) {
		(void) snprintf(zone, sizeof(zone), SPAN_FMT, SPAN_ARG(l->items[i].zone));
		if (dns_reverse_name(&s->client, zone, asked[n].name, sizeof(asked[n].name)) < 0)
			continue;
		asked[n].list = &l->items[i];
		asked[n].log = &s->log;
		queries[n] = (struct resolver_query){ DNS_A, asked[n].name, take_opinion, &asked[n] };
		n++;
	}
	resolver_ask(filter_resolver(s), queries, n, s->settings->conf->filter.dns_lists_timeout_ms);
	keep_hits(s, asked, n, to);
	free(asked);
}

static enum answer lists_mail(struct message *m)
{
	struct session *s = m->session;
	size_t self = check_self(&check_dns_lists);
	const struct lists *l = s->settings->of_check[self];
	struct opinions *o = s->of_check[self];

	if (o || !l->n || !s->client.len)
		return ANSWER_GO_ON;
	o = arena_new(s->arena, struct opinions);
	if (!o)
		return ANSWER_GO_ON;
	s->of_check[self] = o;
	ask(s, l, o);
	return ANSWER_GO_ON;
}

static void lists_judge(struct message *m)
{
	const struct opinions *o = m->session->of_check[check_self(&check_dns_lists)];

	for (size_t i = 0; o && i < o->n; i++)
		message_find(m, o->hits[i].hundredths > 0 ? "DNSBL" : "DNSWL", o->hits[i].hundredths,
		             o->hits[i].zone);
}

bool dns_lists_bad(const struct session *s)
{
	const struct opinions *o = s->of_check[check_self(&check_dns_lists)];

	return o && o->bad > 0;
}

bool dns_lists_good(const struct session *s)
{
	const struct opinions *o = s->of_check[check_self(&check_dns_lists)];

	return o && o->good < 0 && !o->bad;
}

const struct check check_dns_lists = {
	.name = "dns_lists",
	.directions = CHECK_IN,
	.configure = lists_configure,
	.configure_done = free,
	.mail = lists_mail,
	.judge = lists_judge,
};

/* Connecting to a host: its addresses race, and what that says of them is remembered. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mta/outbound/job.h"

static void note_failed(struct job *j, const struct race *r, size_t i)
{
	char address[NET_ADDR_TEXT_SIZE], text[600];

	(void) net_addr_host(race_addr(r, i), address, sizeof(address));
	(void) snprintf(text, sizeof(text), "%s[%s]: %s while connecting", j->place.host, address,
	                race_why(r, i));
	job_note_ours(j, OUTBOUND__TROUBLE__UNREACHABLE, 451, "4.4.1", text);
	j->feedback.host = job_text(j, j->place.host);
	j->feedback.address = job_text(j, address);
	j->feedback.reused = false;
}

static void come_last_next_time(struct job *j, const struct net_addr *addr)
{
	memory_mark_silent(j->o->memory, addr, clock_mono_ms() + j->o->conf->outbound.silent_host_time_ms);
}

/* The winner may still turn out to be of no use: who was only slower is asked then. */
static void keep_for_later(struct job *j, const struct net_addr *addr)
{
	if (j->n_addresses < JOB_ADDRESSES_MAX)
		j->addresses[j->n_addresses++] = *addr;
}

static void learn(struct job *j, const struct race *r)
{
	for (size_t i = 0; i < race_n(r); i++) {
		const struct net_addr *addr = race_addr(r, i);

		switch (race_state(r, i)) {
		case RACE_FAILED:
			j->tries++;
			note_failed(j, r, i);
			come_last_next_time(j, addr);
			break;
		case RACE_RUNS:
			come_last_next_time(j, addr);
			keep_for_later(j, addr);
			break;
		case RACE_WAITS: keep_for_later(j, addr); break;
		case RACE_CONNECTED:
			j->tries++;
			j->place.addr = *addr;
			break;
		}
	}
}

static void job_on_raced(void *job, int fd)
{
	struct job *j = job;
	struct race *r = take_ptr(j->race);

	learn(j, r);
	(void) race_free(r);
	if (fd >= 0)
		job_use_connection(j, fd);
	else
		job_go_on(j);
}

static void start(struct job *j, const struct net_addr *addrs, size_t n)
{
	const struct outbound_conf *c = &j->o->conf->outbound;
	const struct race_settings settings = { .base = j->o->base,
		                                .from_ipv4 = &j->o->source_ipv4,
		                                .from_ipv6 = &j->o->source_ipv6,
		                                .pause_ms = (unsigned int) c->next_address_ms,
		                                .limit_ms = (unsigned int) c->connect_timeout_ms };
	size_t most = j->tries < c->hosts_max ? c->hosts_max - j->tries : 1;

	j->race = race_start(&settings, addrs, n < most ? n : most, job_on_raced, j);
	if (j->race)
		return;
	job_note_ours(j, OUTBOUND__TROUBLE__LOCAL, 451, "4.3.0", "out of memory");
	job_finish(j);
}

void job_connect(struct job *j, const struct job_place *place, const struct net_addr *addrs, size_t n)
{
	j->place = *place;
	j->in_clear = false;
	start(j, addrs, n);
}

void job_connect_in_clear(struct job *j)
{
	j->in_clear = true;
	start(j, &j->place.addr, 1);
}

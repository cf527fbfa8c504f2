/* Two replicas over TLS on loopback, as they follow, lose and find each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "replicator/snapshot/snapshot.h"
#include "tests/support/replica_pair.h"

static struct disk_cursors cursors(struct replica *x)
{
	struct disk_cursors c;

	disk_cursors(x->disk, &c);
	return c;
}

static enum peer_state state_of(struct replica *x)
{
	return replica_peer_status(x).state;
}

/* b has, durable, all that a has committed. */
static bool caught_up(struct pair *p)
{
	return cursors(&p->b).durable >= cursors(&p->a).committed;
}

static void follow(struct pair *p)
{
	PAIR_UNTIL(state_of(&p->a) == PEER_FOLLOWING);
}

static void join(struct pair *p, enum peer_mode mode, uint32_t wait_ms)
{
	replica_peer(p, &p->a, mode, wait_ms, false);
	PAIR_UNTIL(replica_peer_status(&p->a).in_sync);
}

static void a_secondary_holds_what_the_primary_wrote(void **state)
{
	struct pair *p = *state;

	follow(p);
	pair_write(p, &p->a, 300);
	PAIR_UNTIL(caught_up(p));
	pair_same(p);
}

int main(void)
{
#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)
	const struct CMUnitTest tests[] = {
		PAIR_TEST(a_secondary_holds_what_the_primary_wrote),
	};

	(void) join;
	return cmocka_run_group_tests(tests, pair_keys_make, pair_keys_remove);
}

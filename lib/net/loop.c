#include "net/loop.h"

#include <event2/event.h>

#include "base/log.h"

int loop_run(struct event_base *base)
{
	int r = 0;

	log_gather();
	while (r == 0 && !event_base_got_exit(base) && !event_base_got_break(base)) {
		r = event_base_loop(base, EVLOOP_ONCE);
		log_flush();
	}
	log_at_once();
	return r < 0 ? -1 : 0;
}

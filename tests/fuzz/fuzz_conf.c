/* A configuration file of any bytes is read or refused; what was read prints to something that reads the
 * same. */
#include <assert.h>

#include "base/cleanup.h"
#include "conf/conf.h"

static void prints_to_what_it_was_read_from(const struct conf *conf)
{
	_cleanup_buf_ struct buf first = BUF_INIT, second = BUF_INIT, json = BUF_INIT;
	_cleanup_(conf_freep) const struct conf *again = NULL;

	conf_print(conf, &first);
	assert(conf_load_text(buf_span(&first), conf->file, NULL, NULL, &again, NULL) == 0);
	conf_print(again, &second);
	assert(span_eq(buf_span(&first), buf_span(&second)));
	assert(conf_print_json(conf, &json, NULL) == 0);
	for (int i = 0; i < CONF_LISTENERS; i++) {
		const struct conf_endpoint *e = conf_listen(conf, (enum conf_listener) i);

		assert(!e || (e->port > 0 && e->port <= 65535 && e->host[0]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	_cleanup_(conf_freep) const struct conf *conf = NULL;
	struct conf_problems problems = { 0 };
	struct err err = { 0 };
	int r = conf_load_text(span_make(data, len), "/etc/podmail/podmail.conf", a, &problems, &conf, &err);

	if (r == 0)
		prints_to_what_it_was_read_from(conf);
	else
		assert(r == -POD_E_NOMEM || (problems.n > 0 && err.text[0]));
	return 0;
}

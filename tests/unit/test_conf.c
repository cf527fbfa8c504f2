#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "conf/conf.h"
#include "conf/item.h"
#include "conf/conf_internal.h"
#include "conf/value.h"

#define FILE_PATH "/etc/podmail/podmail.conf"

static const struct conf *load(const char *text)
{
	const struct conf *conf = NULL;
	struct err err = { 0 };

	if (conf_load_text(span_of(text), FILE_PATH, NULL, NULL, &conf, &err) < 0)
		fail_msg("%s", err.text);
	return conf;
}

static void an_empty_file_means_every_default(void **state)
{
	_cleanup_(conf_freep) const struct conf *c = load("");

	assert_string_equal(c->pod.name, "pod1");
	assert_string_equal(c->pod.dir, "/etc/podmail");
	assert_string_equal(c->pod.run_dir, "/etc/podmail/run");
	assert_string_equal(c->tls.cert, "/etc/podmail/tls/server.pem");
	assert_null(c->tls.sni_dir);
	assert_string_equal(c->mta.hostname, "mx.example.test");
	assert_true(c->mta.max_message_size == 64u << 20);
	assert_true(c->mta.command_timeout_ms == 300000);
	assert_true(c->mta.queue_lifetime_ms == 5 * 86400000ull);
	assert_int_equal(c->mta.max_recipients, 1000);
	assert_false(c->mta.allow_cleartext_auth);
	assert_true(c->mta.workers > 0 && c->imapd.workers > 0);
	assert_true(c->stored.quota_default == 10ull << 30);
	assert_int_equal(c->log.level, LOGL_INFO);
	assert_string_equal(c->pod.proxy_protocol_from, "");
}

static void every_kind_of_value_is_read(void **state)
{
	_cleanup_(conf_freep) const struct conf *c =
		load("# a comment\n"
	             "pod {\n"
	             "  dir = /srv/pod; base_port = 2000\n"
	             "  domain: 'Example.ORG' /* lowered /* nested */ */\n"
	             "  proxy_protocol_from = [10.0.0.0/8, \"::1\"]\n"
	             "  user_mta \"\"\n"
	             "}\n"
	             "log { format = JSON, level = warning; file = \"\" }\n"
	             "mta\n{\n"
	             "  max_message_size = 10 m\n"
	             "  command_timeout = 90s\n"
	             "  allow_cleartext_auth = on\n"
	             "  queue_dir = /var/spool/a b # with a space\n"
	             "}\n"
	             "dns {\n"
	             "  servers = [192.0.2.1, \"192.0.2.2:5353\", \"[2001:db8::1]\", \"[::1]:53\", "
	             "\"2001:db8::2\"]\n"
	             "  stubs = \".=127.0.0.1:5300, _udp.corp.example = ::1\"\n"
	             "}\n"
	             "stored { commit_window = 0; quota_default = 0; }\n");

	assert_string_equal(c->pod.dir, "/srv/pod");
	assert_string_equal(c->pod.domain, "example.org");
	assert_string_equal(c->mta.hostname, "mx.example.org");
	assert_string_equal(c->pod.proxy_protocol_from, "10.0.0.0/8, ::1");
	assert_string_equal(c->pod.user_mta, "");
	assert_string_equal(c->dns.servers,
	                    "192.0.2.1, 192.0.2.2:5353, [2001:db8::1], [::1]:53, 2001:db8::2");
	assert_string_equal(c->dns.stubs, ".=127.0.0.1:5300, _udp.corp.example = ::1");
	assert_string_equal(c->dns.trust_anchor, "/usr/share/dns/root.key");
	assert_int_equal(c->log.format, LOG_FORMAT_JSON);
	assert_int_equal(c->log.level, LOGL_WARNING);
	assert_null(c->log.file);
	assert_true(c->mta.max_message_size == 10u << 20);
	assert_true(c->mta.command_timeout_ms == 90000);
	assert_true(c->mta.allow_cleartext_auth);
	assert_string_equal(c->mta.queue_dir, "/var/spool/a b");
	assert_string_equal(c->tls.key, "/srv/pod/tls/server.key");
	assert_true(c->stored.quota_default == 0);
}

static void json_is_read_too(void **state)
{
	_cleanup_(conf_freep) const struct conf *c = load(
		"{\"pod\": {\"name\": \"p\\u0032\", \"dir\": \"/\"}, \"mta\": {\"max_recipients\": 200}}\n");

	assert_string_equal(c->pod.name, "p2");
	assert_string_equal(c->pod.run_dir, "/run");
	assert_int_equal(c->mta.max_recipients, 200);
}

static void each_mistake_is_told_with_its_line(void **state)
{
	static const struct {
		const char *text;
		unsigned int line;
		const char *says;
	} cases[] = {
		{ "\nmta { max_mesage_size = 1M }", 2,
		  "unknown option max_mesage_size in mta; did you mean max_message_size?" },
		{ "mtaa { }", 1, "unknown section mtaa; did you mean mta?" },
		{ "mta { colour = red }", 1, "unknown option colour in mta" },
		{ "max_recipients = 5", 1, "unknown section max_recipients" },
		{ "mta = 5", 1, "mta is a section" },
		{ "mta { }\nmta { }", 2, "section mta was there in line 1 already" },
		{ "mta {\nmax_hops = 20\nmax_hops = 30\n}", 3, "mta.max_hops is set in line 2 already" },
		{ "mta { max_recipients = many }", 1, "mta.max_recipients: a number is expected" },
		{ "mta { max_recipients = -1 }", 1, "a number is expected" },
		{ "mta { max_recipients = 99999999999999999999 }", 1, "a number is expected" },
		{ "mta { max_recipients = 99 }", 1,
		  "mta.max_recipients: a value from 100 to 10000 is expected" },
		{ "mta { max_recipients = 10001 }", 1, "a value from 100 to 10000 is expected" },
		{ "mta { max_message_size = 64X }", 1, "a size such as" },
		{ "mta { max_message_size = 99999999999T }", 1, "a size such as" },
		{ "mta { max_message_size = 3G }", 1, "a value from 64K to 2G is expected" },
		{ "mta { command_timeout = 300 }", 1, "a duration with its unit" },
		{ "mta { allow_cleartext_auth = maybe }", 1, "yes or no is expected" },
		{ "mta { smtp = localhost:25 }", 1, "an address such as" },
		{ "mta { smtp = 127.0.0.1 }", 1, "an address such as" },
		{ "mta { smtp = 127.0.0.1:0 }", 1, "an address such as" },
		{ "mta { smtp = 127.0.0.1:65536 }", 1, "an address such as" },
		{ "mta { smtp = ::1:25 }", 1, "an address such as" },
		{ "mta { smtp { } }", 1, "one value is expected, not a block" },
		{ "mta { smtp = [ ] }", 1, "one value is expected, not a list" },
		{ "log { level = loud }", 1, "one of debug, info, notice, warning, error is expected" },
		{ "pod { domain = -x.org }", 1, "a domain name" },
		{ "pod { domain = a..org }", 1, "a domain name" },
		{ "pod { name = ../x }", 1, "a name of up to 64" },
		{ "pod { name = \"\" }", 1, "a name of up to 64" },
		{ "pod { proxy_protocol_from = [10.0.0.0/33] }", 1, "networks such as" },
		{ "pod { proxy_protocol_from = [[::1]] }", 1, "a list of texts is expected" },
		{ "outbound { tls = always }", 1, "one of none, may, encrypt, verify is expected" },
		{ "outbound { tls_domains = partner.example }", 1, "DOMAIN=WORD such as" },
		{ "outbound { tls_domains = [a.example=may, b.example=dane] }", 1, "DOMAIN=WORD such as" },
		{ "dns { servers = resolver.example }", 1, "an address such as" },
		{ "dns { servers = [192.0.2.1, 192.0.2.2:0] }", 1, "an address such as" },
		{ "dns { servers = \"[192.0.2.1]:53\" }", 1, "an address such as" },
		{ "dns { stubs = corp.example }", 1, "ZONE=ADDRESS such as" },
		{ "dns { stubs = \"corp.example=ns\" }", 1, "ZONE=ADDRESS such as" },
		{ "dns { unsigned_zones = a..b }", 1, "a zone such as" },
		{ "pod { run_dir = \"\" }", 1, "pod.run_dir: a path is expected" },
		{ "pod { listen_address = localhost }", 1, "an IPv4 or IPv6 address" },
		{ "mta {\nqueue_retry_min = 2h\n}", 2,
		  "mta.queue_retry_min is longer than mta.queue_retry_max" },
		{ "stored { delivery_memory = 1d }", 1,
		  "mta.queue_lifetime is longer than stored.delivery_memory" },
		{ "tls { client_key = k }", 1, "go together" },
		{ "\nimapd { imap = 127.0.0.1:25 }", 2, "smtp and imap would both listen on 127.0.0.1:25" },
		{ "mta { lmtp = *:25 }", 1, "smtp and lmtp would both listen" },
		/* the language */
		{ "mta {\n\n", 1, "the block that begins here does not end" },
		{ "/* a\n/* b */\n", 1, "the comment that begins here does not end" },
		{ "pod { proxy_protocol_from = [\n1", 1, "the list that begins here does not end" },
		{ "pod { name = \"x\n\" }", 1, "the quoted text does not end on its line" },
		{ "pod { name = \"\\x\" }", 1, "no such escape" },
		{ "pod { name = \"\\ud800\" }", 1, "no such escape" },
		{ "pod { name = \"a\\u0007\" }", 1, "control characters" },
		{ "pod { name = \"\xff\" }", 1, "not UTF-8" },
		{ "pod { dir = /a\x01 }", 1, "control characters" },
		{ "pod { dir = ; }", 1, "a value is missing" },
		{ "pod { dir = \"a\" b }", 1, "is expected after a value" },
		{ "pod { = 4 }", 1, "an option's name is expected here" },
		{ "}", 1, "an option's name is expected here" },
		{ "{ } x", 1, "nothing may follow the closing brace" },
		{ "a [[[[[[[[[[[[[[", 1, "nested too deeply" },
		{ "pod x { }", 1, "quote a value that has braces" },
		/* what would read other files or run something */
		{ "\n.include \"/etc/passwd\"\n", 2, "macros such as .include are not allowed" },
		{ "pod { .include(try=true) \"/etc/passwd\" }", 1, "macros" },
		{ "pod { dir = ${HOME} }", 1, "quote a value" },
		{ "pod { dir = \"${HOME}\" }", 1, "variables are not supported" },
		{ "pod { dir = '${HOME}' }", 1, "variables are not supported" },
		{ "pod { dir = <<EOD\n/x\nEOD\n}", 1, "here documents are not supported" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
		const struct conf *conf = NULL;
		struct conf_problems problems;
		struct err err = { 0 };

		assert_int_equal(conf_load_text(span_of(cases[i].text), FILE_PATH, a, &problems, &conf, &err),
		                 -POD_E_CONFIG);
		assert_null(conf);
		assert_true(problems.n > 0);
		if (!strstr(problems.items[0].text, cases[i].says))
			fail_msg("\"%s\": got \"%s\"", cases[i].text, problems.items[0].text);
		assert_int_equal(problems.items[0].line, cases[i].line);
		assert_non_null(strstr(err.text, problems.items[0].text));
	}
}

static void all_mistakes_are_told_at_once_in_line_order(void **state)
{
	static const char text[] = "mta {\n"
				   "  queue_retry_min = 3h\n"
				   "  max_hop = 3\n"
				   "  max_errors = \"\n"
				   "  max_recipients = 3\n"
				   "}\n"
				   "podd { restart_min = never }\n";
	static const unsigned int lines[] = { 2, 3, 4, 5, 7 };
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	const struct conf *conf = NULL;
	struct conf_problems problems;
	struct err err = { 0 };

	assert_int_equal(conf_load_text(span_of(text), FILE_PATH, a, &problems, &conf, &err), -POD_E_CONFIG);
	assert_int_equal(problems.n, ARRAY_SIZE(lines));
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(problems.items[i].line, lines[i]);
	assert_non_null(strstr(err.text, FILE_PATH ":2: "));
	assert_non_null(strstr(err.text, "(and 4 more)"));
}

static void endless_mistakes_end_after_a_hundred(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	_cleanup_buf_ struct buf text = BUF_INIT;
	const struct conf *conf = NULL;
	struct conf_problems problems;

	for (int i = 0; i < 5000; i++)
		buf_add_str(&text, "x = y\n");
	assert_int_equal(conf_load_text(buf_span(&text), FILE_PATH, a, &problems, &conf, NULL),
	                 -POD_E_CONFIG);
	assert_int_equal(problems.n, 100);
	while (text.len <= 1 << 20)
		buf_add_str(&text, "# more and more\n");
	assert_int_equal(conf_load_text(buf_span(&text), FILE_PATH, a, &problems, &conf, NULL),
	                 -POD_E_CONFIG);
	assert_non_null(strstr(problems.items[0].text, "larger than"));
}

static void listeners_follow_base_port_unless_they_have_their_own_address(void **state)
{
	_cleanup_(conf_freep) const struct conf *c = load("pod { base_port = 2000; listen_address = ::1 }\n"
	                                                  "mta { smtp = \"*:25\"; lmtp = none }\n"
	                                                  "imapd { imaps = \"[2001:db8::1]:993\" }\n");
	const struct conf_endpoint *e = conf_listen(c, CONF_LISTEN_SMTP);

	assert_string_equal(e->address, "*:25");
	assert_string_equal(e->host, "*");
	assert_int_equal(e->port, 25);
	assert_null(conf_listen(c, CONF_LISTEN_LMTP));
	e = conf_listen(c, CONF_LISTEN_SUBMISSION);
	assert_string_equal(e->name, "submission");
	assert_string_equal(e->address, "[::1]:2587");
	assert_string_equal(e->host, "::1");
	e = conf_listen(c, CONF_LISTEN_IMAPS);
	assert_string_equal(e->host, "2001:db8::1");
	assert_int_equal(e->port, 993);
	assert_string_equal(conf_listen(c, CONF_LISTEN_METRICS)->address, "[::1]:2901");
	assert_string_equal(conf_listener_name(CONF_LISTEN_LMTP), "lmtp");
}

static void what_is_printed_loads_to_the_same(void **state)
{
	_cleanup_(conf_freep) const struct conf *c =
		load("pod { dir = '/srv/\"odd\" \\dir'; name = p7 }\n"
	             "mta { command_timeout = 90s; max_message_size = 100000 }\n");
	_cleanup_(conf_freep) const struct conf *again = NULL;
	_cleanup_buf_ struct buf first = BUF_INIT, second = BUF_INIT, json = BUF_INIT;

	conf_print(c, &first);
	assert_non_null(strstr(buf_str(&first), "    name = \"p7\";\n"));
	assert_non_null(strstr(buf_str(&first), "    # max_recipients = 1000; # default\n"));
	assert_non_null(strstr(buf_str(&first), "    command_timeout = 90s;\n"));
	assert_non_null(strstr(buf_str(&first), "    max_message_size = 100000;\n"));
	again = load(buf_str(&first));
	conf_print(again, &second);
	assert_string_equal(buf_str(&first), buf_str(&second));
	assert_string_equal(again->pod.dir, "/srv/\"odd\" \\dir");
	assert_int_equal(conf_print_json(c, &json, NULL), 0);
	assert_non_null(strstr(buf_str(&json),
	                       "\"max_recipients\": {\n      \"value\": 1000,\n      \"default\": true"));
	assert_non_null(strstr(buf_str(&json),
	                       "\"value\": 90000,\n      \"unit\": \"ms\",\n      \"default\": false"));
}

static void a_row_is_sound(const struct conf_item *item, void *values, struct arena *a)
{
	const char *texts[] = { item->default_text, item->lowest, item->highest };

	assert_true(item->name && item->help);
	assert_true(item->help[strlen(item->help) - 1] == '.');
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i])
			assert_int_equal(conf_value_set(item, values, span_of(texts[i]), a, NULL), 0);
	assert_true(item->type != CONF_TYPE_COUNT || conf_value_number(item, values) <= UINT32_MAX);
}

/* A field of a block may lack a default: it has to be given. */
static void a_list_of_blocks_is_sound(const struct conf_item *item, struct arena *a)
{
	void *record = arena_alloc(a, item->record_size);

	assert_true(item->n_fields > 0 && item->n_fields <= CONF_ITEMS_MAX);
	for (size_t i = 0; i < item->n_fields; i++)
		a_row_is_sound(&item->fields[i], record, a);
}

/* Every row states bounds its default is within, and says what it is for. */
static void the_tables_are_sound(void **state)
{
	for (size_t s = 0; s < CONF_SECTIONS; s++) {
		const struct conf_section *section = conf_sections[s];

		assert_true(section->n <= CONF_ITEMS_MAX);
		for (size_t i = 0; i < section->n; i++) {
			const struct conf_item *item = &section->items[i];
			struct conf_loaded l = { .arena = arena_create(4096) };

			assert_non_null(item->default_text);
			if (item->type == CONF_TYPE_RECORDS)
				a_list_of_blocks_is_sound(item, l.arena);
			else
				a_row_is_sound(item, conf_section_of(&l, section), l.arena);
			for (size_t j = 0; j < i; j++)
				assert_string_not_equal(item->name, section->items[j].name);
			(void) arena_free(l.arena);
		}
	}
}

static void lists_of_blocks_are_read_and_printed(void **state)
{
	_cleanup_(conf_freep) const struct conf *c = load(
		"mta { milters = [ { name = rspamd; socket = \"inet:11332@127.0.0.1\"; timeout = 20s },\n"
		"                  { name = clamav, socket = 'unix:/run/clamav.sock', on_failure = "
	        "quarantine } ]\n"
		"      lmtp_milters { name = one; socket = \"inet6:7@::1\" } }\n");
	const struct conf_milter *m = c->mta.milters.items;
	_cleanup_(conf_freep) const struct conf *again = NULL;
	_cleanup_buf_ struct buf first = BUF_INIT, second = BUF_INIT, json = BUF_INIT;

	assert_int_equal(c->mta.milters.n, 2);
	assert_int_equal(c->mta.submission_milters.n, 0);
	assert_int_equal(c->mta.lmtp_milters.n, 1);
	assert_string_equal(m[0].name, "rspamd");
	assert_true(m[0].timeout_ms == 20000 && m[0].end_timeout_ms == 300000 && m[0].protocol == 6);
	assert_string_equal(m[1].socket, "unix:/run/clamav.sock");
	assert_int_equal(m[1].on_failure, CONF_MILTER_QUARANTINE);
	conf_print(c, &first);
	again = load(buf_str(&first));
	conf_print(again, &second);
	assert_string_equal(buf_str(&first), buf_str(&second));
	assert_int_equal(conf_print_json(c, &json, NULL), 0);
	assert_non_null(strstr(buf_str(&json), "\"on_failure\": \"quarantine\""));
}

static void mistakes_in_a_block_are_told(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "mta { milters = [ { name = a } ] }",
		  ":1: mta.milters: socket is missing in the block that begins here" },
		{ "mta { milters = [ { name = a; socket = \"inet:1@host\" } ] }",
		  ":1: mta.milters: socket: a socket such as inet:11332@127.0.0.1, inet6:11332@::1 or "
		  "unix:/run/filter.sock is "
		  "expected" },
		{ "mta { milters = [\n{ name = a; sokcet = b; socket = \"unix:/a\" } ] }",
		  ":2: unknown option sokcet in mta.milters; did you mean socket?" },
		{ "mta { milters = [ { name = a; name = b; socket = \"unix:/a\" } ] }",
		  ":1: mta.milters: name is set in line 1 already" },
		{ "mta { milters = [ a, b ] }",
		  ":1: mta.milters: a list of at most 64 blocks is expected, [{ ... }, { ... }]" },
		{ "mta { milters = [ { name = a; socket = \"unix:/a\"; protocol = 7 } ] }",
		  ":1: mta.milters: protocol: a value from 2 to 6 is expected" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct conf *c = NULL;
		struct err err = { 0 };

		assert_int_equal(conf_load_text(span_of(cases[i].text), FILE_PATH, NULL, NULL, &c, &err),
		                 -POD_E_CONFIG);
		assert_string_equal(err.text + strlen(FILE_PATH), cases[i].says);
	}
}

static void the_manual_names_every_option(void **state)
{
	_cleanup_(freep) char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	conf_print_man(f);
	assert_int_equal(fclose(f), 0);
	for (size_t s = 0; s < CONF_SECTIONS; s++)
		for (size_t i = 0; i < conf_sections[s]->n; i++) {
			char line[80];

			(void) snprintf(line, sizeof(line), "\n.BI \"%s = \"",
			                conf_sections[s]->items[i].name);
			assert_non_null(strstr(text, line));
		}
	assert_non_null(strstr(text, "Default: 64M; from 64K to 2G.\n"));
}

static void a_file_is_read_and_an_unreadable_one_is_an_error(void **state)
{
	char dir[] = "/tmp/podmail-conf-XXXXXX", path[64], real[PATH_MAX];
	_cleanup_(conf_freep) const struct conf *c = NULL;
	struct err err = { 0 };
	FILE *f;

	assert_non_null(mkdtemp(dir));
	(void) snprintf(path, sizeof(path), "%s/podmail.conf", dir);
	assert_int_equal(conf_load(path, NULL, NULL, &c, &err), -POD_E_NOTFOUND);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(conf_load(dir, NULL, NULL, &c, &err), -POD_E_IO);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs("pod { name = disk }\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(conf_load(path, NULL, NULL, &c, &err), 0);
	assert_string_equal(c->pod.name, "disk");
	assert_string_equal(c->pod.dir, realpath(dir, real));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	{
		const struct conf *none = NULL;

		assert_int_equal(conf_load(path, NULL, NULL, &none, &err), -POD_E_IO);
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_means_every_default),
		cmocka_unit_test(every_kind_of_value_is_read),
		cmocka_unit_test(json_is_read_too),
		cmocka_unit_test(each_mistake_is_told_with_its_line),
		cmocka_unit_test(all_mistakes_are_told_at_once_in_line_order),
		cmocka_unit_test(endless_mistakes_end_after_a_hundred),
		cmocka_unit_test(listeners_follow_base_port_unless_they_have_their_own_address),
		cmocka_unit_test(what_is_printed_loads_to_the_same),
		cmocka_unit_test(lists_of_blocks_are_read_and_printed),
		cmocka_unit_test(mistakes_in_a_block_are_told),
		cmocka_unit_test(the_tables_are_sound),
		cmocka_unit_test(the_manual_names_every_option),
		cmocka_unit_test(a_file_is_read_and_an_unreadable_one_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

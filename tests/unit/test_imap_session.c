/* Transcripts of the IMAP core: what a client says, and all that it hears. */
#include "tests/support/imap_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/cleanup.h"

static void freep_host(struct imap_host **h)
{
	(void) imap_host_free(*h);
}
#define HOST _cleanup_(freep_host) struct imap_host *

struct line {
	const char *say, *hear; /* without the last CRLF */
};

static void talk(struct imap_host *h, const struct line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char say[9000], hear[20000];

		(void) snprintf(say, sizeof(say), "%s\r\n", lines[i].say);
		(void) snprintf(hear, sizeof(hear), "%s%s", lines[i].hear, *lines[i].hear ? "\r\n" : "");
		assert_string_equal(imap_host_say(h, span_of(say)), hear);
	}
}
#define TALK(h, ...)                                                                                         \
	do {                                                                                                 \
		static const struct line lines_[] = { __VA_ARGS__ };                                         \
		talk((h), lines_, ARRAY_SIZE(lines_));                                                       \
	} while (0)

static struct imap_host *selected(void)
{
	struct imap_host *h = imap_host_create(IMAP_HOST_LOGGED_IN);
	const char *said = imap_host_say(h, SPAN_LIT("x SELECT INBOX\r\n"));

	assert_non_null(strstr(said, "x OK [READ-WRITE] SELECT done\r\n"));
	return h;
}

static bool hears(struct imap_host *h, const char *say, const char *part)
{
	char line[9000];

	(void) snprintf(line, sizeof(line), "%s\r\n", say);
	return strstr(imap_host_say(h, span_of(line)), part) != NULL;
}

static void the_greeting_tells_what_can_be_done_before_login(void **state)
{
	HOST plain = imap_host_create(0);
	HOST tls = imap_host_create(IMAP_HOST_TLS);

	assert_string_equal(imap_host_say(plain, SPAN_LIT("")),
	                    "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE STARTTLS LOGINDISABLED "
	                    "AUTH=SCRAM-SHA-256] podmail ready\r\n");
	assert_string_equal(imap_host_say(tls, SPAN_LIT("")),
	                    "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN "
	                    "AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS] podmail ready\r\n");
}

static void passwords_are_refused_without_tls(void **state)
{
	HOST h = imap_host_create(0);

	(void) imap_host_say(h, SPAN_LIT(""));
	TALK(h, { "a LOGIN joe sesame", "a NO [PRIVACYREQUIRED] Passwords are taken under TLS only" },
	     { "b AUTHENTICATE PLAIN AGpvZQBzZXNhbWU=", "b NO [PRIVACYREQUIRED] Passwords are taken under TLS only" },
	     { "c AUTHENTICATE SCRAM-SHA-256-PLUS", "c NO [CANNOT] Channel binding needs TLS" },
	     { "d STARTTLS", "d OK Begin TLS negotiation now" });
	assert_true(hears(h, "e LOGIN joe sesame", "e OK [CAPABILITY "));
}

static void what_follows_starttls_in_clear_is_not_a_command(void **state)
{
	HOST h = imap_host_create(0);

	(void) imap_host_say(h, SPAN_LIT(""));
	assert_string_equal(imap_host_say(h, SPAN_LIT("a STARTTLS\r\nb NOOP\r\n")), "a OK Begin TLS negotiation now\r\n");
	TALK(h, { "c STARTTLS", "c BAD TLS is active already" });
}

static void every_way_to_log_in_works_and_a_wrong_password_does_not(void **state)
{
	HOST h = imap_host_create(IMAP_HOST_TLS);

	(void) imap_host_say(h, SPAN_LIT(""));
	TALK(h, { "a LOGIN joe wrong", "a NO [AUTHENTICATIONFAILED] Authentication failed" },
	     { "b AUTHENTICATE PLAIN", "+ " }, { "*", "b BAD Authentication cancelled" },
	     { "c AUTHENTICATE PLAIN", "+ " }, { "not base64!", "c BAD Invalid base64" },
	     { "d AUTHENTICATE NTLM", "d NO [CANNOT] Mechanism is not supported" },
	     { "e AUTHENTICATE LOGIN", "+ VXNlcm5hbWU6" }, { "am9l", "+ UGFzc3dvcmQ6" },
	     { "d3Jvbmc=", "e NO [AUTHENTICATIONFAILED] Authentication failed" });
	assert_true(hears(h, "f AUTHENTICATE LOGIN am9l", "+ UGFzc3dvcmQ6"));
	assert_true(hears(h, "c2VzYW1l", "f OK [CAPABILITY IMAP4rev1 "));
	TALK(h, { "g LOGIN joe sesame", "g BAD Authenticated already" });
}

static void the_third_wrong_password_ends_the_connection(void **state)
{
	HOST h = imap_host_create(IMAP_HOST_TLS);

	(void) imap_host_say(h, SPAN_LIT("a LOGIN joe x\r\nb LOGIN joe x\r\n"));
	TALK(h, { "c LOGIN joe x", "c NO [AUTHENTICATIONFAILED] Authentication failed\r\n* BYE Too many failed logins" });
	assert_true(imap_host_is_closed(h));
}

static void literals_come_in_both_forms_and_commands_are_pipelined(void **state)
{
	HOST h = imap_host_create(IMAP_HOST_TLS);

	(void) imap_host_say(h, SPAN_LIT(""));
	assert_string_equal(imap_host_say(h, SPAN_LIT("a LOGIN {3}\r\n")), "+ OK\r\n");
	assert_string_equal(imap_host_say(h, SPAN_LIT("joe {6}\r\n")), "+ OK\r\n");
	assert_non_null(strstr(imap_host_say(h, SPAN_LIT("sesame\r\nb NOOP\r\nc SELECT {5+}\r\nINBOX\r\nd NOOP\r\n")),
	                       "b OK NOOP done\r\n"));
	TALK(h, { "e CLOSE", "e OK CLOSE done" });
}

static void commands_come_byte_by_byte_as_well(void **state)
{
	static const char say[] = "a LOGIN {3+}\r\njoe \"sesame\"\r\nb NOOP\r\n";
	HOST h = imap_host_create(IMAP_HOST_TLS);
	char heard[4000] = "";

	for (size_t i = 0; i < sizeof(say) - 1; i++)
		(void) strncat(heard, imap_host_say(h, span_make(say + i, 1)), sizeof(heard) - strlen(heard) - 1);
	assert_non_null(strstr(heard, "Logged in\r\nb OK NOOP done\r\n"));
}

static void what_is_too_long_is_swallowed_and_refused_under_its_tag(void **state)
{
	HOST h = imap_host_create(IMAP_HOST_LOGGED_IN);
	char say[20000];

	(void) snprintf(say, sizeof(say), "t1 NOOP %010000d\r\nt2 NOOP\r\n", 0);
	assert_string_equal(imap_host_say(h, span_of(say)), "t1 BAD Command is too long\r\nt2 OK NOOP done\r\n");
	TALK(h, { "t3 SELECT {90000}", "t3 NO [TOOBIG] Literal is too large" }, { "t4 NOOP", "t4 OK NOOP done" });
	(void) snprintf(say, sizeof(say), "t5 SELECT {10000+}\r\n%010000d {3+}\r\nabc\r\nt6 NOOP\r\n", 0);
	assert_string_equal(imap_host_say(h, span_of(say)),
	                    "t5 NO [TOOBIG] Literal is too large\r\nt6 OK NOOP done\r\n");
	TALK(h, { "t7 SELECT {99999999999+}", "* BYE [TOOBIG] Literal is too large" });
}

static void lines_end_in_crlf_only(void **state)
{
	HOST h = imap_host_create(IMAP_HOST_LOGGED_IN);

	assert_string_equal(imap_host_say(h, SPAN_LIT("a NOOP\nb NOOP\r\n")), "a BAD Lines end in CRLF\r\nb OK NOOP done\r\n");
}

static void commands_are_refused_out_of_order_and_out_of_grammar(void **state)
{
	HOST h = imap_host_create(IMAP_HOST_TLS);

	(void) imap_host_say(h, SPAN_LIT(""));
	TALK(h, { "a SELECT INBOX", "a BAD Authenticate first" }, { "b FROBNICATE", "b BAD Unknown command" },
	     { "c UID NOOP", "c BAD Unknown command" }, { "noop", "* BAD Invalid tag" },
	     { "+ NOOP", "* BAD Invalid tag" },
	     { "d NOOP x", "d BAD Unexpected characters at the end of the command" },
	     { "", "" }, { "e LOGIN joe", "e BAD Missing argument or space" });
	(void) imap_host_say(h, SPAN_LIT("x LOGIN joe sesame\r\n"));
	TALK(h, { "f FETCH 1 FLAGS", "f BAD Select a mailbox first" });
}

static void a_babbler_is_hung_up_on_before_login(void **state)
{
	HOST h = imap_host_create(IMAP_HOST_TLS);

	for (int i = 0; i < 20; i++)
		(void) imap_host_say(h, SPAN_LIT("GET / HTTP/1.1\r\n"));
	assert_true(imap_host_is_closed(h));
}

static void select_tells_all_of_a_mailbox(void **state)
{
	HOST h = imap_host_create(IMAP_HOST_LOGGED_IN);

	TALK(h, { "a SELECT inbox",
	          "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)\r\n"
	          "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft \\*)] Flags that are kept\r\n"
	          "* 3 EXISTS\r\n* 3 RECENT\r\n* OK [UNSEEN 2] First unseen message\r\n"
	          "* OK [UIDVALIDITY 1001] UIDs are valid\r\n* OK [UIDNEXT 4] Next UID\r\n"
	          "* OK [URLMECH INTERNAL] URLs of its messages can be signed\r\n"
	          "* OK [HIGHESTMODSEQ 8] Highest modification sequence\r\na OK [READ-WRITE] SELECT done" },
	     { "b SELECT nowhere", "* OK [CLOSED] Previous mailbox closed\r\nb NO [NONEXISTENT] No such mailbox" },
	     { "c FETCH 1 FLAGS", "c BAD Select a mailbox first" });
	assert_true(hears(h, "d EXAMINE \"Entw&APw-rfe\" (CONDSTORE)", "d OK [READ-ONLY] EXAMINE done"));
	TALK(h, { "e STORE 1 FLAGS ()", "e BAD Message sequence number is out of range" },
	     { "f EXPUNGE", "f NO [READ-ONLY] Mailbox was opened with EXAMINE" },
	     { "g UNSELECT", "g OK UNSELECT done" }, { "h SELECT INBOX (QRESYNC)", "h BAD Unknown SELECT parameter" });
}

static void fetch_tells_what_is_in_the_index(void **state)
{
	HOST h = selected();

	TALK(h,
	     { "a FETCH 1 FAST", "* 1 FETCH (FLAGS (\\Seen \\Recent) INTERNALDATE \" 8-Feb-1994 00:00:00 +0000\" "
	                         "RFC822.SIZE 260)\r\na OK FETCH done" },
	     { "b UID FETCH 1 ENVELOPE",
	       "* 1 FETCH (UID 1 ENVELOPE (\"Mon, 7 Feb 1994 21:52:25 -0800 (PST)\" \"afternoon meeting\" "
	       "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.COM\")) ((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.COM\")) "
	       "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.COM\")) ((NIL NIL \"mooch\" \"owatagu.siam.edu\")) NIL NIL NIL "
	       "\"<B27397-0100000@Blurdybloop.COM>\"))\r\nb OK FETCH done" },
	     { "c FETCH 4 FLAGS", "c BAD Message sequence number is out of range" },
	     { "d UID FETCH 9 FLAGS", "d OK FETCH done" },
	     { "e FETCH 2:* (UID)", "* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\ne OK FETCH done" },
	     { "f FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject To)]",
	       "* 1 FETCH (BODY[HEADER.FIELDS (Subject To)] {58}\r\nSubject: afternoon meeting\r\n"
	       "To: mooch@owatagu.siam.edu\r\n\r\n)\r\nf OK FETCH done" });
	assert_int_equal(imap_host_requests(h, STORE_BODY_OPEN), 0);
}

static void fetch_cuts_sections_from_bodies(void **state)
{
	HOST h = selected();

	TALK(h,
	     { "a FETCH 1 (BODY.PEEK[TEXT]<6.3> BODY.PEEK[HEADER.FIELDS (X-Odd)] BODY.PEEK[1] BODY.PEEK[9])",
	       "* 1 FETCH (BODY[TEXT]<6> {3}\r\nJoe BODY[HEADER.FIELDS (X-Odd)] {15}\r\nX-Odd: here\r\n\r\n "
	       "BODY[1] {55}\r\nHello Joe, do you think we can meet at 3:30 tomorrow?\r\n BODY[9] NIL)\r\na OK FETCH done" },
	     { "b FETCH 2 (BODY.PEEK[1] BODY.PEEK[2] BODY.PEEK[2.MIME] BODY.PEEK[2]<3.100>)",
	       "* 2 FETCH (BODY[1] {3}\r\none BODY[2] {10}\r\n<p>two</p> BODY[2.MIME] {27}\r\nContent-Type: text/html\r\n\r\n "
	       "BODY[2]<3> {7}\r\ntwo</p>)\r\nb OK FETCH done" },
	     { "c FETCH 3 BODY.PEEK[TEXT]<3895.100>", "* 3 FETCH (BODY[TEXT]<3895> {7}\r\n00007\r\n)\r\nc OK FETCH done" },
	     { "d FETCH 3 BODY.PEEK[TEXT]<5000.1>", "* 3 FETCH (BODY[TEXT]<5000> {0}\r\n)\r\nd OK FETCH done" });
}

static void reading_without_peek_sets_seen_and_tells_so(void **state)
{
	HOST h = selected();

	TALK(h, { "a FETCH 2 (UID BODY[1])",
	          "* 2 FETCH (UID 2 BODY[1] {3}\r\none FLAGS (\\Seen \\Recent))\r\na OK FETCH done" },
	     { "b FETCH 2 (FLAGS BODY[1])", "* 2 FETCH (FLAGS (\\Seen \\Recent) BODY[1] {3}\r\none)\r\nb OK FETCH done" },
	     { "c NOOP", "c OK NOOP done" }, { "d EXAMINE INBOX", "* OK [CLOSED] Previous mailbox closed\r\n"
	          "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)\r\n* OK [PERMANENTFLAGS ()] Flags that are kept\r\n"
	          "* 3 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 3] First unseen message\r\n"
	          "* OK [UIDVALIDITY 1001] UIDs are valid\r\n* OK [UIDNEXT 4] Next UID\r\n"
	          "* OK [URLMECH INTERNAL] URLs of its messages can be signed\r\n"
	          "* OK [HIGHESTMODSEQ 9] Highest modification sequence\r\nd OK [READ-ONLY] EXAMINE done" },
	     { "e FETCH 3 BODY[HEADER]", "* 3 FETCH (BODY[HEADER] {16}\r\nSubject: big\r\n\r\n)\r\ne OK FETCH done" });
	assert_int_equal(imap_host_requests(h, STORE_STORE_FLAGS), 1);
}

static void a_client_that_does_not_read_stops_the_store(void **state)
{
	HOST h = selected();

	for (int i = 0; i < 50; i++)
		imap_host_deliver(h, "Subject: many\r\n\r\nbody\r\n");
	(void) imap_host_say(h, SPAN_LIT("a NOOP\r\n"));
	imap_host_block(h, false);
	/* The first frame goes out, then the call is paused; nothing is lost when it goes on. */
	(void) imap_host_say(h, SPAN_LIT("b FETCH 1:* UI"));
	(void) imap_host_say(h, SPAN_LIT("D\r\n"));
	assert_int_equal(imap_host_paused(h), 0);
	(void) imap_host_say(h, SPAN_LIT("c FETCH 1:* (UID BODY.PEEK[TEXT])"));
	imap_host_block(h, true);
	assert_string_equal(imap_host_say(h, SPAN_LIT("\r\n")), "");
	imap_host_block(h, false);
	assert_non_null(strstr(imap_host_say(h, SPAN_LIT("")), "* 53 FETCH (UID 53 BODY[TEXT] {6}\r\nbody\r\n)\r\nc OK FETCH done\r\n"));
}

static void store_changes_flags_and_tells_them_once(void **state)
{
	HOST h = selected();

	TALK(h, { "a STORE 1 +FLAGS (\\Deleted $Junk)",
	          "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Junk)\r\n"
	          "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Junk \\*)] Flags that are kept\r\n"
	          "* 1 FETCH (FLAGS (\\Seen \\Deleted $Junk \\Recent))\r\na OK STORE done" },
	     { "b NOOP", "b OK NOOP done" },
	     { "c UID STORE 2:3 FLAGS.SILENT \\Answered", "c OK STORE done" },
	     { "d NOOP", "d OK NOOP done" },
	     { "e UID STORE 3 -FLAGS \\answered", "* 3 FETCH (UID 3 FLAGS (\\Recent))\r\ne OK STORE done" },
	     { "f STORE 1 +FLAGS \\Recent", "f BAD This flag can not be set by a client" },
	     { "g UID STORE 99 +FLAGS \\Seen", "g OK STORE done" });
}

static void a_condition_on_modseq_is_kept(void **state)
{
	HOST h = selected();

	TALK(h, { "a FETCH 1 (MODSEQ)", "* OK [HIGHESTMODSEQ 8] Modification sequences from now on\r\n"
	                                "* 1 FETCH (MODSEQ (6))\r\na OK FETCH done" },
	     { "b STORE 1:2 (UNCHANGEDSINCE 6) +FLAGS.SILENT (\\Flagged)",
	       "* 1 FETCH (UID 1 MODSEQ (9))\r\nb OK [MODIFIED 2] Conditional STORE failed for some" },
	     { "c FETCH 1:* FLAGS (CHANGEDSINCE 8)",
	       "* 1 FETCH (MODSEQ (9) FLAGS (\\Seen \\Flagged \\Recent))\r\nc OK FETCH done" },
	     { "d SEARCH MODSEQ 8", "* SEARCH 1 3 (MODSEQ 9)\r\nd OK SEARCH done" },
	     { "e STATUS INBOX (HIGHESTMODSEQ MESSAGES)", "* STATUS \"INBOX\" (MESSAGES 3 HIGHESTMODSEQ 9)\r\ne OK STATUS done" },
	     { "f ENABLE CONDSTORE X", "* ENABLED CONDSTORE\r\nf OK ENABLE done" });
}

static void expunge_tells_numbers_from_the_end(void **state)
{
	HOST h = selected();

	(void) imap_host_say(h, SPAN_LIT("x STORE 1:3 +FLAGS.SILENT \\Deleted\r\n"));
	TALK(h, { "a UID EXPUNGE 2", "* 2 EXPUNGE\r\na OK EXPUNGE done" },
	     { "b EXPUNGE", "* 2 EXPUNGE\r\n* 1 EXPUNGE\r\nb OK EXPUNGE done" },
	     { "c FETCH 1 FLAGS", "c BAD Message sequence number is out of range" });
}

static void close_expunges_without_a_word(void **state)
{
	HOST h = selected();

	(void) imap_host_say(h, SPAN_LIT("x STORE 1 +FLAGS.SILENT \\Deleted\r\n"));
	TALK(h, { "a CLOSE", "a OK CLOSE done" }, { "b STATUS INBOX (MESSAGES)", "* STATUS \"INBOX\" (MESSAGES 2)\r\nb OK STATUS done" });
}

static void changes_of_others_are_told_where_they_may_be(void **state)
{
	HOST h = selected();

	imap_host_expunge(h, 1);
	imap_host_deliver(h, "Subject: new\r\n\r\n");
	imap_host_set_flags(h, 3, STORE_FLAG_ANSWERED);
	/* Not during FETCH, STORE and SEARCH (RFC 3501 7.4.1): message numbers must stay what they are. */
	TALK(h, { "a FETCH 2 UID", "* 2 FETCH (UID 2)\r\na OK FETCH done" },
	     { "b FETCH 1 UID", "b NO [EXPUNGEISSUED] Some messages are no longer there" },
	     { "c SEARCH ALL", "* SEARCH 1 2 3\r\nc OK SEARCH done" },
	     { "d NOOP", "* 1 EXPUNGE\r\n* 3 EXISTS\r\n* 3 RECENT\r\n* 2 FETCH (FLAGS (\\Answered \\Recent))\r\nd OK NOOP done" });
	imap_host_expunge(h, 2);
	TALK(h, { "e UID FETCH 3 UID", "* 2 FETCH (UID 3)\r\n* 1 EXPUNGE\r\ne OK FETCH done" });
}

static void idle_tells_changes_as_they_come(void **state)
{
	HOST h = selected();

	TALK(h, { "a IDLE", "+ idling" });
	imap_host_deliver(h, "Subject: new\r\n\r\n");
	assert_string_equal(imap_host_say(h, SPAN_LIT("")), "* 4 EXISTS\r\n* 4 RECENT\r\n");
	imap_host_expunge(h, 2);
	assert_string_equal(imap_host_say(h, SPAN_LIT("")), "* 2 EXPUNGE\r\n");
	TALK(h, { "done", "a OK IDLE done" }, { "b IDLE", "+ idling" }, { "NOOP", "b BAD Expected DONE" });
}

static void idle_does_not_pester_a_store_that_fails(void **state)
{
	HOST h = selected();
	unsigned int before;

	TALK(h, { "a IDLE", "+ idling" });
	before = imap_host_requests(h, STORE_CHANGES);
	imap_host_fail(h, STORE_CHANGES, POD_E_IO);
	imap_host_deliver(h, "Subject: new\r\n\r\n");
	TALK(h, { "DONE", "a OK IDLE done" }, { "b IDLE", "+ idling" });
	assert_int_equal(imap_host_requests(h, STORE_CHANGES), before + 3); /* announced, at the end, at the start */
	imap_host_fail(h, STORE_CHANGES, 0);
	imap_host_deliver(h, "Subject: newer\r\n\r\n");
	assert_string_equal(imap_host_say(h, SPAN_LIT("")), "* 5 EXISTS\r\n* 5 RECENT\r\n");
}

static void an_idle_that_does_not_end_in_done_waits_for_what_is_being_told(void **state)
{
	HOST h = selected();

	TALK(h, { "a IDLE\r\nNONE\r\nb UNSELECT", "+ idling\r\na BAD Expected DONE\r\nb OK UNSELECT done" });
}

static void search_tells_numbers_uids_and_extremes(void **state)
{
	HOST h = selected();

	(void) imap_host_say(h, SPAN_LIT("x STORE 1 +FLAGS.SILENT \\Deleted\r\nx EXPUNGE\r\n"));
	TALK(h, { "a SEARCH ALL", "* SEARCH 1 2\r\na OK SEARCH done" },
	     { "b UID SEARCH UNSEEN", "* SEARCH 2 3\r\nb OK SEARCH done" },
	     { "c UID SEARCH RETURN (MIN MAX COUNT ALL) 1:*", "* ESEARCH (TAG \"c\") UID MIN 2 MAX 3 COUNT 2 ALL 2:3\r\nc OK SEARCH done" },
	     { "d SEARCH RETURN (COUNT) SEEN", "* ESEARCH (TAG \"d\") COUNT 0\r\nd OK SEARCH done" },
	     { "e SEARCH SEEN", "* SEARCH\r\ne OK SEARCH done" },
	     { "f SEARCH CHARSET KOI8-R TEXT x", "f NO [BADCHARSET (UTF-8 US-ASCII)] Charset is not known" },
	     { "g SEARCH BODY two", "* SEARCH 1\r\ng OK SEARCH done" },
	     { "h SEARCH TEXT 00007 FLAGGED", "* SEARCH 2\r\nh OK SEARCH done" },
	     { "i SEARCH 5", "i BAD Message sequence number is out of range" });
}

static void copy_and_move_tell_the_new_uids(void **state)
{
	HOST h = selected();

	TALK(h, { "a COPY 1:2 Sent", "a OK [COPYUID 1003 1,2 1,2] COPY done" },
	     { "b UID COPY 1 Nowhere", "b NO [TRYCREATE] No such mailbox" },
	     { "c MOVE 2 Sent", "* OK [COPYUID 1003 2 3] Moved\r\n* 2 EXPUNGE\r\nc OK MOVE done" },
	     { "d UID COPY 77 Sent", "d OK COPY done" });
}

static void append_asks_for_the_message_when_it_will_take_it(void **state)
{
	HOST h = imap_host_create(IMAP_HOST_LOGGED_IN);

	TALK(h, { "a APPEND Nowhere {5}", "a NO [TRYCREATE] No such mailbox" },
	     { "b APPEND Sent {200000}", "b NO [TOOBIG] Message is larger than 100000 bytes" },
	     { "c APPEND Sent (\\Seen $x) \" 7-Feb-1994 21:52:25 -0800\" {16}", "+ OK" },
	     { "Subject: x\r\n\r\nab", "c OK [APPENDUID 1003 1] APPEND done" },
	     { "d APPEND Sent (\\Bogus) {5}", "+ OK" });
	assert_true(hears(h, "12345", "d BAD "));
	TALK(h, { "e APPEND {4+}\r\nSent {3+}\r\nabc", "e OK [APPENDUID 1003 2] APPEND done" },
	     { "f APPEND Nowhere {3+}\r\nabc", "f NO [TRYCREATE] No such mailbox" },
	     { "g APPEND Sent {3+}\r\nabc {3+}\r\nabc", "g BAD Unexpected literal" },
	     { "h APPEND Sent", "h BAD Missing argument or space" }, { "i NOOP", "i OK NOOP done" });
	imap_host_fail(h, STORE_APPEND, POD_E_QUOTA);
	TALK(h, { "j APPEND Sent {3+}\r\nabc", "j NO [OVERQUOTA] Mailbox is over quota" });
}

static void a_large_append_goes_past_memory(void **state)
{
	HOST h = imap_host_create(IMAP_HOST_LOGGED_IN);
	_cleanup_buf_ struct buf say = BUF_INIT;

	buf_printf(&say, "a APPEND INBOX {%d+}\r\n%090000d\r\nb SELECT INBOX\r\nc FETCH 4 (RFC822.SIZE BODY.PEEK[]<89998.9>)\r\n", 90000, 5);
	assert_non_null(strstr(imap_host_say(h, buf_span(&say)),
	                       "* 4 FETCH (RFC822.SIZE 90000 BODY[]<89998> {2}\r\n05)\r\nc OK FETCH done\r\n"));
}

static void list_knows_patterns_attributes_and_options(void **state)
{
	HOST h = imap_host_create(IMAP_HOST_LOGGED_IN);

	TALK(h, { "a LIST \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\r\na OK LIST done" },
	     { "b LIST \"\" %", "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n* LIST (\\HasNoChildren \\Drafts) \"/\" \"Entw&APw-rfe\"\r\n"
	                        "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent\"\r\n* LIST (\\Noselect \\HasChildren) \"/\" \"a\"\r\nb OK LIST done" },
	     { "c LIST a/ *", "* LIST (\\HasNoChildren) \"/\" \"a/b\"\r\nc OK LIST done" },
	     { "d LSUB \"\" %", "* LSUB () \"/\" \"Sent\"\r\n* LSUB (\\Noselect) \"/\" \"a\"\r\nd OK LSUB done" },
	     { "e LSUB \"\" *", "* LSUB () \"/\" \"Sent\"\r\n* LSUB () \"/\" \"a/b\"\r\ne OK LSUB done" },
	     { "f LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %",
	       "* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" \"Sent\"\r\n"
	       "* LIST (\\NonExistent \\HasChildren) \"/\" \"a\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\nf OK LIST done" },
	     { "g LIST (SPECIAL-USE) \"\" * RETURN (STATUS (MESSAGES))",
	       "* LIST (\\HasNoChildren \\Drafts) \"/\" \"Entw&APw-rfe\"\r\n* STATUS \"Entw&APw-rfe\" (MESSAGES 0)\r\n"
	       "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent\"\r\n* STATUS \"Sent\" (MESSAGES 0)\r\ng OK LIST done" },
	     { "h LIST \"\" (INBOX Sent) RETURN (SUBSCRIBED CHILDREN)",
	       "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" \"Sent\"\r\nh OK LIST done" },
	     { "i LIST (RECURSIVEMATCH) \"\" *", "i BAD RECURSIVEMATCH needs another selection option" });
}

static void mailboxes_are_made_renamed_and_taken_away(void **state)
{
	HOST h = imap_host_create(IMAP_HOST_LOGGED_IN);

	TALK(h, { "a CREATE new/", "a OK CREATE done" }, { "b CREATE new", "b NO [ALREADYEXISTS] Mailbox exists already" },
	     { "c CREATE t (USE (\\Trash))", "c OK CREATE done" },
	     { "d CREATE u (USE (\\Bogus))", "d NO [USEATTR] This special use is not supported" },
	     { "e RENAME new newer", "e OK RENAME done" }, { "f DELETE new", "f NO [NONEXISTENT] No such mailbox" },
	     { "g SUBSCRIBE newer", "g OK SUBSCRIBE done" }, { "h UNSUBSCRIBE newer", "h OK UNSUBSCRIBE done" },
	     { "i DELETE newer", "i OK DELETE done" }, { "j DELETE INBOX", "j NO [CANNOT] INBOX can not be deleted" });
	(void) imap_host_say(h, SPAN_LIT("x SELECT t\r\n"));
	TALK(h, { "k DELETE t", "* OK [CLOSED] Selected mailbox was deleted\r\nk OK DELETE done" });
}

static void small_things_are_answered(void **state)
{
	HOST h = imap_host_create(IMAP_HOST_LOGGED_IN);

	TALK(h, { "a NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\na OK NAMESPACE done" },
	     { "b ID (\"name\" \"x\" \"version\" NIL)", "* ID (\"name\" \"podmail\" \"version\" \"test\")\r\nb OK ID done" },
	     { "c GETQUOTAROOT inbox", "* QUOTAROOT \"INBOX\" \"\"\r\n* QUOTA \"\" (STORAGE 5 1024)\r\nc OK GETQUOTAROOT done" },
	     { "d GETQUOTA x", "d NO [NONEXISTENT] No such quota root" },
	     { "e STATUS \"a/b\" (UNSEEN FOO)", "e BAD Unknown STATUS item" },
	     { "f LOGOUT", "* BYE Logging out\r\nf OK LOGOUT done" });
	assert_true(imap_host_is_closed(h));
}

static void a_store_that_is_away_is_no_end(void **state)
{
	HOST h = selected();

	imap_host_fail(h, STORE_FETCH, POD_E_UNAVAILABLE);
	TALK(h, { "a FETCH 1 FLAGS", "a NO [UNAVAILABLE] Mail store is not available, try again later" },
	     { "b FETCH 1 BODY.PEEK[]", "b NO [UNAVAILABLE] Mail store is not available, try again later" });
	imap_host_fail(h, STORE_FETCH, 0);
	imap_host_fail(h, STORE_BODY_OPEN, POD_E_IO);
	TALK(h, { "c FETCH 1 BODY.PEEK[]", "c NO [SERVERBUG] Internal error" });
	imap_host_fail(h, STORE_CHANGES, POD_E_TIMEOUT);
	TALK(h, { "d NOOP", "d OK NOOP done" });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_greeting_tells_what_can_be_done_before_login),
		cmocka_unit_test(passwords_are_refused_without_tls),
		cmocka_unit_test(what_follows_starttls_in_clear_is_not_a_command),
		cmocka_unit_test(every_way_to_log_in_works_and_a_wrong_password_does_not),
		cmocka_unit_test(the_third_wrong_password_ends_the_connection),
		cmocka_unit_test(literals_come_in_both_forms_and_commands_are_pipelined),
		cmocka_unit_test(commands_come_byte_by_byte_as_well),
		cmocka_unit_test(what_is_too_long_is_swallowed_and_refused_under_its_tag),
		cmocka_unit_test(lines_end_in_crlf_only),
		cmocka_unit_test(commands_are_refused_out_of_order_and_out_of_grammar),
		cmocka_unit_test(a_babbler_is_hung_up_on_before_login),
		cmocka_unit_test(select_tells_all_of_a_mailbox),
		cmocka_unit_test(fetch_tells_what_is_in_the_index),
		cmocka_unit_test(fetch_cuts_sections_from_bodies),
		cmocka_unit_test(reading_without_peek_sets_seen_and_tells_so),
		cmocka_unit_test(a_client_that_does_not_read_stops_the_store),
		cmocka_unit_test(store_changes_flags_and_tells_them_once),
		cmocka_unit_test(a_condition_on_modseq_is_kept),
		cmocka_unit_test(expunge_tells_numbers_from_the_end),
		cmocka_unit_test(close_expunges_without_a_word),
		cmocka_unit_test(changes_of_others_are_told_where_they_may_be),
		cmocka_unit_test(idle_tells_changes_as_they_come),
		cmocka_unit_test(idle_does_not_pester_a_store_that_fails),
		cmocka_unit_test(an_idle_that_does_not_end_in_done_waits_for_what_is_being_told),
		cmocka_unit_test(search_tells_numbers_uids_and_extremes),
		cmocka_unit_test(copy_and_move_tell_the_new_uids),
		cmocka_unit_test(append_asks_for_the_message_when_it_will_take_it),
		cmocka_unit_test(a_large_append_goes_past_memory),
		cmocka_unit_test(list_knows_patterns_attributes_and_options),
		cmocka_unit_test(mailboxes_are_made_renamed_and_taken_away),
		cmocka_unit_test(small_things_are_answered),
		cmocka_unit_test(a_store_that_is_away_is_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

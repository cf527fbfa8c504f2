"""The outbound process against scripted servers: whatever a server does, each recipient gets a verdict that fits."""
import email
import socket
import threading
import time
import unittest

from certs import Authority
from dns_tree import UNSIGNED, DnsTree, Zone
from fake_smtp import CLOSE, DRIP, HANG, RESET, FakeSmtp, Raw
from outbound import Outbound
from pod import until
from unix_http import UnixHttp

SITES = 60  # domains dN.test, each with one server: mx.dN.test, 127.0.1.N

RECORDS = "".join(f"d{n} MX 10 mx.d{n}\nmx.d{n} A 127.0.1.{n}\n" for n in range(1, SITES + 1)) + """
null MX 0 .
bare A 127.0.2.1
alias CNAME d1
empty TXT "nothing here"
noaddress MX 10 nowhere.noaddress
two MX 10 first.two
two MX 20 second.two
first.two A 127.0.2.2
second.two A 127.0.2.3
loop MX 10 first.loop
loop MX 20 us
loop MX 30 third.loop
first.loop A 127.0.2.4
third.loop A 127.0.2.5
best MX 10 us
best MX 20 other.best
other.best A 127.0.2.6
both MX 10 mx.both
mx.both A 127.0.2.7
mx.both AAAA ::1
deaf MX 10 mx.deaf
mx.deaf A 127.0.2.12
mx.deaf AAAA ::1
slow MX 10 mx.slow
mx.slow A 127.0.2.13
mx.slow A 127.0.2.14
silent MX 10 mx.silent
mx.silent A 127.0.2.15
mx.silent A 127.0.2.16
us A 127.0.2.8
equal MX 10 a.equal
equal MX 10 b.equal
a.equal A 127.0.2.9
b.equal A 127.0.2.10
xn--bcher-kva MX 10 mx.xn--bcher-kva
mx.xn--bcher-kva A 127.0.2.11
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.1.1", 0))
        return s.getsockname()[1]


class Deaf:
    """A listener whose queue is full: who connects gets no answer, not even a refusal."""

    def __init__(self, address, port):
        self.listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(0)
        self.callers = []
        while len(self.callers) < 100:
            caller = socket.socket(self.listener.family)
            self.callers.append(caller)
            caller.settimeout(0.3)
            try:
                caller.connect((address, port))
            except TimeoutError:
                return
        raise AssertionError("a listener of which nobody accepts takes any number of connections")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in [self.listener, *self.callers]:
            s.close()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = DnsTree({"test": Zone(RECORDS, UNSIGNED)})
        cls.tree.start()
        cls.port = free_port()
        cls.out = Outbound(cls.tree.conf(), {"port": cls.port, **cls.options()})
        cls.out.start()
        cls.sites = 0

    @classmethod
    def tearDownClass(cls):
        cls.out.close()
        cls.tree.close()

    @classmethod
    def options(cls):
        return {}

    def site(self, **how):
        """A server of its own, and the domain whose mail it takes."""
        type(self).sites += 1
        server = FakeSmtp(f"127.0.1.{self.sites}", self.port, **how)
        self.addCleanup(server.close)
        return server, f"d{self.sites}.test"

    def at(self, address, **how):
        server = FakeSmtp(address, self.port, **how)
        self.addCleanup(server.close)
        return server

    def outcome(self, result, i=0):
        o = result["outcomes"][i]
        return o["state"], o["code"], o["enhanced"]


class Signatures(Case):
    """What the pod itself sends is signed by podfilter, here a stand-in."""
    body = b"Subject: a report\r\n\r\n.words\r\n"
    fields = b"DKIM-Signature: v=1; d=us.test;\r\n\tb=AAAA\r\n"

    def podfilter(self, status, answer):
        return UnixHttp(self.out.path("run/podfilter-sign.sock"), lambda *_: (status, answer))

    def sent(self, **more):
        server, domain = self.site()
        self.assertEqual(self.outcome(self.out.send(domain, [f"a@{domain}"], self.body, **more))[0], "delivered")
        message = server.messages[0]
        self.assertIn(f"SIZE={len(message.data)}", message.mail)
        return message.data

    def test_a_message_of_the_pod_gets_the_fields_in_front(self):
        with self.podfilter(200, self.fields) as podfilter:
            self.assertEqual(self.sent(own=True), self.fields + self.body)
            self.assertEqual(podfilter.asked, [("/sign", self.body)])
            self.assertEqual(self.sent(), self.body)  # not what users sent: that was signed before
            self.assertEqual(len(podfilter.asked), 1)

    def test_where_nobody_signs_it_goes_as_it_is(self):
        for status, answer in ((200, b""), (500, b"the key cannot be read"), (413, b"")):
            with self.podfilter(status, answer) as podfilter:
                self.assertEqual(self.sent(own=True), self.body)
                self.assertEqual(len(podfilter.asked), 1)
        self.assertIn("the key cannot be read", self.out.log_text())

    def test_podfilter_that_is_started_again_is_waited_for(self):
        server, domain = self.site()
        job = self.out.begin(domain, [f"a@{domain}"], self.body, own=True, trace="waits")
        with self.podfilter(200, self.fields):
            self.assertEqual(self.outcome(self.out.wait(job))[0], "delivered")
        self.assertEqual(server.messages[0].data, self.fields + self.body)
        self.assertEqual(self.sent(own=True), self.body)  # but not for ever
        self.assertIn("dkim.own_unsigned", self.out.log_text())


class Transactions(Case):
    def test_a_message_arrives_as_it_is(self):
        server, domain = self.site()
        body = b"Subject: x\r\n\r\n.dot\r\n..dots\r\nhello \xc3\xa4\r\n.\r\nend\r\n"
        result = self.out.send(domain, [f"a@{domain}", f"b@{domain}"], body, envid="e1", ret=1)
        self.assertEqual(self.outcome(result), ("delivered", 250, "2.6.0"))
        self.assertEqual(result["outcomes"][1]["mta"], f"mx.{domain}")
        self.assertEqual(server.messages[0].data, body)
        self.assertEqual(server.messages[0].verb, "BDAT")
        self.assertEqual(server.messages[0].mail,
                         f"MAIL FROM:<sender@us.test> SIZE={len(body)} BODY=8BITMIME RET=FULL ENVID=e1")
        self.assertEqual(result["feedback"]["trouble"], "none")

    def test_dots_are_stuffed_for_servers_without_chunking(self):
        for keywords in (["8BITMIME", "PIPELINING"], ["8BITMIME"]):
            server, domain = self.site(keywords=keywords)
            lines = [b".", b"..", b"", b"x" * 900, b".y" * 300] * 2000
            body = b"Subject: x\r\n\r\n" + b"\r\n".join(lines) + b"\r\n"
            result = self.out.send(domain, [f"a@{domain}"], body)
            self.assertEqual(self.outcome(result), ("relayed", 250, "2.6.0"))
            self.assertTrue(server.messages[0].data == body)

    def test_a_large_message_without_dots_goes_out_whole(self):
        for keywords in (["PIPELINING"], ["PIPELINING", "CHUNKING"]):
            server, domain = self.site(keywords=keywords)
            body = b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * 200000
            self.assertEqual(self.outcome(self.out.send(domain, [f"a@{domain}"], body))[0], "relayed")
            self.assertTrue(server.messages[0].data == body)

    def test_a_last_line_without_its_end_gets_one(self):
        server, domain = self.site(keywords=[])
        self.out.send(domain, [f"a@{domain}"], b"Subject: x\r\n\r\nno end")
        self.assertEqual(server.messages[0].data, b"Subject: x\r\n\r\nno end\r\n")

    def test_each_recipient_has_his_own_verdict(self):
        server, domain = self.site()
        replies = {"late": "450 4.2.1 busy", "never": "550-5.1.1 no such\r\n550 5.1.1 user"}
        server.on["RCPT"] = lambda s, line: next((r for k, r in replies.items() if k in line), None)
        result = self.out.send(domain, [f"{n}@{domain}" for n in ("good", "late", "never")])
        self.assertEqual([self.outcome(result, i) for i in range(3)],
                         [("delivered", 250, "2.6.0"), ("deferred", 450, "4.2.1"), ("failed", 550, "5.1.1")])
        self.assertEqual(result["outcomes"][2]["text"], "no such user")

    def test_too_many_recipients_are_several_transactions_on_one_connection(self):
        server, domain = self.site(keywords=["PIPELINING", "DSN"])
        server.on["RCPT"] = lambda s, line: "452 4.5.3 too many" if len(s.rcpts) >= 3 else None
        result = self.out.send(domain, [f"r{i}@{domain}" for i in range(8)])
        self.assertEqual({o["state"] for o in result["outcomes"]}, {"delivered"})
        self.assertEqual([len(m.rcpts) for m in server.messages], [3, 3, 2])
        self.assertEqual(len(server.sessions), 1)
        self.assertEqual(result["feedback"]["recipients_max"], 3)

    def test_limits_are_kept_without_being_told_twice(self):
        server, domain = self.site(keywords=["PIPELINING", "LIMITS RCPTMAX=2"])
        self.out.send(domain, [f"r{i}@{domain}" for i in range(3)])
        self.assertEqual([len(m.rcpts) for m in server.messages], [2, 1])

    def test_connections_are_used_again(self):
        server, domain = self.site()
        first = self.out.send(domain, [f"a@{domain}"])
        second = self.out.send(domain, [f"b@{domain}"])
        self.assertEqual((first["feedback"]["reused"], second["feedback"]["reused"]), (False, True))
        self.assertEqual(len(server.sessions), 1)
        self.assertFalse(server.lines("RSET"))

    def test_an_open_connection_that_is_gone_is_replaced_at_once(self):
        server, domain = self.site()
        self.out.send(domain, [f"a@{domain}"])
        server.on["MAIL"] = lambda s, line: RESET if s.number == 0 else None
        result = self.out.send(domain, [f"b@{domain}"])
        self.assertEqual(self.outcome(result)[0], "delivered")
        self.assertEqual(len(server.sessions), 2)

    def test_a_server_that_says_goodbye_between_messages(self):
        server, domain = self.site()
        self.out.send(domain, [f"a@{domain}"])
        server.on["MAIL"] = lambda s, line: "421 4.4.2 too long idle" if s.number == 0 else None
        self.assertEqual(self.outcome(self.out.send(domain, [f"b@{domain}"]))[0], "delivered")

    def test_international_names(self):
        server = self.at("127.0.2.11")
        result = self.out.send("bücher.test", ["leser@bücher.test"])
        self.assertEqual(self.outcome(result)[0], "delivered")
        self.assertEqual(server.messages[0].rcpts[0], "RCPT TO:<leser@xn--bcher-kva.test>")
        server, domain = self.site()
        self.out.send(domain, [f"jürgen@{domain}"], b"Subject: \xc3\xa4\r\n\r\n", utf8=True)
        self.assertIn(" SMTPUTF8", server.messages[0].mail)
        server, domain = self.site(keywords=["8BITMIME"])
        result = self.out.send(domain, [f"jürgen@{domain}"], b"Subject: \xc3\xa4\r\n\r\n", utf8=True)
        self.assertEqual(self.outcome(result), ("failed", 550, "5.6.7"))
        self.assertFalse(server.lines("MAIL"))

    def test_what_a_server_cannot_carry(self):
        server, domain = self.site(keywords=["SIZE 100"])
        result = self.out.send(domain, [f"a@{domain}"], b"x" * 200)
        self.assertEqual(self.outcome(result), ("failed", 552, "5.3.4"))
        self.assertFalse(server.lines("MAIL"))

    def test_eight_bits_for_a_server_of_seven(self):
        words = "Grüße, und ein langes Wort: " + "ä" * 100 + " \r\nEnde.\r\n"
        plain = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
                b"Content-Transfer-Encoding: 8bit\r\n\r\n" + words.encode()
        server, domain = self.site(keywords=["PIPELINING", "SIZE 1000000"])
        result = self.out.send(domain, [f"a@{domain}"], plain)
        self.assertEqual(self.outcome(result)[0], "relayed")
        got = server.messages[0].data
        self.assertTrue(got.isascii())
        self.assertEqual(server.messages[0].mail, f"MAIL FROM:<sender@us.test> SIZE={len(got)}")
        self.assertEqual(email.message_from_bytes(got).get_payload(decode=True), words.encode())
        result = self.out.send(domain, [f"a@{domain}"], b"DKIM-Signature: v=1\r\n" + plain)
        self.assertEqual(self.outcome(result), ("failed", 554, "5.6.3"))
        self.assertEqual(len(server.messages), 1)

    def test_no_line_gets_into_a_command(self):
        server, domain = self.site()
        result = self.out.send(domain, [f"a\r\nRCPT TO:<x>@{domain}", f"good@{domain}"])
        self.assertEqual(self.outcome(result), ("failed", 553, "5.1.3"))
        self.assertEqual(self.outcome(result, 1)[0], "delivered")
        self.assertEqual(len(server.lines("RCPT")), 1)


class Odd(Case):
    """Servers that end, hang, or talk out of turn."""

    @classmethod
    def options(cls):
        return {"command_timeout": "700ms", "data_timeout": "700ms", "done_timeout": "700ms", "greeting_timeout": "700ms",
                "idle_time": "300ms"}

    def test_at_every_command(self):
        for verb in ("GREETING", "EHLO", "MAIL", "RCPT", "BODY"):
            for what, trouble in ((CLOSE, "closing"), (RESET, "closing"), (HANG, "closing"), (Raw(b"nonsense\r\n"), "closing"),
                                  ("421 4.3.2 down for a while", "greeting" if verb == "GREETING" else "closing")):
                server, domain = self.site()
                server.on[verb] = lambda s, line, what=what: what
                result = self.out.send(domain, [f"a@{domain}"])
                self.assertEqual(self.outcome(result)[0], "deferred", (verb, what))
                self.assertEqual(result["feedback"]["trouble"], trouble, (verb, what, result))
                server.close()
        self.assertNotIn("ERROR", self.out.log_text())

    def test_a_reply_that_never_ends(self):
        server, domain = self.site()
        server.on["MAIL"] = lambda s, line: DRIP
        result = self.out.send(domain, [f"a@{domain}"])
        self.assertEqual((self.outcome(result)[0], result["feedback"]["trouble"]), ("deferred", "closing"))

    def test_lost_behind_the_message_means_later(self):
        server, domain = self.site()
        server.on["BODY"] = lambda s, line: CLOSE
        result = self.out.send(domain, [f"a@{domain}"])
        self.assertEqual(self.outcome(result), ("deferred", 451, "4.4.2"))
        self.assertEqual(len(server.sessions), 1)  # not sent a second time at once
        self.assertIn("may have arrived", result["outcomes"][0]["text"])

    def test_a_refusal_in_the_middle_of_a_message(self):
        server, domain = self.site(keywords=["PIPELINING"])
        server.on["DURING"] = lambda s, line: "552 5.3.4 enough"
        result = self.out.send(domain, [f"a@{domain}"], b".x\r\n" * 4000000)
        self.assertEqual(self.outcome(result), ("failed", 552, "5.3.4"))

    def test_thanks_before_the_end_are_not_believed(self):
        server, domain = self.site(keywords=["PIPELINING"])
        server.on["DURING"] = lambda s, line: "250 2.6.0 thanks"
        self.assertEqual(self.outcome(self.out.send(domain, [f"a@{domain}"], b".x\r\n" * 4000000))[0], "deferred")

    def test_greetings_that_refuse(self):
        for greeting, outcome in (("554 5.7.1 bad reputation", ("deferred", 554, "4.7.1")), ("521 no mail here", ("failed", 521, "5.0.0")),
                                  ("220 us.test ESMTP", ("failed", 554, "5.4.6"))):
            server, domain = self.site()
            server.greeting = greeting
            result = self.out.send(domain, [f"a@{domain}"])
            self.assertEqual(self.outcome(result), outcome, greeting)

    def test_words_that_ask_for_less(self):
        server, domain = self.site()
        server.on["RCPT"] = lambda s, line: "451 4.7.28 Our system has detected an unusual rate of mail. Rate limit exceeded"
        self.assertEqual(self.out.send(domain, [f"a@{domain}"])["feedback"]["trouble"], "rate")

    def test_ehlo_is_not_known(self):
        server, domain = self.site()
        server.on["EHLO"] = lambda s, line: "502 5.5.1 what?"
        self.assertEqual(self.outcome(self.out.send(domain, [f"a@{domain}"]))[0], "relayed")
        self.assertEqual(server.messages[0].verb, "DATA")

    def test_idle_connections_end_with_quit(self):
        server, domain = self.site()
        self.out.send(domain, [f"a@{domain}"])
        until(lambda: server.lines("QUIT"), "QUIT on an idle connection")


class Hosts(Case):
    @classmethod
    def options(cls):
        return {"silent_host_time": "1m"}

    def test_destinations_that_take_no_mail(self):
        for domain, outcome in (("null.test", ("failed", 556, "5.1.10")), ("nothere.test", ("failed", 550, "5.1.2")),
                                ("empty.test", ("failed", 550, "5.1.2")), ("noaddress.test", ("failed", 550, "5.4.4")),
                                ("best.test", ("failed", 554, "5.4.6")), ("[300.1.1.1]", ("failed", 550, "5.1.2")),
                                ("a..b", ("failed", 550, "5.1.2"))):
            self.assertEqual(self.outcome(self.out.send(domain, [f"a@{domain}"])), outcome, domain)

    def test_no_mx_literal_and_alias(self):
        server = self.at("127.0.2.1")
        self.assertEqual(self.outcome(self.out.send("bare.test", ["a@bare.test"]))[0], "delivered")
        self.assertEqual(self.outcome(self.out.send("[127.0.2.1]", ["a@[127.0.2.1]"]))[0], "delivered")
        self.assertEqual(server.messages[1].rcpts[0], "RCPT TO:<a@[127.0.2.1]>")
        first = self.at("127.0.1.1")
        self.assertEqual(self.outcome(self.out.send("alias.test", ["a@alias.test"]))[0], "delivered")
        self.assertEqual(len(first.messages), 1)

    def test_preference_fallback_and_memory(self):
        second = self.at("127.0.2.3")
        result = self.out.send("two.test", ["a@two.test"])
        self.assertEqual((self.outcome(result)[0], result["feedback"]["host"]), ("delivered", "second.two.test"))
        first = self.at("127.0.2.2")
        # It did not answer lately: the other one comes first, over its open connection or a new one.
        self.out.send("two.test", ["b@two.test"], require_tls=False, tls_optional=True)
        self.assertEqual((len(first.messages), len(second.messages)), (0, 2))

    def test_a_host_that_wants_none_just_now(self):
        first, second = self.at("127.0.2.2"), self.at("127.0.2.3")
        first.on["MAIL"] = lambda s, line: "451 4.3.2 not now"
        result = self.out.send("two.test", ["a@two.test"], tls_optional=True, sender="other@us.test")
        self.assertEqual(self.outcome(result)[0], "delivered")
        self.assertEqual(len(second.messages), 1)

    def test_we_are_among_them(self):
        third = self.at("127.0.2.5")
        result = self.out.send("loop.test", ["a@loop.test"])
        self.assertEqual(self.outcome(result), ("deferred", 451, "4.4.1"))
        self.assertEqual(len(third.sessions), 0)
        self.assertEqual(result["feedback"]["trouble"], "unreachable")

    def test_ipv6_and_ipv4(self):
        old = self.at("127.0.2.7")
        self.assertEqual(self.outcome(self.out.send("both.test", ["a@both.test"]))[0], "delivered")
        self.assertEqual(len(old.messages), 1)

    def test_an_address_that_leads_nowhere_costs_a_moment(self):
        good = self.at("127.0.2.12")
        with Deaf("::1", self.port):
            began = time.monotonic()
            result = self.out.send("deaf.test", ["a@deaf.test"])
            took = time.monotonic() - began
        self.assertEqual((self.outcome(result)[0], result["feedback"]["address"]), ("delivered", "127.0.2.12"))
        self.assertEqual(len(good.messages), 1)
        self.assertGreater(took, 0.2, "the second is not tried at once")
        self.assertLess(took, 4, "nor after the first one's time-out of 5 s")

    def test_who_answers_first_and_is_of_no_use_is_not_the_last(self):
        one, other = self.at("127.0.2.13"), self.at("127.0.2.14")
        greeted = []

        def the_first_has_no_time(_session, _line):
            greeted.append(1)
            return "421 4.3.2 not now" if len(greeted) == 1 else "220 good day"

        for server in (one, other):
            server.on["GREETING"] = the_first_has_no_time
        result = self.out.send("slow.test", ["a@slow.test"])
        self.assertEqual(self.outcome(result)[0], "delivered")
        self.assertEqual((len(greeted), len(one.messages) + len(other.messages)), (2, 1))

    def test_nobody_answers_at_any_address(self):
        with Deaf("127.0.2.15", self.port), Deaf("127.0.2.16", self.port):
            began = time.monotonic()
            result = self.out.send("silent.test", ["a@silent.test"])
            took = time.monotonic() - began
        self.assertEqual(self.outcome(result), ("deferred", 451, "4.4.1"))
        self.assertEqual(result["feedback"]["trouble"], "unreachable")
        self.assertIn("it took too long while connecting", result["outcomes"][0]["text"])
        self.assertLess(took, 9, "both are waited for together")

    def test_equal_preferences_share(self):
        a, b = self.at("127.0.2.9"), self.at("127.0.2.10")
        for i in range(24):
            for server in (a, b):
                server.on["BODY"] = lambda s, line: "250 ok\r\n421 enough"
            self.assertIn(self.outcome(self.out.send("equal.test", [f"a{i}@equal.test"]))[0], ("delivered", "relayed"))
        self.assertTrue(a.messages and b.messages)

    def test_dns_that_does_not_answer(self):
        self.tree.stop_answering()
        try:
            result = self.out.send("d59.test", ["a@d59.test"])
        finally:
            self.tree.answer()
        self.assertEqual(self.outcome(result), ("deferred", 451, "4.4.3"))
        self.assertEqual(result["feedback"]["trouble"], "lookup")


class Routes(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.out.close()
        cls.out = Outbound(cls.tree.conf(), {"port": cls.port, "idle_time": "0ms"})
        with open(cls.out.path("secret"), "w", encoding="ascii") as f:
            f.write("geheim\n")
        with open(cls.out.path("routes"), "w", encoding="ascii") as f:
            f.write(f"# smart hosts\n*  [127.0.3.1]:{cls.port}\n.below.test mx.d1.test tls=none\nd2.test mx\n"
                    f"login.test [127.0.3.2] tls=required login=me password-file={cls.out.path('secret')}\n"
                    f"checked.test [127.0.3.3] login=me password-file={cls.out.path('secret')}\n")
        cls.ca = Authority(cls.out.path("ca"))
        cls.out.options["ca"] = cls.ca.pem
        cls.out.options["routes"] = cls.out.path("routes")
        cls.out.start()

    def test_the_closest_route_counts(self):
        smart, below, direct = self.at("127.0.3.1"), self.at("127.0.1.1"), self.at("127.0.1.2")
        for domain in ("anything.example", "x.below.test", "d2.test"):
            self.assertEqual(self.outcome(self.out.send(domain, [f"a@{domain}"]))[0], "delivered", domain)
        self.assertEqual([len(s.messages) for s in (smart, below, direct)], [1, 1, 1])

    def test_no_password_without_tls(self):
        server = self.at("127.0.3.2", keywords=["AUTH PLAIN"])
        result = self.out.send("login.test", ["a@login.test"])
        self.assertEqual((self.outcome(result)[0], result["feedback"]["trouble"]), ("deferred", "tls"))
        self.assertFalse(server.lines("AUTH"))


    def test_a_login_under_tls(self):
        certificate = self.ca.issue("127.0.3.2")
        for mechanism, said in (("PLAIN", "AUTH PLAIN AG1lAGdlaGVpbQ=="), ("LOGIN", "Z2VoZWlt")):
            server = self.at("127.0.3.2", certificate=certificate, keywords=[f"AUTH {mechanism}"])
            self.assertEqual(self.outcome(self.out.send("login.test", ["a@login.test"]))[0], "relayed")
            self.assertIn(said, server.said)
            server.close()
        server = self.at("127.0.3.2", certificate=certificate, keywords=["AUTH PLAIN"])
        server.on["AUTH"] = lambda s, line: "535 5.7.8 wrong"
        result = self.out.send("login.test", ["a@login.test"])
        self.assertEqual((self.outcome(result), result["feedback"]["trouble"]), (("deferred", 535, "4.7.8"), "auth"))

    def test_a_login_goes_only_to_whom_the_certificate_names(self):
        for names, state in ((["127.0.3.3"], "relayed"), (["127.0.3.4"], "deferred")):
            server = self.at("127.0.3.3", certificate=self.ca.issue(*names), keywords=["AUTH PLAIN"])
            self.assertEqual(self.outcome(self.out.send("checked.test", ["a@checked.test"], sender=f"{state}@us.test"))[0], state)
            self.assertEqual(bool(server.lines("AUTH")), state == "relayed")
            server.close()


class Life(Case):
    def test_a_killed_process_loses_no_job(self):
        server, domain = self.site()
        server.on["BODY"] = lambda s, line: HANG if s.number == 0 else None
        job = self.out.begin(domain, [f"a@{domain}"], b"x\r\n")
        until(lambda: server.messages, "the message at the server")
        self.out.restart()
        result = self.out.wait(job)
        self.assertEqual((self.outcome(result)[0], result["feedback"]["trouble"]), ("deferred", "local"))
        self.assertEqual(self.outcome(self.out.send(domain, [f"a@{domain}"]))[0], "delivered")

    def test_a_cancelled_job_ends_its_connection(self):
        server, domain = self.site()
        ended = threading.Event()

        def wait_for_end(session, line):
            return HANG

        server.on["MAIL"] = wait_for_end
        job = self.out.begin(domain, [f"a@{domain}"], b"x\r\n")
        until(lambda: server.lines("MAIL"), "MAIL")
        self.out.cancel(job)
        until(lambda: not server._open, "the end of the connection")
        ended.set()
        self.assertNotIn(job, self.out.results)


if __name__ == "__main__":
    unittest.main()

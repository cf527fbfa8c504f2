"""Milters of our own on libmilter behind a whole pod: every stage, every change, verdicts, chains, macros."""
import os
import shutil
import smtplib
import tempfile
import unittest
import urllib.request

from milters import ScriptedMilter, set_milters
from pod import Pod, until

# Keys are the local part of the sender, or the name in HELO.
FIRST = r"""
* negotiate steps 0x400
changes end addheader X-Added|one
changes end addheader X-Folded|first\n second
changes end insheader 0|X-Top|above all
changes end insheader 2|X-Below|below our Received
changes end chgheader 1|Subject|changed
changes end chgheader 2|X-Twice|second is other
changes end chgheader 1|X-Gone|
changes end chgheader 1|X-Absent|added as absent
envelope end addrcpt <carol@example.test>
envelope end addrcpt_par dave@away.test|NOTIFY=NEVER
envelope end delrcpt bob@example.test
envelope end chgfrom <other@away.test>|ENVID=abc
emptied end delrcpt bob@example.test
body end replacebody new body|1
bigbody end replacebody 0123456789abcdef0123456789abcde|40000
held end quarantine looks bad
slow end sleep 300
slow end progress
slow end sleep 300
slow end progress
slow end sleep 300
mlreply rcpt setmlreply 550|5.7.1|first line|second line
mlreply rcpt reject
reply mail setreply 451|4.7.1|come back later
reply mail tempfail
r-mail mail reject
t-mail mail tempfail
r-rcpt rcpt reject
r-data data reject
r-header header reject
r-eoh eoh tempfail
r-body body reject
r-end end reject
d-mail mail discard
d-rcpt rcpt discard
d-header header discard
d-end end discard
a-mail mail accept
a-header header accept
skip body skip
closing mail setreply 421|4.7.0|go away
closing mail tempfail
bad.helo helo reject
accepted.helo helo accept
* unknown continue
"""
SECOND = "\n".join(["body end addheader X-Second|saw it", "changes end addheader X-Second|saw it",
                    "both end reject", "noreply negotiate steps 0x0"]) + "\n"

MESSAGE = (b"Subject: original\r\nX-Twice: a\r\nX-Twice: b\r\nX-Gone: here\r\nTo: bob\r\nX-Long: one\r\n\ttwo\r\n"
           b"Message-ID: <m1@away.test>\r\n\r\nbody\r\n.dot\r\n")


class Milters(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="podmail-milters-")
        cls.first = ScriptedMilter(cls.folder, "first", FIRST)
        cls.second = ScriptedMilter(cls.folder, "second", SECOND)
        # A filter that wants refused recipients (0x800), answers nothing it need not (0xff080), and asks for two macros.
        cls.third = ScriptedMilter(cls.folder, "third", "* negotiate steps 0x1ff880\n* negotiate macros mail|i, {mail_addr}\n" +
                                   "".join(f"* {stage} noreply\n" for stage in
                                           ("connect", "helo", "mail", "rcpt", "data", "unknown", "header", "eoh", "body")))
        cls.pod = Pod()
        cls.pod.up()
        cls.pod.down()
        set_milters(cls.pod, milters=[cls.first.conf(end_timeout="500ms"), cls.second.conf(protocol=4), cls.third.conf()],
                    submission_milters=[cls.first.conf()], lmtp_milters=[cls.first.conf()])
        cls.pod.up()

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()
        for milter in (cls.first, cls.second, cls.third):
            milter.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def setUp(self):
        for milter in (self.first, self.second, self.third):
            milter.clear()

    def send(self, sender, message=MESSAGE, to=("bob",), service="smtp"):
        """The replies to MAIL, each RCPT, DATA and its end, as far as it gets."""
        replies = []
        with self.pod.smtp(service) as client:
            replies.append(client.docmd(f"MAIL FROM:<{sender}@away.test>"))
            if replies[-1][0] != 250:
                return replies
            for name in to:
                replies.append(client.docmd(f"RCPT TO:<{self.pod.address(name)}>"))
            if all(code >= 300 for code, _ in replies[1:]):
                return replies
            replies.append(client.docmd("DATA"))
            if replies[-1][0] == 354:
                client.send(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
                replies.append(client.getreply())
        return replies

    def newest(self, name):
        box = self.pod.imap(name)
        _, count = box.select(readonly=True)
        raw = None
        if int(count[0]):
            raw = box.fetch(count[0].decode(), "(BODY.PEEK[])")[1][0][1]
        box.logout()
        return raw

    def count(self, name):
        box = self.pod.imap(name)
        _, count = box.select(readonly=True)
        box.logout()
        return int(count[0])

    def queue(self):
        return self.pod.podctl("queue", "list", as_json=True)

    def names(self, milter):
        return [e["event"] for e in milter.events() if e["event"] != "did"]

    def event(self, milter, name):
        return next(e for e in milter.events() if e["event"] == name)

    # ---- what they are told ----

    def test_every_stage_is_told_in_order_with_its_macros(self):
        self.assertEqual(self.send("plain", to=("bob", "carol"))[-1][0], 250)
        names = self.names(self.first)
        names = names[names.index("connect"):]
        self.assertEqual(names[:names.index("end") + 1],
                         ["connect", "helo", "mail", "rcpt", "rcpt", "data"] + 7 * ["header"] + ["eoh", "body", "end"])
        macros = self.event(self.first, "end")["macros"]
        self.assertEqual(macros["j"], "mx.example.test")
        self.assertEqual(macros["{daemon_name}"], "smtp")
        self.assertEqual(macros["{client_addr}"], "127.0.0.1")
        self.assertEqual(macros["{nrcpts}"], "2")
        self.assertEqual(macros["{msg_id}"], "<m1@away.test>")
        self.assertEqual(self.event(self.first, "mail")["macros"]["{mail_addr}"], "plain@away.test")
        self.assertEqual(self.event(self.first, "rcpt")["macros"]["{rcpt_mailer}"], "local")
        headers = [tuple(e["args"]) for e in self.first.events() if e["event"] == "header"]
        self.assertIn(("X-Long", "one\n\ttwo"), headers)
        self.assertEqual(self.event(self.first, "body")["args"][1], "body\r\n.dot\r\n")
        # The trace of the log is their queue id.
        self.pod.wait_for_log(macros["i"])

    def test_esmtp_arguments_travel(self):
        with self.pod.smtp() as client:
            client.docmd("MAIL FROM:<x@away.test> SIZE=100 BODY=8BITMIME RET=HDRS")
            client.docmd("RCPT TO:<bob@example.test> NOTIFY=NEVER ORCPT=rfc822;a@b")
            client.docmd("RSET")
        until(lambda: "abort" in self.names(self.first), "the abort")
        self.assertEqual(self.event(self.first, "mail")["args"], ["<x@away.test>", "SIZE=100", "BODY=8BITMIME", "RET=HDRS"])
        self.assertEqual(self.event(self.first, "rcpt")["args"], ["<bob@example.test>", "NOTIFY=NEVER", "ORCPT=rfc822;a@b"])

    def test_unknown_commands_and_refused_recipients(self):
        with self.pod.smtp() as client:
            self.assertEqual(client.docmd("XYZZY foo")[0], 500)
            client.docmd("MAIL FROM:<x@away.test>")
            self.assertEqual(client.docmd("RCPT TO:<nobody-here@example.test>")[0], 550)
            self.assertEqual(client.docmd("RCPT TO:<bob@example.test>")[0], 250)
        self.assertEqual(self.event(self.first, "unknown")["args"], ["XYZZY foo"])
        self.assertEqual(self.names(self.first).count("rcpt"), 1)
        refused = [e for e in self.third.events() if e["event"] == "rcpt"]
        self.assertEqual([e["macros"]["{rcpt_mailer}"] for e in refused], ["error", "local"])
        self.assertEqual(refused[0]["macros"]["{rcpt_host}"], "5.1.1")

    def test_a_list_of_macros_replaces_ours(self):
        self.send("plain")
        macros = self.event(self.third, "mail")["macros"]
        self.assertIn("{mail_addr}", macros)
        self.assertNotIn("b", macros)

    def test_starttls_and_auth_are_seen(self):
        with self.pod.smtp("submission", starttls=True) as client:
            client.login(self.pod.address("alice"), self.pod.password("alice"))
            client.sendmail(self.pod.address("alice"), [self.pod.address("bob")], b"From: alice@example.test\r\n\r\nx\r\n")
        events = self.first.events()
        helos = [e for e in events if e["event"] == "helo"]
        self.assertNotIn("{tls_version}", helos[0]["macros"])
        self.assertIn("TLSv1", helos[-1]["macros"]["{tls_version}"])
        mail = self.event(self.first, "mail")["macros"]
        self.assertEqual(mail["{auth_authen}"], "alice@example.test")
        self.assertTrue(mail["{auth_type}"])
        self.assertEqual(mail["{daemon_name}"], "submission")
        # What the submission adds is shown, too.
        self.assertIn("Message-ID", [e["args"][0] for e in events if e["event"] == "header"])

    def test_connections_are_used_again(self):
        for _ in range(12):
            self.assertEqual(self.send("plain")[-1][0], 250)
        names = self.names(self.first)
        self.assertLess(names.count("negotiate"), names.count("connect"))

    def test_answers_and_refusals_are_counted_by_milter(self):
        def counted():
            with urllib.request.urlopen(f"http://127.0.0.1:{self.pod.port('metrics')}/metrics", timeout=60) as answer:
                lines = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[0] != "#")
            return [int(lines[f'podmail_mta_milter_{what}_total{{milter="first"}}'])
                    for what in ("answers", "microseconds", "refusals")]

        before = counted()
        self.send("r-mail")
        after = until(lambda: (now := counted())[2] > before[2] and now, "a refusal in the metrics")
        self.assertEqual(after[2], before[2] + 1)
        self.assertGreater(after[0], before[0])
        self.assertGreater(after[1], before[1])

    # ---- what an admin sees of them ----

    def test_podctl_shows_them_in_their_order(self):
        self.send("plain")
        self.send("r-mail")
        milters = self.pod.podctl("milter", "list", as_json=True)["milters"]
        smtp = [m for m in milters if m["listener"] == "smtp"]
        self.assertEqual([m["name"] for m in smtp], ["first", "second", "third", "podfilter"])
        self.assertEqual([m["name"] for m in milters if m["listener"] == "submissions"], ["first", "podfilter"])
        first = smtp[0]
        self.assertEqual((first["socket"], first["protocol"], first["on_failure"]), (self.first.socket, 6, "tempfail"))
        self.assertGreater(min(first["answers"], first["waited_us"], first["refusals"]), 0)
        shown = self.pod.podctl("milter", "list").stdout.splitlines()
        self.assertEqual(shown[0].split()[:3], ["LISTENER", "MILTER", "SOCKET"])
        self.assertRegex(shown[1], rf"^smtp +first +{self.first.socket} +tempfail +\d+ +\d+\.\d+ +\d+ +\d+ +\d+$")

    def test_podctl_tries_them(self):
        milters = self.pod.podctl("milter", "test", as_json=True)["milters"]
        tests = {m["name"]: m["test"] for m in milters if m["listener"] == "smtp"}
        self.assertEqual({name: (t["ok"], t["version"]) for name, t in tests.items()},
                         {"first": (True, 6), "second": (True, 4), "third": (True, 6), "podfilter": (True, 6)})
        self.assertIn("change-header", tests["first"]["actions"])
        self.assertIn("skip", tests["first"]["steps"])
        self.assertIn("no-reply-rcpt", tests["third"]["steps"])
        self.assertEqual(tests["third"]["macros"], {"mail": "i, {mail_addr}"})
        self.assertGreater(tests["first"]["answer_us"], 0)
        # Once, though four listeners have it; and nothing but the terms.
        self.first.clear()
        shown = self.pod.podctl("milter", "test", "first").stdout
        self.assertEqual([n for n in self.names(self.first) if n != "close"], ["negotiate"])
        self.assertRegex(shown, r"(?m)^STATE +fine$")
        self.assertRegex(shown, r"(?m)^ACTIONS +.*add-header")

    def test_podctl_says_which_is_not_there(self):
        self.second.stop()
        try:
            done = self.pod.podctl("milter", "test", "second", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout, r"(?m)^STATE +.*(refused|closed)")
        finally:
            self.second.start()
        self.assertEqual(self.pod.podctl("milter", "test", "second").returncode, 0)
        self.assertIn("no milter is called nobody", self.pod.podctl("milter", "test", "nobody", check=False).stderr)

    # ---- what they change ----

    def test_header_changes(self):
        self.assertEqual(self.send("changes")[-1][0], 250)
        raw = self.newest("bob").decode()
        head, _, body = raw.partition("\r\n\r\n")
        lines = head.replace("\r\n\t", "\t").replace("\r\n ", " ").split("\r\n")
        names = [line.split(":")[0] for line in lines]
        self.assertEqual(names, ["Return-Path", "X-Top", "Received", "X-Below", "Subject", "X-Twice", "X-Twice", "To", "X-Long",
                                 "Message-ID", "X-Added", "X-Folded", "X-Absent", "X-Second"])
        self.assertIn("Subject: changed", lines)
        self.assertEqual([line for line in lines if line.startswith("X-Twice")], ["X-Twice: a", "X-Twice: second is other"])
        self.assertIn("X-Folded: first\r\n second\r\n", head + "\r\n")
        self.assertEqual(body, "body\r\n.dot\r\n")
        # The one behind saw it as changed.
        seen = [tuple(e["args"]) for e in self.second.events() if e["event"] == "header"]
        self.assertIn(("Subject", "changed"), seen)
        self.assertIn(("X-Top", "above all"), seen)
        self.assertNotIn("X-Gone", [name for name, _ in seen])
        box = self.pod.imap("bob")
        _, count = box.select(readonly=True)
        envelope = box.fetch(count[0].decode(), "(ENVELOPE)")[1][0]
        box.logout()
        self.assertIn(b'"changed"', envelope)

    def test_envelope_changes(self):
        bob, carol = self.count("bob"), self.count("carol")
        self.assertEqual(self.send("envelope")[-1][0], 250)
        self.assertEqual((self.count("bob"), self.count("carol")), (bob, carol + 1))
        self.assertTrue(self.newest("carol").startswith(b"Return-Path: <other@away.test>\r\n"))
        self.pod.wait_for_log("rcpt=dave@away.test")
        self.pod.wait_for_log("edit=add-rcpt address=dave@away.test args=\"NOTIFY=NEVER\"")

    def test_a_message_without_recipients_left_is_dropped(self):
        bob = self.count("bob")
        self.assertEqual(self.send("emptied")[-1][0], 250)
        self.assertEqual(self.count("bob"), bob)
        self.pod.wait_for_log("message.discarded")

    def test_a_new_body(self):
        self.assertEqual(self.send("body")[-1][0], 250)
        raw = self.newest("bob")
        self.assertTrue(raw.endswith(b"\r\n\r\nnew body\r\n"), raw)
        self.assertIn(b"X-Second: saw it", raw)
        self.assertEqual([e["args"][1] for e in self.second.events() if e["event"] == "body"], ["new body\r\n"])

    def test_a_large_message_gets_a_header_and_a_large_body(self):
        large = b"Subject: large\r\n\r\n" + b"0123456789" * 7 + b"\r\n"
        large += (b"x" * 78 + b"\r\n") * 20000
        self.assertEqual(self.send("changes", large)[-1][0], 250)
        raw = self.newest("bob")
        self.assertTrue(raw.endswith(large.partition(b"\r\n\r\n")[2]))
        self.assertIn(b"\r\nX-Added: one\r\n", raw)
        self.assertEqual(sum(e["args"][0] for e in self.first.events() if e["event"] == "body"),
                         len(large.partition(b"\r\n\r\n")[2]))
        self.assertEqual(self.send("bigbody")[-1][0], 250)
        self.assertEqual(len(self.newest("bob").partition(b"\r\n\r\n")[2]), 31 * 40000 + 2)

    def test_quarantine_holds_the_message(self):
        bob = self.count("bob")
        self.assertEqual(self.send("held")[-1][0], 250)
        self.assertEqual(self.count("bob"), bob)
        self.assertIn("looks bad", str(self.queue()))

    def test_progress_keeps_a_slow_filter_alive(self):
        self.assertEqual(self.send("slow")[-1][0], 250)

    # ---- what they decide ----

    def test_refusals_at_each_stage(self):
        for sender, codes in (("r-mail", [550]), ("t-mail", [451]), ("r-rcpt", [250, 550]), ("r-data", [250, 250, 550]),
                              ("r-header", [250, 250, 354, 550]), ("r-eoh", [250, 250, 354, 451]),
                              ("r-body", [250, 250, 354, 550]), ("r-end", [250, 250, 354, 550]),
                              ("both", [250, 250, 354, 550])):
            with self.subTest(sender):
                bob = self.count("bob")
                self.assertEqual([code for code, _ in self.send(sender)], codes)
                self.assertEqual(self.count("bob"), bob)

    def test_their_own_replies(self):
        self.assertEqual(self.send("mlreply")[1], (550, b"5.7.1 first line\n5.7.1 second line"))
        self.assertEqual(self.send("reply"), [(451, b"4.7.1 come back later")])

    def test_one_recipient_is_refused_and_the_session_goes_on(self):
        with self.pod.smtp() as client:
            self.assertEqual(client.docmd("MAIL FROM:<r-mail@away.test>")[0], 550)
            self.assertEqual(client.docmd("RCPT TO:<bob@example.test>")[0], 503)
            self.assertEqual(client.docmd("MAIL FROM:<plain@away.test>")[0], 250)
            self.assertEqual(client.docmd("RCPT TO:<bob@example.test>")[0], 250)

    def test_421_closes(self):
        with self.assertRaises(smtplib.SMTPServerDisconnected), self.pod.smtp() as client:
            self.assertEqual(client.docmd("MAIL FROM:<closing@away.test>")[0], 421)
            client.docmd("NOOP")

    def test_a_refused_greeting(self):
        client = smtplib.SMTP("127.0.0.1", self.pod.port("smtp"), timeout=60)
        self.assertEqual(client.docmd("EHLO bad.helo")[0], 550)
        self.assertEqual(client.docmd("MAIL FROM:<plain@away.test>")[0], 503)
        self.assertEqual(client.docmd("EHLO good.helo")[0], 250)
        self.assertEqual(client.docmd("MAIL FROM:<plain@away.test>")[0], 250)
        client.close()

    def test_an_accepted_connection_is_not_asked_again(self):
        client = smtplib.SMTP("127.0.0.1", self.pod.port("smtp"), timeout=60)
        client.docmd("EHLO accepted.helo")
        self.assertEqual(client.docmd("MAIL FROM:<r-mail@away.test>")[0], 250)
        client.close()
        self.assertNotIn("mail", self.names(self.first))

    def test_discards_are_answered_250(self):
        for sender in ("d-mail", "d-rcpt", "d-header", "d-end"):
            with self.subTest(sender):
                bob = self.count("bob")
                self.assertEqual(self.send(sender)[-1][0], 250)
                self.assertEqual(self.count("bob"), bob)
        self.pod.wait_for_log("message.discarded")

    def test_accept_and_skip_spare_the_rest(self):
        large = b"Subject: x\r\n\r\n" + (b"y" * 78 + b"\r\n") * 3000
        for sender, last in (("a-mail", "mail"), ("a-header", "header")):
            self.first.clear()
            self.assertEqual(self.send(sender)[-1][0], 250)
            # The abort of a session that a test before left in its middle may come as late as now.
            others = ("close", "connect", "negotiate", "abort")
            self.assertEqual([n for n in self.names(self.first) if n not in others][-1], last)
        self.first.clear()
        self.assertEqual(self.send("skip", large)[-1][0], 250)
        self.assertEqual(self.names(self.first).count("body"), 1)
        self.assertIn("end", self.names(self.first))

    def test_bdat_is_filtered_as_well(self):
        for sender, code in (("plain", 250), ("r-data", 550), ("r-end", 550)):
            with self.subTest(sender), self.pod.smtp() as client:
                client.docmd(f"MAIL FROM:<{sender}@away.test>")
                client.docmd("RCPT TO:<bob@example.test>")
                client.send(b"BDAT 14 LAST\r\nSubject: a\r\n\r\n")
                self.assertEqual(client.getreply()[0], code)
                self.assertEqual(client.docmd("NOOP")[0], 250)

    def test_lmtp_answers_for_recipients_that_filters_took_off(self):
        with self.pod.smtp("lmtp") as client:
            client.docmd("MAIL FROM:<envelope@away.test>")
            client.docmd("RCPT TO:<bob@example.test>")
            client.docmd("RCPT TO:<alice@example.test>")
            client.docmd("DATA")
            client.send(b"Subject: lmtp\r\n\r\nx\r\n.\r\n")
            replies = [client.getreply(), client.getreply()]
        self.assertEqual([code for code, _ in replies], [250, 250])
        self.assertIn(b"Taken off by a filter", replies[0][1])

    def test_a_filter_that_was_restarted_is_asked_again(self):
        with self.pod.smtp() as client:
            self.assertEqual(client.docmd("MAIL FROM:<plain@away.test>")[0], 250)
            client.docmd("RSET")
            self.second.stop()
            self.second.start()
            self.assertEqual(client.docmd("MAIL FROM:<plain@away.test>")[0], 250)
            self.second.stop()
            self.assertEqual(client.docmd("RCPT TO:<bob@example.test>")[0], 451)
            client.docmd("RSET")
            self.assertEqual(client.docmd("MAIL FROM:<plain@away.test>")[0], 451)
            self.second.start()
            self.assertEqual(client.docmd("MAIL FROM:<plain@away.test>")[0], 250)


if __name__ == "__main__":
    unittest.main()

"""Milters that break the protocol, hang, die or lie: what becomes of the message is their on_failure, and nothing else breaks."""
import json
import shutil
import struct
import tempfile
import unittest

from milters import FakeMilter, frame, set_milters
from pod import Pod, until

MESSAGE = b"Subject: x\r\nTo: bob\r\n\r\nbody\r\n"
STAGES = "OCHMRTLNBE"  # negotiate, connect, helo, mail, rcpt, data, header, eoh, body, end
LONG = 1.2  # longer than any time limit below
FAULTS = {
    "dies": ["close"],
    "garbage": [b"\x00\x00\x00\x05hello world, this is no packet \xff\xfe"],
    "half a packet": [b"\x00\x00\x00\x09c", "close"],
    "half a length": [b"\x00\x00", "close"],
    "no letter": [b"\x00\x00\x00\x00"],
    "huge": [b"\x7f\xff\xff\xffc"],
    "says what is no answer": [frame(b"X")],
    "negotiates again": [frame(b"O", struct.pack("!III", 6, 0, 0)), frame(b"O", struct.pack("!III", 6, 0, 0))],
    "a change at the wrong time": [frame(b"M", b"x\0")],
}


class Faults(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="podmail-faults-")
        cls.milters = {name: FakeMilter(cls.folder, name) for name in ("tempfail", "accept", "reject", "quarantine")}
        cls.pod = Pod()
        cls.pod.up()
        cls.pod.down()
        limits = {"connect_timeout": "500ms", "send_timeout": "500ms", "timeout": "300ms", "end_timeout": "600ms"}
        set_milters(cls.pod, milters=[m.conf(on_failure=name, **limits) for name, m in cls.milters.items()])
        cls.pod.up()
        cls.workers = cls.pod.pids_of("mta/smtp")

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()
        for milter in cls.milters.values():
            milter.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def setUp(self):
        self.mend()

    def tearDown(self):
        self.mend()
        self.assertEqual(self.send(), 250, "a message after the fault")
        self.assertEqual(self.pod.pids_of("mta/smtp"), self.workers, "a worker died")

    def mend(self):
        for milter in self.milters.values():
            milter.reset()

    def send(self, message=MESSAGE, helo="client.test"):
        """The code that decided: the first that refuses, or the last."""
        with self.pod.smtp() as client:
            for command in (f"EHLO {helo}", "MAIL FROM:<a@away.test>", "RCPT TO:<bob@example.test>", "DATA"):
                code, _ = client.docmd(command)
                if code >= 400:
                    return code
            client.send(message + b".\r\n")
            return client.getreply()[0]

    def test_podctl_says_what_is_wrong_with_them(self):
        for answer, words in (([frame(b"O", struct.pack("!III", 1, 0, 0))], "version 1"), (["close"], "closed"),
                              ([b"\x00\x00\x00\x05hello"], ""), ([frame(b"O", b"\0")], "too short"), ([5.0], "in time")):
            self.milters["accept"].plan["O"] = answer
            done = self.pod.podctl("milter", "test", "accept", "--format", "json", check=False)
            self.assertEqual(done.returncode, 1, done.stdout)
            test = json.loads(done.stdout)["milters"][0]["test"]
            self.assertFalse(test["ok"])
            self.assertIn(words, test["error"])
            self.mend()

    def held(self):
        return str(self.pod.podctl("queue", "list", as_json=True)).count("filter quarantine failed")

    def newest(self):
        box = self.pod.imap("bob")
        _, count = box.select(readonly=True)
        raw = box.fetch(count[0].decode(), "(BODY.PEEK[])")[1][0][1]
        box.logout()
        return raw

    # ---- each fault at each stage ----

    def test_whatever_it_does_wherever_the_sender_comes_again(self):
        milter = self.milters["tempfail"]
        for stage in STAGES:
            for fault, plan in FAULTS.items():
                with self.subTest(stage=stage, fault=fault):
                    milter.plan = {stage: plan}
                    self.assertEqual(self.send(), 451)

    def test_dying_follows_on_failure(self):
        for name, code in (("accept", 250), ("reject", 554), ("quarantine", 250)):
            for stage in STAGES:
                with self.subTest(name=name, stage=stage):
                    self.mend()
                    held = self.held()
                    self.milters[name].plan = {stage: ["close"]}
                    self.assertEqual(self.send(), code)
                    self.assertEqual(self.held() - held, name == "quarantine")

    def test_silence_is_waited_for_so_long(self):
        for stage in "OCMRLE":
            with self.subTest(stage):
                self.milters["tempfail"].plan = {stage: [LONG]}
                self.assertEqual(self.send(), 451)
        self.pod.wait_for_log("it did not answer in time")

    def test_a_slow_one_delays_nobody_else(self):
        self.milters["tempfail"].plan = {"R": [0.25, frame(b"c")]}
        with self.pod.smtp() as slow:
            slow.docmd("MAIL FROM:<a@away.test>")
            slow.putcmd("RCPT TO:<bob@example.test>")
            with self.pod.smtp() as other:
                self.assertEqual(other.docmd("MAIL FROM:<b@away.test>")[0], 250)
            self.assertEqual(slow.getreply()[0], 250)

    # ---- negotiation ----

    def test_terms_nobody_offered(self):
        milter = self.milters["tempfail"]
        for what, terms in (("actions", struct.pack("!III", 6, 0xFFFF, 0)), ("steps", struct.pack("!III", 6, 0, 1 << 27)),
                            ("a version too high", struct.pack("!III", 7, 0, 0)), ("none", struct.pack("!III", 0, 0, 0)),
                            ("too short", b"\0\0\0\6\0"), ("a bad list", struct.pack("!III", 6, 0, 0) + b"\0\0\0\x63i\0"),
                            ("a list without its end", struct.pack("!III", 6, 0, 0) + b"\0\0\0\1i")):
            with self.subTest(what):
                milter.plan = {"O": [frame(b"O", terms)]}
                self.assertEqual(self.send(), 451)

    def test_old_ones_are_spoken_to_in_their_version(self):
        milter = self.milters["tempfail"]
        for version, stages in ((2, "OCHMRLNBE"), (3, "OCHMRLNBE"), (4, "OCHMRTLNBE"), (6, "OCHMRTLNBE")):
            with self.subTest(version):
                self.mend()
                milter.version, milter.actions, milter.steps = version, 0x3F, 0
                self.assertEqual(self.send(), 250)
                seen = [letter for letter, _ in milter.seen if letter not in "DAKQ"]
                self.assertEqual("".join(dict.fromkeys(seen)), stages)

    def test_what_it_does_not_want_is_not_sent(self):
        milter = self.milters["tempfail"]
        milter.steps = 0x1 | 0x2 | 0x8 | 0x10 | 0x40 | 0x200 | 0x100
        self.assertEqual(self.send(), 250)
        self.assertEqual("".join(letter for letter, _ in milter.seen if letter not in "DKQA"), "OMLLE")

    def test_a_kept_connection_that_died_is_made_anew(self):
        milter = self.milters["tempfail"]
        milter.keeps = True
        until(lambda: not milter.seen.clear() and self.send() == 250 and "O" not in dict(milter.seen), "a kept connection")
        milter.once = {"C": ["close"]}
        self.assertEqual(self.send(), 250)
        self.assertFalse(milter.once)

    # ---- lies at the end ----

    def test_changes_that_are_none(self):
        milter = self.milters["tempfail"]
        for what, change in (("a name with a colon", frame(b"h", b"X:y\0v\0")), ("no value", frame(b"h", b"X-A\0")),
                             ("an empty name", frame(b"h", b"\0v\0")), ("no index", frame(b"i", b"\0\0")),
                             ("a reply that is none", frame(b"y", b"999 hello\0")), ("mixed codes", frame(b"y", b"550-a\r\n451 b\0")),
                             ("no end", frame(b"+", b"<a@b>"))):
            with self.subTest(what):
                milter.plan = {"E": [change, frame(b"c")]}
                self.assertEqual(self.send(), 451)

    def test_changes_it_did_not_announce(self):
        milter = self.milters["tempfail"]
        milter.actions = 0
        milter.plan = {"E": [frame(b"h", b"X-A\0b\0"), frame(b"c")]}
        self.assertEqual(self.send(), 451)

    def test_what_it_changed_before_it_died_is_forgotten(self):
        self.milters["accept"].plan = {"E": [frame(b"h", b"X-Half\0yes\0"), frame(b"b", b"half a body"), "close"]}
        self.assertEqual(self.send(), 250)
        raw = self.newest()
        self.assertNotIn(b"X-Half", raw)
        self.assertTrue(raw.endswith(b"\r\n\r\nbody\r\n"))

    def test_no_value_smuggles_a_field_or_a_body(self):
        self.milters["tempfail"].plan = {"E": [frame(b"h", b"X-A\0one\r\nX-Injected: two\r\n\r\n\r\nbody\0"),
                                              frame(b"i", b"\0\0\0\0X-B\0a\n\n\nb\0"), frame(b"c")]}
        self.assertEqual(self.send(), 250)
        head = self.newest().partition(b"\r\n\r\n")[0] + b"\r\n"
        self.assertIn(b"X-A: one\r\n\tX-Injected: two\r\n\tbody\r\n", head)
        self.assertIn(b"X-B: a\r\n\tb\r\n", head)
        self.assertNotIn(b"\r\nX-Injected", head)

    def test_replies_are_one_clean_line_each(self):
        milter = self.milters["tempfail"]
        for text, reply in ((b"550 5.7.1 a\x01b\x7f", b"5.7.1 a?b?"), (b"550 no enhanced code", b"5.7.1 no enhanced code"),
                            (b"451 5.7.1 of another class", b"4.7.1 5.7.1 of another class"), (b"550", b"5.7.1 Refused by a filter"),
                            (b"550-5.1.1 a\r\n550 5.1.1 b", b"5.1.1 a\n5.1.1 b"), (b"550 5.7.1 100%% sure", b"5.7.1 100% sure")):
            with self.subTest(text), self.pod.smtp() as client:
                milter.plan = {"M": [frame(b"y", text + b"\0")]}
                self.assertEqual(client.docmd("MAIL FROM:<a@away.test>"), (int(text[:3]), reply))

    def test_addresses_that_are_none_are_left_out(self):
        self.milters["tempfail"].plan = {"E": [frame(b"+", b"<not an address>\0"), frame(b"+", b"nobody-here@example.test\0"),
                                              frame(b"2", b"<carol@example.test>\0NOTIFY=MAYBE\0"), frame(b"e", b"<@@>\0"), frame(b"c")]}
        self.assertEqual(self.send(), 250)
        self.assertTrue(self.newest().startswith(b"Return-Path: <a@away.test>\r\n"))
        self.pod.wait_for_log("milter.edit_failed", times=4)
        self.assertEqual(self.pod.log_tail(60).count("milter.edit_failed"), 4)

    def test_words_without_a_question(self):
        self.milters["tempfail"].plan = {"H": [frame(b"c"), frame(b"c"), frame(b"r")]}
        self.assertIn(self.send(), (250, 451))

    def test_closing_words(self):
        self.milters["tempfail"].plan = {"R": [frame(b"4")]}
        self.assertEqual(self.send(), 421)
        self.milters["tempfail"].plan = {"R": [frame(b"f")]}
        with self.assertRaises(Exception):
            self.send()


if __name__ == "__main__":
    unittest.main()

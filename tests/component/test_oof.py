"""Answers of users who are away (RFC 3834), on a whole pod: who is told what, once, and who never is."""
import email
import email.policy
import imaplib
import os
import re
import signal
import smtplib
import time
import unittest

from pod import PodTest, until


def message(to, subject, extra="", sender="stranger@elsewhere.test"):
    return (f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{subject.replace(' ', '')}@x.test>\r\n"
            f"{extra}\r\nhello\r\n").encode()


class Oof(PodTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.alice, cls.bob, cls.carol = (cls.pod.address(n) for n in ("alice", "bob", "carol"))

    def oof(self, who, *options):
        return self.pod.podctl("user", "oof", who, *options, as_json=True)

    def submit(self, who, to, subject, extra=""):
        """As a user who logged in: an internal sender."""
        with self.pod.smtp("submission", starttls=True) as s:
            s.login(self.pod.address(who), self.pod.password(who))
            s.sendmail(self.pod.address(who), [to], message(to, subject, extra, self.pod.address(who)))

    def stranger(self, to, subject, extra="", sender="stranger@elsewhere.test", named=None):
        self.pod.send(to, message(named or self.pod.address(to), subject, extra, sender), sender=sender)

    def mails(self, who):
        box = self.pod.imap(who)
        box.select("INBOX", readonly=True)
        numbers = box.search(None, "ALL")[1][0].split()
        found = [email.message_from_bytes(box.fetch(n, "(BODY.PEEK[])")[1][0][1], policy=email.policy.default) for n in numbers]
        box.logout()
        return found

    def answers(self, who):
        return [m for m in self.mails(who) if m["Auto-Submitted"] == "auto-replied"]

    def answered(self):
        """Strangers to whom the mta gave an answer on its way; their domain is none, so that it gets no further."""
        with open(os.path.join(self.pod.dir, "log", "podmail.log"), encoding="utf-8") as f:
            return sorted(re.search(r" to=(\S+)", line).group(1) for line in f if " oof.answered " in line and "elsewhere" in line)

    def wait_for_mail(self, who, subject):
        return until(lambda: [m for m in self.mails(who) if m["Subject"] == subject], f"{subject} at {who}")[0]

    def test_1_settings(self):
        shown = self.oof(self.alice)
        self.assertEqual((shown["when"], shown["now"], shown["internal"]), ("off", False, ""))
        self.assertNotEqual(self.pod.podctl("user", "oof", self.alice, "--on", check=False).returncode, 0)  # without words
        self.assertNotEqual(self.pod.podctl("user", "oof", self.alice, "--on", "--off", check=False).returncode, 0)
        shown = self.oof(self.alice, "--on", "--internal", "I am at sea.\n.\nBack soon. \u00e9", "--external", "Away.")
        self.assertEqual((shown["when"], shown["now"], shown["external_known"]), ("on", True, "Away."))
        self.assertNotEqual(self.pod.podctl("user", "oof", self.alice, "--from", "2030-01-02", "--to", "2030-01-01",
                                            check=False).returncode, 0)
        self.assertEqual(self.oof(self.alice)["when"], "on")

    def test_2_told_once(self):
        self.submit("bob", self.alice, "first", "References: <r0@x.test>\r\n")
        answer = until(lambda: self.answers("bob"), "an answer")[0]
        self.assertEqual(answer["Subject"], "Auto: first")
        self.assertEqual(answer["From"].addresses[0].addr_spec, self.alice)
        self.assertEqual(answer["In-Reply-To"], "<first@x.test>")
        self.assertEqual(answer["References"].split(), ["<r0@x.test>", "<first@x.test>"])
        self.assertEqual(answer["Return-Path"], "<>")
        self.assertEqual(answer.get_content().splitlines()[:3], ["I am at sea.", ".", "Back soon. \u00e9"])
        self.submit("bob", self.alice, "second")
        self.wait_for_mail("alice", "second")
        # The store and the mta start anew, and know whom they told.
        for program in ("stored", "mta"):
            for pid in self.pod.pids_of(program):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        until(lambda: self.try_submit("bob", self.alice, "third"), "submission again")
        self.wait_for_mail("alice", "third")
        # Other words are news.
        self.oof(self.alice, "--internal", "Still at sea.")
        self.submit("bob", self.alice, "fourth")
        until(lambda: len(self.answers("bob")) >= 2, "the second answer")
        self.assertEqual(len(self.answers("bob")), 2)

    def try_submit(self, *args):
        try:
            self.submit(*args)
            return True
        except (OSError, smtplib.SMTPException):
            return False

    def test_3_two_who_are_away_do_not_loop(self):
        self.oof(self.carol, "--on", "--internal", "Carol is away.")
        self.submit("carol", self.alice, "hello alice")
        until(lambda: self.answers("carol"), "an answer to carol")
        self.submit("alice", self.carol, "hello carol")
        until(lambda: self.answers("alice"), "an answer to alice")
        self.submit("carol", self.alice, "once more")
        self.wait_for_mail("alice", "once more")
        self.assertEqual([len(self.answers(n)) for n in ("alice", "carol")], [1, 1])

    def test_4_strangers(self):
        for subject, extra, sender in (
                ("list", "List-Id: <l.elsewhere.test>\r\n", "a1@elsewhere.test"),
                ("bulk", "Precedence: bulk\r\n", "a2@elsewhere.test"),
                ("auto", "Auto-Submitted: auto-generated\r\n", "a3@elsewhere.test"),
                ("suppress", "X-Auto-Response-Suppress: DR, OOF\r\n", "a4@elsewhere.test"),
                ("noreply", "", "no-reply@elsewhere.test"),
                ("owner", "", "l-request@elsewhere.test"),
                ("null", "", "")):
            self.stranger("alice", subject, extra, sender)
        self.stranger("alice", "blind copy", sender="a5@elsewhere.test", named="others@elsewhere.test")
        self.stranger("alice", "no is no answer", "Auto-Submitted: no\r\n", "friend@elsewhere.test")
        self.stranger("alice", "stranger")
        until(lambda: "stranger@elsewhere.test" in self.answered(), "an answer to a stranger")
        self.stranger("alice", "stranger again")
        self.stranger("alice", "the last", sender="last@elsewhere.test")
        until(lambda: "last@elsewhere.test" in self.answered(), "an answer to the last")
        self.assertEqual(self.answered(), ["friend@elsewhere.test", "last@elsewhere.test", "stranger@elsewhere.test"])

    def test_5_known_only(self):
        self.oof(self.bob, "--on", "--internal", "x", "--external", "Only for friends.", "--known-only")
        box = self.pod.imap("bob")
        box.append("Sent", None, None, message("Pal <pal@elsewhere.test>", "earlier", sender=self.bob))
        box.logout()
        self.stranger("bob", "who are you", sender="nobody-known@elsewhere.test")
        self.stranger("bob", "its me", sender="PAL@elsewhere.test")
        until(lambda: "PAL@elsewhere.test" in self.answered(), "an answer to a pal")
        self.assertNotIn("nobody-known@elsewhere.test", self.answered())

    def test_6_other_domains_of_the_pod_are_strangers(self):
        self.pod.podctl("domain", "add", "other.test")
        self.pod.podctl("user", "add", "dora@other.test", "--password-stdin", stdin="secret-of-dora\n")
        self.oof(self.alice, "--internal", "Among us: at sea.", "--external", "Away.")
        with self.pod.smtp("submission", starttls=True) as s:
            s.login("dora@other.test", "secret-of-dora")
            s.sendmail("dora@other.test", [self.alice], message(self.alice, "from dora", sender="dora@other.test"))
        box = imaplib.IMAP4("127.0.0.1", self.pod.port("imap"), timeout=60)
        box.login("dora@other.test", "secret-of-dora")
        self.addCleanup(box.logout)
        until(lambda: box.select("INBOX")[1][0] != b"0", "the answer to dora")
        self.assertIn(b"Away.", box.fetch("1", "(BODY.PEEK[TEXT])")[1][0][1])

    def test_7_only_in_time(self):
        now = time.time()

        def at(offset):
            return time.strftime("%Y-%m-%d %H:%M", time.localtime(now + offset))
        self.assertFalse(self.oof(self.carol, "--from", at(7200), "--to", at(14400))["now"])
        self.submit("bob", self.carol, "too early")
        self.wait_for_mail("carol", "too early")
        self.assertFalse(self.oof(self.carol, "--from", at(-14400), "--to", at(-7200))["now"])
        self.submit("bob", self.carol, "too late")
        self.wait_for_mail("carol", "too late")
        before = len(self.answers("bob"))
        self.assertTrue(self.oof(self.carol, "--from", at(-7200), "--to", at(7200))["now"])
        self.submit("bob", self.carol, "in time")
        until(lambda: len(self.answers("bob")) == before + 1, "an answer in time")
        self.oof(self.carol, "--off")
        self.submit("alice", self.carol, "all over")
        self.wait_for_mail("carol", "all over")
        self.assertFalse([m for m in self.answers("alice") if m["Subject"] == "Auto: all over"])


if __name__ == "__main__":
    unittest.main()

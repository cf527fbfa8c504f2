#!/usr/bin/env python3
"""podfilter in its place: what it says of mail becomes refusals, Junk and the quarantine."""
import os
import smtplib
import unittest
from email.message import EmailMessage
from email.policy import SMTP

from pod import Pod, until

CONFIG = """
filter {
  trusted = ""
  greylist = off
  weights = "ARCHIVE_OPAQUE 9, ARCHIVE_ENCRYPTED 12, SPF_NONE 0, FROM_NOT_ONE_DOMAIN 0"
  quarantine_score = 10
  reject_score = 0
}
dns {
  servers = "127.0.0.1:1"
  trust_anchor = ""
  timeout = 1s
}
"""


def message(subject, name=None, data=b""):
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = "a@sender.test", "alice@example.test", subject
    m.set_content("Words.")
    if name:
        m.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return m.as_bytes(policy=SMTP)


RAR = b"Rar!\x1a\x07\x01\x00 and what follows"
SECRET = b"PK\3\4\x14\0\1\0" + bytes(18) + b"\1\0\0\0a"  # a zip that says it is encrypted


class InItsPlace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pod = Pod()
        cls.pod.up()
        cls.pod.down()
        with open(os.path.join(cls.pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
            f.write(CONFIG)
        cls.pod.up()

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()

    def in_mailbox(self, mailbox, subject):
        box = self.pod.imap("alice")
        box.select(mailbox)
        uids = box.uid("SEARCH", "SUBJECT", f'"{subject}"')[1][0].split()
        return box.uid("FETCH", uids[0], "BODY[HEADER]")[1][0][1].decode() if uids else None

    def send(self, data):
        self.pod.send("alice", data)

    def test_clean_mail_comes_with_its_source_and_without_foreign_words(self):
        self.send(b"X-Spam: yes\r\nX-Podmail-Source: v1; address=192.0.2.1; sign=00\r\n" + message("clean"))
        header = until(lambda: self.in_mailbox("INBOX", "clean"), "the message")
        self.assertNotIn("X-Spam: yes", header)
        self.assertIn("X-Spam-Status: No", header)
        self.assertEqual(header.count("X-Podmail-Source: v1; address=127.0.0.1"), 1)
        self.assertNotIn("sign=00\r\n", header)
        self.pod.wait_for_log("filter.verdict")

    def test_spam_goes_to_junk(self):
        self.send(message("spam", "x.rar", RAR))
        header = until(lambda: self.in_mailbox("Junk", "spam"), "the message in Junk")
        self.assertIn("X-Spam: yes", header)
        self.assertIn("ARCHIVE_OPAQUE=9.00", header)
        self.assertIsNone(self.in_mailbox("INBOX", "spam"))

    def test_a_banned_file_is_refused_with_words(self):
        with self.assertRaises(smtplib.SMTPDataError) as refused:
            self.send(message("program", "run.exe", b"x"))
        self.assertEqual(refused.exception.smtp_code, 550)
        self.assertIn(b"run.exe", refused.exception.smtp_error)

    def quarantined(self, *args):
        return self.pod.podctl("quarantine", "list", *args, as_json=True)["messages"]

    def test_the_quarantine_is_listed_shown_released_and_emptied(self):
        for n in range(3):
            self.send(message(f"secret {n}", "x.zip", SECRET))
        held = until(lambda: len(self.quarantined()) == 3 and self.quarantined(), "three messages held")
        self.assertEqual(len(self.quarantined("--to", "alice", "--since", "1h")), 3)
        self.assertEqual(self.quarantined("--to", "nobody"), [])
        shown = self.pod.podctl("quarantine", "show", held[0]["id"]).stdout
        self.assertIn("alice@example.test", shown)
        self.assertIn("Thrown away", shown)
        self.assertIn("secret 0", self.pod.podctl("quarantine", "show", "--message", held[0]["id"]).stdout)
        self.pod.podctl("quarantine", "release", held[0]["id"])
        until(lambda: self.in_mailbox("INBOX", "secret 0") or self.in_mailbox("Junk", "secret 0"), "the released message")
        self.assertIn("deleted", self.pod.podctl("quarantine", "delete", "--to", "alice").stdout)
        self.assertEqual(self.quarantined(), [])
        self.assertIsNone(self.in_mailbox("INBOX", "secret 1"))

    def test_mail_goes_on_while_the_filter_is_down(self):
        pids = self.pod.pids_of("podfilter")
        for pid in pids:
            os.kill(pid, 9)
        self.send(message("unwatched"))
        until(lambda: self.in_mailbox("INBOX", "unwatched"), "the message")
        until(lambda: set(self.pod.pids_of("podfilter")) - set(pids), "podfilter to be there again")
        self.seen = 0

        def looked_at():  # a message that comes before it listens again goes on without it
            self.seen += 1
            self.send(message(f"after {self.seen}"))
            return "X-Spam-Status" in until(lambda: self.in_mailbox("INBOX", f"after {self.seen}"), "the next message")
        until(looked_at, "a message that was looked at")


if __name__ == "__main__":
    unittest.main()

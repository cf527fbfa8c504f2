"""Limits give the right answers and harm nothing: size, quota, and a disk that is full and then has room again."""
import os
import smtplib
import unittest

from disks import SmallDisk, need_root
from pod import Pod, until

BODY = "Subject: {}\r\n\r\n" + "some text on a line of its own\r\n" * 30


def message(subject, size=0):
    return BODY.format(subject) + ("x" * 70 + "\r\n") * (size // 72)


class LimitsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pod = Pod()
        cls.pod.up()

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()

    def subjects(self, user):
        box = self.pod.imap(user)
        _, count = box.select("INBOX", readonly=True)
        found = []
        if int(count[0]):
            _, data = box.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            found = [item[1].decode().strip()[len("Subject: "):] for item in data if isinstance(item, tuple)]
        box.logout()
        return found

    def test_a_message_over_size_is_refused_when_announced_and_when_sent(self):
        with self.pod.smtp() as client:
            limit = int(client.esmtp_features["size"])
            code, text = client.mail("a@example.com", [f"SIZE={limit + 1}"])
            self.assertEqual((code, text[:5]), (552, b"5.3.4"))
            code, _ = client.mail("a@example.com", [f"SIZE={limit}"])
            self.assertEqual(code, 250)
            client.rset()
        with self.pod.smtp() as client:
            with self.assertRaises(smtplib.SMTPDataError) as caught:
                client.mail("a@example.com")
                client.rcpt(self.pod.address("bob"))
                code, text = client.data(message("too big", limit + (1 << 20)))
                raise smtplib.SMTPDataError(code, text)
            self.assertEqual((caught.exception.smtp_code, caught.exception.smtp_error[:5]), (552, b"5.3.4"))
            self.assertEqual(client.noop()[0], 250)
        self.assertNotIn("too big", self.subjects("bob"))

    def test_a_mailbox_over_quota_refuses_and_takes_mail_again_when_there_is_room(self):
        self.pod.podctl("user", "set", self.pod.address("carol"), "--quota", "100K")
        sent = 0
        with self.pod.smtp() as client:
            while sent < 20:
                try:
                    client.sendmail("a@example.com", [self.pod.address("carol")], message(f"fill {sent}", 20000))
                    sent += 1
                except (smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused) as e:
                    code, text = (e.smtp_code, e.smtp_error) if isinstance(e, smtplib.SMTPDataError) \
                        else next(iter(e.recipients.values()))
                    self.assertIn(code, (452, 552, 550))
                    self.assertRegex(text, rb"^[45]\.2\.2 ")
                    break
        self.assertIn(sent, range(3, 6))
        self.assertEqual(len(self.subjects("carol")), sent)
        box = self.pod.imap("carol")
        status, data = box.append("INBOX", None, None, message("append", 20000).encode())
        self.assertEqual(status, "NO")
        self.assertIn(b"[OVERQUOTA]", data[0])
        box.select("INBOX")
        box.store("1:*", "+FLAGS", "\\Deleted")
        box.expunge()
        status, _ = box.append("INBOX", None, None, message("append", 20000).encode())
        self.assertEqual(status, "OK")
        box.logout()
        self.pod.send("carol", message("room again"))
        self.assertIn("room again", self.subjects("carol"))


class FullDiskTest(unittest.TestCase):
    def setUp(self):
        need_root("mkfs.ext4", "losetup")
        self.disk = SmallDisk(192)
        self.addCleanup(self.disk.close)
        self.pod = Pod(os.path.join(self.disk.folder, "pod"))
        self.addCleanup(self.pod.close)
        self.pod.up()

    def send_until_refused(self):
        """Big messages until one is refused; returns the subjects that were acknowledged, and the refusal."""
        acked = []
        with self.pod.smtp() as client:
            for n in range(500):
                try:
                    client.sendmail("a@example.com", [self.pod.address("alice")], message(f"full {n}", 400_000))
                    acked.append(f"full {n}")
                except smtplib.SMTPDataError as e:
                    return acked, e
        self.fail("the disk never filled up")

    def subjects(self):
        box = self.pod.imap("alice")
        box.select("INBOX", readonly=True)
        _, data = box.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        box.logout()
        return [item[1].decode().strip()[len("Subject: "):] for item in data if isinstance(item, tuple)]

    def test_a_full_disk_refuses_for_now_loses_nothing_and_recovers(self):
        self.pod.send("alice", message("before"))
        self.disk.fill(leave_bytes=6 << 20)
        acked, refusal = self.send_until_refused()
        self.assertEqual(refusal.smtp_code // 100, 4, refusal)
        self.assertRegex(refusal.smtp_error, rb"^4\.[23]\.[0-9] ")
        self.assertEqual(self.subjects(), ["before"] + acked)

        box = self.pod.imap("alice")
        status, data = box.append("INBOX", None, None, message("append", 8_000_000).encode())
        self.assertEqual(status, "NO", data)
        box.select("INBOX")
        status, _ = box.store("1", "+FLAGS", "\\Deleted")  # room must be made from the inside, too
        self.assertEqual(status, "OK")
        status, _ = box.expunge()
        self.assertEqual(status, "OK")
        box.logout()

        self.disk.remove_filler()

        def accepted():
            try:
                self.pod.send("alice", message("after"))
                return True
            except smtplib.SMTPException:
                return False
        until(accepted, "mail to be accepted again")
        self.assertEqual(self.subjects(), acked + ["after"])
        self.assertTrue(self.pod.down().returncode == 0)
        self.pod.up()
        self.assertEqual(self.subjects(), acked + ["after"])


if __name__ == "__main__":
    unittest.main()

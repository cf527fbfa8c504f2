"""URLAUTH (RFC 4467) with real IMAP sessions: URLs that are signed, read, altered, voided; and submitted, with BURL (RFC 4468)."""
import imaplib
import re
import time
import unittest

from pod import PodTest, until

for name in ("GENURLAUTH", "URLFETCH", "RESETKEY"):
    imaplib.Commands[name] = ("AUTH", "SELECTED")

SMALL = b"Subject: small\r\n\r\nhello\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef0123456789abcdef\r\n" * 20000


class Case(PodTest):
    def setUp(self):
        self.box = self.pod.imap("alice")
        self.addCleanup(self.logout, self.box)
        self.box.create("Entw&APw-rfe")
        self.uids = {}
        for key, message in (("small", SMALL), ("large", LARGE)):
            _, data = self.box.append("Entw&APw-rfe", None, None, message)
            self.validity, self.uids[key] = re.search(rb"APPENDUID (\d+) (\d+)", data[0]).groups()

    @staticmethod
    def logout(box):
        try:
            box.logout()
        except (imaplib.IMAP4.error, OSError):
            pass

    def rump(self, access, key="small", extra="", owner="alice", validity=True):
        validity = f";UIDVALIDITY={self.validity.decode()}" if validity else ""
        user = self.pod.address(owner).replace("@", "%40")
        return f"imap://{user}@localhost/Entw%C3%BCrfe{validity}/;UID={self.uids[key].decode()}{extra};URLAUTH={access}"

    def ask(self, command, *args, box=None):
        box = box or self.box
        typ, data = box._simple_command(command, *args)
        return typ, data, box._untagged_response(typ, [None], command)[1]

    def sign(self, rump):
        typ, _, data = self.ask("GENURLAUTH", f'"{rump}"', "INTERNAL")
        self.assertEqual(typ, "OK")
        return data[0].decode().strip('"')

    def fetch(self, url, box=None):
        """What is behind a URL, or None."""
        typ, _, data = self.ask("URLFETCH", f'"{url}"', box=box)
        self.assertEqual(typ, "OK")
        return data[0][1] if isinstance(data[0], tuple) else None

    def me(self, name="alice"):
        return self.pod.address(name).replace("@", "%40")


class UrlAuth(Case):
    def test_capability_and_select_tell_of_it(self):
        self.assertIn("URLAUTH", self.box.capability()[1][0].decode())
        self.box.select()
        self.assertIn(b"INTERNAL", self.box.untagged_responses.get("URLMECH", [b""]))

    def test_what_is_signed_is_read(self):
        for key, message in (("small", SMALL), ("large", LARGE)):
            for access in (f"user+{self.me()}", "authuser", "anonymous"):
                url = self.sign(self.rump(access, key))
                self.assertRegex(url, rf"^{re.escape(self.rump(access, key))}:internal:01[0-9a-f]{{64}}$")
                self.assertEqual(self.fetch(url), message)
        self.assertEqual(self.fetch(self.sign(self.rump("authuser", validity=False))), SMALL)

    def test_what_is_for_others_or_altered_is_not(self):
        good = self.sign(self.rump("authuser"))
        self.assertIsNone(self.fetch(self.sign(self.rump(f"submit+{self.me()}"))))
        self.assertIsNone(self.fetch(self.sign(self.rump(f"user+{self.me('bob')}"))))
        other_uid = good.replace(f"UID={self.uids['small'].decode()};", f"UID={self.uids['large'].decode()};")
        last = "0" if good[-1] != "0" else "1"
        for url in (other_uid, good.replace("authuser", "anonymous"), good[:-1] + last, good.split(":internal:")[0],
                    good.replace("Entw%C3%BCrfe", "INBOX"), good.replace(":internal:", ":other:"), "nonsense"):
            self.assertNotEqual(url, good)
            self.assertIsNone(self.fetch(url), url)
        bob = self.pod.imap("bob")
        self.addCleanup(self.logout, bob)
        self.assertIsNone(self.fetch(good, bob))

    def test_it_ends_when_it_says(self):
        def at(t):
            return ";EXPIRE=" + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))
        soon = self.sign(self.rump("authuser", extra=at(time.time() + 3)))
        self.assertEqual(self.fetch(self.sign(self.rump("authuser", extra=at(time.time() + 3600)))), SMALL)
        until(lambda: self.fetch(soon) is None, "the end of a URL")
        self.assertEqual(self.ask("GENURLAUTH", f'"{self.rump("authuser", extra=at(time.time() - 9))}"', "INTERNAL")[0], "NO")

    def test_a_reset_makes_all_void(self):
        for args in (("Entw&APw-rfe",), ("Entw&APw-rfe", "INTERNAL"), ()):
            url = self.sign(self.rump("authuser"))
            self.assertEqual(self.fetch(url), SMALL)
            typ, data, _ = self.ask("RESETKEY", *args)
            self.assertEqual((typ, b"URLMECH INTERNAL" in data[0]), ("OK", True))
            self.assertIsNone(self.fetch(url))
        self.assertEqual(self.ask("RESETKEY", "nowhere")[0], "NO")

    def test_only_ones_own_whole_messages_are_signed(self):
        for rump, answer in ((self.rump("authuser", owner="bob"), "NO"),
                             (self.rump("authuser", extra="/;SECTION=1"), "NO"),
                             (re.sub(r"UIDVALIDITY=\d+", "UIDVALIDITY=1", self.rump("authuser")), "NO"),
                             (self.rump("authuser").replace("Entw%C3%BCrfe", "nowhere"), "NO"),
                             (self.rump("nobody"), "BAD"), ("imap://x", "BAD"), (self.sign(self.rump("authuser")), "BAD")):
            try:
                typ = self.ask("GENURLAUTH", f'"{rump}"', "INTERNAL")[0]
            except imaplib.IMAP4.error:
                typ = "BAD"
            self.assertEqual(typ, answer, rump)

    def test_keys_outlive_a_restart_and_go_with_their_mailbox(self):
        url = self.sign(self.rump("authuser"))
        self.pod.down()
        self.pod.up()
        self.box = self.pod.imap("alice")
        self.addCleanup(self.logout, self.box)
        self.assertEqual(self.fetch(url), SMALL)
        self.box.delete("Entw&APw-rfe")
        self.assertIsNone(self.fetch(url))
        self.box.create("Entw&APw-rfe")
        self.box.append("Entw&APw-rfe", None, None, SMALL)
        self.assertIsNone(self.fetch(url))


class Burl(Case):
    """BURL (RFC 4468): what IMAP signed is submitted without being sent again."""

    def setUp(self):
        self.letter = (f"From: {self.pod.address('alice')}\r\nTo: {self.pod.address('bob')}\r\n"
                       f"Subject: {self.id()} {time.time()}\r\n\r\n" + "from the mailbox\r\n" * 9000).encode()
        super().setUp()
        _, data = self.box.append("INBOX", None, None, self.letter)
        self.uids["letter"] = re.search(rb"APPENDUID \d+ (\d+)", data[0]).group(1)
        self.smtp = self.client("alice")

    def client(self, name):
        smtp = self.pod.smtp("submission", starttls=True)
        self.addCleanup(smtp.close)
        self.assertFalse(smtp.has_extn("burl"))
        smtp.login(self.pod.address(name), self.pod.password(name))
        smtp.ehlo()
        self.assertEqual(smtp.esmtp_features["burl"], "imap")
        return smtp

    def letter_url(self, access):
        return self.sign(f"imap://{self.me()}@localhost/INBOX/;UID={self.uids['letter'].decode()};URLAUTH={access}")

    def begin(self, smtp=None, sender="alice"):
        smtp = smtp or self.smtp
        self.assertEqual(smtp.mail(self.pod.address(sender))[0], 250)
        self.assertEqual(smtp.rcpt(self.pod.address("bob"))[0], 250)

    def newest(self, name="bob"):
        box = self.pod.imap(name)
        _, data = box.select(readonly=True)
        _, found = box.fetch(data[0].decode(), "(BODY.PEEK[])")
        box.logout()
        return found[0][1]

    def test_a_message_is_sent_out_of_the_mailbox(self):
        self.begin()
        code, text = self.smtp.docmd("BURL", self.letter_url(f"submit+{self.me()}") + " LAST")
        self.assertEqual(code, 250, text)
        header, body = self.letter.split(b"\r\n\r\n", 1)
        came = self.newest()
        self.assertTrue(came.endswith(b"\r\n\r\n" + body))
        self.assertIn(header, came)

    def test_it_goes_with_chunks(self):
        self.begin()
        head = f"From: {self.pod.address('alice')}\r\nSubject: in front {time.time()}\r\n\r\n".encode()
        self.smtp.send(b"BDAT %d\r\n" % len(head) + head)
        self.assertEqual(self.smtp.getreply()[0], 250)
        code, text = self.smtp.docmd("BURL", self.letter_url(f"submit+{self.me()}"))
        self.assertEqual(code, 250, text)
        self.smtp.send(b"BDAT 5 LAST\r\nend\r\n")
        self.assertEqual(self.smtp.getreply()[0], 250)
        self.assertTrue(self.newest().endswith(b"\r\n\r\n" + self.letter + b"end\r\n"))

    def test_only_what_is_signed_for_the_sender_is_read(self):
        good = self.letter_url(f"submit+{self.me()}")
        bob = self.client("bob")
        soon = int(time.time()) + 1
        expired = self.sign(self.rump(f"submit+{self.me()}",
                                      extra=time.strftime(";EXPIRE=%Y-%m-%dT%H:%M:%SZ", time.gmtime(soon))))
        for smtp, sender, url, answer in ((self.smtp, "alice", good[:-2] + ("00" if good[-2:] != "00" else "11"), 554),
                                          (self.smtp, "alice", self.letter_url(f"submit+{self.me('bob')}"), 554),
                                          (self.smtp, "alice", self.letter_url(f"user+{self.me()}"), 554),
                                          (self.smtp, "alice", good.split(":internal:")[0], 554),
                                          (self.smtp, "alice", "nonsense", 554), (bob, "bob", good, 554)):
            self.begin(smtp, sender)
            self.assertEqual(smtp.docmd("BURL", url + " LAST")[0], answer, url)
            self.assertEqual(smtp.docmd("BURL", good + " LAST")[0], 503)  # the transaction is over
        until(lambda: time.time() > soon + 1, "the URL's end")
        self.begin()
        self.assertEqual(self.smtp.docmd("BURL", expired + " LAST")[0], 554)
        self.begin()
        self.assertEqual(self.smtp.docmd("BURL", good + " FIRST")[0], 501)
        self.assertEqual(self.smtp.docmd("BURL", good + " LAST")[0], 250)

    def test_nobody_else_is_offered_it(self):
        with self.pod.smtp("submission", starttls=True) as smtp:
            self.assertEqual(smtp.docmd("BURL", "imap://x LAST")[0], 530)
        with self.pod.smtp() as smtp:
            smtp.ehlo()
            self.assertFalse(smtp.has_extn("burl"))
            smtp.mail("x@example.com")
            smtp.rcpt(self.pod.address("bob"))
            self.assertEqual(smtp.docmd("BURL", "imap://x LAST")[0], 503)


if __name__ == "__main__":
    unittest.main()

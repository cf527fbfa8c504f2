"""Real milters behind a pod: opendkim, opendmarc, clamav-milter, rspamd with its redis, spamass-milter."""
import base64
import os
import shutil
import tempfile
import unittest

from milters import set_milters
from pod import Pod, until
from real_milters import EICAR, ClamAv, OpenDkim, OpenDmarc, Rspamd, SpamAssassin

CORPUS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "corpus")


def message(name):
    with open(os.path.join(CORPUS, name), "rb") as f:
        return f.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def with_attachment(data):
    return (b"From: eve@away.test\r\nSubject: a file\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
            b"--x\r\nContent-Type: text/plain\r\n\r\nsee the file\r\n--x\r\nContent-Type: application/octet-stream; name=f.com\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(data) + b"\r\n--x--\r\n")


class Real(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="podmail-real-")
        os.chmod(cls.folder, 0o755)
        cls.milters = []
        cls.pod = Pod()
        try:
            # All of them start while the pod does.
            cls.spamass = cls.begin(SpamAssassin(cls.folder))
            cls.rspamd = cls.begin(Rspamd(cls.folder))
            cls.clamav = cls.begin(ClamAv(cls.folder))
            cls.signer = cls.begin(OpenDkim(cls.folder, "signer", "example.test", "s"))
            cls.verifier = cls.begin(OpenDkim(cls.folder, "verifier", "example.test", "v"))
            cls.opendmarc = cls.begin(OpenDmarc(cls.folder))
            cls.pod.up()
            cls.pod.down()
            set_milters(cls.pod, milters=[m.conf() for m in (cls.verifier, cls.opendmarc, cls.clamav, cls.rspamd)],
                        submission_milters=[cls.signer.conf()], lmtp_milters=[cls.spamass.conf()])
            # Ours is asked last, and puts its own X-Spam fields in the place of all that are there.
            with open(os.path.join(cls.pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
                f.write("\nfilter { enabled = no; }\n")
            cls.pod.up()
            for milter in cls.milters:
                milter.wait()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def begin(cls, milter):
        cls.milters.append(milter)
        return milter

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()
        for milter in cls.milters:
            milter.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def send(self, raw, sender="eve@away.test", service="smtp"):
        with self.pod.smtp(service) as client:
            client.docmd(f"MAIL FROM:<{sender}>")
            client.docmd("RCPT TO:<bob@example.test>")
            client.docmd("DATA")
            client.send(raw.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            return client.getreply()

    def newest(self):
        box = self.pod.imap("bob")
        _, count = box.select(readonly=True)
        raw = box.fetch(count[0].decode(), "(BODY.PEEK[])")[1][0][1]
        box.logout()
        return raw

    def header(self):
        head = self.newest().partition(b"\r\n\r\n")[0].decode(errors="replace")
        return head.replace("\r\n\t", " ").replace("\r\n ", " ")

    def test_ham_passes_all_and_shows_it(self):
        code, text = self.send(message("ham/list-mail.eml"))
        self.assertEqual(code, 250, text)
        header = self.header()
        for field in ("DKIM-Filter: OpenDKIM", "DMARC-Filter: OpenDMARC", "X-Virus-Scanned: clamav-milter", "X-Spamd-Result: default:"):
            self.assertIn("\r\n" + field, header)
        self.assertIn("Subject: [Spambayes] spambayes package?", header)

    def test_rspamd_refuses_spam(self):
        code, text = self.send(message("spam/gtube.eml"))
        self.assertEqual(code, 554, text)
        self.assertIn(b"Gtube pattern", text)

    def test_rspamd_remembers_what_it_saw(self):
        self.rspamd.ask_redis("flushall")  # other tests' mail; of GTUBE it remembers nothing
        code, text = self.send(message("ham/list-mail.eml"))
        self.assertEqual(code, 250, text)
        until(lambda: self.rspamd.keys() > 0, "rspamd's history in redis")

    def test_clamav_refuses_a_virus_in_an_attachment(self):
        code, text = self.send(with_attachment(EICAR))
        self.assertEqual(code, 550, text)
        self.assertIn(b"Found Eicar-Test-Signature", text)
        self.assertEqual(self.send(with_attachment(b"harmless"))[0], 250)

    def test_what_opendkim_signs_opendkim_finds_good(self):
        with self.pod.smtp("submission", starttls=True) as client:
            client.login(self.pod.address("alice"), self.pod.password("alice"))
            client.sendmail("alice@example.test", ["bob@example.test"],
                            b"From: alice@example.test\r\nTo: bob@example.test\r\nSubject: signed\r\n\r\nSome  text \r\n\r\n")
        signed = self.newest()
        self.assertIn(b"\r\nDKIM-Signature: v=1;", signed)
        self.assertIn(b"d=example.test", signed)
        # As another server would hand it on: what follows the Return-Path.
        code, text = self.send(signed.partition(b"\r\n")[2], sender="alice@example.test")
        self.assertEqual(code, 250, text)
        self.assertRegex(self.header(), r"Authentication-Results: mx.example.test;\s+dkim=pass")
        code, _ = self.send(signed.partition(b"\r\n")[2].replace(b"Some", b"Other"), sender="alice@example.test")
        self.assertEqual(code, 250)
        self.assertRegex(self.header(), r"Authentication-Results: mx.example.test;\s+dkim=fail")

    def test_spamassassin_tells_spam_from_ham(self):
        self.assertEqual(self.send(message("ham/list-mail.eml"), service="lmtp")[0], 250)
        header = self.header()
        self.assertIn("\r\nX-Spam-Checker-Version: SpamAssassin", header)
        self.assertIn("\r\nX-Spam-Status: No", header)
        code, text = self.send(message("spam/gtube.eml"), service="lmtp")
        self.assertEqual(code, 550, text)
        self.assertIn(b"Blocked by SpamAssassin", text)


if __name__ == "__main__":
    unittest.main()

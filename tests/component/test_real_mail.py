"""Real messages go in over SMTP with STARTTLS and come back byte for byte, but for the trace header on top, through
clients that are not ours: Python's imaplib, curl, mbsync and mutt.

The messages are those of tests/corpus; PODMAIL_CORPUS names a folder with more (*.eml, any depth).
"""
import glob
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
import unittest

from mbsync import Mbsync
from pod import Pod

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.environ.get("PODMAIL_CORPUS") or os.path.join(HERE, "..", "corpus")
LIMIT = int(os.environ.get("PODMAIL_CORPUS_LIMIT", "100000"))
TRACE_FIELDS = {b"return-path", b"received", b"delivered-to"}


def load_corpus():
    """(name, bytes) with line ends as SMTP has them; what SMTP cannot carry at all (a bare CR, a NUL) is left out."""
    messages = []
    for path in sorted(glob.glob(os.path.join(CORPUS, "**", "*.eml"), recursive=True)):
        with open(path, "rb") as f:
            text = re.sub(rb"\r?\n", b"\r\n", f.read())
        if not text.endswith(b"\r\n"):
            text += b"\r\n"
        if b"\0" not in text and b"\r" not in text.replace(b"\r\n", b""):
            messages.append((os.path.relpath(path, CORPUS), text))
    return messages[:LIMIT]


def split_trace(received, original):
    """The fields that were put on top, by name; None where the rest is not the original."""
    if not received.endswith(original):
        return None
    top = received[:len(received) - len(original)]
    return {line.split(b":")[0].lower() for line in top.split(b"\r\n") if line and line[:1] not in b" \t"}


class RealMailTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.messages = load_corpus()
        cls.pod = Pod()
        cls.pod.up()
        cls.send_all()
        cls.work = tempfile.mkdtemp(prefix="podmail-real-")

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()
        shutil.rmtree(cls.work, ignore_errors=True)

    @classmethod
    def send_all(cls):
        """One after the other on one connection: UIDs are then in the order of sending."""
        with cls.pod.smtp("smtp", starttls=True) as client:
            for name, text in cls.messages:
                client.mail("sender@example.com", ["BODY=8BITMIME"])
                client.rcpt(cls.pod.address("alice"))
                code, answer = client.data(text)
                assert code == 250, f"{name}: {code} {answer}"

    def check(self, name, received, original):
        fields = split_trace(received, original)
        self.assertIsNotNone(fields, f"{name} came back different")
        self.assertLessEqual(fields, TRACE_FIELDS, name)
        self.assertIn(b"received", fields, name)

    def test_imaplib_gets_every_byte(self):
        box = self.pod.imap("alice", "imaps")
        box.select("INBOX", readonly=True)
        for i, (name, original) in enumerate(self.messages):
            _, data = box.fetch(str(i + 1), "(RFC822.SIZE BODY.PEEK[])")
            self.check(name, data[0][1], original)
            size = int(re.search(rb"RFC822.SIZE (\d+)", data[0][0])[1])
            self.assertEqual(size, len(data[0][1]), name)
        box.logout()

    def test_curl_gets_every_byte(self):
        out = os.path.join(self.work, "curl")
        os.makedirs(out)
        subprocess.run(["curl", "-sS", "--cacert", os.path.join(self.pod.dir, "tls", "ca.pem"), "--ssl-reqd",
                        "-u", f"{self.pod.address('alice')}:{self.pod.password('alice')}",
                        f"imap://127.0.0.1:{self.pod.port('imap')}/INBOX;MAILINDEX=[1-{len(self.messages)}]",
                        "-o", f"{out}/#1"], check=True, timeout=600)
        for i, (name, original) in enumerate(self.messages):
            with open(f"{out}/{i + 1}", "rb") as f:
                self.check(name, f.read(), original)

    def test_mbsync_gets_every_byte_and_then_sees_no_change(self):
        local = Mbsync(self.pod, "alice", os.path.join(self.work, "mbsync"))
        local.sync()
        got = local.by_uid()
        wanted = [m for m in self.messages if b"\r\n\r\n" in m[1]]  # mbsync skips a message that is all header
        self.assertEqual(len(got), len(wanted))
        for (_, text), (name, original) in zip(sorted(got.items()), wanted):
            text = re.sub(rb"X-TUID: \S+\n", b"", text, count=1)  # mbsync's own mark in its copy
            self.check(name, re.sub(rb"\r?\n", b"\r\n", text), original)
        before = local.files()
        local.sync()
        self.assertEqual(before, local.files())

    @unittest.skipUnless(shutil.which("mutt"), "mutt is not installed")
    def test_mutt_copies_the_mailbox_out(self):
        """mutt runs on a terminal of its own and is told by keys to copy all messages into an mbox."""
        mbox, rc = os.path.join(self.work, "mutt.mbox"), os.path.join(self.work, "muttrc")
        authorities = shutil.copy(os.path.join(self.pod.dir, "tls", "ca.pem"), self.work)  # mutt may add to it
        with open(rc, "w", encoding="utf-8") as f:
            f.write(f"""
set imap_user="{self.pod.address('alice')}" imap_pass="{self.pod.password('alice')}"
set ssl_starttls=yes ssl_force_tls=yes certificate_file="{authorities}"
set folder="{self.work}" header_cache="" message_cachedir="" copy=no confirmcreate=no confirmappend=no
set mbox_type=mbox delete=no quit=yes wait_key=no sleep_time=0 read_inc=0 net_inc=0 beep=no
push "<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>{mbox}<enter><quit>"
""")
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ.update(TERM="xterm", HOME=self.work)
            os.execvp("mutt", ["mutt", "-n", "-F", rc, "-R", "-f", f"imap://localhost:{self.pod.port('imap')}/INBOX"])
        screen, deadline = b"", time.monotonic() + 300
        while time.monotonic() < deadline:
            ready, _, _ = select.select([terminal], [], [], 1)
            try:
                chunk = os.read(terminal, 65536) if ready else b""
            except OSError:
                break
            if ready and not chunk:
                break
            screen += chunk
        else:
            os.kill(pid, 9)
        os.waitpid(pid, 0)
        self.assertTrue(os.path.exists(mbox), screen[-2000:])
        with open(mbox, "rb") as f:
            copied = f.read()
        self.assertEqual(len(re.findall(rb"^Return-Path: <sender@example.com>", copied, re.M)), len(self.messages))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""podfilter alone, asked over the milter protocol as an mta would."""
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from milter_client import MilterClient
from pod import BIN, until

MESSAGE = b"From: a@sender.test\r\nTo: b@example.test\r\nSubject: hello\r\n\r\nWords.\r\n"


class Filter:
    """A podfilter of its own, with a configuration section given as text."""

    def __init__(self, section="", extra=""):
        self.dir = tempfile.mkdtemp(prefix="podmail-filter-")
        for folder in ("run", "run/metrics"):
            os.mkdir(os.path.join(self.dir, folder))
        self.section, self.extra, self.process = section, extra, None
        self.start()

    def write_config(self):
        with open(os.path.join(self.dir, "podmail.conf"), "w", encoding="utf-8") as f:
            f.write(f'pod {{ domain = "example.test"\n user_filter = "" }}\n'
                    f'filter {{\n trusted = ""\n{self.section}\n}}\n{self.extra}\n')

    def start(self):
        self.write_config()
        self.log_path = os.path.join(self.dir, "log")
        ready, tell = os.pipe()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([os.path.join(BIN, "podfilter"), "--config", os.path.join(self.dir, "podmail.conf")],
                                            stderr=log, pass_fds=[tell], env={**os.environ, "PODMAIL_READY_FD": str(tell)})
        os.close(tell)
        word = os.read(ready, 16)
        os.close(ready)
        assert word == b"ready\n", self.log()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def client(self):
        return MilterClient(os.path.join(self.dir, "run", "podfilter.sock"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def reload(self, section):
        self.section = section
        self.write_config()
        done = self.log().count("filter.reloaded") + self.log().count("filter.not_reloaded")
        self.process.send_signal(signal.SIGHUP)
        until(lambda: self.log().count("filter.reloaded") + self.log().count("filter.not_reloaded") > done, "the reload")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        subprocess.run(["rm", "-rf", self.dir], check=True)


class Frame(unittest.TestCase):
    def test_clean_mail_passes_with_a_status_and_foreign_words_are_removed(self):
        with Filter() as f, f.client() as m:
            m.connect("mail.sender.test", "192.0.2.1")
            m.helo("mail.sender.test")
            a = m.message("a@sender.test", ["b@example.test"], b"X-Spam: yes\r\nx-spam: yes\r\n" + MESSAGE)
            self.assertTrue(a.accepted)
            self.assertTrue(a.header("X-Spam-Status").startswith("No, "))
            self.assertIsNone(a.header("X-Spam"))
            self.assertEqual(a.changed, [(2, "X-Spam", ""), (1, "X-Spam", "")])
            self.assertIn("filter.verdict", f.log())
            self.assertIn("trace=0123456789abcdef", f.log())

    def test_a_connection_is_used_again_for_the_next_session(self):
        with Filter() as f, f.client() as m:
            for n in range(20):
                m.connect("[192.0.2.1]", "192.0.2.%d" % (n + 1))
                m.helo("x")
                self.assertTrue(m.message("a@sender.test", ["b@example.test"], MESSAGE).accepted)
                m.next_connection()

    def test_a_reload_breaks_no_session_and_one_that_is_wrong_changes_nothing(self):
        with Filter() as f, f.client() as m:
            m.connect("[192.0.2.1]", "192.0.2.1")
            m.mail("a@sender.test")
            f.reload("  idle_timeout = 3h")
            f.reload("  idle_timeout = nonsense")
            m.rcpt("b@example.test")
            self.assertTrue(m.data(MESSAGE).accepted)
            self.assertIn("filter.not_reloaded", f.log())

    def test_a_thousand_open_sessions_need_no_thread_each(self):
        with Filter() as f:
            sessions = [f.client() for _ in range(1000)]
            for m in sessions:
                m.connect("[192.0.2.1]", "192.0.2.1")
            with open(f"/proc/{f.process.pid}/status", encoding="utf-8") as status:
                threads = next(int(line.split()[1]) for line in status if line.startswith("Threads"))
            self.assertLess(threads, 60)
            self.assertTrue(sessions[-1].message("a@sender.test", ["b@example.test"], MESSAGE).accepted)
            for m in sessions:
                m.close()

    def test_it_ends_when_asked_and_leaves_with_success(self):
        with Filter() as f:
            began = time.monotonic()
            self.assertEqual(f.stop(), 0)
            self.assertLess(time.monotonic() - began, 30)


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv)

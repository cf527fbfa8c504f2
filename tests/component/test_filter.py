#!/usr/bin/env python3
"""podfilter alone, asked over the milter protocol as an mta would."""
import io
import shutil
import sys
import time
import unittest
import zipfile
from email.message import EmailMessage
from email.policy import SMTP

from clamd import EICAR, Clamd
from dns_tree import UNSIGNED, DnsTree, Zone, dnsbl
from pod import until
from podfilter import Filter

MESSAGE = b"From: a@sender.test\r\nTo: b@example.test\r\nSubject: hello\r\n\r\nWords.\r\n"


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
            f.wait_for_log("filter.verdict")
            f.wait_for_log("trace=0123456789abcdef")

    def test_of_steps_it_has_no_use_for_it_is_told_nothing(self):
        """To promise no reply to them is not the same: libmilter replies, and complains to syslog at each message."""
        no_data, no_end_of_headers, silent_end_of_headers = 0x200, 0x40, 0x40000
        with Filter() as f, f.client() as m:
            self.assertEqual(m.steps & (no_data | no_end_of_headers | silent_end_of_headers), no_data | no_end_of_headers)

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
            f.wait_for_log("filter.not_reloaded")

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


def session(f, address="192.0.2.1", helo="mail.sender.test"):
    m = f.client()
    answer = m.connect(f"[{address}]", address)
    if answer.accepted:
        m.helo(helo)
    return m, answer


class Before(unittest.TestCase):
    """What is refused before any content."""

    def test_a_client_has_so_many_connections_and_no_more(self):
        with Filter("connections_per_client = 3") as f:
            held = [session(f)[0] for _ in range(3)]
            m, answer = session(f)
            self.assertEqual((answer.reply, answer.code), ("y", 421))
            self.assertIn("Too many connections from 192.0.2.1", answer.text)
            self.assertTrue(session(f, "192.0.2.2")[1].accepted)
            held.pop().next_connection()
            until(lambda: session(f)[1].accepted, "room for another one")

    def test_who_guesses_recipients_is_sent_away(self):
        with Filter("max_unknown_recipients = 3") as f:
            m, _ = session(f)
            m.mail("a@sender.test")
            for n in range(3):
                self.assertTrue(m.rcpt(f"x{n}@example.test", refused=True).accepted)
            self.assertEqual(m.rcpt("b@example.test").code, 421)

    def test_a_bad_reputation_leaves_fewer_connections(self):
        with Filter("max_unknown_recipients = 0\n connections_per_client = 10") as f:
            m, _ = session(f)
            m.mail("a@sender.test")
            for n in range(30):
                m.rcpt(f"x{n}@example.test", refused=True)
            held = [session(f)[0]]  # with m that makes two, by now a fifth of ten
            self.assertEqual(session(f)[1].code, 421)
            held.pop().next_connection()
            until(lambda: session(f)[1].accepted, "room for another one")

    def test_a_reputation_outlives_a_restart(self):
        with Filter("greylist = off\n max_unknown_recipients = 0") as f:
            m, _ = session(f)
            m.mail("a@sender.test")
            for n in range(30):
                m.rcpt(f"x{n}@example.test", refused=True)
            m.close()
            self.assertEqual(f.stop(), 0)
            f.start()
            m, _ = session(f)
            answer = m.message("a@sender.test", ["b@example.test"], MESSAGE)
            self.assertRegex(answer.header("X-Spam-Status"), r"REPUTATION=[1-5]\.")

    def test_greylisting_lets_in_who_comes_again_and_then_at_once(self):
        with Filter("greylist = all\n greylist_delay = 2s") as f:
            m, _ = session(f)
            m.mail("a@sender.test")
            answer = m.rcpt("b@example.test")
            self.assertEqual(answer.code, 450)
            self.assertIn("Greylisted", answer.text)
            m.abort()

            def comes_again():
                with session(f, "192.0.2.9")[0] as again:  # another machine of the sender's network
                    again.mail("a@sender.test")
                    return again.rcpt("b@example.test").accepted
            until(comes_again, "the delay to be over", step=0.1)
            m, _ = session(f)
            m.mail("a@sender.test")
            self.assertTrue(m.rcpt("b@example.test").accepted)
            self.assertEqual(m.rcpt("c@example.test").code, 450)

    def test_an_empty_sender_learns_at_the_end_that_he_is_greylisted(self):
        with Filter("greylist = all") as f:
            m, _ = session(f)
            m.mail("")
            self.assertTrue(m.rcpt("b@example.test").accepted)
            self.assertEqual(m.data(MESSAGE).code, 451)


@unittest.skipUnless(shutil.which("knotd"), "needs knot")
class DnsLists(unittest.TestCase):
    def test_lists_count_with_their_points_and_silence_refuses_nobody(self):
        section = """dns_lists = ["bl.test 4.5 127.0.0.2-11", "other.test 3", "wl.test -2 127.0.0.0&4"]
                     dns_lists_timeout = 10s\n junk_score = 4\n greylist_delay = 1h"""
        zones = {"bl.test": Zone(dnsbl("192.0.2.66", "2001:db8::66") + "\n" + dnsbl("192.0.2.67", answer="127.0.0.99"), UNSIGNED),
                 "other.test": Zone(dnsbl("192.0.2.68", answer="127.255.255.254"), UNSIGNED),
                 "wl.test": Zone(dnsbl("192.0.2.10", answer="127.0.0.5"), UNSIGNED)}
        with DnsTree(zones) as tree, Filter(section, tree.conf()) as f:
            m, _ = session(f, "2001:db8::66")
            self.assertIsNotNone(m.mail("a@sender.test"))
            self.assertEqual(m.rcpt("b@example.test").code, 450)  # suspicious, so greylisted
            f.reload(section + "\n greylist = off")
            for address, expected, junk in (("192.0.2.66", "DNSBL=4.50", True), ("2001:db8::66", "DNSBL=4.50", True),
                                            ("192.0.2.67", None, False), ("192.0.2.68", None, False),
                                            ("192.0.2.10", "DNSWL=-2.00", False)):
                m, _ = session(f, address)
                answer = m.message("a@sender.test", ["b@example.test"], MESSAGE)
                self.assertTrue(answer.accepted, address)
                status = answer.header("X-Spam-Status")
                self.assertEqual("DNSBL" in status or "DNSWL" in status, expected is not None, (address, status))
                self.assertIn(expected or "score=", status)
                self.assertEqual(answer.header("X-Spam"), "yes" if junk else None, address)
            f.wait_for_log("filter.list_refuses_us")
            tree.stop_answering()
            f.reload(section.replace("10s", "300ms") + "\n greylist = off")
            m, _ = session(f, "192.0.2.77")
            answer = m.message("a@sender.test", ["b@example.test"], MESSAGE)
            self.assertTrue(answer.accepted)
            self.assertNotIn("DNSBL", answer.header("X-Spam-Status"))
            f.wait_for_log("filter.list_silent")


def with_file(name, data):
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = "a@sender.test", "b@example.test", "a file"
    m.set_content("See the file.")
    m.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return m.as_bytes(policy=SMTP)


def zipped(name, data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(name, data)
    return out.getvalue()


class Content(unittest.TestCase):
    def judge(self, f, message, address="192.0.2.1"):
        m, _ = session(f, address)
        return m.message("a@sender.test", ["b@example.test"], message)

    def test_files_that_are_banned_are_refused_by_name_wherever_they_are(self):
        with Filter("greylist = off") as f:
            for data in (with_file("run.exe", b"x"), with_file("invoice.pdf.exe", b"x"), with_file("x.zip", zipped("a/run.js", b"x"))):
                answer = self.judge(f, data)
                self.assertEqual(answer.code, 550)
                self.assertIn("A file is not let in here", answer.text)
            self.assertTrue(self.judge(f, with_file("report.pdf", b"%PDF-1.4")).accepted)
            f.reload("banned_action = quarantine\n greylist = off")
            answer = self.judge(f, with_file("run.exe", b"x"), "198.51.100.1")
            self.assertTrue(answer.accepted)
            self.assertIn("run.exe", answer.quarantine)

    def test_structures_that_break_readers_are_refused_and_cost_little(self):
        deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(10000))
        wide = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 10000
        bomb = with_file("x.zip", zipped("y.zip", zipped("z.zip", b"PK\3\4" + bytes(80 << 20))))
        with Filter("greylist = off") as f:
            for message in (b"Subject: x\r\n" + deep, b"Subject: x\r\n" + wide, bomb):
                began = time.monotonic()
                self.assertEqual(self.judge(f, message).code, 550)
                self.assertLess(time.monotonic() - began, 30)
            flood = b"".join(b"X-%d: y\r\n" % n for n in range(100000)) + b"\r\nx\r\n"
            self.assertTrue(self.judge(f, flood, "198.51.100.1").accepted)

    def test_the_sum_of_points_decides(self):
        secret = with_file("x.zip", b"PK\3\4\x14\0\1\0" + bytes(18) + b"\1\0\0\0a")  # encrypted, so it says
        with Filter('weights = "ARCHIVE_ENCRYPTED 7"\n quarantine_score = 10\n greylist = off') as f:
            answer = self.judge(f, secret)
            self.assertEqual(answer.header("X-Spam"), "yes")
            self.assertRegex(answer.header("X-Spam-Status"), r"(?s)^Yes, score=7.*ARCHIVE_ENCRYPTED=7\.00")
            f.reload('weights = "ARCHIVE_ENCRYPTED 12.5"\n quarantine_score = 10\n greylist = off')
            answer = self.judge(f, secret, "192.0.3.2")
            self.assertEqual(answer.quarantine, "spam")
            f.reload('weights = "ARCHIVE_ENCRYPTED 20"\n quarantine_score = 10\n greylist = off')
            answer = self.judge(f, secret, "192.0.4.2")
            self.assertEqual((answer.code, answer.inserted), (550, []))

    @unittest.skipUnless(shutil.which("clamd"), "needs clamd")
    def test_clamd_finds_eicar_and_its_absence_is_not_taken_for_health(self):
        with Clamd() as clamd, Filter(f'clamd = "unix:{clamd.socket}"\n clamd_timeout = 30s') as f:
            self.assertTrue(self.judge(f, with_file("a.txt", b"nothing")).accepted)
            answer = self.judge(f, with_file("a.txt", EICAR))
            self.assertEqual(answer.code, 550)
            self.assertIn("Test-Signature", answer.text)
            large = self.judge(f, with_file("a.txt", bytes(3 << 20)), "198.51.100.1")  # more than this clamd takes
            self.assertEqual(large.code, 451)
            clamd.stop()
            self.assertEqual(self.judge(f, MESSAGE, "198.51.100.1").code, 451)
            f.reload(f'clamd = "unix:{clamd.socket}"\n clamd_failure = none')
            self.assertTrue(self.judge(f, MESSAGE, "198.51.100.1").accepted)
            f.wait_for_log("filter.not_scanned")


if __name__ == "__main__":
    unittest.main(verbosity=2, argv=sys.argv)

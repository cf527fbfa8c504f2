#!/usr/bin/env python3
"""The way of mail through a whole pod: judged at port 25, signed at submission and where it is the pod's own, sealed where it is
sent on."""
import os
import re
import smtplib
import sys
import time
import unittest

sys.path += ["/usr/lib/python3/dist-packages", os.path.dirname(os.path.abspath(__file__))]  # Debian's python3-dkim; test_filter_auth
import dkim  # pylint: disable=wrong-import-position
from dns_tree import UNSIGNED, DnsTree, Zone, tls_rpt, txt
from fake_smtp import FakeSmtp
from pod import Pod, until
from test_filter_auth import signed, zone


class TestAuthMta(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.far = FakeSmtp("127.0.4.1", name="mx.far.test")
        cls.addClassCleanup(cls.far.close)
        cls.tree = DnsTree({"far.test": Zone("@ MX 10 mx\nmx A 127.0.4.1\n" + tls_rpt("mailto:tls@far.test"), UNSIGNED),
                            "example.test": Zone(""), "reject.test": zone(), "none.test": zone("v=DMARC1; p=none"),
                            "quarantine.test": zone("v=DMARC1; p=quarantine")})
        cls.tree.__enter__()
        os.chmod(cls.tree.dir, 0o755)  # the trust anchor, for the programs' own users
        cls.pod = Pod()
        cls.pod.up()
        cls.pod.down()
        path = os.path.join(cls.pod.dir, "podmail.conf")
        with open(path, encoding="utf-8") as f:
            text = re.sub(r"^pod\s*\{", "pod {\n  proxy_protocol_from = 127.0.0.2;", f.read(), flags=re.M)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text + f"\n{cls.tree.conf()}outbound {{\n  port = {cls.far.port}\n}}\n" + 'filter { greylist = off\n trusted = "" }\n')
        cls.pod.up()
        cls.pod.podctl("alias", "add", "away@example.test", "somebody@elsewhere.test", "alice@example.test")
        key = cls.pod.podctl("domain", "dkim", "example.test", "create", as_json=True)
        cls.tree.set("example.test", txt(key["selector"] + "._domainkey", key["record"]))
        until(lambda: cls.pod.podctl("domain", "dkim", "example.test", "activate", key["selector"], check=False).returncode == 0,
              "the record in the DNS")

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()
        cls.tree.__exit__(None, None, None)

    def dns(self, name, timeout=5):
        import dns.message  # pylint: disable=import-outside-toplevel
        import dns.query    # pylint: disable=import-outside-toplevel
        reply = dns.query.udp(dns.message.make_query(name.decode(), "TXT"), "127.0.0.1", 10, self.tree.port)
        return b"".join(reply.answer[0][0].strings) if reply.answer else None

    def from_outside(self, message, sender, to="alice@example.test", client="192.0.2.1"):
        """As a client with that address, which a load balancer tells."""
        s = smtplib.SMTP(timeout=60, source_address=("127.0.0.2", 0))
        s._host = "127.0.0.1"  # pylint: disable=protected-access
        s.sock = s._get_socket("127.0.0.1", self.pod.port("smtp"), 60)  # pylint: disable=protected-access
        s.sock.sendall(f"PROXY TCP4 {client} 127.0.0.1 40000 25\r\n".encode())
        self.assertEqual(s.getreply()[0], 220)
        try:
            s.ehlo("client.test")
            return s.sendmail(sender, [to], message)
        finally:
            s.close()

    def arrived(self, user, subject, mailbox="INBOX"):
        box = self.pod.imap(user)
        box.select(mailbox)
        numbers = until(lambda: box.noop() and box.search(None, "SUBJECT", f'"{subject}"')[1][0].split(), subject)
        raw = box.fetch(numbers[-1], "(BODY.PEEK[])")[1][0][1]
        box.logout()
        return raw

    def mail(self, domain, subject):
        return (f"From: Ann <ann@{domain}>\r\nTo: alice@example.test\r\nSubject: {subject}\r\n"
                f"Date: Thu, 26 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{subject}@{domain}>\r\n\r\nWords.\r\n").encode()

    def test_good_mail_arrives_with_what_was_found(self):
        forged = b"Authentication-Results: %s; dmarc=pass (by nobody)\r\n"
        first = self.mail("reject.test", "first")
        self.from_outside(signed("reject.test", first), "ann@reject.test")
        raw = self.arrived("alice", "first")
        found = re.search(rb"Authentication-Results: ([^;]+);(.*?)\r\n(?!\s)", raw, re.S)
        for words in [b"spf=pass", b"dkim=pass header.d=reject.test", b"dmarc=pass (p=reject"]:
            self.assertIn(words, found.group(2))
        self.from_outside(forged % found.group(1) + self.mail("none.test", "second"), "x@none.test", client="203.0.113.9")
        raw = self.arrived("alice", "second")
        self.assertNotIn(b"by nobody", raw)
        self.assertIn(b"dmarc=fail (p=none", raw)

    def test_a_broken_signature_of_a_strict_domain_is_refused(self):
        broken = signed("reject.test", self.mail("reject.test", "third")).replace(b"Words", b"Lies!")
        with self.assertRaises(smtplib.SMTPDataError) as caught:
            self.from_outside(broken, "x@none.test", client="203.0.113.9")
        self.assertEqual(caught.exception.smtp_code, 550)
        self.assertIn(b"5.7.1", caught.exception.smtp_error)
        self.assertIn(b"reject.test", caught.exception.smtp_error)

    def test_what_is_sent_on_is_sealed(self):
        self.from_outside(signed("reject.test", self.mail("reject.test", "fourth")), "ann@reject.test", to="away@example.test")
        raw = self.arrived("alice", "fourth")
        cv, sets, why = dkim.arc_verify(raw, dnsfunc=self.dns)
        self.assertEqual(cv, dkim.CV_Pass, (why, raw))
        self.assertEqual(sets[0]["as-domain"], b"example.test")
        self.from_outside(signed("reject.test", self.mail("reject.test", "fifth")), "ann@reject.test")
        self.assertNotIn(b"ARC-Seal", self.arrived("alice", "fifth"))

    def test_what_users_submit_is_signed_as_it_goes_out(self):
        with self.pod.smtp("submission", starttls=True) as s:
            s.login("alice@example.test", self.pod.password("alice"))
            s.sendmail("alice@example.test", ["bob@example.test"],
                       b"From: Alice <alice@example.test>\r\nTo: bob@example.test\r\nBcc: carol@example.test\r\n"
                       b"Subject: sixth\r\n\r\nWords.\r\n")
        raw = self.arrived("bob", "sixth")
        self.assertIn(b"d=example.test", raw)
        self.assertTrue(dkim.verify(raw, dnsfunc=self.dns), raw)

    def sent_far(self, what, signed_by=b"example.test"):
        """The last message that the other server got and that has these words, which is ours and signed."""
        def found():
            return [m for m in self.far.messages if what in m.data]
        message = until(found, what.decode())[-1]
        self.assertRegex(message.mail, "^MAIL FROM:<>")
        self.assertIn(b"d=" + signed_by, message.data.split(b"From:")[0])
        self.assertTrue(dkim.verify(message.data, dnsfunc=self.dns), message.data)
        return message.data

    def test_reports_of_the_pod_are_signed_as_they_go_out(self):
        s = smtplib.SMTP("127.0.0.1", self.pod.port("smtp"), timeout=60)
        s.sendmail("ann@far.test", ["alice@example.test"], self.mail("far.test", "seventh"),
                   rcpt_options=["NOTIFY=SUCCESS"], mail_options=["RET=HDRS"])
        s.quit()
        # The pod's host has no key: that of the domain above it is as good (aligned).
        self.assertRegex(self.sent_far(b"multipart/report; report-type=delivery-status"), rb"From: .*<MAILER-DAEMON@mx\.example\.test>")
        # That was a session with a server without TLS, which is reported in its turn.
        day = time.strftime("%Y-%m-%d", time.gmtime())
        until(lambda: self.pod.podctl("tlsrpt", "send", "--day", day, as_json=True)["sent"], "a report to far.test")
        self.sent_far(b"TLS-Report-Domain: far.test")


if __name__ == "__main__":
    unittest.main()

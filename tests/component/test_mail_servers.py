"""podmail beside Postfix, Exim and OpenSMTPD, as they come from Debian: mail to them and from them, with a DNS of their own,
certificates that the DNS names, and reports across.

Needs root: each server lives in namespaces of its own (tests/support/peers.py).
"""
import os
import re
import shutil
import smtplib
import socket
import tempfile
import unittest

import peers
from certs import Authority
from dns_tree import DnsTree, Zone, tlsa
from pod import PodTest, until

US = "127.0.20.1"
PEERS = {peers.Postfix: "127.0.10.1", peers.Exim: "127.0.10.2", peers.OpenSmtpd: "127.0.10.3"}


def normal(data):
    return data.replace(b"\r\n", b"\n")


def connected_to(address):
    """Whether a connection to port 25 of the address is open, from anywhere in our network."""
    remote = f"{int.from_bytes(socket.inet_aton(address), 'little'):08X}:0019"
    with open("/proc/net/tcp", encoding="ascii") as f:
        return any(line.split()[2] == remote and line.split()[3] == "01" for line in f.readlines()[1:])


class MailServers(PodTest):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="podmail-servers-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
        os.chmod(cls.dir, 0o755)
        cls.ca = Authority(cls.dir)
        cls.peers, cls.certs = {}, {}
        zones = {"example.test": Zone(f"@ MX 10 mx\nmx A {US}\n")}
        for kind, address in PEERS.items():
            cls.certs[kind.name] = cert = cls.ca.issue(f"mx.{kind.name}.test")
            zones[f"{kind.name}.test"] = Zone(f"@ MX 10 mx\nmx A {address}\n" + (tlsa("mx", 25, cert.text) if kind.serves_tls else ""))
        cls.tree = DnsTree(zones, port=5300, resolver_port=53)
        cls.tree.start()
        cls.addClassCleanup(cls.tree.close)
        cls.start_pod()
        for kind, address in PEERS.items():
            peer = kind(address, cls.certs[kind.name], cls.ca.pem)
            cls.addClassCleanup(peer.stop)
            peer.start()
            cls.peers[kind.name] = peer

    @classmethod
    def start_pod(cls):
        super().setUpClass()
        cls.pod.down()
        with open(os.path.join(cls.pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
            f.write(f'\n{cls.tree.conf()}\nmta {{\n  smtp = "{US}:25"\n  hostname = "mx.example.test"\n  queue_retry_min = 300ms\n'
                    f'  queue_retry_max = 2s\n}}\noutbound {{\n  ca = "{cls.ca.pem}"\n}}\n' + cls.more_conf())
        cls.pod.up()

    @classmethod
    def more_conf(cls):
        # Nobody has a reputation yet, and everybody comes from 127.0.0.1.
        return "filter {\n  greylist = off\n}\n"

    def each(self):
        for name, peer in self.peers.items():
            with self.subTest(peer=name):
                yield peer

    def submit(self, to, message, **how):
        with self.pod.smtp("submission", starttls=True) as client:
            client.login(self.pod.address("alice"), self.pod.password("alice"))
            self.assertEqual(client.sendmail(self.pod.address("alice"), to, message, **how), {})

    def arrived(self, peer, token):
        return until(lambda: [m for m in peer.messages() if token in m], f"{token} at {peer.name}; {peer.name} says:\n" + peer.log()
                     + self.pod.log_tail(40), limit=40)

    def inbox(self, token):
        def look():
            box = self.pod.imap("alice")
            try:
                for folder in ("INBOX", "Junk"):
                    if box.select(folder, readonly=True)[0] != "OK":
                        continue
                    for number in box.search(None, "ALL")[1][0].split():
                        data = box.fetch(number, "(BODY.PEEK[])")[1][0][1]
                        if token in data:
                            return data
            finally:
                box.logout()
            return None
        return until(look, f"{token} in alice's mailbox\n" + self.pod.log_tail(60), limit=40)

    # ---- to them ----

    def test_mail_to_them_arrives_as_it_was_over_verified_tls(self):
        bodies = {"small": b"hello\r\n.\r\n..two\r\nlast\r\n", "eight": "Grüße\r\n".encode() * 3,
                  "large": b"." + b"x" * 70 + b"\r\n" + (b"line of a large message\r\n.dot\r\n" * 30000)}
        for peer in self.each():
            for name, body in bodies.items():
                token = f"to-{peer.name}-{name}".encode()
                self.submit([f"box@{peer.domain}"], b"From: alice@example.test\r\nSubject: " + token + b"\r\n\r\n" + body)
                got = self.arrived(peer, token)
                self.assertEqual(len(got), 1)
                self.assertTrue(normal(got[0]).endswith(b"\n\n" + normal(body)), name)
        log = self.pod.log_tail(100000)
        for peer in self.peers.values():
            how = 'tls="[^"]* dane verified"' if peer.serves_tls else "tls=none"
            self.assertRegex(log, rf"remote.connected.*host={peer.host} .*{how}")

    def test_several_recipients_and_reports_of_delivery_and_failure(self):
        for peer in self.each():
            token = f"dsn-{peer.name}".encode()
            self.submit([f"box@{peer.domain}"], b"From: alice@example.test\r\nSubject: " + token + b"\r\n\r\nhi\r\n",
                        rcpt_options=["NOTIFY=SUCCESS,FAILURE"])
            self.arrived(peer, token)
            # Theirs, for they all know DSN; OpenSMTPD's is no multipart/report.
            self.assertTrue(self.inbox(token).startswith(b"Return-Path: <>\r\n"))

    def test_a_certificate_that_the_dns_does_not_name_keeps_mail_waiting(self):
        for peer in self.each():
            token = f"waits-{peer.name}".encode()
            zone, records = peer.domain, self.tree.zones[peer.domain].records
            wrong = self.ca.issue(peer.host)
            until(lambda: not connected_to(peer.address), "the end of open connections, which had their TLS checked")
            self.tree.set(zone, f"@ MX 10 mx\nmx A {peer.address}\n" + tlsa("mx", 25, wrong.text))
            self.submit([f"box@{peer.domain}"], b"Subject: " + token + b"\r\n\r\nhi\r\n")
            until(lambda: f"remote.deferred trace={self.trace_of(peer)}" in self.pod.log_tail(100000), f"mail for {peer.domain} to wait")
            self.assertFalse([m for m in peer.messages() if token in m])
            self.tree.set(zone, records)
            self.arrived(peer, token)

    def trace_of(self, peer):
        """Of the last message for it."""
        return re.findall(rf"rcpt.queued.* trace=(\w+) .*rcpt=box@{peer.domain}", self.pod.log_tail(100000))[-1]

    # ---- from them ----

    def test_mail_from_them_arrives(self):
        for peer in self.each():
            for name, body in (("small", b"hello\r\n.dot\r\n"), ("large", b"another line of text\r\n" * 20000)):
                token = f"from-{peer.name}-{name}".encode()
                with smtplib.SMTP(peer.address, 25, timeout=60) as client:
                    client.ehlo("tester.test")
                    client.sendmail(f"box@{peer.domain}", ["alice@example.test"], b"From: box@" + peer.domain.encode() +
                                    b"\r\nTo: alice@example.test\r\nDate: Thu, 26 Nov 2026 12:00:00 +0000\r\nMessage-ID: <" + token +
                                    b"@x.test>\r\nSubject: " + token + b"\r\n\r\n" + body)
                got = self.inbox(token)
                self.assertTrue(normal(got).endswith(b"\n\n" + normal(body)), got[-300:])
                self.assertRegex(got, rb"with E?SMTPS ")

    def test_a_bounce_from_them_arrives(self):
        for peer in self.each():
            with smtplib.SMTP(peer.address, 25, timeout=60) as client:
                client.ehlo("tester.test")
                token = f"bounce-{peer.name}".encode()
                client.sendmail("alice@example.test", ["nobody-at-all@example.test"], b"From: alice@example.test\r\nSubject: " + token +
                                b"\r\nMessage-ID: <" + token + b"@x.test>\r\n\r\nhi\r\n")
            self.assertIn(b"nobody-at-all@example.test", self.inbox(token))


if __name__ == "__main__":
    peers.enter_network()
    unittest.main()

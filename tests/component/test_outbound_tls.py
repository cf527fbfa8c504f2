"""TLS towards other servers: every certificate, and every way to take TLS away, under every policy."""
import shutil
import socket
import tempfile
import unittest

from certs import Authority
from dns_tree import UNSIGNED, DnsTree, Zone, mta_sts, tlsa
from fake_smtp import CLOSE, KEYWORDS, FakeSmtp, Raw
from outbound import Outbound
from policy_server import PolicyServer

STS_DOMAINS = 8


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.4.1", 0))
        return s.getsockname()[1]


class Tls(unittest.TestCase):
    """Each test has a server at an address of its own, whose domain is may.N, dane.N, sts.N under test zones."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="podmail-tls-")
        cls.ca = Authority(cls.dir + "/ca")
        cls.stranger = Authority(cls.dir + "/stranger", "Nobody")
        cls.port = free_port()
        cls.policies = PolicyServer(cls.ca)
        cls.n = 0
        zones = {"dane.test": Zone(""), "may.test": Zone("".join(
            f"d{i} MX 10 mx.d{i}\nmx.d{i} A 127.0.4.{i}\n" for i in range(1, 100)), UNSIGNED)}
        for i in range(1, STS_DOMAINS + 1):
            domain = f"sts{i}.test"
            zones[domain] = Zone(f"@ MX 10 mx\nmx A 127.0.5.{i}\n" + mta_sts("1"), UNSIGNED)
            mx = "other.example" if i == STS_DOMAINS else f"mx.{domain}"
            cls.policies.add(domain, f"version: STSv1\nmode: enforce\nmx: {mx}\nmax_age: 86400\n")
        cls.tree = DnsTree(zones)
        cls.tree.start()
        cls.out = Outbound(cls.tree.conf(), {"port": cls.port, "ca": cls.ca.pem, "sts_port": cls.policies.port, "idle_time": "0ms",
                                             "tls_domains": "d90.may.test=verify, d91.may.test=encrypt, d92.may.test=none"})
        cls.out.start()

    @classmethod
    def tearDownClass(cls):
        cls.out.close()
        cls.tree.close()
        cls.policies.close()
        shutil.rmtree(cls.dir, ignore_errors=True)

    def server(self, address, certificate=None, **how):
        server = FakeSmtp(address, self.port, certificate=certificate, **how)
        self.addCleanup(server.close)
        return server

    def certificates(self, host):
        return {"right": self.ca.issue(host), "wrong name": self.ca.issue("elsewhere.test"),
                "expired": self.ca.issue(host, days=-1), "untrusted": self.stranger.issue(host), "none": None}

    def verdict(self, domain, **more):
        result = self.out.send(domain, [f"a@{domain}"], **more)
        o = result["outcomes"][0]
        return o["state"], result["feedback"]["trouble"], result["feedback"]["tls"], o

    # ---- without a policy ----

    def may_site(self, certificate=None, **how):
        type(self).n += 1
        return self.server(f"127.0.4.{self.n}", certificate, **how), f"d{self.n}.may.test"

    def test_may_takes_any_certificate(self):
        for name, cert in self.certificates("mx.may.test").items():
            server, domain = self.may_site(cert)
            state, _, tls, outcome = self.verdict(domain)
            self.assertEqual(state, "delivered", (name, outcome))
            self.assertEqual(bool(tls), name != "none", (name, tls))
            self.assertEqual(bool(server.messages[0].tls), name != "none")

    def test_may_goes_in_clear_where_the_handshake_fails(self):
        server, domain = self.may_site(self.ca.issue("mx.may.test"))
        server.on["TLS"] = lambda s, line: CLOSE
        state, _, tls, _ = self.verdict(domain)
        self.assertEqual((state, tls), ("delivered", ""))
        self.assertEqual(len(server.sessions), 2)

    def test_may_goes_on_where_starttls_is_refused(self):
        server, domain = self.may_site(self.ca.issue("mx.may.test"))
        server.on["STARTTLS"] = lambda s, line: "454 4.7.0 not now"
        self.assertEqual(self.verdict(domain)[0], "delivered")
        self.assertEqual(len(server.sessions), 1)

    def test_words_between_starttls_and_tls_are_not_believed(self):
        server, domain = self.may_site(self.ca.issue("mx.may.test"))
        server.on["STARTTLS"] = lambda s, line: Raw(b"220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n")
        self.assertEqual(self.verdict(domain)[:2], ("deferred", "closing"))

    def test_sessions_are_resumed(self):
        server, domain = self.may_site(self.ca.issue("mx.may.test"))
        for _ in range(2):
            self.assertEqual(self.verdict(domain)[0], "delivered")
        self.assertEqual([s.resumed for s in server.sessions], [False, True])

    def test_what_a_reload_demands_holds_at_once(self):
        demands = self.out.options["tls_domains"]
        domain = "d93.may.test"
        server = self.server("127.0.4.93", self.stranger.issue("mx.d93.may.test"))
        self.assertEqual(self.verdict(domain)[0], "delivered")
        self.out.reload({"tls_domains": demands + f", {domain}=verify", "idle_time": "1m"})
        try:
            self.assertEqual(self.verdict(domain)[0], "deferred", "signed by somebody unknown")
            self.out.reload({"ca": self.stranger.pem})
            self.assertEqual(self.verdict(domain)[0], "delivered", "who is known now")
            self.assertEqual(self.verdict(domain)[0], "delivered")
            opened = len(server.sessions)
            self.out.reload({"ca": self.ca.pem})
            self.assertEqual(self.verdict(domain)[0], "deferred", "and is not any more, also of a connection that is open")
            self.assertGreater(len(server.sessions), opened)
            self.out.reload({"ca": self.dir + "/nothing"})
            self.assertIn("not_reloaded", self.out.log_text())
        finally:
            self.out.reload({"tls_domains": demands, "ca": self.ca.pem, "idle_time": "0ms"})

    def test_what_the_configuration_demands(self):
        for domain, cert, state in (("d90.may.test", self.ca.issue("mx.d90.may.test"), "delivered"),
                                    ("d90.may.test", self.stranger.issue("mx.d90.may.test"), "deferred"),
                                    ("d91.may.test", self.stranger.issue("x.test"), "delivered"), ("d91.may.test", None, "deferred")):
            server = self.server("127.0.4." + domain[1:3], cert)
            self.assertEqual(self.verdict(domain)[0], state, domain)
            server.close()
        server = self.server("127.0.4.92", self.ca.issue("x.test"))
        self.assertEqual(self.verdict("d92.may.test")[0], "delivered")
        self.assertFalse(server.lines("STARTTLS"))

    # ---- DANE ----

    def dane(self, records):
        self.tree.set("dane.test", "@ MX 10 mx\nmx A 127.0.6.1\n" + records)

    def test_dane(self):
        certs = self.certificates("mx.dane.test")
        self.dane(tlsa("mx", self.port, certs["right"].text))
        cases = [("right", "delivered"), ("wrong name", "deferred"), ("untrusted", "deferred"), ("none", "deferred")]
        for name, state in cases:
            server = self.server("127.0.6.1", certs[name])
            got = self.verdict("dane.test")
            self.assertEqual(got[0], state, (name, got))
            self.assertEqual(got[1], "none" if state == "delivered" else "tls", (name, got))
            self.assertEqual(len(server.messages), state == "delivered")
            server.close()

    def test_dane_ee_looks_at_nothing_but_the_key(self):
        for name, cert in self.certificates("mx.dane.test").items():
            if cert:
                self.dane(tlsa("mx", self.port, cert.text))
                server = self.server("127.0.6.1", cert)
                self.assertEqual(self.verdict("dane.test")[0], "delivered", name)
                self.assertIn("dane verified", self.verdict("dane.test")[2])
                server.close()

    def test_dane_ta_looks_at_names_and_dates(self):
        certs = self.certificates("mx.dane.test")
        self.dane(tlsa("mx", self.port, self.ca.text, usage=2, selector=0))
        for name, state in (("right", "delivered"), ("wrong name", "deferred"), ("expired", "deferred"), ("untrusted", "deferred")):
            server = self.server("127.0.6.1", certs[name])
            self.assertEqual(self.verdict("dane.test")[0], state, name)
            server.close()

    def test_dane_is_not_downgraded(self):
        cert = self.ca.issue("mx.dane.test")
        self.dane(tlsa("mx", self.port, cert.text))
        for verb, what in (("STARTTLS", "454 4.7.0 not now"), ("TLS", CLOSE), ("EHLO", "502 5.5.1 what?")):
            server = self.server("127.0.6.1", cert)
            server.on[verb] = lambda s, line, what=what: what
            self.assertEqual(self.verdict("dane.test")[:2], ("deferred", "tls"), verb)
            self.assertFalse(server.lines("MAIL"))
            server.close()

    def test_a_message_may_waive_dane(self):
        self.dane(tlsa("mx", self.port, self.ca.issue("mx.dane.test").text))
        self.server("127.0.6.1", self.stranger.issue("mx.dane.test"))
        self.assertEqual(self.verdict("dane.test", tls_optional=True)[0], "delivered")

    # ---- MTA-STS ----

    def test_sts(self):
        for i, (name, state) in enumerate((("right", "delivered"), ("wrong name", "deferred"), ("expired", "deferred"),
                                           ("untrusted", "deferred"), ("none", "deferred")), 1):
            domain = f"sts{i}.test"
            server = self.server(f"127.0.5.{i}", self.certificates(f"mx.{domain}")[name])
            got = self.verdict(domain)
            self.assertEqual(got[0], state, (name, got))
            self.assertEqual(len(server.messages), state == "delivered")

    def test_sts_and_a_host_that_is_not_in_the_policy(self):
        domain = f"sts{STS_DOMAINS}.test"
        server = self.server(f"127.0.5.{STS_DOMAINS}", self.ca.issue(f"mx.{domain}"))
        self.assertEqual(self.verdict(domain)[:2], ("deferred", "tls"))
        self.assertFalse(server.sessions)

    # ---- REQUIRETLS ----

    def test_require_tls(self):
        certs = self.certificates("mx.sts6.test")
        able = KEYWORDS + ["REQUIRETLS"]
        for name, keywords, state in (("right", able, "delivered"), ("right", KEYWORDS, "failed"), ("untrusted", able, "deferred"),
                                      ("none", able, "deferred")):
            server = self.server("127.0.5.6", certs[name], keywords=keywords)
            got = self.verdict("sts6.test", require_tls=True)
            self.assertEqual(got[0], state, (name, got))
            if state == "delivered":
                self.assertIn(" REQUIRETLS", server.messages[0].mail)
            if state == "failed":
                self.assertEqual(got[3]["enhanced"], "5.7.30")
            server.close()

    def test_require_tls_where_nothing_proves_the_host(self):
        server, domain = self.may_site(self.ca.issue("mx.may.test"), keywords=KEYWORDS + ["REQUIRETLS"])
        self.assertEqual(self.verdict(domain, require_tls=True)[0], "failed")
        self.assertFalse(server.messages)


if __name__ == "__main__":
    unittest.main()

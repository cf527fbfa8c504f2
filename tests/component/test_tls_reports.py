"""A pod among other domains with TLS of every kind: what is delivered, what waits, and what the reports say of it."""
import email
import gzip
import http.client
import json
import os
import ssl
import tempfile
import time
import unittest

import sts_server
from certs import Authority
from dns_tree import UNSIGNED, DnsTree, Zone, mta_sts, tls_rpt, tlsa
from fake_smtp import FakeSmtp
from pod import PodTest, until

MX = "@ MX 10 mx\n"


class TlsReports(PodTest):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory(prefix="podmail-tls-")
        cls.addClassCleanup(cls.dir.cleanup)
        os.chmod(cls.dir.name, 0o755)
        ca = Authority(cls.dir.name)
        cls.good, cls.stranger = ca.issue("mx.dane.test"), ca.issue("mx.elsewhere.test")
        web = ca.issue("mta-sts.sts.test", "reports.sts.test")
        os.link(web.pem, os.path.join(cls.dir.name, "server.pem"))
        os.link(web.key, os.path.join(cls.dir.name, "server.key"))
        cls.https = sts_server.serve(cls.dir.name)
        cls.addClassCleanup(cls.https.shutdown)
        with open(os.path.join(cls.dir.name, "mta-sts.sts.test"), "w", encoding="ascii") as f:
            f.write("200 text/plain\nversion: STSv1\nmode: enforce\nmx: mx.sts.test\nmax_age: 86400\n")
        cls.servers = cls.start_servers()
        cls.tree = DnsTree(cls.zones())
        cls.tree.start()
        cls.addClassCleanup(cls.tree.close)
        super().setUpClass()
        cls.pod.down()
        with open(os.path.join(cls.pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
            f.write(f"\n{cls.tree.conf()}\noutbound {{\n  port = {cls.port}\n  sts_port = {cls.https.server_port}\n"
                    f'  ca = "{ca.pem}"\n}}\nmta {{\n  queue_retry_min = 200ms\n  queue_retry_max = 1s\n}}\n'
                    "imapd {\n  mta_sts = enforce\n}\n")
        cls.pod.up()

    @classmethod
    def start_servers(cls):
        """One on each address, all on one port."""
        first = FakeSmtp("127.0.3.1", name="mx.dane.test", certificate=cls.good)
        cls.port = first.port
        servers = {"dane": first,
                   "wrong": FakeSmtp("127.0.3.2", cls.port, name="mx.wrong.test", certificate=cls.stranger),
                   "sts": FakeSmtp("127.0.3.3", cls.port, name="mx.sts.test", certificate=cls.stranger),
                   "plain": FakeSmtp("127.0.3.4", cls.port, name="mx.plain.test")}
        for server in servers.values():
            cls.addClassCleanup(server.close)
        return servers

    @classmethod
    def zones(cls):
        return {
            "dane.test": Zone(MX + "mx A 127.0.3.1\n" + tlsa("mx", cls.port, cls.good.text) + tls_rpt("mailto:tls@dane.test")),
            "wrong.test": Zone(MX + "mx A 127.0.3.2\n" + tlsa("mx", cls.port, cls.good.text)
                               + tls_rpt("mailto:tls@wrong.test")),
            "sts.test": Zone(MX + "mx A 127.0.3.3\nreports A 127.0.0.1\n" + mta_sts("1")
                             + tls_rpt(f"https://reports.sts.test:{cls.https.server_port}/v1/tls"), UNSIGNED),
            "plain.test": Zone(MX + "mx A 127.0.3.4\n", UNSIGNED),
        }

    def submit(self, *to):
        with self.pod.smtp("submission", starttls=True) as client:
            client.login(self.pod.address("alice"), self.pod.password("alice"))
            self.assertEqual(client.sendmail(self.pod.address("alice"), list(to), b"Subject: one\r\n\r\nhello\r\n"), {})

    def shown(self):
        answer = self.pod.podctl("tlsrpt", "show", as_json=True)
        return {d["domain"]: d["policies"] for d in answer["domains"]}

    def counts(self):
        return {name: (p[0]["summary"]["total-successful-session-count"], p[0]["summary"]["total-failure-session-count"])
                for name, p in self.shown().items()}

    def test_1_mail_goes_where_tls_is_what_it_has_to_be(self):
        self.submit("a@dane.test", "a@wrong.test", "a@sts.test", "a@plain.test")
        until(lambda: self.servers["dane"].messages and self.servers["plain"].messages, "mail to the servers that may have it")
        counts = until(lambda: (c := self.counts()) and len(c) == 4 and c, "counts of four domains")
        self.assertEqual((counts["dane.test"], counts["plain.test"][0]), ((1, 0), 0))
        self.assertEqual(self.servers["dane"].messages[0].tls, "TLSv1.3")
        self.assertEqual((self.servers["wrong"].messages, self.servers["sts"].messages), ([], []))
        queue = self.pod.podctl("queue", "list", as_json=True)["messages"]
        self.assertEqual(sorted(d["address"] for m in queue for d in m["details"]), ["a@sts.test", "a@wrong.test"])

    def test_2_the_day_is_shown_field_by_field(self):
        shown = self.shown()
        dane, wrong, sts, plain = (shown[n + ".test"][0] for n in ("dane", "wrong", "sts", "plain"))
        self.assertEqual(dane["policy"], {"policy-type": "tlsa", "policy-domain": "dane.test", "policy-string": [
            tlsa("mx", self.port, self.good.text).split("TLSA ")[1].strip()]})
        self.assertEqual(wrong["policy"]["policy-type"], "tlsa")
        failure = wrong["failure-details"][0]
        self.assertEqual((failure["result-type"], failure["receiving-mx-hostname"], failure["receiving-ip"]),
                         ("tlsa-invalid", "mx.wrong.test", "127.0.3.2"))
        self.assertTrue(failure["sending-mta-ip"].startswith("127."))
        self.assertEqual(sts["policy"], {"policy-type": "sts", "policy-domain": "sts.test", "mx-host": ["mx.sts.test"],
                                         "policy-string": ["version: STSv1", "mode: enforce", "mx: mx.sts.test",
                                                           "max_age: 86400"]})
        failure = sts["failure-details"][0]
        self.assertEqual((failure["result-type"], failure["receiving-ip"]), ("certificate-host-mismatch", "127.0.3.3"))
        self.assertEqual(plain["policy"], {"policy-type": "no-policy-found", "policy-domain": "plain.test"})
        self.assertEqual(plain["failure-details"][0]["result-type"], "starttls-not-supported")

    def test_3_reports_go_to_who_asks_for_them(self):
        sent = len(self.servers["dane"].messages)
        day = time.strftime("%Y-%m-%d", time.gmtime())
        answer = self.pod.podctl("tlsrpt", "send", "--day", day, as_json=True)
        self.assertEqual((answer["domains"], answer["asked"], answer["sent"], answer["failed"]), (4, 3, 3, 0))
        self.check_posted(day)
        until(lambda: len(self.servers["dane"].messages) > sent, "the report's mail")
        self.check_mail(self.servers["dane"].messages[-1], day)
        # RFC 8460 3: a report comes through although its TLS is the very thing that fails.
        until(lambda: self.servers["wrong"].messages, "the report to the domain whose TLS is wrong")
        self.assertIn(b"TLS-Report-Domain: wrong.test", self.servers["wrong"].messages[0].data)

    def check_report(self, report, domain, day):
        self.assertEqual(report["organization-name"], self.pod.info["domain"])
        self.assertEqual(report["date-range"], {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"})
        self.assertEqual(report["contact-info"], f"postmaster@{self.pod.info['domain']}")
        self.assertIn(domain, report["report-id"])
        self.assertEqual({p["policy"]["policy-domain"] for p in report["policies"]}, {domain})

    def check_posted(self, day):
        with open(os.path.join(self.dir.name, "posted.headers"), encoding="utf-8") as f:
            path, headers = f.read().split("\n", 1)
        self.assertEqual(path, "/v1/tls")
        self.assertEqual(email.message_from_string(headers)["Content-Type"], "application/tlsrpt+gzip")
        with open(os.path.join(self.dir.name, "posted"), "rb") as f:
            report = json.loads(gzip.decompress(f.read()))
        self.check_report(report, "sts.test", day)
        self.assertEqual(report["policies"], self.shown()["sts.test"])

    def check_mail(self, message, day):
        self.assertRegex(message.mail, "^MAIL FROM:<>")
        mail = email.message_from_bytes(message.data)
        self.assertEqual((mail["TLS-Report-Domain"], mail["TLS-Required"]), ("dane.test", "No"))
        self.assertEqual(mail["TLS-Report-Submitter"], f"mx.{self.pod.info['domain']}")
        self.assertEqual((mail.get_content_type(), mail.get_param("report-type")), ("multipart/report", "tlsrpt"))
        text, attached = mail.get_payload()
        self.assertEqual(text.get_content_type(), "text/plain")
        self.assertEqual(attached.get_content_type(), "application/tlsrpt+gzip")
        self.assertRegex(attached.get_filename(), rf"^mx\.{self.pod.info['domain']}!dane\.test!\d+!\d+\.json\.gz$")
        self.check_report(json.loads(gzip.decompress(attached.get_payload(decode=True))), "dane.test", day)

    def way(self, address, status=0):
        done = self.pod.podctl("route", "show", address, "--format", "json", check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return json.loads(done.stdout or done.stderr)

    def test_the_way_of_mail_is_shown(self):
        hosts = {}
        for name in ("dane", "wrong", "sts", "plain"):
            destination = self.way(f"x@{name}.test")["targets"][0]["destination"]
            self.assertEqual(destination["by"], "mx")
            hosts[name] = destination["hosts"][0]
            self.assertEqual((hosts[name]["host"], hosts[name]["port"], hosts[name]["use"]), (f"mx.{name}.test", self.port, True))
        self.assertEqual([(h["tls"], h["policy"]) for h in hosts.values()],
                         [("dane", "tlsa"), ("dane", "tlsa"), ("verify", "sts"), ("may", "no-policy-found")])
        self.assertEqual(hosts["plain"]["addresses"], ["127.0.3.4"])
        self.assertIn("no such domain", self.way("x@nowhere.test", 1)["targets"][0]["destination"]["error"])
        self.assertEqual(self.way("x@[127.0.3.4]")["targets"][0]["destination"]["hosts"][0]["addresses"], ["127.0.3.4"])
        self.assertEqual(self.way("nobody@example.test", 3)["error"]["code"], "NOTFOUND")
        self.pod.podctl("alias", "add", "both@example.test", "alice@example.test", "x@dane.test")
        kinds = {t["kind"]: t for t in self.way("both@example.test")["targets"]}
        self.assertEqual((kinds["mailbox"]["volume"], kinds["mailbox"]["via"]), ("vol01", "directory"))
        self.assertEqual(kinds["remote"]["destination"]["hosts"][0]["tls"], "dane")
        shown = self.pod.podctl("route", "show", "both@example.test").stdout
        self.assertRegex(shown, r"(?m)^alice@example\.test +volume vol01 .*an alias or group leads there$")
        self.assertRegex(shown, rf"(?m)^x@dane\.test +mx\.dane\.test:{self.port} +127\.0\.3\.1 +dane \(tlsa\) +MX, proven by DNSSEC$")

    def test_the_way_over_a_smart_host_is_shown(self):
        path = os.path.join(self.dir.name, "routes")
        with open(path, "w", encoding="ascii") as f:
            f.write("routed.test smart.plain.test:2525 tls=required\n")
        conf = os.path.join(self.pod.dir, "podmail.conf")
        with open(conf, encoding="utf-8") as f:
            text = f.read()
        with open(conf, "w", encoding="utf-8") as f:
            f.write(text.replace("outbound {\n", f'outbound {{\n  routes = "{path}"\n', 1))
        self.pod.podctl("config", "reload")
        destination = until(lambda: (d := self.way("x@routed.test", 1)["targets"][0]["destination"]) and "route" in d and d, "the route")
        self.assertEqual(destination["route"], {"destination": "routed.test", "host": "smart.plain.test", "port": 2525,
                                                "tls": "required", "login": False})
        host = destination["hosts"][0]
        self.assertEqual((host["host"], host["port"], host["use"]), ("smart.plain.test", 2525, False))
        self.assertIn("no address", host["why"])

    def test_4_a_day_that_is_none_is_refused(self):
        for day in ("yesterday", "2026-02-31"):
            done = self.pod.podctl("tlsrpt", "show", "--day", day, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("a day is written as in", done.stderr)

    # ---- our own side ----

    def policy(self, host, path="/.well-known/mta-sts.txt"):
        context = ssl.create_default_context(cafile=os.path.join(self.pod.dir, "tls", "ca.pem"))
        context.check_hostname = False
        connection = http.client.HTTPSConnection("127.0.0.1", self.pod.port("https"), timeout=60, context=context)
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers["Content-Type"], text

    def test_5_our_own_policy_is_shown_for_our_domains(self):
        domain = self.pod.info["domain"]
        expected = f"version: STSv1\r\nmode: enforce\r\nmx: mx.{domain}\r\nmax_age: 604800\r\n"
        for host in (f"mta-sts.{domain}", f"MTA-STS.{domain.upper()}:443"):
            self.assertEqual(self.policy(host), (200, "text/plain", expected))
        for host, path in ((f"mta-sts.other.{domain}", "/.well-known/mta-sts.txt"), (domain, "/.well-known/mta-sts.txt"),
                           (f"mta-sts.{domain}", "/.well-known/other")):
            self.assertNotEqual(self.policy(host, path)[0], 200)

    def test_6_the_records_that_our_dns_should_have_work(self):
        domain = self.pod.info["domain"]
        lines = [line for line in self.pod.podctl("domain", "dns", domain).stdout.splitlines() if not line.startswith(";")]
        with open(os.path.join(self.pod.dir, "tls", "server.pem"), encoding="ascii") as f:
            own = tlsa(f"mx.{domain}.", 25, f.read())
        kinds = " ".join(lines)
        for part in (f"MX 10 mx.{domain}.", "v=spf1 mx -all", f"_dmarc.{domain}.", "v=TLSRPTv1;", "v=STSv1; id=",
                     own.split("TLSA ")[1].strip()):
            self.assertIn(part, kinds)
        # They can be pasted into a zone as they are.
        with DnsTree({domain: Zone("\n".join(lines))}):
            pass
        self.assertEqual(self.pod.podctl("domain", "dns", "nowhere.test", check=False).returncode, 3)


if __name__ == "__main__":
    unittest.main()

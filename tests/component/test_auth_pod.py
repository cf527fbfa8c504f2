#!/usr/bin/env python3
"""Keys and reports of a whole pod: podctl domain dkim, podctl dmarc, and the report in a mailbox."""
import email
import gzip
import json
import os
import sys
import unittest
import xml.etree.ElementTree

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's python3-dkim
import dkim  # pylint: disable=wrong-import-position
from dns_tree import DnsTree, Zone, txt
from milter_client import MilterClient
from pod import Pod, until

MAIL = (b"From: Mallory <ann@watched.test>\r\nTo: alice@example.test\r\nSubject: hello\r\n"
        b"Date: Thu, 26 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%d@watched.test>\r\n\r\nWords.\r\n")


class TestAuthPod(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # alice is who wants to hear of watched.test, and her domain says that it may be told
        cls.own = [txt("@", "v=spf1 -all"), txt("watched.test._report._dmarc", "v=DMARC1")]
        cls.tree = DnsTree({"example.test": Zone("\n".join(cls.own)),
                            "watched.test": Zone(txt("_dmarc", "v=DMARC1; p=reject; rua=mailto:alice@example.test,"
                                                               "mailto:dmarc@unwilling.test") + txt("@", "v=spf1 -all")),
                            "unwilling.test": Zone("")})
        cls.tree.__enter__()
        os.chmod(cls.tree.dir, 0o755)  # the trust anchor, for podfilter's own user
        cls.pod = Pod()
        cls.pod.up()
        cls.pod.down()
        with open(os.path.join(cls.pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
            f.write("\n" + cls.tree.conf() + 'auth { dmarc_report_from = "reports@example.test"\n dmarc_report_org = "The pod"\n'
                    ' dkim_grace = 1d }\nfilter { greylist = off\n trusted = "" }\n')
        cls.pod.up()

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()
        cls.tree.__exit__(None, None, None)

    def filter(self, client="203.0.113.9"):
        m = MilterClient(os.path.join(self.pod.dir, "run", "podfilter.sock"))
        m.connect("stranger.test", client)
        m.helo("stranger.test")
        return m

    def ctl(self, *args):
        """podctl's JSON; (status, answer)."""
        done = self.pod.podctl(*args, "--format", "json", check=False)
        return done.returncode, json.loads(done.stdout or done.stderr)

    def dns(self, name, timeout=5):
        import dns.message  # pylint: disable=import-outside-toplevel
        import dns.query    # pylint: disable=import-outside-toplevel
        reply = dns.query.udp(dns.message.make_query(name.decode(), "TXT"), "127.0.0.1", 10, self.tree.port)
        return b"".join(reply.answer[0][0].strings) if reply.answer else None

    def test_1_a_key_is_made_published_and_put_to_use(self):
        self.assertEqual(self.ctl("domain", "dkim", "example.test", "list")[1]["keys"], [])
        status, key = self.ctl("domain", "dkim", "example.test", "create")
        self.assertEqual((status, key["state"], key["bits"]), (0, "new", 2048))
        selector = key["selector"]
        pem = os.path.join(self.pod.dir, "filter", "dkim", "example.test", selector + ".pem")
        self.assertEqual(os.stat(pem).st_mode & 0o7777, 0o600)
        status, answer = self.ctl("domain", "dkim", "example.test", "activate", selector)
        self.assertNotEqual(status, 0)
        self.assertIn("no key in the DNS", answer["error"]["message"])
        self.assertIn("podctl domain dkim", answer["error"]["hint"])
        shown = self.pod.podctl("domain", "dkim", "example.test", "show", selector).stdout
        self.assertIn(f"{selector}._domainkey.example.test. 3600 IN TXT ( \"v=DKIM1; k=rsa; p=", shown)
        line = key["zone_line"].replace("3600 IN ", "")
        self.tree.set("example.test", "\n".join(self.own + [line]))
        until(lambda: self.ctl("domain", "dkim", "example.test", "activate", selector)[0] == 0, "the record in the DNS")
        status, answer = self.ctl("domain", "dkim", "example.test", "list")
        self.assertEqual([(k["selector"], k["state"], k["dns"]) for k in answer["keys"]], [(selector, "active", "published")])
        self.assertEqual(self.ctl("domain", "dkim", "example.test", "rotate", "--every", "90")[1]["rotate_days"], 90)
        self.assertIn("replaced every 90 days", self.pod.podctl("domain", "dkim", "example.test", "list").stderr)

    def test_2_what_is_wrong_is_said(self):
        for args, words in [(("nowhere.test", "list"), "nowhere.test"), (("example.test", "explode"), "explode"),
                            (("example.test", "show"), "selector"), (("example.test", "show", "x"), "no key x"),
                            (("example.test", "create", "--type", "dsa"), "rsa or ed25519"),
                            (("example.test", "create", "--bits", "64"), "1024 to 4096"),
                            (("example.test", "rotate", "--every", "1"), "14 to 3650")]:
            done = self.pod.podctl("domain", "dkim", *args, check=False)
            self.assertNotEqual(done.returncode, 0, args)
            self.assertIn(words, done.stderr)

    def test_3_a_domain_hears_of_mail_in_its_name(self):
        for i in range(3):
            m = self.filter()
            answer = m.message("x@elsewhere.test", ["alice@example.test"], MAIL % i)
            self.assertEqual(answer.code, 550)
            m.close()
        status, shown = self.ctl("dmarc", "show")
        self.assertEqual([(d["domain"], d["messages"], d["sent"]) for d in shown["domains"]], [("watched.test", 3, False)])
        status, report = self.ctl("dmarc", "report", "--date", shown["date"])
        self.assertEqual(status, 0, report)
        to = {t["address"]: t["status"] for t in report["domains"][0]["to"]}
        self.assertEqual(to["alice@example.test"], "queued")
        self.assertIn("does not want reports", to["dmarc@unwilling.test"])
        # once a day, unless asked for again
        self.assertEqual(self.ctl("dmarc", "report", "--date", shown["date"])[1]["domains"], [])
        self.assertTrue(self.ctl("dmarc", "show")[1]["domains"][0]["sent"])
        self.check_report(self.arrived())
        self.assertIn("a date is written", self.pod.podctl("dmarc", "show", "--date", "yesterday", check=False).stderr)

    def arrived(self):
        box = self.pod.imap("alice")
        box.select("INBOX")
        numbers = until(lambda: box.noop() and box.search(None, "SUBJECT", '"Report Domain: watched.test"')[1][0].split(),
                        "the report")
        raw = box.fetch(numbers[0], "(BODY.PEEK[])")[1][0][1]
        box.logout()
        return raw

    def check_report(self, raw):
        self.assertTrue(dkim.verify(raw, dnsfunc=self.dns), raw)
        message = email.message_from_bytes(raw)
        self.assertEqual(message["From"], "<reports@example.test>")
        attachment = message.get_payload()[1]
        self.assertEqual(attachment.get_content_type(), "application/gzip")
        root = xml.etree.ElementTree.fromstring(gzip.decompress(attachment.get_payload(decode=True)))
        self.assertEqual(root.findtext("report_metadata/org_name"), "The pod")
        self.assertEqual(root.findtext("policy_published/domain"), "watched.test")
        self.assertEqual(root.findtext("record/row/count"), "3")
        self.assertEqual(root.findtext("record/row/source_ip"), "203.0.113.9")
        self.assertEqual(root.findtext("record/row/policy_evaluated/disposition"), "reject")
        self.assertEqual(root.findtext("record/auth_results/spf/result"), "none")


if __name__ == "__main__":
    unittest.main()

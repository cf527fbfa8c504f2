#!/usr/bin/env python3
"""podfilter finds out who sent a message, says so, seals it, and signs what users submit; checked with dkimpy."""
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import unittest

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's python3-dkim
import dkim  # pylint: disable=wrong-import-position
from dns_tree import DnsTree, Zone, txt
from pod import until
from podfilter import Filter

RECEIVED = b"Received: from client by mx.example.test; Thu, 26 Nov 2026 10:00:00 +0000\r\n"  # the mta's own, on top
MAIL = (b"From: Ann <ann@%s>\r\nTo: bob@example.test\r\nSubject: a  subject\r\n that is folded\r\n"
        b"Date: Thu, 26 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@%s>\r\nMIME-Version: 1.0\r\n\r\n"
        b"Words  of a body.\r\n\r\nMore of them. \r\n\r\n\r\n")
CLIENT = "192.0.2.1"   # what SPF of all zones allows
STRANGER = "203.0.113.9"


def mail_of(domain):
    return MAIL % (domain.encode(), domain.encode())


class Key:
    """A signer's key, made by openssl; its record for the DNS."""

    def __init__(self, bits=2048):
        self.pem = subprocess.run(["openssl", "genrsa", "-traditional", str(bits)], check=True, capture_output=True).stdout
        public = subprocess.run(["openssl", "rsa", "-pubout"], input=self.pem, check=True, capture_output=True).stdout
        self.record = "v=DKIM1; k=rsa; p=" + "".join(public.decode().split("\n")[1:-2])


KEY = Key()


def zone(dmarc="v=DMARC1; p=reject", spf=f"v=spf1 ip4:{CLIENT} -all"):
    return Zone("\n".join([txt("@", spf), txt("s._domainkey", KEY.record), txt("_dmarc", dmarc)]))


def signed(domain, message=None):
    message = message or mail_of(domain)
    return dkim.sign(message, b"s", domain.encode(), KEY.pem, canonicalize=(b"relaxed", b"relaxed"),
                     include_headers=[b"from", b"to", b"subject", b"date", b"message-id"]) + message


def edited(message, answer, received=RECEIVED):
    """The message as the mta passes it on after the filter's changes."""
    head, _, body = (received + message).partition(b"\r\n\r\n")
    fields = [f.decode(errors="surrogateescape") for f in re.split(rb"\r\n(?![ \t])", head)]
    gone = []
    for nth, name, value in answer.changed:
        assert value == ""
        same = [i for i, f in enumerate(fields) if f.lower().startswith(name.lower() + ":")]
        if nth <= len(same):  # X-Spam fields are taken away whether they are there or not
            gone.append(same[nth - 1])
    fields = [f for i, f in enumerate(fields) if i not in gone]
    for index, name, value in answer.inserted:
        fields.insert(index, f"{name}:{value}".replace("\n", "\r\n"))
    return "\r\n".join(fields).encode(errors="surrogateescape") + b"\r\n\r\n" + body


class Control(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class TestFilterAuth(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = DnsTree({"reject.test": zone(), "quarantine.test": zone("v=DMARC1; p=quarantine"),
                            "none.test": zone("v=DMARC1; p=none"), "list.test": zone("v=DMARC1; p=none"),
                            "example.test": Zone(txt("@", "v=spf1 -all"))})
        cls.tree.__enter__()
        cls.filter = Filter("greylist = off", 'auth { arc = all\n arc_trusted = ["list.test"] }\n' + cls.tree.conf())

    @classmethod
    def tearDownClass(cls):
        cls.filter.__exit__()
        cls.tree.__exit__(None, None, None)

    def send(self, message, sender, client=CLIENT, helo="mail.sender.test", login=None, daemon="smtp"):
        with self.filter.client() as m:
            m.connect("client.test", client, daemon=daemon)
            m.helo(helo)
            return m.message(sender, ["bob@example.test"], RECEIVED + message, login=login)

    def results(self, answer):
        self.assertTrue(answer.accepted, answer.text)
        return answer.header("Authentication-Results")

    def ask(self, method, **body):
        c = Control(os.path.join(self.filter.dir, "run", "podfilter-control.sock"))
        c.request("POST", "/" + method, json.dumps(body))
        r = c.getresponse()
        answer = json.loads(r.read())
        c.close()
        return r.status, answer

    def dns(self, name, timeout=5):
        """dkimpy's resolver: the tree as podfilter sees it."""
        import dns.message  # pylint: disable=import-outside-toplevel
        import dns.query    # pylint: disable=import-outside-toplevel
        reply = dns.query.udp(dns.message.make_query(name.decode(), "TXT"), "127.0.0.1", 10, self.tree.port)
        for rr in reply.answer:
            return b"".join(rr[0].strings)
        return None

    # ---- who sent it ----

    def test_a_signed_message_from_the_right_place_passes_everything(self):
        text = self.results(self.send(signed("reject.test"), "ann@reject.test"))
        self.assertTrue(text.lstrip().startswith("mx.example.test;"), text)
        self.assertIn("spf=pass smtp.mailfrom=ann@reject.test", text)
        self.assertIn("dkim=pass header.d=reject.test header.s=s header.a=rsa-sha256", text)
        self.assertIn("dmarc=pass (p=reject sp=reject dis=none) header.from=reject.test", text)

    def test_what_dkimpy_signs_in_any_form_passes(self):
        for form in [(b"simple", b"simple"), (b"simple", b"relaxed"), (b"relaxed", b"simple")]:
            message = mail_of("reject.test")
            message = dkim.sign(message, b"s", b"reject.test", KEY.pem, canonicalize=form) + message
            self.assertIn("dkim=pass", self.results(self.send(message, "ann@reject.test", STRANGER)), form)

    def test_a_forged_message_is_refused_as_its_domain_asks(self):
        broken = signed("reject.test").replace(b"Words", b"Lies ")
        answer = self.send(broken, "mallory@none.test", STRANGER)
        self.assertEqual(answer.code, 550)
        self.assertIn("5.7.1", answer.text)
        self.assertIn("reject.test", answer.text)
        answer = self.send(mail_of("sub.reject.test"), "x@none.test", STRANGER)
        self.assertEqual(answer.code, 550)

    def test_a_domain_that_asks_for_quarantine_gets_junk(self):
        answer = self.send(mail_of("quarantine.test"), "x@none.test", STRANGER)
        self.assertIn("dmarc=fail (p=quarantine sp=quarantine dis=quarantine)", self.results(answer))
        self.assertEqual(answer.header("X-Spam").strip(), "yes")

    def test_a_domain_that_only_watches_gets_its_mail_delivered(self):
        text = self.results(self.send(mail_of("none.test"), "x@reject.test", STRANGER))
        self.assertIn("dmarc=fail (p=none", text)
        self.assertIn("spf=fail", text)

    def test_one_aligned_pass_is_enough(self):
        self.assertIn("dmarc=pass", self.results(self.send(mail_of("reject.test"), "ann@reject.test")))
        self.assertIn("dmarc=pass", self.results(self.send(signed("reject.test"), "other@none.test", STRANGER)))

    def test_results_that_claim_to_be_ours_are_removed(self):
        forged = (b"Authentication-Results: mx.example.test; dmarc=pass\r\n"
                  b"Authentication-Results: other.test; spf=pass\r\n"
                  b"Authentication-Results: (hidden) \"MX.example.test\" 1; dkim=pass\r\n")
        for kind in [{}, {"login": "ann@example.test", "daemon": "submission"}]:
            message = forged + mail_of("none.test")
            answer = self.send(message, "ann@none.test", **kind)
            left = re.findall(rb"(?mi)^Authentication-Results:[^\r]*", edited(message, answer))
            self.assertIn(b"Authentication-Results: other.test; spf=pass", left)
            self.assertEqual([f for f in left if b"dmarc=pass\r" in f or b"hidden" in f or f.endswith(b"; dmarc=pass")], [])

    # ---- ARC ----

    def forwarded(self, domain=b"list.test", results=b"dmarc=pass", change=True):
        """A message that a list took in good order, sealed, and whose body it had changed."""
        message = signed("reject.test")
        if change:
            message = message.replace(b"More of them. \r\n", b"More of them. \r\n-- \r\nA list's footer\r\n")
        message = b"Authentication-Results: list.test; spf=pass smtp.mailfrom=reject.test; " + results + b"\r\n" + message
        return b"".join(dkim.arc_sign(message, b"s", domain, KEY.pem, b"list.test",
                                      include_headers=[b"from", b"to", b"subject", b"date"])) + message

    def test_a_trusted_chain_explains_a_failure(self):
        text = self.results(self.send(self.forwarded(), "bounces@list.test"))
        self.assertIn("arc=pass (i=1 d=list.test)", text)
        self.assertIn("dmarc=fail (p=reject sp=reject dis=none)", text)

    def test_a_chain_explains_nothing_when_it_is_not_trusted_or_says_otherwise_or_is_broken(self):
        for message in [self.forwarded(domain=b"none.test"), self.forwarded(results=b"dmarc=fail"),
                        self.forwarded().replace(b"footer", b"poster"),
                        self.forwarded().replace(b"smtp.mailfrom=reject.test", b"smtp.mailfrom=bank.test")]:
            self.assertEqual(self.send(message, "bounces@list.test").code, 550)

    def test_our_seal_is_good_in_others_eyes(self):
        self.make_key("example.test")
        for message in [signed("reject.test"), self.forwarded(change=False)]:
            answer = self.send(message, "ann@reject.test")
            self.assertTrue(answer.accepted, answer.text)
            sealed = edited(message, answer)
            cv, sets, why = dkim.arc_verify(sealed, dnsfunc=self.dns)
            self.assertEqual(cv, dkim.CV_Pass, (why, sealed))
            self.assertEqual(sets[0]["as-domain"], b"example.test")
            # and in our own, at the next hop
            again = self.results(self.send(sealed, "ann@reject.test"))
            self.assertIn("arc=pass", again)

    # ---- our own signatures ----

    def make_key(self, domain, kind="rsa"):
        """Makes a key, publishes it and puts it to use."""
        status, key = self.ask("dkim.create", domain=domain, type=kind)
        self.assertEqual(status, 200, key)
        self.published = getattr(self, "published", [txt("@", "v=spf1 -all")]) + [
            txt(key["selector"] + "._domainkey", key["record"])]
        self.tree.set(domain, "\n".join(self.published))
        # what the zone denied a moment ago is believed for as long as it said, a second
        until(lambda: self.ask("dkim.activate", domain=domain, selector=key["selector"])[0] == 200, "the record in the DNS")
        return key["selector"]

    def test_what_users_submit_is_signed_with_all_active_keys(self):
        selectors = {self.make_key("example.test"), self.make_key("example.test", "ed25519")}
        message = mail_of("example.test")
        answer = self.send(message, "ann@example.test", login="ann@example.test", daemon="submission")
        self.assertTrue(answer.accepted, answer.text)
        out = edited(message, answer)
        used = set(re.findall(r"[; \t]s=([0-9a-z]+)", " ".join(v for _, n, v in answer.inserted if n == "DKIM-Signature")))
        self.assertEqual(used, selectors)
        for i in range(2):
            self.assertTrue(dkim.DKIM(out).verify(idx=i, dnsfunc=self.dns), out)
        self.assertFalse(dkim.verify(b"From: x@evil.test\r\n" + out, dnsfunc=self.dns))
        # somebody else's name in From is signed as the sender's, which no DMARC takes for the other
        answer = self.send(mail_of("none.test"), "ann@example.test", login="ann@example.test", daemon="submission")
        self.assertIn("d=example.test", answer.header("DKIM-Signature"))

    def test_a_key_is_used_once_the_dns_has_it_and_goes_when_nobody_needs_it(self):
        status, key = self.ask("dkim.create", domain="Other.Example.test", type="rsa", bits=1024)
        self.assertEqual(status, 200)
        self.assertEqual(key["domain"], "other.example.test")
        selector, where = key["selector"], dict(domain="other.example.test", selector=key["selector"])
        status, answer = self.ask("dkim.activate", **where)
        self.assertEqual((status, answer["code"]), (409, "BUSY"))
        self.assertIn(f"{selector}._domainkey.other.example.test", answer["error"])
        self.assertEqual(self.ask("dkim.activate", force=True, **where)[0], 200)
        status, answer = self.ask("dkim.remove", **where)
        self.assertEqual((status, answer["code"]), (409, "BUSY"))
        status, answer = self.ask("dkim.rotate", domain="other.example.test")
        successor = answer["keys"][0]["selector"]
        self.assertEqual(self.ask("dkim.activate", domain="other.example.test", selector=successor, force=True)[0], 200)
        status, answer = self.ask("dkim.list", domain="other.example.test")
        self.assertEqual({k["selector"]: (k["state"], k["dns"]) for k in answer["keys"]},
                         {selector: ("retired", "missing"), successor: ("active", "missing")})
        self.assertEqual(self.ask("dkim.remove", **where)[1]["code"], "BUSY")  # mail it signed is on its way
        self.assertEqual(self.ask("dkim.remove", force=True, **where)[0], 200)
        self.assertEqual(self.ask("dkim.remove", **where)[1]["code"], "NOTFOUND")
        self.assertEqual(self.ask("dkim.schedule", domain="other.example.test", days=90)[1]["rotate_days"], 90)
        self.assertIn({"domain": "other.example.test", "rotate_days": 90, "keys": 1}, self.ask("dkim.domains")[1]["domains"])
        self.assertEqual(self.ask("dkim.schedule", domain="other.example.test", days=3)[1]["code"], "SYNTAX")
        self.assertEqual(self.ask("dkim.create", domain="../../etc", type="rsa")[1]["code"], "SYNTAX")
        self.assertEqual(self.ask("dkim.create", domain="a.test", type="dsa")[1]["code"], "SYNTAX")


if __name__ == "__main__":
    unittest.main()

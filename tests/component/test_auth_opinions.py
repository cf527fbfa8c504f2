#!/usr/bin/env python3
"""What podfilter says of a sender beside what others say: SPF beside pyspf, signatures and seals beside Mail::DKIM."""
import itertools
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path += ["/usr/lib/python3/dist-packages", os.path.dirname(__file__)]  # Debian's python3-spf; test_filter_auth
import dns.message  # pylint: disable=wrong-import-position
import dns.query
import dns.rdatatype
import spf
from dns_tree import DnsTree, Zone, txt
from podfilter import Filter
from test_filter_auth import Control, edited, mail_of

CLIENTS = ["192.0.2.1", "192.0.2.77", "203.0.113.9", "2001:db8::1"]
POLICIES = [
    "v=spf1 -all", "v=spf1 +all", "v=spf1", "v=spf1 ~all", "v=spf1 ?all", "v=spf10 -all", "v=spf1 ip4:192.0.2.0/26 -all",
    "v=spf1 ip4:192.0.2.0/33 -all", "v=spf1 ip6:2001:db8::/32 ~all", "v=spf1 a -all", "v=spf1 a/24 -all", "v=spf1 mx -all",
    "v=spf1 a:host.%{d} -all", "v=spf1 exists:%{ir}.allow.%{d} -all", "v=spf1 exists:%{l}.users.%{d} -all",
    "v=spf1 include:ok.%{d} -all", "v=spf1 include:missing.%{d} -all", "v=spf1 redirect=ok.%{d}",
    "v=spf1 redirect=missing.%{d}", "v=spf1 foo -all", "v=spf1 ip4 -all", "v=spf1 a: -all", "v=spf1 -all ip4:192.0.2.1",
    "v=spf1 a:1.%{d} a:2.%{d} a:3.%{d} ip4:192.0.2.1 -all", "v=spf1 unknown=modifier ip4:192.0.2.1 -all",
    "v=spf1 redirect=ok.%{d} redirect=ok.%{d}", "v=spf1 ip4:192.0.2.1 -all exp=why.%{d}", "V=SPF1 -ALL",
]
HOSTS = """
@ A 192.0.2.1
@ AAAA 2001:db8::1
@ MX 10 mx
mx A 192.0.2.77
host A 192.0.2.77
1.2.0.192.allow A 127.0.0.2
ann.users A 127.0.0.2
"""

PERL = r"""
use strict; use warnings;
use Net::DNS::Resolver; use Mail::DKIM::DNS; use Mail::DKIM::Verifier; use Mail::DKIM::ARC::Verifier;
my ($port, $kind, $file) = @ARGV;
Mail::DKIM::DNS::resolver(Net::DNS::Resolver->new(nameservers => ['127.0.0.1'], port => $port, recurse => 0));
my $v = $kind eq 'arc' ? Mail::DKIM::ARC::Verifier->new() : Mail::DKIM::Verifier->new();
open(my $in, '<:raw', $file) or die; $v->load($in);
if ($kind eq 'arc') { print $v->result_detail, "\n" }
else { print join(' ', map { $_->algorithm . '=' . $_->result_detail } $v->signatures), "\n" }
"""


class TestOpinions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        zones = {f"p{i}.test": Zone(txt("@", policy) + txt("ok", "v=spf1 ip4:192.0.2.77 -all") + txt("why", "because") + HOSTS)
                 for i, policy in enumerate(POLICIES)}
        zones["example.test"] = Zone("")
        cls.tree = DnsTree(zones)
        cls.tree.__enter__()
        cls.filter = Filter("greylist = off", 'auth { arc = all\n dmarc = observe }\n' + cls.tree.conf())

    @classmethod
    def tearDownClass(cls):
        cls.filter.__exit__()
        cls.tree.__exit__(None, None, None)

    def lookup(self, name, qtype, tcpfallback=True, timeout=20):
        """pyspf's resolver: the same tree."""
        reply = dns.query.udp(dns.message.make_query(name, qtype), "127.0.0.1", 10, self.tree.port)
        out = []
        for rrset in reply.answer:
            for rr in rrset:
                key = (str(rrset.name).rstrip("."), qtype)
                if rrset.rdtype == dns.rdatatype.TXT:
                    out.append((key, tuple(rr.strings)))
                elif rrset.rdtype == dns.rdatatype.MX:
                    out.append((key, (rr.preference, str(rr.exchange).rstrip("."))))
                elif rrset.rdtype == dns.rdatatype.AAAA:
                    out.append((key, rr.address))
                elif rrset.rdtype == dns.rdatatype.A:
                    out.append((key, rr.address))
        return out

    def said(self, sender, client):
        with self.filter.client() as m:
            m.connect("client.test", client)
            m.helo("client.test")
            answer = m.message(sender, ["bob@example.test"], mail_of("nobody.test"))
        self.assertTrue(answer.accepted, answer.text)
        return answer.header("Authentication-Results").split("spf=")[1].split()[0].rstrip(";")

    def test_spf_is_what_pyspf_says(self):
        spf.DNSLookup = self.lookup
        for (i, policy), client in itertools.product(enumerate(POLICIES), CLIENTS):
            theirs = spf.check2(client, f"ann@p{i}.test", "client.test", querytime=20)[0]
            self.assertEqual(self.said(f"ann@p{i}.test", client), theirs, (policy, client))

    # ---- signatures ----

    def ask(self, method, **body):
        c = Control(os.path.join(self.filter.dir, "run", "podfilter-control.sock"))
        c.request("POST", "/" + method, json.dumps(body))
        answer = json.loads(c.getresponse().read())
        c.close()
        return answer

    def perl(self, kind, message):
        with tempfile.NamedTemporaryFile() as f:
            f.write(message)
            f.flush()
            done = subprocess.run(["perl", "-e", PERL, str(self.tree.port), kind, f.name], text=True, capture_output=True,
                                  timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_signatures_and_seals_are_good_for_mail_dkim(self):
        keys = [self.ask("dkim.create", domain="example.test", type=kind) for kind in ("rsa", "ed25519")]
        self.tree.set("example.test", "".join(txt(k["selector"] + "._domainkey", k["record"]) for k in keys))
        for k in keys:
            self.ask("dkim.activate", domain="example.test", selector=k["selector"], force=True)
        message = mail_of("example.test")
        with self.filter.client() as m:
            m.connect("client.test", "192.0.2.1", daemon="submission")
            m.helo("client.test")
            out = edited(message, m.message("ann@example.test", ["x@other.test"], message, login="ann@example.test"), b"")
        self.assertIn("rsa-sha256=pass", self.perl("dkim", out))  # of Ed25519 it knows nothing
        for _ in range(3):  # each seal on the one before
            with self.filter.client() as m:
                m.connect("client.test", "203.0.113.9")
                m.helo("client.test")
                out = edited(out, m.message("ann@example.test", ["x@other.test"], out), b"")
            self.assertTrue(self.perl("arc", out).startswith("pass"), out)


if __name__ == "__main__":
    unittest.main()

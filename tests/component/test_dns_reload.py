"""Another DNS by a reload: clients' names, podfilter's lists and outbound mail are looked up there from then on."""
import os
import re
import smtplib
import unittest

from dns_tree import UNSIGNED, DnsTree, Zone, dnsbl
from fake_smtp import FakeSmtp
from pod import Pod, until

CLIENT, AWAY = "25.1.2.1", "127.0.3.9"
MESSAGE = b"From: a@away.test\r\nTo: alice@example.test\r\nSubject: %s\r\n\r\nWords.\r\n"
NOBODY = 'dns {\n  stubs = ".=127.0.0.1:1"\n  trust_anchor = ""\n  timeout = 300ms\n}\n'
OTHERS = """
outbound {
  port = %d
  tls = none
}
mta {
  queue_retry_min = 200ms
  queue_retry_max = 1s
  client_names_timeout = 500ms
}
filter {
  trusted = ""
  greylist = off
  junk_score = 0
  dns_lists = "bl.test 4.5"
  dns_lists_timeout = 2s
}
"""


class DnsReload(unittest.TestCase):
    def write(self, pod, dns):
        with open(os.path.join(pod.dir, "podmail.conf"), "w", encoding="utf-8") as f:
            f.write(self.text + OTHERS % self.server.port + dns)

    def received(self, pod, subject):
        """What is said of the client and of the message that it brings."""
        with smtplib.SMTP(timeout=60, source_address=("127.0.0.2", 0)) as s:
            s._host = "127.0.0.1"  # pylint: disable=protected-access
            s.sock = s._get_socket("127.0.0.1", pod.port("smtp"), 60)  # pylint: disable=protected-access
            s.sock.sendall(f"PROXY TCP4 {CLIENT} 127.0.0.1 40000 25\r\n".encode())
            self.assertEqual(s.getreply()[0], 220)
            s.sendmail("a@away.test", [pod.address("alice")], MESSAGE % subject)
        box = pod.imap("alice")
        box.select("INBOX")
        number = box.search(None, "SUBJECT", f'"{subject.decode()}"')[1][0].split()[-1].decode()
        head = box.fetch(number, "(BODY.PEEK[HEADER])")[1][0][1].decode()
        box.logout()
        return head

    def test_a_reload_changes_whom_the_mta_and_podfilter_ask(self):
        zones = {"2.1.25.in-addr.arpa": Zone("1 PTR good.names.test.\n", UNSIGNED),
                 "names.test": Zone(f"good A {CLIENT}\n", UNSIGNED), "bl.test": Zone(dnsbl(CLIENT), UNSIGNED),
                 "away.test": Zone(f"@ MX 10 mx\nmx A {AWAY}\n", UNSIGNED)}
        with DnsTree(zones) as tree, FakeSmtp(AWAY) as self.server, Pod() as pod:
            os.chmod(tree.dir, 0o755)  # the trust anchor, for the programs' own users
            pod.down()
            with open(os.path.join(pod.dir, "podmail.conf"), encoding="utf-8") as f:
                self.text = re.sub(r"^pod\s*\{", "pod {\n  proxy_protocol_from = 127.0.0.2;", f.read(), flags=re.M)
            self.write(pod, NOBODY)
            pod.up()
            head = self.received(pod, b"before")
            self.assertNotIn("good.names.test", head)
            self.assertNotIn("DNSBL", head)
            with pod.smtp("submission", starttls=True) as client:
                client.login(pod.address("alice"), pod.password("alice"))
                client.sendmail("alice@example.test", ["x@away.test"], b"From: alice@example.test\r\nSubject: out\r\n\r\nx\r\n")
            until(lambda: re.search(r"remote\.trouble .*destination=away\.test .*code=4", pod.log_tail(400)), "outbound to ask in vain")

            # One that is wrong changes nothing, and the log says so.
            self.write(pod, NOBODY.replace('anchor = ""', f'anchor = "{pod.dir}/none"'))
            pod.podctl("config", "reload")
            until(lambda: pod.log_tail(400).count("dns.not_reloaded") >= 1, "the mistake to be said")

            self.write(pod, tree.conf())
            pod.podctl("config", "reload")
            until(lambda: self.server.messages, "the message that waited")
            until(lambda: pod.log_tail(400).count("filter.reloaded") >= 1, "podfilter to have read it")
            heads = []
            until(lambda: heads.append(self.received(pod, b"after %d" % len(heads))) or "good.names.test" in heads[-1],
                  "a worker that knows the client's name")
            self.assertIn("DNSBL=4.50", heads[-1])


if __name__ == "__main__":
    unittest.main()

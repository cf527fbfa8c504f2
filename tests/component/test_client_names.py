"""What clients are called: a name counts where it leads back to the address, and a DNS that is silent costs a moment."""
import os
import re
import shutil
import smtplib
import tempfile
import time
import unittest

from dns_tree import UNSIGNED, DnsTree, Zone
from milters import ScriptedMilter, set_milters
from pod import PodTest

MESSAGE = b"From: a@away.test\r\nSubject: %s\r\n\r\nx\r\n"
# address: (its name, whether that leads back, the word for it)
CLIENTS = {"25.1.2.1": ("good.names.test", "good.names.test", "OK"),
           "25.1.2.2": ("[25.1.2.2]", "liar.names.test", "FORGED"),
           "25.1.2.3": ("[25.1.2.3]", "unknown", "FAIL"),
           "25.1.2.4": ("[25.1.2.4]", "nowhere.names.test", "FORGED"),
           "2a00:db9::1": ("six.names.test", "six.names.test", "OK"),
           "127.0.0.9": ("localhost", "localhost", "OK")}


class ClientNames(PodTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="podmail-names-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.milter = ScriptedMilter(cls.folder, "milter", "")
        cls.addClassCleanup(cls.milter.stop)
        cls.tree = DnsTree({"2.1.25.in-addr.arpa": Zone("1 PTR good.names.test.\n2 PTR liar.names.test.\n"
                                                        "4 PTR nowhere.names.test.\n", UNSIGNED),
                            "9.b.d.0.0.0.a.2.ip6.arpa": Zone("1" + ".0" * 23 + " PTR six.names.test.\n", UNSIGNED),
                            "names.test": Zone("good A 25.1.2.1\ngood A 25.1.2.9\nliar A 25.1.2.77\n"
                                               "six AAAA 2a00:db9::1\n", UNSIGNED)})
        cls.tree.start()
        cls.addClassCleanup(cls.tree.close)
        os.chmod(cls.tree.dir, 0o755)  # the trust anchor, for the programs' own users
        super().setUpClass()
        cls.pod.down()
        path = os.path.join(cls.pod.dir, "podmail.conf")
        with open(path, encoding="utf-8") as f:
            text = re.sub(r"^pod\s*\{", "pod {\n  proxy_protocol_from = 127.0.0.2;", f.read(), flags=re.M)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"{text}\n{cls.tree.conf()}filter {{\n  enabled = no\n}}\nmta {{\n  client_names_timeout = 500ms\n}}\n")
        set_milters(cls.pod, milters=[cls.milter.conf()])
        cls.pod.up()

    def setUp(self):
        self.milter.clear()

    def greeted(self, client):
        """A session of a client with that address, which a load balancer tells."""
        s = smtplib.SMTP(timeout=60, source_address=("127.0.0.2", 0))
        s._host = "127.0.0.1"  # pylint: disable=protected-access
        s.sock = s._get_socket("127.0.0.1", self.pod.port("smtp"), 60)  # pylint: disable=protected-access
        kind, here = ("TCP6", "::1") if ":" in client else ("TCP4", "127.0.0.1")
        s.sock.sendall(f"PROXY {kind} {client} {here} 40000 25\r\n".encode())
        self.assertEqual(s.getreply()[0], 220)
        return s

    def received(self, client):
        subject = "from " + client.replace(":", "-")
        with self.greeted(client) as s:
            s.sendmail("a@away.test", [self.pod.address("alice")], MESSAGE % subject.encode())
        box = self.pod.imap("alice")
        box.select("INBOX")
        number = box.search(None, "SUBJECT", f'"{subject}"')[1][0].split()[-1]
        raw = box.fetch(number, "(BODY.PEEK[HEADER])")[1][0][1].decode()
        box.logout()
        return re.search(r"Received: from (.*)", raw).group(1)

    def connect(self):
        return next(e for e in self.milter.events() if e["event"] == "connect")

    def test_a_name_counts_where_it_leads_back(self):
        for client, (name, ptr, word) in CLIENTS.items():
            with self.subTest(client):
                self.milter.clear()
                received = self.received(client)
                told = self.connect()
                shown = "" if name[0] == "[" or name == "localhost" else name + " "
                address = "IPv6:" + client if ":" in client else client
                self.assertTrue(received.strip().endswith(f"({shown}[{address}])"), received)
                self.assertEqual(told["args"][0], name)
                macros = told["macros"]
                self.assertEqual((macros["{client_name}"], macros["{client_ptr}"], macros["{client_resolve}"]),
                                 ("unknown" if name[0] == "[" else name, ptr, word))

    def test_a_silent_dns_costs_no_more_than_its_limit(self):
        self.tree.stop_answering()
        try:
            began = time.monotonic()
            with self.greeted("25.1.2.1"):
                took = time.monotonic() - began
            self.assertEqual(self.connect()["macros"]["{client_resolve}"], "TEMP")
            self.assertEqual(self.connect()["args"][0], "[25.1.2.1]")
            self.assertGreater(took, 0.4)
            # Who hangs up meanwhile leaves nothing behind.
            for _ in range(20):
                s = smtplib.SMTP(timeout=60, source_address=("127.0.0.2", 0))
                s._host = "127.0.0.1"  # pylint: disable=protected-access
                s.sock = s._get_socket("127.0.0.1", self.pod.port("smtp"), 60)  # pylint: disable=protected-access
                s.sock.sendall(b"PROXY TCP4 25.1.2.1 127.0.0.1 40000 25\r\n")
                s.sock.close()
        finally:
            self.tree.answer()
        with self.greeted("25.1.2.1") as s:
            self.assertEqual(s.ehlo("client.test")[0], 250)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""ActiveSync's HTTP: what a request may look like, what is answered to one that is wrong, and that the next one on the same
connection works after it. Clients that are not ours: curl, http.client and a plain socket over TLS."""
import base64
import contextlib
import glob
import gzip
import http.client
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import unittest

from eas_client import Line, Phone
from eas_wbxml import E, decode, encode
from pod import Pod, until

PATH = "/Microsoft-Server-ActiveSync"
WBXML = "application/vnd.ms-sync.wbxml"
QUERY = "?Cmd={cmd}&User=alice&DeviceId=HTTP0001&DeviceType=Test"


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pod = Pod()
        cls.pod.__enter__()
        cls.who = cls.pod.address("alice"), cls.pod.password("alice")
        phone = Phone(cls.pod, "alice", device="HTTP0001", kind="Test")
        phone.set_up()
        cls.key = str(phone.policy_key)

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()

    def setUp(self):
        self.line = http.client.HTTPSConnection("localhost", self.pod.port("https"), timeout=60,
                                                context=self.pod.tls_context())

    def tearDown(self):
        self.line.close()

    # ---- asking ----

    @staticmethod
    def basic(user, password):
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}

    def headers(self, **more):
        return {**self.basic(*self.who), "MS-ASProtocolVersion": "14.1", "Content-Type": WBXML,
                "X-MS-PolicyKey": self.key,
                **{k.replace("_", "-"): v for k, v in more.items()}}

    def ask(self, method="POST", cmd="FolderSync", body=None, headers=None, path=PATH, query=None):
        body = encode(E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", "0"))) if body is None else body
        query = QUERY.format(cmd=cmd) if query is None else query
        self.line.request(method, path + query, body=body, headers=self.headers() if headers is None else headers)
        answer = self.line.getresponse()
        return answer.status, answer.headers, answer.read()

    def works(self):
        """The next request on this very connection."""
        before = self.line.sock
        status, _, body = self.ask()
        self.assertEqual(status, 200)
        self.assertEqual(decode(body).get("FolderHierarchy:Status"), "1")
        return before is None or before is self.line.sock

    def curl(self, *args, data=None):
        command = ["curl", "-sS", "-i", "--cacert", os.path.join(self.pod.dir, "tls", "ca.pem"), "--max-time", "60",
                   "-u", ":".join(self.who), *args]
        done = subprocess.run(command, input=data, capture_output=True, timeout=90, check=True)
        return done.stdout

    def url(self, cmd="FolderSync"):
        return f"https://localhost:{self.pod.port('https')}{PATH}{QUERY.format(cmd=cmd)}"

    # ---- tests ----

    def test_options_says_what_there_is(self):
        status, headers, body = self.ask("OPTIONS", body=b"", query="")
        self.assertEqual((status, body), (200, b""))
        self.assertEqual(headers["MS-ASProtocolVersions"], "12.1,14.0,14.1,16.0,16.1")
        self.assertIn("FolderSync", headers["MS-ASProtocolCommands"].split(","))
        self.assertEqual(headers["Allow"].replace(" ", ""), "OPTIONS,POST")

    def test_who_is_asked_first(self):
        for wrong in ({}, self.basic("nobody@nowhere.test", "x"), {"Authorization": "Basic !!!"},
                      {"Authorization": "Bearer x"}):
            for query in ("", "?Cmd=Nonsense", QUERY.format(cmd="FolderSync")):
                status, headers, _ = self.ask(headers=wrong, query=query, body=b"rubbish")
                self.assertEqual(status, 401)
                self.assertTrue(headers["WWW-Authenticate"].startswith("Basic realm="))
        self.assertTrue(self.works())

    def test_a_user_may_be_written_in_many_ways(self):
        name, domain = self.who[0].split("@")
        for user in (name, self.who[0], self.who[0].upper(), f"{domain}\\{name}", f"ANYTHING\\{self.who[0]}"):
            status, _, _ = self.ask("OPTIONS", body=b"", headers=self.basic(user, self.who[1]))
            self.assertEqual(status, 200, user)

    def test_a_changed_password_is_noticed(self):
        self.pod.add_user("turncoat", "first-pass-word")
        user = self.pod.address("turncoat")
        self.assertEqual(self.ask("OPTIONS", body=b"", headers=self.basic(user, "first-pass-word"))[0], 200)
        self.pod.podctl("user", "passwd", user, "--password-stdin", stdin="second-pass-word\n")
        self.assertEqual(self.ask("OPTIONS", body=b"", headers=self.basic(user, "second-pass-word"))[0], 200)
        until(lambda: self.ask("OPTIONS", body=b"", headers=self.basic(user, "first-pass-word"))[0] in (401, 503),
              "the old password to be refused", step=1, limit=120)

    def test_methods(self):
        for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
            status, headers, _ = self.ask(method, body=b"")
            self.assertEqual(status, 405, method)
            self.assertEqual(headers["Allow"].replace(" ", ""), "OPTIONS,POST")
        self.assertTrue(self.works())

    def test_bad_queries(self):
        for query, status in (("", 400), ("?Cmd=FolderSync", 400), ("?Cmd=FolderSync&DeviceId=x", 400),
                              ("?Cmd=FolderSync&DeviceId=&DeviceType=x", 400), ("?jQkJ", 400),
                              (QUERY.format(cmd="NoSuchThing"), 501), ("?Cmd=%00&DeviceId=x&DeviceType=y", 501)):
            self.assertEqual(self.ask(query=query)[0], status, query)
        self.assertTrue(self.works())

    def test_what_a_device_calls_itself_has_its_length(self):
        for device, kind, status in (("D" * 33, "Test", "108"), ("HTTP0001", "T" * 33, "109")):
            query = f"?Cmd=FolderSync&User=alice&DeviceId={device}&DeviceType={kind}"
            code, _, body = self.ask(query=query)
            self.assertEqual((code, decode(body).get("FolderHierarchy:Status")), (200, status))
            self.assertEqual(self.ask(query=query, headers=self.headers(MS_ASProtocolVersion="12.1"))[0], 400)

    def test_versions(self):
        for version, expected in (("", (400, 505)), ("9.9", (400, 505)), ("14", (400, 505)), ("16.1", (200,)), ("12.1", (200,)),
                                  ("2.5", (200, 449))):
            self.assertIn(self.ask(headers=self.headers(MS_ASProtocolVersion=version))[0], expected, version)
        headers = self.headers()
        del headers["MS-ASProtocolVersion"]
        self.assertEqual(self.ask(headers=headers)[0], 400)
        self.assertTrue(self.works())

    def test_bad_bodies(self):
        good = encode(E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", "0")))
        for body in (b"", b"\0", b"\x03\x01\x6a\x00", good[:-2], good[:8], b"<FolderSync/>", b"\xff" * 1000,
                     b"\x03\x01\x6a\x00\x00\x07" + b"\x56" * 5000):
            self.assertEqual(self.ask(body=body)[0], 400, body[:20])
        status, _, body = self.ask(body=encode(E("Ping:Ping")))
        self.assertEqual((status, decode(body).get("FolderHierarchy:Status")), (200, "101"))
        self.assertEqual(self.ask(headers=self.headers(Content_Type="text/html"))[0], 415)
        self.assertTrue(self.works())

    def test_a_base64_query(self):
        device = bytes.fromhex("158C77A7F9F1D3A0158C77A7F9F1D3A0")
        query = bytes([0x8d, 9, 9, 4, len(device)]) + device + bytes([0, 4]) + b"Test"
        text = "?" + base64.b64encode(query).decode().rstrip("=")
        headers = self.headers()
        del headers["MS-ASProtocolVersion"]
        status, _, body = self.ask(headers=headers, query=text)
        self.assertEqual((status, decode(body).get("FolderHierarchy:Status")), (200, "142"))  # not provisioned yet

    def test_chunks_expectations_and_curl(self):
        document = encode(E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", "0")))
        for extra in (["-H", "Expect: 100-continue"], ["-H", "Transfer-Encoding: chunked"], ["--http1.0"]):
            out = self.curl("-X", "POST", "-H", f"Content-Type: {WBXML}", "-H", "MS-ASProtocolVersion: 14.1", "-H",
                            f"X-MS-PolicyKey: {self.key}", "--data-binary", "@-", *extra, self.url(), data=document)
            head, _, body = out.rpartition(b"\r\n\r\n")
            self.assertRegex(head.split(b"\r\n\r\n")[-1], rb"^HTTP/1\.[01] 200")
            self.assertEqual(decode(body).get("FolderHierarchy:Status"), "1")

    def test_gzip(self):
        status, headers, body = self.ask(headers=self.headers(Accept_Encoding="gzip"))
        self.assertEqual(status, 200)
        plain = gzip.decompress(body) if headers["Content-Encoding"] == "gzip" else body
        self.assertEqual(headers["Content-Encoding"], "gzip")
        self.assertEqual(decode(plain).get("FolderHierarchy:Status"), "1")
        status, headers, body = self.ask(headers=self.headers(Accept_Encoding="gzip;q=0, identity"))
        self.assertIsNone(headers["Content-Encoding"])
        self.assertTrue(self.works())

    def test_too_large_a_body_is_refused_before_it_is_read(self):
        with self.raw() as s:
            s.sendall((f"POST {PATH}{QUERY.format(cmd='FolderSync')} HTTP/1.1\r\nHost: localhost\r\n"
                       f"Content-Type: {WBXML}\r\nContent-Length: 2000000000\r\n\r\n").encode())
            self.assertIn(b" 413 ", s.recv(100))

    def test_two_requests_sent_at_once(self):
        head = "".join(f"{k}: {v}\r\n" for k, v in self.headers().items())
        document = encode(E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", "0")))
        one = (f"POST {PATH}{QUERY.format(cmd='FolderSync')} HTTP/1.1\r\nHost: localhost\r\n{head}"
               f"Content-Length: {len(document)}\r\n\r\n").encode() + document
        with self.raw() as s:
            s.sendall(one + one.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n"))
            got = b""
            while piece := s.recv(65536):
                got += piece
        self.assertEqual(got.count(b"HTTP/1.1 200 OK"), 2)

    def test_rubbish_before_tls_and_in_it(self):
        with socket.create_connection(("127.0.0.1", self.pod.port("https")), timeout=60) as s:
            s.sendall(b"GET / HTTP/1.1\r\n\r\n")
            self.assertNotIn(b"200", s.recv(1000))
        for text in (b"\0\0\0\0\r\n\r\n", b"POST\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n",
                     b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n"):
            with self.raw() as s:
                try:
                    s.sendall(text)
                    self.assertNotIn(b" 200 ", s.recv(1000))
                except (ConnectionError, ssl.SSLError):
                    pass  # it hung up before all was said
        self.assertTrue(self.works())

    def test_a_host_of_another_domain(self):
        self.pod.podctl("domain", "add", "second.test")
        self.pod.podctl("user", "add", "zoe@second.test", "--password-stdin", stdin="a-second-one\n")
        for host, status in (("mail.second.test", 200), ("second.test:443", 200), ("mail.example.com", 401)):
            headers = {**self.basic("zoe", "a-second-one"), "Host": host}
            self.assertEqual(self.ask("OPTIONS", body=b"", headers=headers)[0], status, host)

    def test_many_connections_at_once(self):
        failed = []

        def one():
            line = http.client.HTTPSConnection("localhost", self.pod.port("https"), timeout=60, context=self.pod.tls_context())
            for _ in range(5):
                line.request("OPTIONS", PATH, headers=self.basic(*self.who))
                answer = line.getresponse()
                answer.read()
                if answer.status != 200:
                    failed.append(answer.status)
            line.close()

        threads = [threading.Thread(target=one) for _ in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failed, [])

    def raw(self):
        plain = socket.create_connection(("127.0.0.1", self.pod.port("https")), timeout=60)
        return self.pod.tls_context().wrap_socket(plain, server_hostname="localhost")


class Limits(unittest.TestCase):
    def test_a_device_in_a_loop_is_put_off(self):
        with Pod() as pod:
            pod.down()
            with open(os.path.join(pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
                f.write("\nimapd { device_repeats = 5; device_requests = 20; }\n")
            pod.up()
            loop, other = (Phone(pod, "alice", device=device) for device in ("LOOP0001", "OTHER001"))
            tree = E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", "0"))
            answers = [loop.ask("FolderSync", tree) for _ in range(8)]
            self.assertEqual([a.status for a in answers], [200] * 5 + [503] * 3)
            self.assertGreater(int(answers[-1].headers["Retry-After"]), 30)
            answers = [other.ask("FolderSync", E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", str(i))))
                       for i in range(25)]
            self.assertEqual([a.status for a in answers], [200] * 20 + [503] * 5)
            self.assertLessEqual(int(answers[-1].headers["Retry-After"]), 120)

    def test_a_request_that_dribbles_in_is_ended_and_a_phone_that_waits_is_not(self):
        with Pod() as pod:
            pod.down()
            with open(os.path.join(pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
                f.write("\nimapd { https_request_timeout = 1s; }\n")
            pod.up()
            phone = Phone(pod, "alice").set_up()
            phone.prime(phone.inbox)
            folder = E("Ping:Folder", E("Ping:Id", phone.inbox), E("Ping:Class", "Email"))
            phone.line.ask_only(*phone.request("Ping", E("Ping:Ping", E("Ping:HeartbeatInterval", "600"),
                                                         E("Ping:Folders", folder))))
            for begun in (b"POST /Microsoft-Server-ActiveSync HTTP/1.1\r\nX: ",
                          b"POST /Microsoft-Server-ActiveSync HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"):
                plain = socket.create_connection(("127.0.0.1", pod.port("https")), timeout=60)
                with pod.tls_context().wrap_socket(plain, server_hostname="localhost") as s:
                    s.sendall(begun)
                    s.settimeout(0.1)
                    until(lambda: self.dribble_ends(s), "the dribble to be ended", step=0)
            pod.send("alice", "Subject: still there?\r\n\r\nyes\r\n")
            status, _, body = phone.line.answer()
            self.assertEqual((status, decode(body).get("Status")), (200, "2"))

    @staticmethod
    def dribble_ends(s):
        try:
            s.sendall(b"x")
            return s.recv(100) == b""
        except TimeoutError:
            return False
        except (ConnectionError, ssl.SSLError):
            return True

    @staticmethod
    def sockets_of(pod, program):
        count = 0
        for fd in [fd for pid in pod.pids_of(program) for fd in glob.glob(f"/proc/{pid}/fd/*")]:
            with contextlib.suppress(FileNotFoundError):  # it may be closed meanwhile
                count += os.readlink(fd).startswith("socket:")
        return count

    def test_a_volume_that_is_away_takes_the_turns_of_nobody(self):
        with Pod() as pod:
            pod.down()
            with open(os.path.join(pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
                f.write("\nimapd { workers = 1; store_timeout = 5m; }\n")
            pod.up()
            phone = Phone(pod, "alice")
            self.assertEqual(phone.options().status, 200)
            podd = pod.pids_of("podd")[0]
            os.kill(podd, signal.SIGSTOP)  # so that nobody starts the store again
            tree = E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", "0"))
            answers = []
            threads = [threading.Thread(target=lambda: answers.append(Line(pod).ask(*phone.request("FolderSync", tree))[0]))
                       for _ in range(100)]
            before = self.sockets_of(pod, "imapd")
            try:
                os.kill(pod.pids_of("stored")[0], signal.SIGKILL)
                # A request that goes out before the loss is seen waits too, and is not one of those who are counted.
                until(lambda: self.sockets_of(pod, "imapd") < before, "imapd to see that the store is gone")
                for t in threads:
                    t.start()
                until(lambda: len(answers) == 36, "those who are too many to be told so")
            finally:
                os.kill(podd, signal.SIGCONT)
            for t in threads:
                t.join()
            self.assertEqual((answers.count(503), answers.count(200)), (36, 64))

    def test_a_proxy_says_whom_it_speaks_for(self):
        with Pod() as pod:
            pod.down()
            path = os.path.join(pod.dir, "podmail.conf")
            with open(path, encoding="utf-8") as f:
                text = f.read()
            with open(path, "w", encoding="utf-8") as f:
                f.write(re.sub(r"^pod\s*\{", "pod {\n  proxy_protocol_from = 127.0.0.2;", text, flags=re.M))
            pod.up()
            version_2 = (b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11, 0, 12]) + socket.inet_aton("192.0.2.77") +
                         socket.inet_aton("127.0.0.1") + struct.pack("!HH", 40000, 443))
            for begun, peer in ((b"PROXY TCP4 192.0.2.76 127.0.0.1 40000 443\r\n", "192.0.2.76"), (version_2, "192.0.2.77"),
                                (b"PROXY TCP6 2001:db8::78 2001:db8::1 40000 443\r\n", "2001:db8::78")):
                self.asked_by(pod, begun)
                self.wait_for_peer(pod, peer)
            Phone(pod, "alice").options()  # who is no proxy goes on as before
            self.wait_for_peer(pod, "127.0.0.1")

    @staticmethod
    def wait_for_peer(pod, peer):
        """A line of the log comes after the answer, by way of podd."""
        until(lambda: re.search(f"eas.answered http=[0-9]+ peer={peer} ", pod.log_tail(200)), f"the answer to {peer} to be logged")

    @staticmethod
    def asked_by(pod, begun):
        """Two requests on a connection of the proxy's, whose header comes in pieces."""
        plain = socket.create_connection(("127.0.0.1", pod.port("https")), timeout=60, source_address=("127.0.0.2", 0))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(0, len(begun), 7):
            plain.sendall(begun[i:i + 7])
        login = base64.b64encode(f"{pod.address('alice')}:{pod.password('alice')}".encode()).decode()
        with pod.tls_context().wrap_socket(plain, server_hostname="localhost") as s:
            for _ in range(2):
                s.sendall(f"OPTIONS {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n\r\n".encode())
                assert b" 200 " in s.recv(10000)

    def test_bodies_that_are_sent_and_never_end_are_bounded(self):
        with Pod() as pod:
            pod.down()
            with open(os.path.join(pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
                f.write("\nmta { max_message_size = 64K; }\nimapd { workers = 1; }\n")
            pod.up()
            hold, ended = [], 0
            for _ in range(8):  # five of these are what one worker holds
                plain = socket.create_connection(("127.0.0.1", pod.port("https")), timeout=60)
                s = pod.tls_context().wrap_socket(plain, server_hostname="localhost")
                hold.append(s)
                try:
                    s.sendall((f"POST {PATH}?Cmd=Sync HTTP/1.1\r\nHost: localhost\r\nContent-Type: {WBXML}\r\n"
                               "Content-Length: 1110000\r\n\r\n").encode() + b"x" * 1109999)
                    s.settimeout(1)
                    ended += s.recv(100) == b""
                except TimeoutError:
                    pass  # it waits for the rest
                except (ConnectionError, ssl.SSLError):
                    ended += 1
            self.assertGreaterEqual(ended, 3)
            self.assertLess(ended, 8)
            self.assertEqual(Phone(pod, "alice").options().status, 200)
            for s in hold:
                s.close()


if __name__ == "__main__":
    unittest.main(argv=sys.argv, verbosity=1)

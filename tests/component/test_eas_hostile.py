"""What a user who means harm sends to the gateway: it is refused, it costs others nothing, and it shows nobody anything."""
import base64
import os
import socket
import string
import threading
import time
import unittest
import urllib.parse

from eas_client import Answer, Line, Phone
from eas_wbxml import E, encode
from pod import BIN, PodTest, until

PATH = "/Microsoft-Server-ActiveSync"
WBXML = "application/vnd.ms-sync.wbxml"
DISCOVER = "/autodiscover/autodiscover.xml"


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def cpu_seconds(pids):
    """What these processes have worked so far."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            ticks += sum(int(n) for n in f.read().rpartition(")")[2].split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


class Hostile(PodTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pod.down()
        with open(os.path.join(cls.pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
            f.write("\nimapd { workers = 1; device_requests = 0; device_repeats = 0; }\n")
        cls.pod.up()
        cls.eve = Phone(cls.pod, "alice", version="16.1", device="EVIL0001").set_up()

    def setUp(self):
        self.before = self.pod.pids_of("imapd")

    def tearDown(self):
        """Nobody died of it, and the next request on the connection works."""
        self.assertEqual(self.pod.pids_of("imapd"), self.before)
        self.eve.folder_sync()

    def raw(self, text, limit=1000):
        """What is answered to these very bytes, until the server ends the connection or has said so much."""
        plain = socket.create_connection(("127.0.0.1", self.pod.port("https")), timeout=60)
        with self.pod.tls_context().wrap_socket(plain, server_hostname="localhost") as s:
            s.sendall(text)
            got = b""
            while len(got) < limit and (piece := s.recv(limit)):
                got += piece
            return got

    def test_a_request_whose_end_is_not_clear_is_refused_and_nothing_behind_it_is_read(self):
        for fields in (b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Content-Length: 5\r\nContent-Length: 5",
                       b"Content-Length : 0", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"):
            got = self.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + fields +
                           b"\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n", limit=100000)
            self.assertTrue(got.startswith(b"HTTP/1.1 400"), (fields, got))
            self.assertEqual(got.count(b"HTTP/1.1"), 1, fields)
        status, headers, _ = self.eve.line.ask("POST", self.eve.target("FolderSync"), b"\x1f\x8b" + b"\0" * 1000,
                                               {**self.eve.headers(WBXML), "Content-Encoding": "gzip"})
        self.assertEqual((status, headers["Accept-Encoding"]), (415, "identity"))

    def test_xml_that_grows_or_looks_elsewhere_is_no_request(self):
        bomb = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 50 if i else "x" * 50}">' for i in range(9))
        headers = {"Content-Type": "text/xml", "Authorization": self.eve.headers(None)["Authorization"]}
        request = ("<Autodiscover xmlns='a'><Request><EMailAddress>{0}</EMailAddress><AcceptableResponseSchema k='{0}'>"
                   "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
                   "</AcceptableResponseSchema></Request></Autodiscover>")
        for head, word in ((f"<!DOCTYPE r [{bomb}]>", "&a8;"), ("<!DOCTYPE r [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>", "&e;"),
                           ("<!DOCTYPE r SYSTEM 'http://127.0.0.1:1/x.dtd'>", "x"), ("", "&e;"), ("<a>" * 16000, "x")):
            began = time.monotonic()
            status, _, body = Line(self.pod).ask("POST", DISCOVER, (head + request.format(word)).encode(), headers)
            self.assertEqual(status, 200)
            self.assertIn(b"<ErrorCode>600</ErrorCode>", body, head[:60])
            self.assertNotIn(b"root:", body)
            self.assertLess(time.monotonic() - began, 20)

    def costs(self, command, tree):
        """The answer to a request, and the seconds that the gateway's programs worked for it."""
        before = cpu_seconds(self.before)
        answer = self.eve.ask(command, tree)
        return answer, cpu_seconds(self.before) - before

    def test_large_requests_are_read_in_a_time_like_their_size(self):
        """The worker that reads one has nothing else done meanwhile."""
        folders = [E("Ping:Folder", E("Ping:Id", str(i)), E("Ping:Class", "Email")) for i in range(60000)]
        answer, seconds = self.costs("Ping", E("Ping:Ping", E("Ping:HeartbeatInterval", "60"), E("Ping:Folders", *folders)))
        self.assertEqual(answer.root.get("Status"), "6")
        self.assertLess(seconds, 3)
        self.eve.prime(self.eve.inbox)
        fetches = [E("AirSync:Fetch", E("AirSync:ServerId", f"{self.eve.inbox}:{i + 1}")) for i in range(30000)]
        answer, seconds = self.costs("Sync", self.eve.sync_tree(self.eve.collection(self.eve.inbox, E("AirSync:Commands", *fetches))))
        self.assertEqual(answer.root.find("Collections/Collection").get("Status"), "1")
        self.assertLess(seconds, 5)
        collections = [self.eve.collection(str(i), key="0") for i in range(1000)]
        answer = self.eve.ask("Sync", self.eve.sync_tree(*collections))
        self.assertEqual((answer.root.get("Status"), answer.root.get("Limit")), ("15", "200"))
        mime = b"To: " + b",".join(b"a%d@example.test" % i for i in range(9000)) + b"\r\n"
        answer, seconds = self.costs("SendMail", E("ComposeMail:SendMail", E("ComposeMail:ClientId", "many"), E(
            "ComposeMail:Mime", mime * 10 + b"\r\nhi")))
        self.assertEqual(answer.root.get("Status"), "116")
        self.assertLess(seconds, 3)

    def test_documents_that_are_nothing_but_large(self):
        start = b"\x03\x01\x6a\x00"
        for body in (start + b"\x45" * 3000000, start + b"\x45" + b"\x05" * 3000000, start + b"\x45\x4b\x03" + b"x" * 3000000,
                     start + b"\x45" + b"\x03x\x00" * 1000000, start + b"\x00\x00" * 1000000, start + b"\x45\xc3\xff\xff\xff\x7f" + b"x" * 1000):
            status, headers, answer = self.eve.line.ask("POST", self.eve.target("Sync"), body, self.eve.headers(WBXML))
            answer = Answer(status, headers, answer)
            self.assertTrue(status == 400 or answer.root.get("Status") in ("4", "101"), answer)

    def test_ids_lead_to_nothing_of_others(self):
        """Bob's folders and messages, named by Alice's device in every way there is."""
        self.pod.send("bob", b"Subject: secret\r\nContent-Type: application/pdf; name=a\r\n\r\nthe secret\r\n")
        bob = Phone(self.pod, "bob", version="16.1", device="VICTIM01").set_up()
        item = next(iter(until(lambda: bob.pull(bob.inbox), "Bob's message")))
        fetch = (E("AirSync:CollectionId", bob.inbox), E("AirSync:ServerId", item)), (E("Search:LongId", item),), (
            E("AirSyncBase:FileReference", f"{item}:1"),)
        for ids in fetch:
            answer = self.eve.ask("ItemOperations", E("ItemOperations:ItemOperations", E(
                "ItemOperations:Fetch", E("ItemOperations:Store", "Mailbox"), *ids)))
            self.assertIn(answer.root.get("Response/Fetch/Status"), ("6", "15", "8"), answer)
        got = self.eve.ask("Sync", self.eve.sync_tree(self.eve.collection(bob.inbox, key="0")))
        self.assertEqual(got.root.get("Collections/Collection/Status"), "8", got)
        got = self.eve.ask("MoveItems", E("Move:MoveItems", E("Move:Move", E("Move:SrcMsgId", item), E(
            "Move:SrcFldId", bob.inbox), E("Move:DstFldId", self.eve.inbox))))
        self.assertEqual(got.root.get("Response/Status"), "1")
        got = self.eve.ask("SmartForward", E("ComposeMail:SmartForward", E("ComposeMail:ClientId", "steal"), E(
            "ComposeMail:Source", E("ComposeMail:FolderId", bob.inbox), E("ComposeMail:ItemId", item)), E(
                "ComposeMail:Mime", b"To: alice@example.test\r\n\r\nx")))
        self.assertEqual(got.root.get("Status"), "150")
        got = self.eve.ask("ItemOperations", E("ItemOperations:ItemOperations", E(
            "ItemOperations:EmptyFolderContents", E("AirSync:CollectionId", bob.inbox))))
        self.assertNotEqual(got.root.get("Response/EmptyFolderContents/Status"), "1")
        self.assertEqual(list(bob.pull(bob.inbox)), [item])

    def test_device_ids_are_names_and_no_paths(self):
        for device in ("../../x", "a/b", "..", ".", "a" * 33, "a" * 65, "%00x", "x\r\ny", "..%2f..", "é" * 16, "-" * 64):
            phone = Phone(self.pod, "carol", device="x")
            phone.target = lambda command, *_, d=device, **__: (
                f"{PATH}?Cmd={command}&User=carol&DeviceType=T&DeviceId={urllib.parse.quote(d, safe='%.')}")
            answer = phone.ask("FolderSync", E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", "0")))
            self.assertIn(answer.status, (200, 400), device)
        users = os.path.join(self.pod.dir, "volumes")
        names = {name for _, _, files in os.walk(users if os.path.isdir(users) else self.pod.dir) for name in files}
        self.assertFalse({"x", "b", "device"} & names, "a file where none should be")
        shown = self.pod.podctl("device", "list", self.pod.address("carol"), as_json=True)["devices"]
        self.assertTrue(all(set(d["id"]) <= set(string.ascii_letters + string.digits + "-_.") for d in shown), shown)
        self.assertIn("2E2E", [d["id"] for d in shown])
        # What an admin does to a device of such a name concerns no more than that.
        self.assertEqual(self.pod.podctl("device", "remove", self.pod.address("carol"), "..", check=False).returncode, 3)
        self.assertIn("carol", self.pod.podctl("user", "list").stdout)

    def test_a_device_that_says_rubbish_of_itself_hides_nothing(self):
        phone = Phone(self.pod, "carol", device="RUBBISH1", kind="T\xff").set_up()
        said = [E("Settings:Model", "M"), E("Settings:FriendlyName", "\x1b[2Jcleared")]
        body = encode(E("Settings:Settings", E("Settings:DeviceInformation", E("Settings:Set", *said))))
        body = body.replace(b"\x03M\x00", b"\x03\xff\xfeM\x00")
        headers = {**phone.headers(WBXML), "User-Agent": "\xff\xfe"}
        self.assertEqual(phone.line.ask("POST", phone.target("Settings"), body, headers)[0], 200)
        [shown] = [d for d in self.pod.podctl("device", "list", phone.address, as_json=True)["devices"] if d["id"] == "RUBBISH1"]
        self.assertEqual((shown["model"], shown["name"]), ("??M", "\x1b[2Jcleared"))
        for command in ("list", "show"):
            text = self.pod.podctl("device", command, phone.address, *(["RUBBISH1"] if command == "show" else [])).stdout
            self.assertNotIn("\x1b", text)
        self.assertIn("RUBBISH1", self.pod.podctl("device", "list").stdout)

    def test_what_is_sent_is_from_who_sent_it(self):
        """An envelope and a From of somebody else's, and a subject of a stranger's that would be a field."""
        self.pod.send("alice", b"From: mallory@example.com\r\nSubject: one\r\n\tBcc: x@example.com\r\nMessage-ID: <1@x>\r\n\r\nhi\r\n")
        item = next(iter(until(lambda: {k: v for k, v in self.eve.pull(self.eve.inbox).items() if "one" in (v.get("Email:Subject") or "")},
                               "the message")))
        mime = (b"From: bob@example.test\r\nFrom : bob@example.test\r\nSender: bob@example.test\r\nTo: bob@example.test\r\n"
                b"X: a\rBcc: carol@example.test\r\n\r\nhello\r\n")
        got = self.eve.ask("SmartForward", E("ComposeMail:SmartForward", E("ComposeMail:ClientId", "forge"), E(
            "ComposeMail:Source", E("ComposeMail:FolderId", self.eve.inbox), E("ComposeMail:ItemId", item)), E("ComposeMail:Mime", mime)))
        self.assertIsNone(got.root, got)
        box = self.pod.imap("bob")
        self.addCleanup(box.logout)

        def arrived():
            box.select("INBOX")
            return box.search(None, "SUBJECT", '"Fwd: one"')[1][0]
        header = box.fetch(until(arrived, "the forward"), "(BODY.PEEK[HEADER])")[1][0][1]
        fields = [line.partition(b":")[0].strip().lower() for line in header.split(b"\r\n") if line[:1] not in (b" ", b"\t", b"")]
        self.assertEqual(fields.count(b"from"), 1, header)
        self.assertIn(b"alice@example.test", header[header.lower().index(b"\r\nfrom:"):].split(b"\r\n")[1], header)
        self.assertNotIn(b"bcc", fields)
        self.assertIn(b"Return-Path: <alice@example.test>", header)

    def test_two_requests_of_one_device_at_once(self):
        """Each is answered, and the device's picture is right after it."""
        self.eve.prime(self.eve.inbox)
        for round_ in range(5):
            self.pod.send("alice", f"Subject: race {round_}\r\n\r\nx\r\n".encode())
            tree = self.eve.sync_tree(self.eve.collection(self.eve.inbox, E("AirSync:GetChanges"), E("AirSync:WindowSize", "2")))
            answers = []

            def ask():
                request = self.eve.request("Sync", tree)
                answers.append(Answer(*Line(self.pod).ask(*request)))
            threads = [threading.Thread(target=ask) for _ in range(4)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            good = [a for a in answers if a.root is None or a.root.get("Collections/Collection/Status") == "1"]
            self.assertTrue(good, answers)
            for a in answers:
                self.assertTrue(a in good or "16" in (a.root.get("Status"), a.root.get("Collections/Collection/Status")), a)
            self.eve.apply(good[0], self.eve.inbox)
        self.eve.pull(self.eve.inbox)
        box = self.pod.imap("alice")
        self.addCleanup(box.logout)
        self.assertEqual(len(self.eve.items[self.eve.inbox]), int(box.select("INBOX")[1][0]))

    @unittest.skipIf("/asan/" in BIN or "/tsan/" in BIN, "a sanitizer keeps what was freed")
    def test_memory_does_not_grow_with_requests(self):
        workers = self.pod.pids_of("imapd")

        def some(n):
            for i in range(n):
                self.eve.ask("Settings", E("Settings:Settings", E("Settings:UserInformation", E("Settings:Get"))))
                self.eve.ask("Search", E("Search:Search", E("Search:Store", E("Search:Name", "GAL"), E("Search:Query", f"a{i}"))))
            return sum(resident(pid) for pid in workers)
        before = some(int(os.environ.get("PODMAIL_EAS_REQUESTS", "400")) // 2)
        after = some(int(os.environ.get("PODMAIL_EAS_REQUESTS", "400")))
        self.assertLess(after - before, 2048, "KiB more")


if __name__ == "__main__":
    unittest.main()

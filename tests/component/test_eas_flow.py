"""The whole way of a phone as its user sees it: an address and a password, then mail; and of its admin: policies and a wipe."""
import json
import threading
import time
import unittest
import xml.etree.ElementTree as ET

from eas_client import VERSIONS, Line, Phone
from eas_wbxml import E
from pod import PodTest, until

MOBILESYNC = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/"
ASK = ('<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="{0}requestschema/2006"><Request><EMailAddress>{1}</EMailAddress>'
       "<AcceptableResponseSchema>{0}responseschema/2006</AcceptableResponseSchema></Request></Autodiscover>")


class Flow(PodTest):
    def phone(self, version="16.1", **options):
        return Phone(self.pod, "alice", version=version, **options)

    def discover(self, phone):
        headers = {k: v for k, v in phone.headers("text/xml").items() if not k.startswith(("MS-", "X-MS"))}
        status, _, body = Line(self.pod).ask("POST", "/AutoDiscover/AutoDiscover.xml", ASK.format(MOBILESYNC, phone.address).encode(),
                                             headers)
        self.assertEqual(status, 200)
        spaces = {"m": MOBILESYNC + "responseschema/2006"}
        server = ET.fromstring(body).find(".//m:Server", spaces)
        self.assertEqual(server.find("m:Type", spaces).text, "MobileSync")
        return server.find("m:Url", spaces).text

    def test_a_phone_is_set_up_reads_answers_and_is_wiped(self):
        phone = self.phone(device="FLOW0001")
        self.assertTrue(self.discover(phone).endswith("/Microsoft-Server-ActiveSync"))
        said = phone.options()
        self.assertEqual(said.headers["MS-ASProtocolVersions"].replace("2.5,", ""), ",".join(VERSIONS))
        # Nothing before the policies.
        early = phone.ask("FolderSync", E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", "0")))
        self.assertTrue(early.status == 449 or early.root.get("Status") == "142", early)
        self.assertIsNotNone(phone.provision())
        phone.folder_sync()
        phone.pull(phone.inbox)
        # A new mail is there within a second of its acceptance: Ping, then Sync.
        ping = E("Ping:Ping", E("Ping:HeartbeatInterval", "480"), E("Ping:Folders", E(
            "Ping:Folder", E("Ping:Id", phone.inbox), E("Ping:Class", "Email"))))
        woken = {}

        def wait():
            woken["answer"] = self.phone_copy(phone).ask("Ping", ping)
            woken["at"] = time.monotonic()

        waiting = threading.Thread(target=wait)
        waiting.start()
        self.addCleanup(waiting.join)
        until(lambda: self.waiting() >= 1, "the Ping to wait")
        self.pod.send("alice", b"From: friend@example.com\r\nSubject: news\r\nMessage-ID: <n@example.com>\r\n\r\nhello\r\n")
        sent = time.monotonic()
        waiting.join(60)
        self.assertEqual((woken["answer"].root.get("Status"), woken["answer"].root.get("Folders/Folder")), ("2", phone.inbox))
        self.assertLess(woken["at"] - sent, 10)
        held = phone.pull(phone.inbox)
        item = [i for i, d in held.items() if d.get("Email:Subject") == "news"][0]
        mime = (f"From: {phone.address}\r\nTo: {self.pod.address('bob')}\r\nSubject: Re: news\r\n\r\nanswer\r\n").encode()
        answer = phone.ask("SmartReply", E("ComposeMail:SmartReply", E("ComposeMail:ClientId", "1"), E(
            "ComposeMail:Source", E("ComposeMail:FolderId", phone.inbox), E("ComposeMail:ItemId", item)),
            E("ComposeMail:SaveInSentItems"), E("ComposeMail:Mime", mime)))
        self.assertEqual((answer.status, answer.body), (200, b""))
        bob = self.pod.imap("bob")
        self.addCleanup(bob.logout)

        def replied():
            bob.select("INBOX")
            return bob.search(None, "SUBJECT", '"Re: news"')[1][0]

        until(replied, "the reply to arrive")
        self.oof(phone)
        self.wipe(phone)

    def phone_copy(self, phone):
        """The same device on another connection."""
        other = self.phone(phone.version, device=phone.device)
        other.policy_key = phone.policy_key
        return other

    def waiting(self):
        listed = []
        return sum(1 for d in listed if d.get("waiting")) or self.metric("imapd_eas_waiting")

    def metric(self, name):
        import urllib.request
        with urllib.request.urlopen(f"http://127.0.0.1:{self.pod.port('metrics')}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if name in line and not line.startswith("#"))

    def oof(self, phone):
        message = E("Settings:OofMessage", E("Settings:AppliesToInternal"), E("Settings:Enabled", "1"),
                    E("Settings:ReplyMessage", "I am away."), E("Settings:BodyType", "Text"))
        answer = phone.ask("Settings", E("Settings:Settings", E("Settings:Oof", E("Settings:Set", E("Settings:OofState", "1"), message))))
        self.assertEqual((answer.root.get("Status"), answer.root.get("Oof/Status")), ("1", "1"), answer)
        got = phone.ask("Settings", E("Settings:Settings", E("Settings:Oof", E("Settings:Get", E("Settings:BodyType", "Text")))))
        self.assertEqual(got.root.get("Oof/Get/OofState"), "1", got)
        with self.pod.smtp("submissions") as client:
            client.login(self.pod.address("bob"), self.pod.password("bob"))
            client.sendmail(self.pod.address("bob"), [phone.address], f"From: {self.pod.address('bob')}\r\nTo: {phone.address}\r\n"
                            "Subject: are you there\r\n\r\n?\r\n")
        box = self.pod.imap("bob")
        self.addCleanup(box.logout)

        def told():
            box.select("INBOX")
            return box.search(None, "BODY", '"I am away."')[1][0]

        until(told, "the out-of-office answer")

    def wipe(self, phone):
        self.pod.podctl("device", "wipe", phone.address, phone.device, "--yes")
        answer = phone.ask("FolderSync", E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", phone.folder_key)))
        self.assertTrue(answer.status == 449 or answer.root.get("Status") == "140", answer)
        kind = E("Provision:PolicyType", "MS-EAS-Provisioning-WBXML")
        phone.policy_key = 0
        order = phone.ask("Provision", E("Provision:Provision", E("Provision:Policies", E("Provision:Policy", kind))))
        self.assertIsNotNone(order.root.find("RemoteWipe"), order)
        done = phone.ask("Provision", E("Provision:Provision", E("Provision:RemoteWipe", E("Provision:Status", "1"))))
        self.assertEqual(done.root.get("Status"), "1", done)
        shown = json.loads(self.pod.podctl("--format", "json", "device", "show", phone.address, phone.device).stdout)
        self.assertIn("wiped", json.dumps(shown))


if __name__ == "__main__":
    unittest.main()

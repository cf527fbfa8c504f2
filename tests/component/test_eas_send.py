"""Mail that phones send: SendMail, SmartReply, SmartForward at each version, once however often they are repeated; and what
they have mail answered with while their user is away."""
import email
import email.policy
import http.client
import os
import signal
import socket
import ssl
import threading
import time
import unittest

from eas_client import VERSIONS, Phone
from eas_wbxml import E
from pod import PodTest, until

ORIGINAL = ("From: Bob <bob@example.test>\r\nTo: alice@example.test\r\nSubject: Plans\r\nMessage-ID: <o1@there.test>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\nContent-Type: text/plain\r\n\r\n"
            "the original words\r\n--m\r\nContent-Type: text/csv; name=x.csv\r\nContent-Disposition: attachment; filename=x.csv\r\n\r\n"
            "a,b\r\n--m--\r\n").encode()


class Send(PodTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.alice, cls.bob, cls.carol = (cls.pod.address(n) for n in ("alice", "bob", "carol"))
        box = cls.pod.imap("alice")
        box.append("INBOX", None, None, ORIGINAL)
        box.select("INBOX", readonly=True)
        cls.original = box.uid("SEARCH", "SUBJECT", "Plans")[1][0].decode()
        box.logout()
        cls.n = 0

    def phone(self, version, device="SENDER01"):
        phone = Phone(self.pod, "alice", version=version, device=device)
        phone.set_up()
        return phone

    @classmethod
    def new_id(cls):
        cls.n += 1
        return f"client-{cls.n}"

    def mails(self, who, subject, folder="INBOX"):
        box = self.pod.imap(who)
        box.select(folder, readonly=True)
        numbers = box.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
        found = [email.message_from_bytes(box.fetch(n, "(BODY.PEEK[])")[1][0][1], policy=email.policy.default) for n in numbers]
        box.logout()
        return found

    def mime(self, subject, body="hello", to=None, extra=""):
        return (f"To: {to or self.bob}\r\nSubject: {subject}\r\n{extra}MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
                f"{body}\r\n").encode()

    def order(self, phone, command, mime, client_id=None, save=True, source=(), more=()):
        """Arguments of phone.ask for a command that sends."""
        if phone.number() < 140:
            named = {tag.split(":")[1].replace("FolderId", "CollectionId"): value for tag, value in source}
            return (command, mime), {"params": named, "kind": "message/rfc822", "save_in_sent": save}
        tree = E(f"ComposeMail:{command}", E("ComposeMail:ClientId", client_id or self.new_id()),
                 *([E("ComposeMail:Source", *(E(t, v) for t, v in source))] if source else []),
                 *([E("ComposeMail:SaveInSentItems")] if save else []), *more, E("ComposeMail:Mime", mime))
        return (command, tree), {}

    def send(self, phone, command, mime, **options):
        args, named = self.order(phone, command, mime, **options)
        return phone.ask(*args, **named)

    def source(self, phone):
        folder = phone.inbox
        return (("ComposeMail:FolderId", folder), ("ComposeMail:ItemId", f"{folder}:{self.original}"))

    def assert_sent(self, answer):
        self.assertEqual((answer.status, answer.body), (200, b""), answer)

    def assert_status(self, answer, status):
        self.assertEqual((answer.status, answer.root.get("Status") if answer.root else None), (200, status), answer)

    def test_1_each_version_sends(self):
        for version in VERSIONS:
            phone = self.phone(version)
            subject = f"sent at {version}"
            answer = self.send(phone, "SendMail", self.mime(subject, extra=f"From: Boss <{self.carol}>\r\nBcc: {self.carol}\r\n"))
            self.assert_sent(answer)
            for who in ("bob", "carol"):
                (got,) = self.mails(who, subject)
                self.assertEqual((str(got["From"]), got["Bcc"]), (f"Boss <{self.alice}>", None))
                self.assertTrue(got["Message-ID"] and got["Date"])
            (kept,) = self.mails("alice", subject, "Sent")
            self.assertEqual((kept["Bcc"], kept["Message-ID"]), (self.carol, got["Message-ID"]))
        phone = self.phone("14.1")
        self.assert_sent(self.send(phone, "SendMail", self.mime("not kept"), save=False))
        self.assertEqual((len(self.mails("bob", "not kept")), self.mails("alice", "not kept", "Sent")), (1, []))

    def test_2_replies_and_forwards_at_each_version(self):
        for version in VERSIONS:
            phone = self.phone(version)
            self.assert_sent(self.send(phone, "SmartReply", self.mime(f"Re {version}", "yes"), source=self.source(phone)))
            (reply,) = self.mails("bob", f"Re {version}")
            text = reply.get_content().replace("\r\n", "\n")
            self.assertIn("yes\n", text)
            self.assertIn("> the original words\n", text)
            self.assertIn("From: Bob <bob@example.test>\n", text)
            self.assertEqual((reply["In-Reply-To"], reply["References"]), ("<o1@there.test>", "<o1@there.test>"))
            self.assert_sent(self.send(phone, "SmartForward", self.mime(f"Fw {version}", "look"), source=self.source(phone)))
            (forward,) = self.mails("bob", f"Fw {version}")
            self.assertIn("the original words", forward.get_body().get_content())
            self.assertEqual([(a.get_filename(), a.get_content().strip()) for a in forward.iter_attachments()], [("x.csv", "a,b")])
            if phone.number() >= 140:
                self.assert_sent(self.send(phone, "SmartReply", self.mime(f"All {version}", "own quote"), source=self.source(phone),
                                           more=(E("ComposeMail:ReplaceMime"),)))
                self.assertEqual(self.mails("bob", f"All {version}")[0].get_content().strip(), "own quote")
        flags = self.pod.imap("alice")
        flags.select("INBOX", readonly=True)
        told = flags.uid("FETCH", self.original, "(FLAGS)")[1][0].decode()
        self.assertIn("\\Answered", told)
        self.assertIn("$Forwarded", told)
        flags.logout()

    def test_3_what_cannot_be_sent_says_why(self):
        phone = self.phone("16.1")
        source = self.source(phone)
        self.assert_status(self.send(phone, "SendMail", b"no header at all"), "107")
        self.assert_status(self.send(phone, "SendMail", b"Subject: to nobody\r\n\r\nx\r\n"), "119")
        self.assert_status(self.send(phone, "SendMail", self.mime("who", to="bob")), "116")
        self.assert_status(self.send(phone, "SendMail", self.mime("unknown", to=f"{self.bob}, nobody-here@example.test")), "116")
        self.assertEqual(self.mails("bob", "unknown"), [])
        self.assert_status(self.send(phone, "SendMail", self.mime("account"), more=(E("ComposeMail:AccountId", "1"),)), "166")
        self.assert_status(phone.ask("SendMail", E("ComposeMail:SendMail", E("ComposeMail:Mime", self.mime("x")))), "103")
        self.assert_status(self.send(phone, "SendMail", self.mime("x"), client_id="x" * 41), "103")
        self.assert_status(phone.ask("SendMail", E("ComposeMail:SendMail", E("ComposeMail:ClientId", "no mime"))), "103")
        self.assert_status(self.send(phone, "SmartReply", self.mime("x")), "103")
        gone = (source[0], ("ComposeMail:ItemId", f"{phone.inbox}:999999"))
        self.assert_status(self.send(phone, "SmartReply", self.mime("x"), source=gone), "150")
        self.assert_status(self.send(phone, "SmartForward", self.mime("x"), source=(source[0], ("ComposeMail:ItemId", "nonsense"))), "150")
        self.assert_status(self.send(phone, "SmartForward", self.mime("x"), source=(*source, ("ComposeMail:LongId", source[1][1]))), "105")
        self.assert_status(self.send(phone, "SmartForward", self.mime("x"), source=(*source, ("ComposeMail:InstanceId", "noon"))), "104")
        self.assert_sent(self.send(phone, "SmartForward", self.mime("by long id"), source=(("ComposeMail:LongId", source[1][1]),)))
        old = self.phone("12.1", device="OLDPHONE")
        self.assertEqual(self.send(old, "SendMail", b"no header at all").status, 400)
        self.assertEqual(self.send(old, "SmartReply", self.mime("x"), source=gone).status, 500)
        self.pod.podctl("user", "set", self.alice, "--messages-per-hour", "1")
        limited = self.send(phone, "SendMail", self.mime("limited"))
        self.pod.podctl("user", "set", self.alice, "--messages-per-hour", "none")
        self.assert_status(limited, "115")

    def test_4_a_repeated_one_goes_once(self):
        phone = self.phone("14.1")
        mime, client_id = self.mime("once"), self.new_id()
        for _ in range(3):
            self.assert_sent(self.send(phone, "SendMail", mime, client_id=client_id))
        self.assertEqual([len(self.mails("bob", "once")), len(self.mails("alice", "once", "Sent"))], [1, 1])
        other = self.phone("14.1", device="ANOTHER1")  # its ids are its own
        self.assert_sent(self.send(other, "SendMail", mime, client_id=client_id))
        self.assertEqual(len(self.mails("bob", "once")), 2)
        old = self.phone("12.1", device="OLDPHONE")
        for subject, extra, times in (("known", "Message-ID: <known@phone>\r\n", 1), ("unknown id", "", 2)):
            for _ in range(2):
                self.assert_sent(self.send(old, "SendMail", self.mime(subject, extra=extra)))
            self.assertEqual(len(self.mails("bob", subject)), times)

    def try_send(self, phone, mime, client_id):
        try:
            return self.send(phone, "SendMail", mime, client_id=client_id).status == 200
        except (OSError, http.client.HTTPException, ssl.SSLError):
            phone.line.close()
            return False

    def test_5_once_though_imapd_is_killed_at_any_moment(self):
        phone = self.phone("16.0")
        for i in range(5):
            mime, client_id = self.mime(f"killed {i}", to=f"{self.bob}, {self.alice}"), self.new_id()
            sending = threading.Thread(target=self.try_send, args=(phone, mime, client_id))
            sending.start()
            time.sleep(0.004 * i)  # another moment each time; that it is exact does not matter
            for pid in self.pod.pids_of("imapd"):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            sending.join()
            until(lambda: self.try_send(phone, mime, client_id), "sent in the end")
        for i in range(5):
            self.assertEqual([len(self.mails(who, f"killed {i}", folder)) for who, folder in
                              (("bob", "INBOX"), ("alice", "INBOX"), ("alice", "Sent"))], [1, 1, 1], i)

    def test_6_the_mta_knows_a_transaction_again(self):
        """On the socket itself: what waits in the queue, too, is there once; and who submits is said, and holds."""
        self.pod.podctl("user", "set", self.carol, "--undo-send", "1h")
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(os.path.join(self.pod.dir, "run", "mta-gateway.sock"))
            lines = s.makefile("rb")

            def say(text):
                s.sendall(text.encode() + b"\r\n")
                while (line := lines.readline())[3:4] == b"-":
                    pass
                return line[:3].decode()
            lines.readline()
            self.assertEqual(say("EHLO [192.0.2.9]"), "250")
            self.assertEqual(say(f"MAIL FROM:<{self.carol}>"), "530")
            self.assertEqual(say(f"MAIL FROM:<{self.bob}> AUTH={self.carol}"), "550")
            for _ in range(2):
                said = [say(text) for text in (f"MAIL FROM:<{self.carol}> AUTH={self.carol} TRANSID=<0193b1c2d3e47f00a1b2c3d4e5f60718>",
                                               "RCPT TO:<x@elsewhere.test>", f"RCPT TO:<{self.bob}>", "DATA", "Subject: t\r\n\r\nx\r\n.")]
                self.assertEqual(said, ["250", "250", "250", "354", "250"])
        held = self.pod.podctl("queue", "list", as_json=True)["messages"]
        self.assertEqual([m["sender"] for m in held], [self.carol])
        self.pod.podctl("user", "set", self.carol, "--undo-send", "none")

    def draft(self, subject, to):
        return E("AirSync:ApplicationData", E("Email:To", to), E("Email:Subject", subject),
                 E("AirSyncBase:Body", E("AirSyncBase:Type", "1"), E("AirSyncBase:Data", "draft words")))

    def in_drafts(self, subject):
        return self.mails("alice", subject, "Drafts")

    def test_7_a_draft_goes_when_it_is_told_to(self):
        phone = self.phone("16.1")
        drafts = phone.folder(3).id
        phone.pull(drafts)
        told = phone.sync(drafts, commands=[E("AirSync:Add", E("AirSync:ClientId", "d1"), E("Email2:Send"),
                                              self.draft("at once", self.bob))])
        self.assertEqual(told.get("Responses/Add/Status"), "1")
        self.assertEqual([len(self.mails("bob", "at once")), len(self.mails("alice", "at once", "Sent")), self.in_drafts("at once")],
                         [1, 1, []])
        told = phone.sync(drafts, commands=[E("AirSync:Add", E("AirSync:ClientId", "d2"), self.draft("later", self.bob))])
        item = told.get("Responses/Add/ServerId")
        self.assertEqual((self.mails("bob", "later"), len(self.in_drafts("later"))), ([], 1))
        phone.items[drafts][item] = self.draft("later", self.bob)
        send = [E("AirSync:Change", E("AirSync:ServerId", item), E("Email2:Send"))]
        before = dict(phone.keys)
        phone.sync(drafts, commands=send)
        self.assertEqual([len(self.mails("bob", "later")), len(self.mails("alice", "later", "Sent")), self.in_drafts("later")],
                         [1, 1, []])
        # The answer was lost: asked again as of before, it has gone, once.
        phone.keys = before
        phone.items[drafts][item] = self.draft("later", self.bob)
        told = phone.sync(drafts, commands=send)
        self.assertIn(told.get("Responses/Change/Status", "1"), ("1",))
        phone.pull(drafts)
        self.assertEqual((len(self.mails("bob", "later")), item in phone.items[drafts]), (1, False))
        told = phone.sync(drafts, commands=[E("AirSync:Add", E("AirSync:ClientId", "d3"), E("Email2:Send"),
                                              self.draft("to nobody", "nobody-here@example.test"))])
        self.assertEqual((told.get("Responses/Add/Status"), len(self.in_drafts("to nobody"))), ("116", 1))

    def oof(self, phone, *wish):
        answer = phone.ask("Settings", E("Settings:Settings", E("Settings:Oof", *wish)))
        return answer.root.find("Oof")

    def message(self, audience, enabled=None, text=None, kind=None):
        return E("Settings:OofMessage", E(f"Settings:AppliesTo{audience}"), *([E("Settings:Enabled", enabled)] if enabled else []),
                 *([E("Settings:ReplyMessage", text)] if text is not None else []), *([E("Settings:BodyType", kind)] if kind else []))

    def test_8_away(self):
        phone = self.phone("14.1")
        got = self.oof(phone, E("Settings:Get", E("Settings:BodyType", "Text")))
        self.assertEqual([got.get("Status"), got.get("Get/OofState"), len(got.all("Get/OofMessage"))], ["1", "0", 3])
        self.assertEqual(self.oof(phone, E("Settings:Get")).get("Status"), "2")

        def put(*wish):
            return self.oof(phone, E("Settings:Set", *wish)).get("Status")
        self.assertEqual(put(E("Settings:OofState", "1"), self.message("Internal", "1", "I am <b>away</b>", "HTML"),
                             self.message("ExternalUnknown", "1", "Away", "Text")), "1")
        got = self.oof(phone, E("Settings:Get", E("Settings:BodyType", "Text")))
        first, known, unknown = got.all("Get/OofMessage")
        self.assertEqual([first.get("Enabled"), first.get("ReplyMessage").strip(), first.get("BodyType")], ["1", "I am away", "Text"])
        self.assertEqual([known.get("Enabled"), unknown.get("ReplyMessage")], ["0", "Away"])
        self.assertEqual(self.pod.podctl("user", "oof", self.alice, as_json=True)["external"], "Away")
        with self.pod.smtp("submission", starttls=True) as s:
            s.login(self.carol, self.pod.password("carol"))
            s.sendmail(self.carol, [self.alice], f"From: {self.carol}\r\nTo: {self.alice}\r\nSubject: are you there\r\n\r\nx\r\n")
        answer = until(lambda: self.mails("carol", "Auto: are you there"), "the answer")[0]
        self.assertEqual(answer.get_content_type(), "text/html")
        for wish, status in (((E("Settings:OofState", "3"),), "5"),
                             ((E("Settings:OofState", "2"),), "5"),
                             ((E("Settings:OofState", "2"), E("Settings:StartTime", "2030-01-02T00:00:00.000Z"),
                               E("Settings:EndTime", "2030-01-01T00:00:00.000Z")), "6"),
                             ((self.message("Internal", "1", "no type"),), "2"),
                             ((self.message("Internal", "1"), self.message("Internal", "0")), "2"),
                             ((E("Settings:OofState", "2"), E("Settings:StartTime", "2030-01-01T00:00:00.000Z"),
                               E("Settings:EndTime", "2030-01-02T00:00:00.000Z"), self.message("Internal", "0")), "1")):
            self.assertEqual(put(*wish), status, wish)
        got = self.oof(phone, E("Settings:Get", E("Settings:BodyType", "HTML")))
        self.assertEqual([got.get("Get/OofState"), got.get("Get/StartTime"), got.all("Get/OofMessage")[0].get("Enabled")],
                         ["2", "2030-01-01T00:00:00.000Z", "0"])
        self.assertEqual(put(E("Settings:OofState", "0")), "1")


if __name__ == "__main__":
    unittest.main()

"""Mail from a phone: SendMail, SmartReply, SmartForward, drafts that are sent, at every version (MS-ASCMD 2.2.1.17 to 2.2.1.20)."""
import email
import email.policy
import unittest

from eas_client import VERSIONS, Phone
from eas_wbxml import E
from pod import PodTest, until

ORIGINAL = (b"From: Friend <friend@example.com>\r\nTo: %s\r\nSubject: the original\r\nDate: Thu, 26 Nov 2026 10:11:12 +0000\r\n"
            b"Message-ID: <original@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nthe words of the original\r\n"
            b"--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=a.bin\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\nAAECAwQF\r\n--b--\r\n")


class Sending(PodTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.writer, cls.reader = cls.new_box("writer"), cls.new_box("reader")

    def phone(self, version, **options):
        return Phone(self.pod, "writer", version=version, device="S" + version.replace(".", ""), **options).set_up()

    def mime(self, subject, to="reader", extra="", body="my own words"):
        return (f"From: {self.pod.address('writer')}\r\nTo: {self.pod.address(to) if to else ''}\r\nSubject: {subject}\r\n{extra}"
                f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n").encode()

    def send(self, phone, command, mime, client_id, source=None, replace=False, save=True, lose=False):
        ask = phone.lose if lose else phone.ask
        if phone.number() < 140:
            params = {"CollectionId": source[0], "ItemId": source[1]} if source else {}
            return ask(command, mime, params=params, kind="message/rfc822", save_in_sent=save)
        content = [E("ComposeMail:ClientId", client_id)]
        if source:
            content.append(E("ComposeMail:Source", E("ComposeMail:FolderId", source[0]), E("ComposeMail:ItemId", source[1])))
        if save:
            content.append(E("ComposeMail:SaveInSentItems"))
        if replace:
            content.append(E("ComposeMail:ReplaceMime"))
        return ask(command, E(f"ComposeMail:{command}", *content, E("ComposeMail:Mime", mime)))

    def found(self, box, mailbox, subject):
        box.select(mailbox)
        box.noop()
        numbers = box.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
        return [email.message_from_bytes(box.fetch(n, "(BODY.PEEK[])")[1][0][1], policy=email.policy.default) for n in numbers]

    def arrived(self, subject):
        return until(lambda: self.found(self.reader, "INBOX", subject), f"{subject} to arrive")

    def test_mail_is_sent_and_kept(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                phone = self.phone(version)
                subject = f"sent {version}"
                answer = self.send(phone, "SendMail", self.mime(subject, extra=f"Bcc: {self.pod.address('bob')}\r\n"), f"c1-{version}")
                self.assertEqual((answer.status, answer.body), (200, b""), answer)
                got = self.arrived(subject)[0]
                self.assertIsNone(got["Bcc"])
                self.assertTrue(got["Message-ID"] and got["Date"])
                self.assertEqual(len(self.found(self.writer, "Sent", subject)), 1)
                self.assertEqual(self.send(phone, "SendMail", self.mime(f"not kept {version}"), f"c2-{version}", save=False).status, 200)
                self.arrived(f"not kept {version}")
                self.assertEqual(self.found(self.writer, "Sent", f"not kept {version}"), [])

    def test_a_repeated_client_id_sends_once(self):
        phone = self.phone("14.1")
        for _ in range(3):
            self.send(phone, "SendMail", self.mime("only once"), "same-id", lose=True)
        self.send(phone, "SendMail", self.mime("only once"), "same-id")
        self.send(phone, "SendMail", self.mime("and then"), "next-id")
        self.arrived("and then")
        self.assertEqual(len(self.found(self.reader, "INBOX", "only once")), 1)
        self.assertEqual(len(self.found(self.writer, "Sent", "only once")), 1)

    def test_replies_and_forwards_carry_the_original(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                phone = self.phone(version)
                self.writer.append("INBOX", "", None, ORIGINAL % self.pod.address("writer").encode())
                held = phone.pull(phone.inbox)
                item = sorted(i for i, d in held.items() if d.get("Email:Subject") == "the original")[-1]
                source = (phone.inbox, item)
                self.assertEqual(self.send(phone, "SmartReply", self.mime(f"Re {version}"), f"r{version}", source).status, 200)
                text = self.arrived(f"Re {version}")[0].get_body(("plain",)).get_content()
                self.assertIn("my own words", text)
                self.assertIn("the words of the original", text)
                self.assertEqual(self.send(phone, "SmartForward", self.mime(f"Fw {version}"), f"f{version}", source).status, 200)
                got = self.arrived(f"Fw {version}")[0]
                self.assertIn("the words of the original", got.get_body(("plain",)).get_content())
                self.assertEqual([a.get_payload(decode=True) for a in got.iter_attachments()], [b"\0\1\2\3\4\5"])
                if version >= "14.0":
                    self.send(phone, "SmartReply", self.mime(f"Own {version}"), f"o{version}", source, replace=True)
                    self.assertNotIn("of the original", self.arrived(f"Own {version}")[0].get_content())
                self.writer.select("INBOX")
                flags = self.writer.fetch(self.writer.search(None, "ALL")[1][0].split()[-1], "(FLAGS)")[1][0]
                self.assertIn(b"\\Answered", flags)
                self.assertIn(b"$Forwarded", flags)

    def test_what_cannot_be_sent_is_said(self):
        phone = self.phone("14.1")
        for what, mime, status in (("no recipient", self.mime("none", to=None), "119"),
                                   ("unknown here", self.mime("x", to="nobody-at-all"), ("116", "120"))):
            with self.subTest(what=what):
                answer = self.send(phone, "SendMail", mime, "w-" + what)
                self.assertIn(answer.root.get("Status"), status if isinstance(status, tuple) else (status,), answer)
        answer = self.send(phone, "SmartReply", self.mime("x"), "w3", (phone.inbox, "no-such-item"))
        self.assertEqual(answer.root.get("Status"), "150", answer)
        answer = phone.ask("SendMail", E("ComposeMail:SendMail", E("ComposeMail:ClientId", "w4")))
        self.assertIn(answer.root.get("Status"), ("101", "103", "107"), answer)
        # Somebody else's address is no sender's to use.
        forged = self.mime("forged").replace(self.pod.address("writer").encode(), b"alice@example.test", 1)
        answer = self.send(phone, "SendMail", forged, "w5")
        if answer.root is None:
            self.assertIn(self.pod.address("writer"), self.arrived("forged")[0]["From"])
        else:
            self.assertEqual(answer.root.get("Status"), "120", answer)

    def test_a_draft_is_sent(self):
        for version in ("16.0", "16.1"):
            with self.subTest(version=version):
                phone = self.phone(version)
                drafts = phone.folder(3).id
                phone.pull(drafts)
                data = [E("Email:To", self.pod.address("reader")), E("Email:Subject", f"from a draft {version}"),
                        E("AirSyncBase:Body", E("AirSyncBase:Type", "1"), E("AirSyncBase:Data", "as drafted"))]
                add = E("AirSync:Add", E("AirSync:ClientId", "d1"), E("AirSync:ApplicationData", *data))
                got = phone.sync(drafts, commands=[add])
                item = got.get("Responses/Add/ServerId")
                phone.items[drafts][item] = E("AirSync:ApplicationData")
                send = E("AirSync:Change", E("AirSync:ServerId", item), E("Email2:Send"), E("AirSync:ApplicationData"))
                phone.sync(drafts, commands=[send])
                self.assertIn("as drafted", self.arrived(f"from a draft {version}")[0].get_content())
                self.assertEqual(self.found(self.writer, "Drafts", f"from a draft {version}"), [])
                self.assertEqual(len(self.found(self.writer, "Sent", f"from a draft {version}")), 1)


if __name__ == "__main__":
    unittest.main()

"""Messages as ActiveSync shows them: properties, bodies and their limits, attachments, fetching, searching (MS-ASEMAIL, MS-ASAIRS)."""
import base64
import email.message
import email.policy
import unittest

from eas_client import VERSIONS, Phone
from eas_wbxml import E
from pod import PodTest

TEXT = "Grüße aus Köln: " + "ÄÖÜ€ 0123456789 " * 200
HTML = ("<html><head><style>p { color: red }</style><title>no</title></head><body><p>Hello <b>bold</b> &amp; more</p>"
        "<ul><li>one</li><li>two</li></ul><script>alert(1)</script><img src=\"cid:pic@x\"></body></html>")
PICTURE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


def build(subject, **parts):
    m = email.message.EmailMessage(policy=email.policy.SMTP)
    m["From"] = '"Jürgen Müller" <juergen@example.com>'
    m["To"] = "Alice <items@example.test>, bob@example.com"
    m["Cc"] = "carol@example.com"
    m["Reply-To"] = "replies@example.com"
    m["Subject"] = subject
    m["Date"] = "Thu, 26 Nov 2026 10:11:12 +0100"
    m["Message-ID"] = f"<{abs(hash(subject))}@example.com>"
    m["X-Priority"] = parts.get("priority", "3")
    m.set_content(parts.get("text", TEXT))
    if "html" in parts:
        m.add_alternative(parts["html"], subtype="html")
        if "inline" in parts:
            m.get_payload()[1].add_related(parts["inline"], "image", "png", cid="<pic@x>", filename="pic.png", disposition="inline")
    for name, data in parts.get("attachments", ()):
        if isinstance(data, email.message.EmailMessage):
            m.add_attachment(data)
        else:
            m.add_attachment(data, "application", "octet-stream", filename=name)
    return m.as_bytes()


def body_wanted(kind, size=None, all_or_none=None, preview=None):
    more = []
    if size is not None:
        more.append(E("AirSyncBase:TruncationSize", str(size)))
    if all_or_none:
        more.append(E("AirSyncBase:AllOrNone", "1"))
    if preview:
        more.append(E("AirSyncBase:Preview", str(preview)))
    return E("AirSyncBase:BodyPreference", E("AirSyncBase:Type", kind), *more)


class Items(PodTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.new_box("items")
        inner = email.message.EmailMessage(policy=email.policy.SMTP)
        inner["Subject"] = "the inner one"
        inner.set_content("inside")
        cls.data = bytes(range(256)) * 40
        for raw in (build("plain"), build("both", html=HTML, inline=PICTURE, priority="1"),
                    build("files", attachments=[("Bericht ä.bin", cls.data), ("inner.eml", inner)])):
            cls.box.append("INBOX", "", None, raw)

    def phone(self, version="14.1", **options):
        return Phone(self.pod, "items", version=version, **options).set_up()

    def pull(self, phone, *more):
        options = E("AirSync:Options", *more)
        if phone.inbox in phone.keys:
            del phone.keys[phone.inbox]
        return {d.get("Email:Subject"): (i, d) for i, d in phone.pull(phone.inbox, options=options).items()}

    def test_what_every_version_says_of_a_message(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                phone = self.phone(version, device="IT" + version.replace(".", ""))
                got = self.pull(phone, body_wanted("1"))
                data = got["plain"][1]
                self.assertEqual(data.get("Email:From"), '"Jürgen Müller" <juergen@example.com>')
                self.assertIn("items@example.test", data.get("Email:To"))
                self.assertIn("carol@example.com", data.get("Email:Cc"))
                self.assertIn("replies@example.com", data.get("Email:ReplyTo"))
                self.assertRegex(data.get("Email:DateReceived"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                self.assertEqual((data.get("Email:Importance"), got["both"][1].get("Email:Importance")), ("1", "2"))
                self.assertEqual(data.get("Email:MessageClass"), "IPM.Note")
                self.assertEqual(data.get("Email:InternetCPID"), "65001")
                self.assertEqual(data.get("Email:ContentClass"), "urn:content-classes:message")
                self.assertEqual(data.get("AirSyncBase:Body/Data").replace("\r\n", "\n").rstrip("\n"), TEXT.rstrip("\n"))
                self.assertEqual(data.get("AirSyncBase:NativeBodyType"), "1")
                self.assertEqual(got["both"][1].get("AirSyncBase:NativeBodyType"), "2")
                if version >= "14.0":
                    self.assertEqual(len(data.find("Email2:ConversationId").data), 16)
                    self.assertGreaterEqual(len(data.find("Email2:ConversationIndex").data), 5)
                else:
                    self.assertIsNone(data.find("Email2:ConversationId"))

    def test_a_body_is_cut_to_the_character(self):
        phone = self.phone()
        whole = len(TEXT.rstrip().encode())
        for size in (0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 100, 4096):
            with self.subTest(size=size):
                body = self.pull(phone, body_wanted("1", size))["plain"][1].find("AirSyncBase:Body")
                data = body.get("Data", "")
                self.assertLessEqual(len(data.encode()), size)
                if size < whole:
                    self.assertEqual(body.get("Truncated"), "1")
                    self.assertGreater(len(data.encode()), size - 4)
                    self.assertTrue(TEXT.startswith(data))
                self.assertGreaterEqual(int(body.get("EstimatedDataSize")), whole)
        whole_or_not = self.pull(phone, body_wanted("1", 10, all_or_none=True))["plain"][1].find("AirSyncBase:Body")
        self.assertEqual((whole_or_not.get("Data", ""), whole_or_not.get("Truncated")), ("", "1"))
        preview = self.pull(phone, body_wanted("1", 10, preview=50))["plain"][1].get("AirSyncBase:Body/Preview")
        self.assertTrue(preview and TEXT.startswith(preview) and len(preview) <= 50, preview)

    def test_html_becomes_text_and_text_becomes_html(self):
        phone = self.phone()
        both = self.pull(phone, body_wanted("2"))["both"][1].find("AirSyncBase:Body")
        self.assertEqual(both.get("Type"), "2")
        self.assertIn("<b>bold</b>", both.get("Data"))
        plain = self.pull(phone, body_wanted("2"))["plain"][1].find("AirSyncBase:Body")
        self.assertIn(plain.get("Type"), ("1", "2"))
        self.assertIn("Köln", plain.get("Data"))
        mime = self.pull(phone, body_wanted("4"), E("AirSync:MIMESupport", "2"))["both"][1].find("AirSyncBase:Body")
        self.assertEqual(mime.get("Type"), "4")
        self.assertIn(b"Content-Type: multipart/", mime.find("Data").data)
        nothing = self.pull(phone)["plain"][1].find("AirSyncBase:Body")
        self.assertTrue(nothing is None or nothing.find("Data") is None, nothing)

    def test_attachments_are_listed_and_fetched(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                phone = self.phone(version, device="AT" + version.replace(".", ""))
                got = self.pull(phone, body_wanted("1", 100))
                found = got["files"][1].all("AirSyncBase:Attachments/Attachment")
                self.assertEqual([a.get("DisplayName") for a in found][0], "Bericht ä.bin")
                self.assertEqual([a.get("Method") for a in found], ["1", "5"])
                reference = found[0].get("FileReference")
                fetch = E("ItemOperations:Fetch", E("ItemOperations:Store", "Mailbox"), E("AirSyncBase:FileReference", reference))
                answer = phone.ask("ItemOperations", E("ItemOperations:ItemOperations", fetch))
                properties = answer.root.find("Response/Fetch/Properties")
                self.assertEqual(base64.b64decode(properties.find("ItemOperations:Data").data), self.data)
                part = E("ItemOperations:Fetch", *fetch.children, E("ItemOperations:Options", E("ItemOperations:Range", "10-19")))
                answer = phone.ask("ItemOperations", E("ItemOperations:ItemOperations", part))
                properties = answer.root.find("Response/Fetch/Properties")
                self.assertEqual((properties.get("Range"), properties.get("Total")), ("10-19", str(len(self.data))))
                self.assertEqual(base64.b64decode(properties.find("ItemOperations:Data").data), self.data[10:20])
                answer = phone.ask("ItemOperations", E("ItemOperations:ItemOperations", fetch), multipart=True)
                document, parts = answer.parts()
                self.assertEqual(parts[int(document.get("Response/Fetch/Properties/Part")) - 1], self.data)
                inline = got["both"][1].find("AirSyncBase:Attachments/Attachment")
                self.assertEqual((inline.get("ContentId"), inline.get("IsInline")), ("pic@x", "1"))
                wrong = E("ItemOperations:Fetch", E("ItemOperations:Store", "Mailbox"), E("AirSyncBase:FileReference", "no/such"))
                answer = phone.ask("ItemOperations", E("ItemOperations:ItemOperations", wrong))
                self.assertEqual(answer.root.get("Status"), "1")
                self.assertIn(answer.root.get("Response/Fetch/Status"), ("6", "15"))
                if version < "16":
                    raw = phone.ask("GetAttachment", params={"AttachmentName": reference})
                    self.assertEqual((raw.status, raw.body), (200, self.data))
                    self.assertIn(phone.ask("GetAttachment", params={"AttachmentName": "none"}).status, (404, 500))

    def test_items_are_fetched_whole(self):
        phone = self.phone()
        item = self.pull(phone, body_wanted("1", 10))["both"][0]
        fetch = E("ItemOperations:Fetch", E("ItemOperations:Store", "Mailbox"), E("AirSync:CollectionId", phone.inbox),
                  E("AirSync:ServerId", item), E("ItemOperations:Options", E("AirSync:MIMESupport", "2"), body_wanted("4")))
        answer = phone.ask("ItemOperations", E("ItemOperations:ItemOperations", fetch))
        self.assertEqual(answer.root.get("Response/Fetch/Status"), "1", answer)
        mime = answer.root.find("Response/Fetch/Properties/AirSyncBase:Body/Data").data
        self.assertEqual(email.message_from_bytes(mime)["Subject"], "both")
        missing = E("ItemOperations:Fetch", E("ItemOperations:Store", "Mailbox"), E("AirSync:CollectionId", phone.inbox),
                    E("AirSync:ServerId", "no-such-item"))
        answer = phone.ask("ItemOperations", E("ItemOperations:ItemOperations", missing, fetch))
        self.assertEqual([f.get("Status") for f in answer.root.all("Response/Fetch")], ["6", "1"], "one that fails fails alone")

    def test_mail_is_found(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                phone = self.phone(version, device="SE" + version.replace(".", ""))
                query = E("Search:And", E("AirSync:Class", "Email"), E("AirSync:CollectionId", phone.inbox),
                          E("Search:FreeText", "files"))
                answer = phone.ask("Search", E("Search:Search", E(
                    "Search:Store", E("Search:Name", "Mailbox"), E("Search:Query", query),
                    E("Search:Options", E("Search:RebuildResults"), E("Search:Range", "0-9"), body_wanted("1", 50)))))
                store = answer.root.find("Response/Store")
                self.assertEqual((answer.root.get("Status"), store.get("Status")), ("1", "1"), answer)
                self.assertEqual([r.get("Properties/Email:Subject") for r in store.all("Result")], ["files"])
                self.assertEqual((store.get("Total"), store.get("Range")), ("1", "0-0"))
                long_id = store.get("Result/LongId")
                fetched = phone.ask("ItemOperations", E("ItemOperations:ItemOperations", E(
                    "ItemOperations:Fetch", E("ItemOperations:Store", "Mailbox"), E("Search:LongId", long_id))))
                self.assertEqual(fetched.root.get("Response/Fetch/Properties/Email:Subject"), "files", fetched)
                people = phone.ask("Search", E("Search:Search", E(
                    "Search:Store", E("Search:Name", "GAL"), E("Search:Query", "alic"), E("Search:Options", E("Search:Range", "0-5")))))
                self.assertEqual(people.root.get("Response/Store/Result/Properties/GAL:EmailAddress"), self.pod.address("alice"))
        phone = self.phone("16.1", device="FIND1")
        answer = phone.ask("Find", E("Find:Find", E("Find:SearchId", "5f2fbf56-1fb4-4a9f-9c9b-4c1b5a2e6f01"), E(
            "Find:ExecuteSearch", E("Find:MailBoxSearchCriterion", E(
                "Find:Query", E("AirSync:Class", "Email"), E("AirSync:CollectionId", phone.inbox), E("Find:FreeText", "subject:both")),
                E("Find:Options", E("Find:Range", "0-9"))))))
        self.assertEqual([r.get("Properties/Email:Subject") for r in answer.root.all("Response/Result")], ["both"], answer)


if __name__ == "__main__":
    unittest.main()

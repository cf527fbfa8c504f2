"""What phones change of messages: flags with their reminders, categories, and drafts that are written, changed and sent (16.x)."""
import base64
import email
import unittest

from eas_client import Phone
from eas_wbxml import E
from pod import PodTest, until

DAY = "2026-12-01T00:00:00.000Z"


class Drafts(PodTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.new_box("drafts")
        cls.box.append("INBOX", "", None, b"Subject: hello\r\n\r\nx")

    def phone(self, version, device):
        phone = Phone(self.pod, "drafts", version=version, device=device).set_up()
        self.wanted = phone.options_tree("1")
        return phone

    def change(self, phone, folder, item, *what, send=False):
        data = [E("AirSync:ApplicationData", *what)] if what else []
        command = E("AirSync:Change", E("AirSync:ServerId", item), *data, *([E("Email2:Send")] if send else []))
        got = phone.sync(folder, options=self.wanted, commands=[command])
        return got.get("Responses/Change/Status") if got else None

    def test_flags_and_categories_are_seen_by_all_clients(self):
        phone, other = self.phone("16.1", "FLAGS1"), self.phone("14.0", "FLAGS2")
        item = list(phone.pull(phone.inbox, options=self.wanted))[0]
        other.pull(other.inbox, options=self.wanted)
        flag = E("Email:Flag", E("Email:Status", "2"), E("Email:FlagType", "Call"), E("Tasks:DueDate", DAY), E("Tasks:UtcDueDate", DAY),
                 E("Tasks:ReminderSet", "1"), E("Tasks:ReminderTime", DAY))
        categories = E("Email:Categories", E("Email:Category", "Two words"), E("Email:Category", "Blue"))
        self.assertIsNone(self.change(phone, phone.inbox, item, E("Email:Read", "1"), flag, categories))
        seen = other.pull(other.inbox, options=self.wanted)[item]
        self.assertEqual([seen.get(p) for p in ("Email:Read", "Email:Flag/Status", "Email:Flag/FlagType", "Email:Flag/ReminderTime")],
                         ["1", "2", "Call", DAY])
        self.assertEqual([c.text for c in seen.all("Email:Categories/Category")], ["Two words", "Blue"])
        # Only a detail changes: the others are told.
        flag.children[1] = E("Email:FlagType", "Write")
        self.assertIsNone(self.change(phone, phone.inbox, item, flag))
        self.assertEqual(other.pull(other.inbox, options=self.wanted)[item].get("Email:Flag/FlagType"), "Write")
        self.box.select("INBOX")
        self.assertIn(rb"\Seen \Flagged Two&ACA-words Blue", self.box.fetch("1", "(FLAGS)")[1][0])
        self.box.store("1", "-FLAGS", r"(\Flagged)")
        self.assertIsNone(other.pull(other.inbox, options=self.wanted)[item].get("Email:Flag/Status"))
        phone.pull(phone.inbox, options=self.wanted)
        for bad in (E("Email:Subject", "no"), E("Email:Read", "7"), E("Email:Flag", E("Email:Status", "9"))):
            self.assertEqual(self.change(phone, phone.inbox, item, bad), "6", bad)

    def attached(self, phone, answer):
        """By the names that the phone gave them, the files that it is told of."""
        files = {}
        for file in answer.all("ApplicationData/AirSyncBase:Attachments/Attachment"):
            got = phone.ask("ItemOperations", E("ItemOperations:ItemOperations", E(
                "ItemOperations:Fetch", E("ItemOperations:Store", "Mailbox"),
                E("AirSyncBase:FileReference", file.get("FileReference")))))
            files[file.get("ClientId")] = base64.b64decode(got.root.get("Response/Fetch/Properties/Data"))
        return files

    def test_files_of_a_draft_have_a_name_at_once(self):
        phone = self.phone("16.1", "DRAFT2")
        drafts = phone.folder(3).id
        phone.pull(drafts, options=self.wanted)
        file = lambda name, data: E("AirSyncBase:Attachments", E(
            "AirSyncBase:Add", E("AirSyncBase:ClientId", name), E("AirSyncBase:DisplayName", name), E("AirSyncBase:Content", data)))
        tree = phone.sync_tree(phone.collection(drafts, E("AirSync:Commands", E(
            "AirSync:Add", E("AirSync:ClientId", "c1"), E("AirSync:ApplicationData", E("Email:Subject", "files"), file("a1", b"one"))))))
        lost, made = (phone.ask("Sync", tree).root.find("Collections/Collection") for _ in range(2))
        self.assertEqual(lost.show(), made.show(), "the answer was lost: the same again")
        self.assertEqual(self.attached(phone, made.find("Responses/Add")), {"a1": b"one"})
        phone.keys[drafts] = made.get("SyncKey")
        item = made.get("Responses/Add/ServerId")
        phone.items[drafts][item] = E("AirSync:ApplicationData")
        got = phone.sync(drafts, options=self.wanted, commands=[E("AirSync:Change", E("AirSync:ServerId", item), E(
            "AirSync:ApplicationData", file("a2", b"two")))])
        change = got.find("Responses/Change")
        self.assertEqual((change.get("ServerId"), change.get("Status")), (item, "1"))
        self.assertEqual(self.attached(phone, change), {"a2": b"two"})

    def test_a_draft_is_known_by_its_old_name_for_a_moment(self):
        phone = self.phone("16.1", "DRAFT3")
        drafts = phone.folder(3).id
        phone.pull(drafts)
        box = self.pod.imap("drafts")
        self.addCleanup(box.logout)

        def ask(command):
            return phone.ask("Sync", phone.sync_tree(phone.collection(drafts, E("AirSync:Commands", command)))).root.find(
                "Collections/Collection")

        def write(item, subject):
            return E("AirSync:Change", E("AirSync:ServerId", item), E("AirSync:ApplicationData", E("Email:Subject", subject)))

        def stored():
            box.select("Drafts", readonly=True)
            return [len(box.search(None, "SUBJECT", f'"named {n}"')[1][0].split()) for n in (1, 2, 3, 4)]

        made = phone.apply(phone.ask("Sync", phone.sync_tree(phone.collection(drafts, E("AirSync:Commands", E(
            "AirSync:Add", E("AirSync:ClientId", "n1"), E("AirSync:ApplicationData", E("Email:Subject", "named 1"))))))), drafts)
        item = made.get("Responses/Add/ServerId")
        first, again = ask(write(item, "named 2")), ask(write(item, "named 2"))
        self.assertEqual(first.show(), again.show(), "the answer was lost: the same again")
        self.assertEqual(stored(), [0, 1, 0, 0])
        other = ask(write(item, "named 3"))
        self.assertIsNone(other.find("Responses"), "the answer was lost, and more was written meanwhile")
        self.assertEqual(stored(), [0, 0, 1, 0])
        phone.keys[drafts] = other.get("SyncKey")
        last = ask(write(item, "named 4"))
        self.assertIsNone(last.find("Responses"), "it had not read the answer yet")
        self.assertEqual(stored(), [0, 0, 0, 1])
        phone.keys[drafts] = last.get("SyncKey")
        gone = phone.ask("Sync", phone.sync_tree(phone.collection(drafts, E("AirSync:Commands", E(
            "AirSync:Delete", E("AirSync:ServerId", item))))))
        self.assertIsNone(gone.root.find("Collections/Collection/Responses"), gone)
        self.assertEqual(stored(), [0, 0, 0, 0])

    def test_a_draft_is_written_changed_and_sent(self):
        phone = self.phone("16.1", "DRAFT1")
        drafts = phone.folder(3).id
        phone.pull(drafts, options=self.wanted)
        add = E("AirSync:Add", E("AirSync:ClientId", "c1"), E(
            "AirSync:ApplicationData", E("Email:To", "alice@example.test"), E("Email:Subject", "first words"),
            E("AirSyncBase:Body", E("AirSyncBase:Type", "1"), E("AirSyncBase:Data", "Grüße")),
            E("AirSyncBase:Attachments", E("AirSyncBase:Add", E("AirSyncBase:ClientId", "a1"), E("AirSyncBase:DisplayName", "ä.txt"),
                                           E("AirSyncBase:Content", b"bytes"), E("AirSyncBase:Method", "1")))))
        made = phone.sync(drafts, options=self.wanted, commands=[add])
        self.assertEqual(made.get("Responses/Add/Status"), "1", made.show())
        item = made.get("Responses/Add/ServerId")
        self.assertEqual(self.attached(phone, made.find("Responses/Add")), {"a1": b"bytes"})
        phone.items[drafts][item] = E("AirSync:ApplicationData")
        self.assertIsNone(self.change(phone, drafts, item, E("Email:Subject", "last words")))
        [(item, draft)] = phone.pull(drafts, options=self.wanted).items()
        self.assertEqual([draft.get(p) for p in ("Email:Subject", "Email:To", "AirSyncBase:Body/Data", "Email2:IsDraft",
                                                 "AirSyncBase:Attachments/Attachment/DisplayName")],
                         ["last words", "alice@example.test", "Grüße", "1", "ä.txt"])
        self.assertIsNone(self.change(phone, drafts, item, send=True))
        self.assertEqual(phone.pull(drafts, options=self.wanted), {})
        box = self.pod.imap("alice")
        self.addCleanup(box.logout)

        def arrived():
            box.select("INBOX")
            return box.search(None, "SUBJECT", '"last words"')[1][0]

        got = email.message_from_bytes(box.fetch(until(arrived, "the draft to arrive"), "(RFC822)")[1][0][1])
        self.assertEqual([p.get_payload(decode=True) for p in got.walk() if not p.is_multipart()], ["Grüße".encode(), b"bytes"])
        phone.pull(phone.inbox, options=self.wanted)
        refused = phone.sync(phone.inbox, options=self.wanted, commands=[add])
        self.assertEqual(refused.get("Responses/Add/Status"), "6", "mail is sent, not added")

    def test_a_draft_may_be_as_large_as_a_message(self):
        phone = self.phone("16.0", "DRAFT2")
        drafts, size = phone.folder(3).id, 17 << 20
        phone.pull(drafts, options=self.wanted)
        add = E("AirSync:Add", E("AirSync:ClientId", "large"), E("AirSync:ApplicationData", E("Email:Subject", "large"), E(
            "AirSyncBase:Attachments", E("AirSyncBase:Add", E("AirSyncBase:ClientId", "a1"), E("AirSyncBase:DisplayName", "film"),
                                         E("AirSyncBase:Content", b"\0\1" * (size // 2)), E("AirSyncBase:Method", "1")))))
        made = phone.sync(drafts, options=self.wanted, commands=[add])
        self.assertEqual(made.get("Responses/Add/Status"), "1", made.show())
        got = phone.ask("ItemOperations", E("ItemOperations:ItemOperations", E(
            "ItemOperations:Fetch", E("ItemOperations:Store", "Mailbox"), E("ItemOperations:Options", E("ItemOperations:Range", f"{size - 4}-{size}")),
            E("AirSyncBase:FileReference", made.get("Responses/Add/ServerId") + ":2"))))
        properties = got.root.find("Response/Fetch/Properties")
        self.assertEqual((properties.get("Total"), properties.get("Data")), (str(size), "AAEAAQ=="), got)


if __name__ == "__main__":
    unittest.main()

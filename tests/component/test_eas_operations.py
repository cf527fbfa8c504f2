"""ItemOperations and Search where the index decides and where it does not: folders emptied, conversations moved, words in bodies."""
import base64
import email.message
import email.policy
import unittest

from eas_client import Phone
from eas_wbxml import E
from pod import PodTest


def letter(number, subject, text, references=()):
    m = email.message.EmailMessage(policy=email.policy.SMTP)
    m["From"], m["To"], m["Subject"], m["Message-ID"] = "carol@example.com", "bob@example.com", subject, f"<{number}@example.com>"
    if references:
        m["References"] = " ".join(f"<{r}@example.com>" for r in references)
    m.set_content(text)
    return m


class Operations(PodTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = cls.new_box("ops")
        cls.box.create("Trash/below")
        cls.box.create("Target")
        for folder, m in (("INBOX", letter(1, "plans", "nothing here")), ("INBOX", letter(2, "Re: plans", "the zeppelin lands", [1])),
                          ("INBOX", letter(3, "other", "nothing")), ("Trash", letter(4, "AW: plans", "old", [1, 2])),
                          ("Trash/below", letter(5, "deep", "old"))):
            cls.box.append(folder, "", None, m.as_bytes())

    def setUp(self):
        self.phone = Phone(self.pod, "ops", version="14.1").set_up()

    def operate(self, *operations, version="14.1"):
        self.phone.version = version
        answer = self.phone.ask("ItemOperations", E("ItemOperations:ItemOperations", *operations))
        self.assertEqual((answer.status, answer.root.get("Status")), (200, "1"), answer)
        return answer.root.find("Response")

    @staticmethod
    def move(conversation, target, always=None):
        options = [] if always is None else [E("ItemOperations:Options", E("ItemOperations:MoveAlways", always))]
        return E("ItemOperations:Move", E("ItemOperations:ConversationId", conversation), E("ItemOperations:DstFldId", target),
                 *options)

    def search(self, *criteria, **more):
        answer = self.phone.ask("Search", E("Search:Search", E(
            "Search:Store", E("Search:Name", "Mailbox"), E("Search:Query", E("Search:And", *criteria)),
            E("Search:Options", E("Search:Range", more.get("range", "0-9"))))))
        return answer.root.find("Response/Store")

    def subjects(self, folder):
        self.box.select(folder, readonly=True)
        found = self.box.search(None, "ALL")[1][0].split()
        return [self.box.fetch(n, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1].decode().strip()[9:] for n in found]

    def test_1_words_are_found_in_headers_and_in_bodies(self):
        got = self.search(E("AirSync:Class", "Email"), E("Search:FreeText", "ZEPPELIN"))
        self.assertEqual([r.get("Properties/Email:Subject") for r in got.all("Result")], ["Re: plans"], got.show())
        got = self.search(E("Search:FreeText", "subject:plans from:carol"))
        self.assertEqual(got.get("Total"), "3", got.show())
        inbox = self.search(E("AirSync:CollectionId", self.phone.inbox), E("Search:FreeText", "plans"), range="1-1")
        self.assertEqual((inbox.get("Range"), inbox.get("Total"), len(inbox.all("Result"))), ("1-1", "2", 1))
        nothing = self.search(E("Search:FreeText", "no-such-word"))
        self.assertEqual((nothing.get("Status"), len(nothing.all("Result"))), ("1", 1))
        self.assertEqual(self.search(E("AirSync:CollectionId", "no-folder"), E("Search:FreeText", "x")).get("Status"), "11")
        self.assertEqual(self.search(E("Search:FreeText", "x"), E("Search:FreeText", "y")).get("Status"), "8")

    def test_2_operations_say_each_what_was_wrong(self):
        store = E("ItemOperations:Store", "Mailbox")
        response = self.operate(
            E("ItemOperations:Fetch", E("ItemOperations:Store", "Nowhere"), E("Search:LongId", "x")),
            E("ItemOperations:Fetch", store, E("AirSyncBase:FileReference", "")),
            E("ItemOperations:Fetch", store, E("AirSync:CollectionId", self.phone.inbox), E("AirSync:ServerId", f"{self.phone.inbox}:99")),
            E("ItemOperations:Fetch", store, E("AirSyncBase:FileReference", f"{self.phone.inbox}:1:1"),
              E("ItemOperations:Options", E("ItemOperations:Range", "5-4"))),
            E("ItemOperations:Fetch", store, E("AirSyncBase:FileReference", f"{self.phone.inbox}:1:1"),
              E("ItemOperations:Options", E("ItemOperations:Range", "0-6"))),
            E("ItemOperations:EmptyFolderContents", E("AirSync:CollectionId", "none")),
            self.move(b"0123456789abcdef", "none"), self.move(b"0123456789abcdef", "none", ""),
            self.move(b"0123456789abcdef", self.phone.inbox, ""), self.move(b"of another length", self.phone.inbox, ""),
            self.move(b"0123456789abcdef", self.phone.inbox, "yes"))
        self.assertEqual([c.get("Status") for c in response.children],
                         ["9", "15", "6", "8", "1", "6", "156", "6", "6", "6", "2"], response.show())
        self.assertEqual(base64.b64decode(response.all("Fetch")[4].find("Properties/Data").data), b"nothing")
        bad = self.phone.ask("ItemOperations", E("ItemOperations:ItemOperations", E("ItemOperations:Status", "1")))
        self.assertEqual(bad.root.get("Status"), "2")

    def test_3_a_conversation_moves_whole(self):
        conversation = self.search(E("Search:FreeText", "zeppelin")).find("Result/Properties/Email2:ConversationId").data
        target = self.phone.folder("Target").id
        found = self.search(E("Search:ConversationId", conversation))
        self.assertEqual(found.get("Total"), "3", found.show())
        move = self.move(conversation, target, "")
        self.assertEqual(self.operate(move).get("Move/Status"), "1")
        self.assertEqual(sorted(self.subjects("Target")), ["AW: plans", "Re: plans", "plans"])
        self.assertEqual(self.subjects("INBOX"), ["other"])
        self.assertEqual(self.operate(move).get("Move/Status"), "6", "nothing of it is elsewhere")

    def test_4_a_folder_is_emptied_with_what_is_below(self):
        self.box.append("Trash", "", None, letter(6, "rubbish", "x").as_bytes())
        trash = self.phone.folder("Trash").id
        empty = E("ItemOperations:EmptyFolderContents", E("AirSync:CollectionId", trash))
        got = self.operate(empty).find("EmptyFolderContents")
        self.assertEqual((got.get("Status"), got.get("CollectionId")), ("1", trash))
        self.assertEqual((self.subjects("Trash"), self.subjects("Trash/below")), ([], ["deep"]))
        empty.children.append(E("ItemOperations:Options", E("ItemOperations:DeleteSubFolders")))
        self.assertEqual(self.operate(empty).get("EmptyFolderContents/Status"), "1")
        self.assertEqual(self.box.select("Trash/below")[0], "NO")


if __name__ == "__main__":
    unittest.main()

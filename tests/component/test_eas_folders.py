"""The folder hierarchy over ActiveSync: FolderSync, FolderCreate, FolderUpdate, FolderDelete (MS-ASCMD 2.2.1.3 to 2.2.1.6)."""
import glob
import os
import unittest

from eas_client import VERSIONS, Phone
from eas_wbxml import E
from pod import PodTest


def create(key, name, parent="0", kind="12"):
    return E("FolderHierarchy:FolderCreate", E("FolderHierarchy:SyncKey", key), E("FolderHierarchy:ParentId", parent),
             E("FolderHierarchy:DisplayName", name), E("FolderHierarchy:Type", kind))


def update(key, folder, name, parent="0"):
    return E("FolderHierarchy:FolderUpdate", E("FolderHierarchy:SyncKey", key), E("FolderHierarchy:ServerId", folder),
             E("FolderHierarchy:ParentId", parent), E("FolderHierarchy:DisplayName", name))


def delete(key, folder):
    return E("FolderHierarchy:FolderDelete", E("FolderHierarchy:SyncKey", key), E("FolderHierarchy:ServerId", folder))


class Folders(PodTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = 0

    def user(self):
        """One with nothing but what everybody has."""
        Folders.users += 1
        name = f"folders{Folders.users}"
        self.pod.add_user(name, "a good password 1")
        return name

    def phone(self, name=None, **options):
        return Phone(self.pod, name or self.user(), **options).set_up()

    def test_everybody_has_the_folders_that_clients_look_for(self):
        user = self.user()
        for version in VERSIONS:
            with self.subTest(version=version):
                phone = self.phone(user, version=version, device="V" + version.replace(".", ""))
                kinds = sorted(f.type for f in phone.folders.values())
                for kind in (2, 3, 4, 5):  # Inbox, Drafts, Deleted Items, Sent Items
                    self.assertEqual(kinds.count(kind), 1, phone.folders)
                # What is not served yet is not shown: calendar, contacts, tasks, notes and their users' kinds.
                self.assertEqual([k for k in kinds if k not in (1, 2, 3, 4, 5, 6, 12)], [])
                self.assertTrue(all(len(f.id) <= 64 and "/" not in f.id for f in phone.folders.values()))
                again = phone.folder_sync()
                self.assertEqual(again.root.get("Changes/Count"), "0")

    def test_what_imap_does_is_seen(self):
        phone = self.phone()
        box = self.pod.imap(phone.address)
        box.create("Work")
        box.create("Work/Sub")
        phone.folder_sync()
        work, sub = phone.folder("Work"), phone.folder("Sub")
        self.assertEqual((work.type, work.parent, sub.parent), (12, "0", work.id))
        box.rename("Work", "Labour")
        phone.folder_sync()
        self.assertEqual((phone.folders[work.id].name, phone.folders[sub.id].parent), ("Labour", work.id), "ids are stable")
        box.rename("Labour/Sub", "Sub")
        phone.folder_sync()
        self.assertEqual(phone.folders[sub.id].parent, "0")
        box.delete("Sub")
        phone.folder_sync()
        self.assertNotIn(sub.id, phone.folders)
        box.logout()

    def test_a_phone_makes_renames_moves_and_deletes(self):
        user = self.user()
        box = self.pod.imap(user)
        for version in VERSIONS:
            with self.subTest(version=version):
                phone = self.phone(user, version=version, device="W" + version.replace(".", ""))
                made = phone.ask("FolderCreate", create(phone.folder_key, f"Möbel {version}"))
                self.assertEqual(made.root.get("Status"), "1", made)
                folder, phone.folder_key = made.root.get("ServerId"), made.root.get("SyncKey")
                self.assertEqual(phone.folder_sync().root.get("Changes/Count"), "0", "his own change does not come back")
                inside = phone.ask("FolderCreate", create(phone.folder_key, "Inside", folder))
                self.assertEqual(inside.root.get("Status"), "1", inside)
                phone.folder_key = inside.root.get("SyncKey")
                moved = phone.ask("FolderUpdate", update(phone.folder_key, inside.root.get("ServerId"), f"Out {version}"))
                self.assertEqual(moved.root.get("Status"), "1", moved)
                phone.folder_key = moved.root.get("SyncKey")
                self.assertIn(f"Out {version}".encode(), b"".join(box.list()[1]))
                for gone in (folder, inside.root.get("ServerId")):
                    deleted = phone.ask("FolderDelete", delete(phone.folder_key, gone))
                    self.assertEqual(deleted.root.get("Status"), "1", deleted)
                    phone.folder_key = deleted.root.get("SyncKey")
                self.assertEqual(phone.folder_sync().root.get("Changes/Count"), "0")
                self.assertNotIn(f"Out {version}".encode(), b"".join(box.list()[1]))
        box.logout()

    def test_what_cannot_be_done_is_said_in_the_commands_own_status(self):
        phone = self.phone()
        key, inbox = phone.folder_key, phone.inbox
        made = phone.ask("FolderCreate", create(key, "Twice"))
        key, twice = made.root.get("SyncKey"), made.root.get("ServerId")
        for command, tree, status in (
                ("FolderCreate", create(key, "Twice"), "2"),
                ("FolderCreate", create(key, "Below", "no-such-folder"), "5"),
                ("FolderCreate", create("{wrong}77", "New"), "9"),
                ("FolderCreate", E("FolderHierarchy:FolderCreate", E("FolderHierarchy:SyncKey", key)), "10"),
                ("FolderUpdate", update(key, inbox, "Outbox"), "3"),
                ("FolderUpdate", update(key, "no-such-folder", "Name"), "4"),
                ("FolderUpdate", update(key, twice, "Name", "no-such-folder"), "5"),
                ("FolderUpdate", update("77", twice, "Name"), "9"),
                ("FolderUpdate", update(key, twice, "Drafts"), "2"),
                ("FolderDelete", delete(key, inbox), "3"),
                ("FolderDelete", delete(key, "no-such-folder"), "4"),
                ("FolderDelete", delete("77", twice), "9"),
                ("FolderDelete", E("FolderHierarchy:FolderDelete", E("FolderHierarchy:SyncKey", key)), "10"),
                ("FolderSync", E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", "{none}9")), "9"),
                ("FolderSync", E("FolderHierarchy:FolderSync"), "10")):
            with self.subTest(command=command, status=status):
                self.assertEqual(phone.ask(command, tree).root.get("Status"), status)
        phone.folder_key = key
        self.assertEqual(phone.folder_sync().root.get("Changes/Count"), "0", "none of these did anything")

    def test_an_answer_that_was_lost_is_given_again(self):
        phone = self.phone()
        box = self.pod.imap(phone.address)
        box.create("Lost")
        phone.lose("FolderSync", E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", phone.folder_key)))
        box.create("Later")
        phone.folder_sync()
        phone.folder("Lost")
        phone.folder("Later")
        # Made once, however often it is asked for, and the key of the answer goes on.
        phone.lose("FolderCreate", create(phone.folder_key, "Once"))
        made = phone.ask("FolderCreate", create(phone.folder_key, "Once"))
        self.assertEqual(made.root.get("Status"), "1", made)
        phone.folder_key = made.root.get("SyncKey")
        self.assertEqual(phone.folder_sync().root.get("Changes/Count"), "0")
        phone.lose("FolderDelete", delete(phone.folder_key, made.root.get("ServerId")))
        gone = phone.ask("FolderDelete", delete(phone.folder_key, made.root.get("ServerId")))
        self.assertEqual(gone.root.get("Status"), "1", gone)
        phone.folder_key = gone.root.get("SyncKey")
        self.assertEqual(phone.folder_sync().root.get("Changes/Count"), "0")
        box.logout()

    def kept_of(self, folder):
        """What the store keeps of phones and that folder: files with a value, and not the word that there is none."""
        files = glob.glob(os.path.join(self.pod.dir, "volumes", "*", "users", "*", "*", "state", f"*%sync%{folder}.*"))
        return [f for f in files if self.value_length(f) > 0]

    @staticmethod
    def value_length(path):  # store/maildir/state_file.h
        with open(path, "rb") as f:
            return int.from_bytes(f.read(32)[28:], "little")

    def test_of_a_folder_that_is_gone_nothing_is_kept_once_the_phone_knows(self):
        phone = self.phone()
        box = self.pod.imap(phone.address)
        for name in ("Old", "Own"):
            box.create(name)
            self.assertEqual(box.append(name, "", None, b"Subject: one\r\n\r\none\r\n")[0], "OK")
        phone.folder_sync()
        old, own = phone.folder("Old").id, phone.folder("Own").id
        for folder in (old, own):
            phone.prime(folder)
            phone.pull(folder)
            self.assertEqual(len(self.kept_of(folder)), 1)
        box.delete("Old")
        phone.lose("FolderSync", E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", phone.folder_key)))
        phone.folder_sync()
        self.assertEqual(len(self.kept_of(old)), 1, "the phone may not have got the answer")
        phone.folder_sync()
        self.assertEqual(self.kept_of(old), [])
        deleted = phone.ask("FolderDelete", delete(phone.folder_key, own))
        self.assertEqual(len(self.kept_of(own)), 1)
        phone.folder_key = deleted.root.get("SyncKey")
        phone.folder_sync()
        self.assertEqual(self.kept_of(own), [])
        box.logout()

    def test_a_phone_that_begins_anew_has_nothing_of_folders_that_went_meanwhile(self):
        phone = self.phone()
        box = self.pod.imap(phone.address)
        box.create("Old")
        phone.folder_sync()
        old = phone.folder("Old").id
        for folder in (old, phone.inbox):
            phone.prime(folder)
        box.delete("Old")
        phone.folder_key, phone.folders = "0", {}
        phone.folder_sync()
        self.assertEqual(self.kept_of(old), [])
        self.assertEqual(len(self.kept_of(phone.inbox)), 1)
        box.logout()

    def test_a_key_that_is_too_old_starts_over_once(self):
        phone = self.phone()
        old = phone.folder_key
        box = self.pod.imap(phone.address)
        for name in ("A", "B"):
            box.create(name)
            phone.folder_sync()
        stale = phone.ask("FolderSync", E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", old)))
        self.assertEqual(stale.root.get("Status"), "9", stale)
        phone.folder_key, phone.folders = "0", {}
        phone.folder_sync()
        self.assertEqual(phone.folder_sync().root.get("Changes/Count"), "0")
        box.logout()


if __name__ == "__main__":
    unittest.main()

"""Sync over ActiveSync as MS-ASCMD 2.2.1.21 has it, with answers that are lost: nothing twice, nothing missed."""
import datetime
import unittest

from eas_client import VERSIONS, Phone
from eas_wbxml import E
from pod import PodTest


def message(subject, body="A body.\r\n", date=None):
    when = (date or datetime.datetime.now(datetime.timezone.utc)).strftime("%a, %d %b %Y %H:%M:%S +0000")
    return (f"From: Sender <sender@example.com>\r\nTo: you@example.test\r\nSubject: {subject}\r\nDate: {when}\r\n"
            f"Message-ID: <{subject.replace(' ', '.')}@example.com>\r\n\r\n{body}").encode()


def change(item, *data):
    return E("AirSync:Change", E("AirSync:ServerId", item), E("AirSync:ApplicationData", *data))


def subjects(items):
    return sorted(data.get("Email:Subject") for data in items.values())


class Sync(PodTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = 0

    def setUp(self):
        Sync.users += 1
        self.name = f"sync{Sync.users}"
        self.pod.add_user(self.name, "a good password 1")
        self.box = self.pod.imap(self.name)
        self.addCleanup(self.box.logout)
        self.box.select("INBOX")

    def put(self, *names, mailbox="INBOX", **options):
        for name in names:
            ok, said = self.box.append(mailbox, "", options.get("at"), message(name, options.get("body", "A body.\r\n")))
            self.assertEqual(ok, "OK", said)

    def phone(self, version="14.1", **options):
        return Phone(self.pod, self.name, version=version, **options).set_up()

    def raw(self, phone, *collection, more=(), key=None, folder=None):
        """The Answer to a Sync of one collection."""
        return phone.ask("Sync", phone.sync_tree(phone.collection(folder or phone.inbox, *collection, key=key), more=more))

    # ---- the good path ----

    def test_mail_comes_changes_and_goes_at_every_version(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                self.put(f"one {version}", f"two {version}")
                phone = self.phone(version, device="D" + version.replace(".", ""))
                held = phone.pull(phone.inbox, options=phone.options_tree())
                self.assertEqual(subjects(held), [f"one {version}", f"two {version}"])
                self.assertEqual({d.get("Email:Read") for d in held.values()}, {"0"})
                self.assertIsNone(phone.sync(phone.inbox), "nothing new: nothing said")
                # From the other side.
                self.box.noop()
                self.box.store("1", "+FLAGS", "(\\Seen)")
                got = phone.sync(phone.inbox)
                self.assertEqual([c.tag for c in got.find("Commands").children], ["AirSync:Change"])
                self.assertEqual(sorted(d.get("Email:Read") for d in held.values()), ["0", "1"])
                # From this side: it does not come back.
                unread = [i for i, d in held.items() if d.get("Email:Read") == "0"][0]
                got = phone.sync(phone.inbox, commands=[change(unread, E("Email:Read", "1"))])
                self.assertTrue(got.find("Commands") is None and got.find("Responses") is None, got)
                self.assertIsNone(phone.sync(phone.inbox))
                self.assertEqual(self.box.search(None, "UNSEEN")[1], [b""])
                got = phone.sync(phone.inbox, commands=[E("AirSync:Delete", E("AirSync:ServerId", unread))],
                                 more=[E("AirSync:DeletesAsMoves", "0")])
                self.assertIsNone(got.find("Commands"), got)
                del held[unread]
                self.box.store("1:*", "+FLAGS", "(\\Deleted)")
                self.box.expunge()
                phone.sync(phone.inbox)
                self.assertEqual(held, {})

    def test_windows_say_that_more_is_there(self):
        self.put(*[f"number {i:02}" for i in range(25)])
        phone = self.phone()
        phone.prime(phone.inbox)
        sizes = []
        while True:
            got = phone.sync(phone.inbox, window="10")
            sizes.append(len(got.find("Commands").children))
            if got.find("MoreAvailable") is None:
                break
        self.assertEqual(sizes, [10, 10, 5])
        self.assertEqual(len(phone.items[phone.inbox]), 25)

    def test_a_delete_goes_to_the_trash_or_for_good(self):
        self.put("to the trash", "for good")
        phone = self.phone()
        held = phone.pull(phone.inbox)
        ids = {d.get("Email:Subject"): i for i, d in held.items()}
        phone.sync(phone.inbox, commands=[E("AirSync:Delete", E("AirSync:ServerId", ids["to the trash"]))])
        phone.sync(phone.inbox, commands=[E("AirSync:Delete", E("AirSync:ServerId", ids["for good"]))],
                   more=[E("AirSync:DeletesAsMoves", "0")])
        self.assertEqual(subjects(phone.pull(phone.folder(4).id)), ["to the trash"])
        self.assertIsNone(phone.sync(phone.inbox))

    def test_flags_and_categories(self):
        self.put("flag me")
        phone = self.phone()
        held = phone.pull(phone.inbox)
        item = next(iter(held))
        flag = E("Email:Flag", E("Email:Status", "2"), E("Email:FlagType", "Flag for follow up"),
                 E("Tasks:StartDate", "2026-11-26T00:00:00.000Z"), E("Tasks:UtcStartDate", "2026-11-26T00:00:00.000Z"),
                 E("Tasks:DueDate", "2026-11-28T00:00:00.000Z"), E("Tasks:UtcDueDate", "2026-11-28T00:00:00.000Z"),
                 E("Tasks:ReminderSet", "1"), E("Tasks:ReminderTime", "2026-11-27T08:00:00.000Z"))
        phone.sync(phone.inbox, commands=[change(item, flag, E("Email:Categories", E("Email:Category", "Blue things")))])
        self.box.noop()
        self.assertIn(b"\\Flagged", self.box.fetch("1", "(FLAGS)")[1][0])
        other = self.phone(device="OTHER1")
        data = next(iter(other.pull(other.inbox).values()))
        self.assertEqual((data.get("Email:Flag/Status"), data.get("Email:Flag/FlagType")), ("2", "Flag for follow up"), data)
        self.assertEqual(data.get("Email:Flag/Tasks:ReminderTime"), "2026-11-27T08:00:00.000Z", data)
        self.assertEqual([c.text for c in data.all("Email:Categories/Category")], ["Blue things"])
        other.sync(other.inbox, commands=[change(next(iter(other.items[other.inbox])), E("Email:Flag"))])
        phone.sync(phone.inbox)
        self.assertIn(phone.items[phone.inbox][item].get("Email:Flag/Status", "0"), ("0", ""))
        self.box.noop()
        self.assertNotIn(b"\\Flagged", self.box.fetch("1", "(FLAGS)")[1][0])

    def test_what_leaves_the_window_is_soft_deleted(self):
        old = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=20)
        self.put("old", at=f'"{old.strftime("%d-%b-%Y %H:%M:%S +0000")}"')
        self.put("new")
        phone = self.phone()
        self.assertEqual(subjects(phone.pull(phone.inbox, options=phone.options_tree(filter_type="0"))), ["new", "old"])
        got = phone.sync(phone.inbox, options=phone.options_tree(filter_type="3"))  # a week
        self.assertEqual([c.tag for c in got.find("Commands").children], ["AirSync:SoftDelete"])
        self.assertEqual(subjects(phone.items[phone.inbox]), ["new"])
        # What is outside of the window is of no interest, and options are kept.
        self.box.noop()
        self.box.store("1", "+FLAGS", "(\\Seen)")
        self.assertIsNone(phone.sync(phone.inbox))
        phone.sync(phone.inbox, options=phone.options_tree(filter_type="0"))
        self.assertEqual(subjects(phone.items[phone.inbox]), ["new", "old"])

    def test_an_estimate_is_exact(self):
        phone = self.phone()
        self.put(*[f"e{i}" for i in range(7)])
        phone.prime(phone.inbox)

        def estimate(key):
            collection = E("GetItemEstimate:Collection", E("AirSync:SyncKey", key), E("GetItemEstimate:CollectionId", phone.inbox))
            answer = phone.ask("GetItemEstimate", E("GetItemEstimate:GetItemEstimate", E("GetItemEstimate:Collections", collection)))
            got = answer.root.find("Response")
            return got.get("Status"), got.get("Collection/Estimate")

        self.assertEqual(estimate(phone.keys[phone.inbox]), ("1", "7"))
        phone.sync(phone.inbox, window="3")
        self.assertEqual(estimate(phone.keys[phone.inbox]), ("1", "4"))
        phone.pull(phone.inbox)
        self.assertEqual(estimate(phone.keys[phone.inbox]), ("1", "0"))
        self.assertEqual(estimate("0")[0], "3")
        self.assertEqual(estimate("{nothing}4")[0], "4")

    # ---- lost answers ----

    def test_an_answer_that_was_lost_comes_again_with_what_came_since(self):
        phone = self.phone()
        phone.prime(phone.inbox)
        self.put("first")
        request = phone.sync_tree(phone.collection(phone.inbox, E("AirSync:GetChanges")))
        phone.lose("Sync", request)
        self.put("second")
        phone.sync(phone.inbox)
        phone.pull(phone.inbox)
        self.assertEqual(subjects(phone.items[phone.inbox]), ["first", "second"])
        # Lost over and over.
        self.put("third")
        for _ in range(4):
            phone.lose("Sync", phone.sync_tree(phone.collection(phone.inbox, E("AirSync:GetChanges"))))
        phone.pull(phone.inbox)
        self.assertEqual(subjects(phone.items[phone.inbox]), ["first", "second", "third"])

    def test_changes_of_a_lost_request_are_made_once(self):
        self.put("one", "two", "three")
        phone = self.phone()
        held = phone.pull(phone.inbox)
        ids = {d.get("Email:Subject"): i for i, d in held.items()}
        commands = [change(ids["one"], E("Email:Read", "1")), E("AirSync:Delete", E("AirSync:ServerId", ids["two"]))]
        request = phone.sync_tree(phone.collection(phone.inbox, E("AirSync:DeletesAsMoves"), E("AirSync:GetChanges"),
                                                   E("AirSync:Commands", *commands)))
        phone.lose("Sync", request)
        # Somebody else undoes one of them before the phone comes again: what he did stays.
        got = phone.apply(phone.ask("Sync", request), phone.inbox)
        self.assertTrue(got is None or got.find("Responses") is None, got)
        held.pop(ids["two"], None)
        phone.pull(phone.inbox)
        self.assertEqual(subjects(held), ["one", "three"])
        self.assertEqual(subjects(phone.pull(phone.folder(4).id)), ["two"], "moved to the trash once")

    def test_a_draft_that_was_added_twice_is_there_once(self):
        for version in ("16.0", "16.1"):
            with self.subTest(version=version):
                phone = self.phone(version, device="DR" + version.replace(".", ""))
                drafts = phone.folder(3).id
                phone.pull(drafts)
                before = len(phone.items[drafts])
                add = E("AirSync:Add", E("AirSync:ClientId", "c-1"), E(
                    "AirSync:ApplicationData", E("Email:To", "friend@example.com"), E("Email:Subject", f"draft {version}"),
                    E("AirSyncBase:Body", E("AirSyncBase:Type", "1"), E("AirSyncBase:Data", "hello"))))
                request = phone.sync_tree(phone.collection(drafts, E("AirSync:GetChanges"), E("AirSync:Commands", add)))
                phone.lose("Sync", request)
                got = phone.apply(phone.ask("Sync", request), drafts)
                response = got.find("Responses/Add")
                self.assertEqual((response.get("ClientId"), response.get("Status")), ("c-1", "1"), got)
                self.assertTrue(response.get("ServerId"), got)
                phone.items[drafts].setdefault(response.get("ServerId"), E("AirSync:ApplicationData"))
                phone.pull(drafts)
                self.assertEqual(len(phone.items[drafts]), before + 1)
                self.box.select("Drafts")
                self.assertEqual(len(self.box.search(None, "SUBJECT", f'"draft {version}"')[1][0].split()), 1)
                self.box.select("INBOX")

    def test_a_key_that_nobody_gave_starts_over_once(self):
        self.put("here")
        phone = self.phone()
        phone.pull(phone.inbox)
        for key in ("{unknown}3", "junk", "18446744073709551616", "x" * 64):
            got = self.raw(phone, key=key)
            self.assertIn("3", (got.root.get("Status"), got.root.get("Collections/Collection/Status")), got)
        phone.keys.pop(phone.inbox)
        self.assertEqual(subjects(phone.pull(phone.inbox)), ["here"])
        self.assertIsNone(phone.sync(phone.inbox))

    def test_keys_older_than_one_step_are_gone(self):
        phone = self.phone()
        phone.prime(phone.inbox)
        old = phone.keys[phone.inbox]
        for name in ("a", "b", "c"):
            self.put(name)
            phone.sync(phone.inbox)
        got = self.raw(phone, key=old)
        self.assertEqual(got.root.get("Collections/Collection/Status"), "3", got)

    # ---- what is wrong ----

    def test_what_is_wrong_is_said_in_the_status(self):
        self.put("here")
        phone = self.phone()
        phone.pull(phone.inbox)
        heartbeat = E("AirSync:HeartbeatInterval", "100")
        for what, more, status in (
                ("both waits", [E("AirSync:Wait", "1"), heartbeat], "4"),
                ("wait 0", [E("AirSync:Wait", "0")], "14"),
                ("wait 60", [E("AirSync:Wait", "60")], "14"),
                ("heartbeat 59", [E("AirSync:HeartbeatInterval", "59")], "14"),
                ("heartbeat 3541", [E("AirSync:HeartbeatInterval", "3541")], "14")):
            with self.subTest(what=what):
                got = self.raw(phone, more=more)
                self.assertEqual(got.root.get("Status"), status, got)
                if status == "14":
                    self.assertTrue(got.root.get("Limit"), got)
        gone = self.raw(phone, folder="no-such-folder", key="0")
        self.assertIn(gone.root.get("Status") or gone.root.get("Collections/Collection/Status"), ("8", "12"))
        early = self.raw(phone, E("AirSync:Commands", change("1:1", E("Email:Read", "1"))), key="0")
        self.assertIn("4", (early.root.get("Status"), early.root.get("Collections/Collection/Status")), early)
        missing = phone.sync(phone.inbox, commands=[change("no-such-item", E("Email:Read", "1"))])
        self.assertEqual(missing.get("Responses/Change/Status"), "8", missing)
        self.assertIsNone(phone.sync(phone.inbox), "and the next request is as good as any")

    def test_an_empty_request_repeats_the_last_one(self):
        phone = self.phone()
        nothing = phone.ask("Sync")
        self.assertEqual(nothing.root.get("Status"), "13", nothing)
        phone.prime(phone.inbox)
        phone.sync(phone.inbox)
        self.put("while the phone slept")
        got = phone.ask("Sync")
        self.assertEqual(got.status, 200)
        phone.apply(got, phone.inbox)
        self.assertEqual(subjects(phone.items[phone.inbox]), ["while the phone slept"])

    def test_moves_do_not_come_back(self):
        self.put("move me", "stay")
        self.box.create("Elsewhere")
        phone = self.phone()
        inbox, target = phone.inbox, phone.folder("Elsewhere").id
        held, there = phone.pull(inbox), phone.pull(target)
        item = [i for i, d in held.items() if d.get("Email:Subject") == "move me"][0]
        move = E("Move:MoveItems", E("Move:Move", E("Move:SrcMsgId", item), E("Move:SrcFldId", inbox), E("Move:DstFldId", target)))
        phone.lose("MoveItems", move)
        got = phone.ask("MoveItems", move).root.find("Response")
        self.assertEqual((got.get("SrcMsgId"), got.get("Status")), (item, "3"), got)
        self.assertTrue(got.get("DstMsgId"))
        there[got.get("DstMsgId")] = held.pop(item)
        self.assertIsNone(phone.sync(inbox))
        self.assertIsNone(phone.sync(target))
        self.box.select("Elsewhere")
        self.assertEqual(len(self.box.search(None, "ALL")[1][0].split()), 1)
        for source, folder, to, status in ((item, inbox, target, "1"), (item, "nowhere", target, "1"),
                                           (next(iter(held)), inbox, "nowhere", "2"), (next(iter(held)), inbox, inbox, "4")):
            wrong = phone.ask("MoveItems", E("Move:MoveItems", E(
                "Move:Move", E("Move:SrcMsgId", source + ("9" if status == "1" else "")), E("Move:SrcFldId", folder),
                E("Move:DstFldId", to))))
            self.assertEqual(wrong.root.get("Response/Status"), status, wrong)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""ActiveSync's Sync, Ping, GetItemEstimate and MoveItems as a phone sees them: statuses, keys, lost answers, waiting."""
import imaplib
import os
import shutil
import threading
import time
import unittest

from eas_client import Phone
from eas_wbxml import E
from pod import Pod


VERSIONS = "12.1", "14.1", "16.1" # they take turns


def mail(subject, body="text"):
    return f"From: a@example.test\r\nTo: alice@example.test\r\nSubject: {subject}\r\n\r\n{body}\r\n".encode()


def change(item, read):
    return E("AirSync:Change", E("AirSync:ServerId", item), E("AirSync:ApplicationData", E("Email:Read", read)))


def delete(item):
    return E("AirSync:Delete", E("AirSync:ServerId", item))


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pod = Pod()
        cls.pod.__enter__()
        cls.log_in()
        cls.n = 0

    @classmethod
    def log_in(cls):
        cls.imap = cls.pod.imap("alice")

    @classmethod
    def tearDownClass(cls):
        cls.imap.logout()
        cls.pod.close()

    def setUp(self):
        Case.n += 1
        self.name = f"Box{Case.n}"
        self.assertEqual(self.imap.create(self.name)[0], "OK")
        self.imap.select(self.name)
        self.phone = Phone(self.pod, "alice", version=VERSIONS[Case.n % 3], device=f"SYNC{Case.n:04}").set_up()
        self.box = self.phone.folder(self.name).id

    def add(self, n=1, **options):
        for i in range(n):
            status, answer = self.imap.append(self.name, options.get("flags"), options.get("date"), mail(f"m{i}"))
            self.assertEqual(status, "OK", answer)

    def status(self, answer):
        self.assertEqual(answer.status, 200, answer)
        self.assertIsNotNone(answer.root)
        return answer.root.get("Status") or answer.root.get("Collections/Collection/Status")

    def ask(self, *collections, more=()):
        return self.phone.ask("Sync", self.phone.sync_tree(*collections, more=more))

    def ids(self, got, kind="Add"):
        commands = got.find("Commands")
        return [c.get("ServerId") for c in commands.children if c.tag.endswith(":" + kind)] if commands else []

    # ---- keys ----

    def test_windows_more_available_and_nothing_to_say(self):
        self.add(25)
        self.phone.prime(self.box)
        seen = []
        for left in (15, 5, 0):
            got = self.phone.sync(self.box, window="10")
            seen += self.ids(got)
            self.assertEqual(got.find("MoreAvailable") is not None, left > 0)
        self.assertEqual(len(set(seen)), 25)
        uids = [int(i.split(":")[1]) for i in seen]
        self.assertEqual(uids, sorted(uids, reverse=True), "the newest come first")
        answer = self.ask(self.phone.collection(self.box))
        self.assertEqual((answer.status, answer.body), (200, b""))

    def test_a_lost_answer_comes_again_and_an_unknown_key_restarts_once(self):
        self.add(5)
        self.phone.prime(self.box)
        old = self.phone.keys[self.box]
        request = self.phone.sync_tree(self.phone.collection(self.box, E("AirSync:WindowSize", "3")))
        first = self.phone.ask("Sync", request).root.find("Collections/Collection")
        self.add(1)
        second = self.phone.ask("Sync", request).root.find("Collections/Collection")
        self.assertEqual(self.ids(first), self.ids(second))
        self.assertEqual(first.get("SyncKey"), second.get("SyncKey"))
        self.phone.keys[self.box] = second.get("SyncKey")
        third = self.phone.ask("Sync", self.phone.sync_tree(self.phone.collection(self.box))).root.find("Collections/Collection")
        self.assertEqual(len(self.ids(third)), 3)
        self.assertFalse(set(self.ids(third)) & set(self.ids(first)))
        self.assertEqual(self.status(self.ask(self.phone.collection(self.box, key=old))), "3")
        self.assertEqual(self.status(self.ask(self.phone.collection(self.box, key="nonsense"))), "3")
        self.phone.prime(self.box)
        self.assertEqual(len(self.phone.pull(self.box)), 6)

    def test_own_changes_do_not_come_back_and_those_of_others_do(self):
        self.add(3)
        self.phone.pull(self.box)
        item, other, third = list(self.phone.items[self.box])
        got = self.phone.sync(self.box, commands=[change(item, "1"), delete(other)])
        self.assertIsNone(got.find("Responses"))
        self.assertIsNone(got.find("Commands"))
        self.phone.items[self.box].pop(other)
        self.assertIsNone(self.phone.sync(self.box))
        self.imap.select(self.name)
        self.assertIn("\\Seen", self.imap.uid("FETCH", item.split(":")[1], "(FLAGS)")[1][0].decode())
        self.imap.uid("STORE", third.split(":")[1], "+FLAGS", "(\\Seen)")
        got = self.phone.sync(self.box)
        self.assertEqual(self.ids(got, "Change"), [third])
        self.imap.uid("STORE", third.split(":")[1], "+FLAGS", "(\\Deleted)")
        self.imap.expunge()
        self.assertEqual(self.ids(self.phone.sync(self.box), "Delete"), [third])
        answer = self.ask(self.phone.collection(self.box, E("AirSync:Commands", change(third, "0"), delete(f"{self.box}:99"))))
        responses = answer.root.find("Collections/Collection/Responses")
        self.assertEqual([(c.tag, c.get("Status")) for c in responses.children],
                         [("AirSync:Change", "8"), ("AirSync:Delete", "8")])

    def test_a_conflict_is_the_servers(self):
        self.add(1)
        self.phone.pull(self.box)
        item = list(self.phone.items[self.box])[0]
        self.imap.uid("STORE", item.split(":")[1], "+FLAGS", "(\\Seen)")
        got = self.phone.sync(self.box, commands=[change(item, "0")])
        self.assertEqual(got.get("Responses/Change/Status"), "7")
        self.assertEqual(self.ids(got, "Change"), [item])
        got = self.phone.sync(self.box, commands=[change(item, "0")])
        self.assertIsNone(got.find("Responses"))

    def test_fetch_and_unread_by_a_filter(self):
        self.add(2)
        self.add(2, date=imaplib.Time2Internaldate(time.time() - 10 * 86400))
        self.phone.prime(self.box)
        items = self.phone.pull(self.box, options=self.phone.options_tree(filter_type="3"))
        self.assertEqual(len(items), 2)
        self.assertEqual(len(self.phone.pull(self.box, options=self.phone.options_tree(filter_type="0"))), 4)
        got = self.phone.sync(self.box, options=self.phone.options_tree(filter_type="2"))
        self.assertEqual(len(self.ids(got, "SoftDelete")), 2)
        self.assertIsNone(self.phone.sync(self.box), "options hold until others are sent")
        item = list(self.phone.items[self.box])[0]
        got = self.phone.sync(self.box, commands=[E("AirSync:Fetch", E("AirSync:ServerId", item)),
                                                  E("AirSync:Fetch", E("AirSync:ServerId", f"{self.box}:77"))])
        fetched = got.all("Responses/Fetch")
        self.assertEqual([f.get("Status") for f in fetched], ["1", "8"])
        self.assertTrue(fetched[0].get("ApplicationData/Subject"))

    def test_a_conversation_is_within_a_filter_as_a_whole(self):
        phone = self.phone = self.fresh("14.1")

        def letter(subject, answers="", age=0):
            header = f"References: <{answers}>\r\n" if answers else f"Message-ID: <{subject}>\r\n"
            self.imap.append(self.name, None, imaplib.Time2Internaldate(time.time() - age * 86400), header.encode() + mail(subject))

        def subjects(mode, kind="Add", options=None):
            got = phone.sync(self.box, options=options, more=[E("AirSync:ConversationMode", mode)])
            commands = got.all(f"Commands/{kind}") if got else []
            return sorted(c.get("ApplicationData/Email:Subject") or c.get("ServerId") for c in commands)

        letter("one", age=20), letter("two", age=20), letter("late", "one")
        phone.prime(self.box)
        week = E("AirSync:Options", E("AirSync:FilterType", "3"))
        self.assertEqual(self.estimate(None, None, E("AirSync:ConversationMode", "1"), week)[1], "2")
        self.assertEqual(self.estimate(None, None, week)[1], "1")
        self.assertEqual(subjects("1", options=phone.options_tree(filter_type="3")), ["late", "one"])
        self.assertEqual(subjects("1"), [])
        letter("later", "two")
        self.assertEqual(subjects("1"), ["later", "two"])
        self.assertEqual(len(subjects("0", "SoftDelete")), 2)
        self.assertEqual(subjects("1"), ["one", "two"])
        self.imap.store("3", "+FLAGS", "(\\Deleted)")
        self.imap.expunge()
        self.assertEqual(len(subjects("1", "SoftDelete")), 1, "nothing of it is within the filter any more")

    # ---- statuses ----

    def test_statuses(self):
        self.phone.prime(self.box)
        c, box = self.phone.collection, self.box
        wait, beat = lambda n: [E("AirSync:Wait", n)], lambda n: [E("AirSync:HeartbeatInterval", n)]
        for status, answer in (
                ("8", self.ask(c("nothing", key="0"))),
                ("4", self.ask(c(box, E("AirSync:Commands")))),
                ("4", self.ask(c(box, E("AirSync:Commands", delete("1:1")), key="0"))),
                ("4", self.ask(c(box, E("AirSync:Commands", E("AirSync:Delete"))))),
                ("4", self.ask(c(box, E("AirSync:Commands", E("AirSync:Fetch", E("AirSync:ServerId", "")))))),
                ("4", self.ask(c(box, E("AirSync:Commands", E("AirSync:Add", E("AirSync:ApplicationData")))))),
                ("4", self.ask(c(box), c(box))),
                ("4", self.ask(c(box, E("AirSync:WindowSize", "x")))),
                ("4", self.ask(c(box, E("AirSync:GetChanges", "2")))),
                ("4", self.ask(c(box, E("AirSync:Options", E("AirSync:FilterType", "0"), E("AirSync:FilterType", "1"))))),
                ("4", self.ask(c(box, E("AirSync:Options", E("AirSync:FilterType", "9"))))),
                ("4", self.ask(c(box), more=wait("5") + beat("100"))),
                ("4", self.phone.ask("Sync", E("AirSync:Sync"))),
                ("13", self.fresh().ask("Sync")),
                ("13", self.fresh().ask("Sync", E("AirSync:Sync", E("AirSync:Partial"), E("AirSync:WindowSize", "5"))))):
            self.assertEqual(self.status(answer), status, answer)
        for more, limit in ((wait("0"), "1"), (wait("60"), "59"), (beat("59"), "60"), (beat("3541"), "3540")):
            answer = self.ask(c(box), more=more)
            self.assertEqual((self.status(answer), answer.root.get("Limit")), ("14", limit))
        answer = self.ask(*[c(f"x{i}") for i in range(300)])
        self.assertEqual((self.status(answer), answer.root.get("Limit")), ("15", "200"))
        self.imap.close()
        self.imap.delete(self.name)
        self.assertEqual(self.status(self.ask(c(box))), "12")

    def fresh(self, version="14.1"):
        Case.n += 1
        return Phone(self.pod, "alice", version=version, device=f"SYNC{Case.n:04}").set_up()

    # ---- empty requests, waiting ----

    def test_empty_requests_and_waiting(self):
        self.phone.pull(self.box)
        beat = [E("AirSync:HeartbeatInterval", "60")]
        answers = []

        def waits(tree):
            answers.append(self.phone.ask("Sync", tree))

        def later(tree):
            thread = threading.Thread(target=waits, args=(tree,))
            thread.start()
            return thread
        thread = later(self.phone.sync_tree(self.phone.collection(self.box), more=beat))
        began = time.monotonic()
        self.add(1)
        thread.join()
        self.assertLess(time.monotonic() - began, 5)
        got = self.phone.apply(answers[-1], self.box)
        self.assertEqual(len(self.ids(got)), 1)
        thread = later(None)
        self.add(1)
        thread.join()
        first = answers[-1]
        self.assertEqual(len(self.ids(first.root.find("Collections/Collection"))), 1)
        again = self.phone.ask("Sync")
        self.assertEqual(first.body, again.body, "its answer was lost")
        self.phone.apply(again, self.box)
        self.assertEqual(self.status(self.phone.ask("Sync")), "13", "it is to say which key it has")
        self.assertIsNone(self.phone.sync(self.box))
        self.assertEqual(self.phone.ask("Sync").body, b"")

    def test_ping(self):
        self.add(1)
        self.phone.pull(self.box)
        item = list(self.phone.items[self.box])[0]
        folders = E("Ping:Folders", E("Ping:Folder", E("Ping:Id", self.box), E("Ping:Class", "Email")))
        ping = lambda *content: self.phone.ask("Ping", E("Ping:Ping", *content) if content else None)
        self.assertEqual(self.status(ping()), "3")
        self.assertEqual(self.status(ping(E("Ping:HeartbeatInterval", "60"))), "3")
        self.assertEqual(self.status(ping(E("Ping:HeartbeatInterval", "x"), folders)), "4")
        for beat, near in (("5", "60"), ("4000", "3540")):
            answer = ping(E("Ping:HeartbeatInterval", beat), folders)
            self.assertEqual((self.status(answer), answer.root.get("HeartbeatInterval")), ("5", near))
        many = E("Ping:Folders", *[E("Ping:Folder", E("Ping:Id", f"f{i}"), E("Ping:Class", "Email")) for i in range(201)])
        answer = ping(E("Ping:HeartbeatInterval", "60"), many)
        self.assertEqual((self.status(answer), answer.root.get("MaxFolders")), ("6", "200"))
        none = E("Ping:Folders", E("Ping:Folder", E("Ping:Id", "none"), E("Ping:Class", "Email")))
        self.assertEqual(self.status(ping(E("Ping:HeartbeatInterval", "60"), none)), "7")
        answers = []
        thread = threading.Thread(target=lambda: answers.append(ping(E("Ping:HeartbeatInterval", "120"), folders)))
        thread.start()
        other = Phone(self.pod, "alice", device=self.phone.device)
        other.policy_key, other.keys, other.items = self.phone.policy_key, self.phone.keys, self.phone.items
        other.sync(self.box, commands=[change(item, "1")])
        for _ in range(50): # time enough for an answer
            other.options()
        self.assertEqual(answers, [], "what it did itself wakes nobody")
        self.add(1)
        thread.join(10)
        self.assertEqual((self.status(answers[0]), answers[0].root.get("Folders/Folder")), ("2", self.box))
        self.assertEqual(self.status(ping()), "2")
        self.assertEqual(len(self.ids(self.phone.sync(self.box))), 1)

    # ---- drafts of a device ----

    def test_a_draft_that_is_added_again_is_one(self):
        phone = self.fresh("16.1")
        drafts = phone.folder(3).id
        phone.pull(drafts)
        add = lambda client, subject: E("AirSync:Add", E("AirSync:ClientId", client), E(
            "AirSync:ApplicationData", E("Email:To", "b@example.test"), E("Email:Subject", subject),
            E("AirSyncBase:Body", E("AirSyncBase:Type", "1"), E("AirSyncBase:Data", "text"))))
        tree = phone.sync_tree(phone.collection(drafts, E("AirSync:Commands", add("c1", "one"))))
        answers = [phone.ask("Sync", tree).root.find("Collections/Collection") for _ in range(3)]
        self.assertEqual({a.get("Responses/Add/Status") for a in answers}, {"1"})
        self.assertEqual(len({a.get("Responses/Add/ServerId") for a in answers}), 1)
        self.assertEqual({a.get("Responses/Add/ClientId") for a in answers}, {"c1"})
        self.assertEqual(len({a.get("SyncKey") for a in answers}), 1)
        self.assertEqual(self.imap.select("Drafts")[1], [b"1"])
        phone.keys[drafts] = answers[-1].get("SyncKey")
        self.assertIsNone(phone.sync(drafts))
        got = phone.sync(drafts, commands=[E("AirSync:Add", E("AirSync:ClientId", "c2"))])
        self.assertEqual([r.get("Status") for r in got.all("Responses/Add")], ["4"])
        box = phone.folder(self.name).id
        phone.pull(box)
        got = phone.sync(box, commands=[add("c3", "no draft")])
        self.assertEqual(got.get("Responses/Add/Status"), "6")

    def test_a_draft_that_others_removed_while_its_answer_was_lost_is_told_as_gone(self):
        phone = self.fresh("16.1")
        drafts = phone.folder(3).id
        phone.pull(drafts)
        tree = phone.sync_tree(phone.collection(drafts, E("AirSync:GetChanges"), E("AirSync:Commands", E(
            "AirSync:Add", E("AirSync:ClientId", "gone"), E("AirSync:ApplicationData", E("Email:Subject", "a draft"))))))
        self.imap.append("Drafts", None, None, mail("another"))
        phone.lose("Sync", tree)
        other = self.fresh("16.1")
        theirs = other.pull(drafts)
        (draft,) = [item for item, data in theirs.items() if data.get("Email:Subject") == "a draft"]
        (another,) = [item for item, data in theirs.items() if data.get("Email:Subject") == "another"]
        other.sync(drafts, commands=[change(another, "1"), delete(draft)]) # so that the answer is not the same again
        for _ in range(3): # with the first of these, too, nobody knows whether it arrived
            answer = phone.ask("Sync", tree)
            got = answer.root.find("Collections/Collection")
            self.assertEqual(got.get("Responses/Add/ServerId"), draft)
            self.assertEqual(self.ids(got, "Delete"), [draft])
        phone.items[drafts][draft] = E("AirSync:ApplicationData")
        phone.apply(answer, drafts)
        self.assertIsNone(phone.sync(drafts))

    # ---- estimates, moves ----

    def estimate(self, key=None, folder=None, *more):
        answer = self.phone.ask("GetItemEstimate", E("GetItemEstimate:GetItemEstimate", E("GetItemEstimate:Collections", E(
            "GetItemEstimate:Collection", E("AirSync:SyncKey", key or self.phone.keys[self.box]),
            E("GetItemEstimate:CollectionId", folder or self.box), *more))))
        response = answer.root.find("Response")
        return response.get("Status"), response.get("Collection/Estimate")

    def test_estimates_are_exact(self):
        self.add(4)
        self.add(1, flags="(\\Deleted)")
        self.assertEqual(self.estimate("0123456789abcdef.1")[0], "3")
        self.phone.prime(self.box)
        self.assertEqual(self.estimate(), ("1", "4"))
        self.phone.sync(self.box, window="3")
        self.assertEqual(self.estimate(), ("1", "1"))
        self.assertEqual(self.estimate("0123456789abcdef.1")[0], "4")
        self.assertEqual(self.estimate("0")[0], "3")
        self.assertEqual(self.estimate(None, "nothing")[0], "2")
        self.phone.pull(self.box)
        self.imap.uid("STORE", "1", "+FLAGS", "(\\Seen)")
        self.assertEqual(self.estimate(), ("1", "1"))

    def move(self, item, target, source=None):
        answer = self.phone.ask("MoveItems", E("Move:MoveItems", E(
            "Move:Move", E("Move:SrcMsgId", item), E("Move:SrcFldId", source or self.box), E("Move:DstFldId", target))))
        response = answer.root.find("Response")
        self.assertEqual(response.get("SrcMsgId"), item)
        return response.get("Status"), response.get("DstMsgId")

    def test_moves_do_not_come_back(self):
        self.add(2)
        self.phone.pull(self.box)
        self.imap.create(self.name + "b")
        self.phone.folder_sync()
        target = self.phone.folder(self.name + "b").id
        self.phone.pull(target)
        item = list(self.phone.items[self.box])[0]
        status, moved = self.move(item, target)
        self.assertEqual(status, "3")
        self.assertEqual(self.move(item, target), ("3", moved), "its answer was lost")
        self.phone.items[target][moved] = self.phone.items[self.box].pop(item)
        for folder in (self.box, target):
            self.assertIsNone(self.phone.sync(folder))
        other = list(self.phone.items[self.box])[0]
        self.assertEqual(self.move(other, "nothing")[0], "2")
        self.assertEqual(self.move(other, self.box)[0], "4")
        self.assertEqual(self.move(f"{self.box}:999", target)[0], "1")
        self.imap.select(self.name + "b")
        self.imap.uid("STORE", "1", "+FLAGS", "(\\Seen)")
        self.assertEqual(self.ids(self.phone.sync(target), "Change"), [moved])

    def test_a_move_whose_answer_was_lost_is_answered_though_its_folders_are_gone(self):
        self.add(1)
        self.imap.create(self.name + "b")
        self.phone.folder_sync()
        there = self.phone.folder(self.name + "b").id
        self.phone.pull(self.box)
        self.phone.pull(there)
        (item,) = self.phone.items[self.box]
        first = self.move(item, there)
        self.imap.delete(self.name + "b")
        self.assertEqual(self.move(item, there), first, "the phone must hear that it is not here any more")
        self.assertEqual(self.move(f"{self.box}:999", there)[0], "2")
        self.add(1)
        self.imap.create(self.name + "c")
        self.phone.folder_sync()
        there = self.phone.folder(self.name + "c").id
        self.phone.pull(there)
        self.phone.items[self.box].pop(item)
        (item,) = self.phone.pull(self.box)
        first = self.move(item, there)
        self.imap.select("INBOX")
        self.imap.delete(self.name)
        self.assertEqual(self.move(item, there), first, "the phone must hear that it is there")
        self.assertIsNone(self.phone.sync(there))
        self.assertEqual(self.move(f"{self.box}:999", there)[0], "1")

    # ---- the state outlives ----

    def test_without_its_index_the_volume_still_knows_what_a_device_has(self):
        self.add(6)
        self.phone.pull(self.box)
        item = list(self.phone.items[self.box])[0]
        self.phone.sync(self.box, commands=[change(item, "1")])
        self.imap.uid("STORE", "1", "+FLAGS", "(\\Seen)")
        self.assertEqual(self.pod.down().returncode, 0)
        shutil.rmtree(os.path.join(self.pod.dir, "volumes", "vol01", "index"))
        self.pod.up()
        self.phone.line.close()
        Case.log_in()
        self.imap.select(self.name)
        self.assertEqual(self.ids(self.phone.sync(self.box), "Change"), [f"{self.box}:1"], "and nothing else")
        self.assertIsNone(self.phone.sync(self.box))
        self.add(1)
        self.assertEqual(len(self.ids(self.phone.sync(self.box))), 1)
        self.assertEqual(len(self.phone.items[self.box]), 7)


if __name__ == "__main__":
    unittest.main(verbosity=2)

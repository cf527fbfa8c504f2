"""Two sides change the same mailboxes at random, and the network loses answers: phones over ActiveSync at several versions, and
IMAP sessions. At the end every phone's picture is the store's.

EAS_MODEL_OPERATIONS and EAS_MODEL_SEED in the environment make a longer run, or the same one again; with EAS_MODEL_KEEP the
pod's folder stays.
"""
import os
import random
import socket
import sys
import unittest

from eas_client import Folder, Phone
from eas_trail import Trail
from eas_wbxml import E
from pod import Pod

OPERATIONS = int(os.environ.get("EAS_MODEL_OPERATIONS", "800"))
SEED = int(os.environ.get("EAS_MODEL_SEED", "20261126"))
KEEP = bool(os.environ.get("EAS_MODEL_KEEP"))
LOSS = 0.15
FOLDERS = ("INBOX", "Archive", "Work", "Work/Deep")


class Device(Phone):
    """A phone whose answers may be lost: then it asks the same again when its turn comes."""

    def __init__(self, pod, user, rng, trail, **options):
        super().__init__(pod, user, **options)
        self.rng, self.trail, self.user = rng, trail, user
        self.pending = None  # (command, tree, what to do with the answer)
        self.window = rng.choice(("1", "3", "25", "100"))
        self.drafts = 0

    def turn(self, command, tree, then):
        self.pending = (command, tree, then)
        self.go_on()

    def go_on(self):
        command, tree, then = self.pending
        if self.rng.random() < LOSS:
            self.note_request(command, tree, "lost")
            self.lose(command, tree)
            return
        self.note_request(command, tree, "asks")
        answer = self.ask(command, tree)
        assert answer.status == 200, (command, tree, answer)
        self.pending = None
        then(answer)

    # ---- what it did, for the one message that differs ----

    def note(self, item, what):
        folder, _, uid = item.partition(":")
        self.trail.note(self.user, self.device, path_of(self, self.folders[folder]) if folder in self.folders else folder,
                        int(uid), what)

    def note_request(self, command, tree, what):
        for collection in tree.all("Collections/Collection") if command == "Sync" else ():
            folder = collection.get("CollectionId")
            if folder in self.folders:
                self.trail.note(self.user, self.device, path_of(self, self.folders[folder]), None,
                                f"{what} with {collection.get('SyncKey')}")
            for change in collection.find("Commands").children if collection.find("Commands") else ():
                if change.get("ServerId"):
                    self.note(change.get("ServerId"), f"{what} to {change.show()}")
        for move in tree.all("Move") if command == "MoveItems" else ():
            self.note(move.get("SrcMsgId"), f"{what} to move it to {move.get('DstFldId')}")

    def apply(self, answer, folder):
        if answer.root is not None:
            for got in answer.root.all("Collections/Collection"):
                for told in got.find("Commands").children if got.find("Commands") else ():
                    self.note(told.get("ServerId"), f"is told {told.tag} with {got.get('SyncKey')}")
        return super().apply(answer, folder)

    def known(self):
        return [f for f in self.folders if self.folders[f].type in (2, 3, 4, 5, 12, 1)]

    def sync_folders(self):
        self.turn("FolderSync", E("FolderHierarchy:FolderSync", E("FolderHierarchy:SyncKey", self.folder_key)), self.take_folders)

    def take_folders(self, answer):
        assert answer.root.get("Status") == "1", answer
        for change in answer.root.find("Changes").children[1:]:
            folder = change.get("ServerId")
            if change.tag.endswith(":Delete"):
                assert folder in self.folders, answer
                for picture in (self.folders, self.keys, self.items):
                    picture.pop(folder, None)
            else:
                kind = change.tag.split(":")[1]
                assert (folder in self.folders) == (kind == "Update"), answer
                self.folders[folder] = Folder(change)
        self.folder_key = answer.root.get("SyncKey")

    def sync_one(self, folder, commands=(), after=None):
        if self.keys.get(folder, "0") == "0":
            tree = self.sync_tree(self.collection(folder, key="0"))
            self.turn("Sync", tree, lambda answer: self.take_sync(answer, folder))
            return
        content = [E("AirSync:DeletesAsMoves"), E("AirSync:GetChanges"), E("AirSync:WindowSize", self.window),
                   self.options_tree(truncation=100)]
        if commands:
            content.append(E("AirSync:Commands", *commands))
        self.turn("Sync", self.sync_tree(self.collection(folder, *content)),
                  lambda answer: self.take_sync(answer, folder, after))

    def take_sync(self, answer, folder, after=None):
        if answer.root is None:
            if after:
                after(None)
            return
        if answer.root.get("Status") in ("12", "8"):
            self.sync_folders()
            return
        got = answer.root.find("Collections/Collection")
        if got.get("Status") in ("8", "12"):
            self.sync_folders()
            return
        assert got.get("Status") == "1", answer
        self.items.setdefault(folder, {})
        if after:
            after(got)
        self.apply(answer, folder)

    def change_one(self, folder):
        held = self.items.get(folder) or {}
        if not held or self.keys.get(folder, "0") == "0":
            return self.sync_one(folder)
        item = self.rng.choice(sorted(held))
        kind = self.rng.randrange(5)
        if kind == 0:
            return self.sync_one(folder, [E("AirSync:Delete", E("AirSync:ServerId", item))], lambda got: held.pop(item, None))
        if kind in (1, 2):
            read = self.rng.choice("01")
            data = E("Email:Read", read)
        else:
            read = None
            on = self.rng.random() < 0.6
            data = E("Email:Flag", E("Email:Status", "2"), E("Email:FlagType", "Flag for follow up")) if on else E("Email:Flag")

        def after(_):
            if item in held:
                held[item].children = [c for c in held[item].children if c.tag != data.tag] + [data]

        return self.sync_one(folder, [E("AirSync:Change", E("AirSync:ServerId", item), E("AirSync:ApplicationData", data))], after)

    def move_one(self, folder):
        held = self.items.get(folder) or {}
        others = [f for f in self.known() if f != folder and self.folders[f].type != 3]
        if not held or not others:
            return self.sync_one(folder)
        item, target = self.rng.choice(sorted(held)), self.rng.choice(others)
        tree = E("Move:MoveItems", E("Move:Move", E("Move:SrcMsgId", item), E("Move:SrcFldId", folder), E("Move:DstFldId", target)))

        def take(answer):
            got = answer.root.find("Response")
            self.note(item, f"was moved: {got.get('Status')} {got.get('DstMsgId')}")
            if got.get("DstMsgId"):
                self.note(got.get("DstMsgId"), f"came from {item}")
            if got.get("Status") == "3":
                data = held.pop(item, None)
                if data is not None and self.keys.get(target, "0") != "0":
                    assert got.get("DstMsgId") not in self.items[target], answer
                    self.items[target][got.get("DstMsgId")] = data
            else:
                assert got.get("Status") in ("1", "2", "5"), answer

        return self.turn("MoveItems", tree, take)

    def add_draft(self):
        drafts = [f for f in self.folders if self.folders[f].type == 3]
        if self.number() < 160 or not drafts or self.keys.get(drafts[0], "0") == "0":
            return self.sync_folders()
        self.drafts += 1
        name = f"draft {self.device} {self.drafts}"
        data = E("AirSync:ApplicationData", E("Email:To", "x@example.com"), E("Email:Subject", name),
                 E("AirSyncBase:Body", E("AirSyncBase:Type", "1"), E("AirSyncBase:Data", "text")))

        def after(got):
            response = got.find("Responses/Add")
            assert response.get("Status") == "1", got
            self.items[drafts[0]][response.get("ServerId")] = E("AirSync:ApplicationData", E("Email:Subject", name),
                                                               E("Email:Read", "1"))

        return self.sync_one(drafts[0], [E("AirSync:Add", E("AirSync:ClientId", str(self.drafts)), data)], after)

    def settle(self):
        """Asks until nothing is left to ask, not one message at a time any more."""
        self.window = "100"
        for _ in range(10000):
            if self.pending:
                command, tree, then = self.pending
                self.pending = None
                self.note_request(command, tree, "settles")
                then(self.ask(command, tree))
                continue
            key = self.folder_key
            loss, self.rng = self.rng, random.Random(1)
            self.quiet(self.sync_folders)
            more = self.folder_key != key
            for folder in list(self.known()):
                before = (self.keys.get(folder), None)
                self.quiet(lambda f=folder: self.sync_one(f))
                more = more or (self.keys.get(folder), None) != before
            self.rng = loss
            if not more and not self.pending:
                return
        raise AssertionError(f"{self.device} never comes to an end")

    def quiet(self, call):
        global LOSS
        loss, LOSS = LOSS, 0
        try:
            call()
        finally:
            LOSS = loss


class Session:
    """An IMAP client that does as it likes."""

    def __init__(self, pod, user, rng, trail):
        self.box, self.rng, self.count, self.user, self.trail = pod.imap(user), rng, 0, user, trail
        # An APPEND's literal and the end of its line are two writes: the second would wait for a delayed ACK.
        self.box.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name in FOLDERS[1:]:
            self.box.create(name)

    def mailbox(self):
        name = self.rng.choice(FOLDERS)
        ok, _ = self.box.select(name)
        return name if ok == "OK" else None

    def some(self):
        uids = self.box.uid("SEARCH", "ALL")[1][0].split()
        return self.rng.choice(uids).decode() if uids else None

    def note(self, mailbox, uid, what):
        self.trail.note(self.user, "IMAP", mailbox, int(uid), what)

    def note_copy(self, mailbox, item, target, what):
        """With the uid that the store said it has there (RFC 4315)."""
        (code,) = self.box.response("COPYUID")[1][-1:]
        there = code.split()[-1].decode() if code else "0"
        self.note(mailbox, item, f"{what} to {target}:{there}")
        self.note(target, there, f"{what} from {mailbox}:{item}")

    def act(self):
        name = self.mailbox()
        kind = self.rng.randrange(12)
        if not name:
            self.box.create(self.rng.choice(FOLDERS[1:]))
        elif kind < 5:
            self.count += 1
            text = (f"From: s@example.com\r\nTo: {self.user}@example.test\r\nSubject: mail {self.count}\r\n"
                    f"Date: Thu, 26 Nov 2026 10:00:00 +0000\r\n\r\n" + "body of some length " * self.rng.randrange(30) + "\r\n")
            _, answer = self.box.append(name, self.rng.choice(("", "(\\Seen)")), None, text.encode())
            self.note(name, answer[0].partition(b"]")[0].split()[-1], f"APPEND mail {self.count}")
        elif kind < 8:
            item = self.some()
            if item:
                how, flag = self.rng.choice(("+FLAGS", "-FLAGS")), self.rng.choice(("(\\Seen)", "(\\Flagged)"))
                self.box.uid("STORE", item, how, flag)
                self.note(name, item, how + flag)
        elif kind == 8:
            item = self.some()
            if item:
                self.box.uid("STORE", item, "+FLAGS", "(\\Deleted)")
                self.box.expunge()
                self.note(name, item, "EXPUNGE")
        elif kind in (9, 10):
            item = self.some()
            if item:
                how, target = "COPY" if kind == 9 else "MOVE", self.rng.choice(FOLDERS)
                self.box.uid(how, item, target)
                self.note_copy(name, item, target, how)
        elif self.rng.random() < 0.2:
            self.box.unselect() if hasattr(self.box, "unselect") else None
            self.box.delete("Work/Deep")
            self.box.create("Work/Deep")

    def picture(self):
        """{mailbox: sorted (subject, seen, flagged, uid)}"""
        found = {}
        for line in self.box.list()[1]:
            name = line.decode().rpartition(' "/" ')[2].strip('"')
            if b"\\Noselect" in line or b"\\NonExistent" in line or self.box.select(name, readonly=True)[0] != "OK":
                continue
            rows, found[name] = [], []
            if not self.box.search(None, "ALL")[1][0]:
                continue
            answer = self.box.fetch("1:*", "(UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
            for row in answer:
                if isinstance(row, tuple):
                    subject = row[1].decode().partition(":")[2].strip()
                    uid = int(row[0].split(b"UID ")[1].split()[0].rstrip(b")"))
                    rows.append((subject, b"\\Seen" in row[0], b"\\Flagged" in row[0], uid))
            found[name] = sorted(rows)
        return found


def path_of(device, folder):
    names = []
    while folder.id in device.folders:
        names.insert(0, "INBOX" if folder.type == 2 else folder.name)
        if folder.parent not in device.folders:
            break
        folder = device.folders[folder.parent]
    return "/".join(names)


def picture_of(device):
    found = {}
    for folder in device.folders.values():
        rows = []
        for item, data in device.items.get(folder.id, {}).items():
            rows.append((data.get("Email:Subject"), data.get("Email:Read", "0") == "1", data.get("Email:Flag/Status", "0") == "2",
                         int(item.partition(":")[2])))
        found[path_of(device, folder)] = sorted(rows)
    return found


def settle_all(devices):
    """First what was asked in vain is asked once more, which changes the store for the others; then all is heard."""
    for _ in range(2):
        for device in devices:
            device.settle()


class Model(unittest.TestCase):
    def test_every_picture_is_the_stores_at_the_end(self):
        print(f"EAS_MODEL_SEED={SEED} EAS_MODEL_OPERATIONS={OPERATIONS}", file=sys.stderr)
        rng, trail = random.Random(SEED), Trail()
        with Pod(keep=KEEP) as pod:
            crowd = self.crowd(pod, rng, trail)
            while trail.at < OPERATIONS:
                session, devices = rng.choice(crowd)
                for _ in range(rng.randrange(4)):
                    session.act()
                    trail.at += 1
                self.turn(rng.choice(devices), rng)
                trail.at += 1
            for session, devices in crowd:
                settle_all(devices)
                self.compare(session, devices, trail)
            print(f"{trail.at} operations", file=sys.stderr)

    def crowd(self, pod, rng, trail):
        crowd = []
        for n in range(2):
            user = f"model{n}"
            pod.add_user(user, "a good password 1")
            session = Session(pod, user, rng, trail)
            devices = [Device(pod, user, rng, trail, version=v, device=f"MODEL{n}X{i}")
                       for i, v in enumerate(("12.1", "14.1", "16.0", "16.1"))]
            for device in devices:
                device.set_up()
            crowd.append((session, devices))
        return crowd

    def turn(self, device, rng):
        if device.pending:
            device.go_on()
            return
        folder = rng.choice(device.known())
        rng.choice((device.sync_one, device.sync_one, device.sync_one, device.change_one, device.change_one,
                    device.move_one, lambda _: device.sync_folders(), lambda _: device.add_draft()))(folder)

    def compare(self, session, devices, trail):
        expected, wrong = session.picture(), []
        for device in devices:
            got = picture_of(device)
            for name in sorted(set(expected) | set(got)):
                told = set(got.get(name, ()))
                for row in sorted(told ^ set(expected.get(name, ()))):
                    where = "phone" if row in told else "store"
                    wrong.append(f"{device.device} ({device.version}): only the {where} has {row} in {name}")
                    wrong.extend(trail.of(session.user, name, row[3], device.device))
            wrong += [f"{device.device}: folder {name}" for name in set(got) ^ set(expected)]
        self.assertFalse(wrong, "\n".join(wrong))


if __name__ == "__main__":
    unittest.main()

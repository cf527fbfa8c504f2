"""Kills every kind of process with SIGKILL at random moments under load, many times over.

What was acknowledged must be there afterwards: each message answered 250 (or APPENDed OK) exactly once for each
recipient, each flag acknowledged, each UID unchanged. What was not acknowledged may be there once or not at all.

PODMAIL_KILL_CYCLES sets how many kills (default 12; a soak runs 300), PODMAIL_SEED repeats a run.
"""
import json
import os
import random
import re
import signal
import threading
import time
import unittest

from load import LOST, Load
from pod import Pod, until

CYCLES = int(os.environ.get("PODMAIL_KILL_CYCLES", "12"))
SEED = int(os.environ.get("PODMAIL_SEED", str(int(time.time()))))
USERS = [f"kill{i}" for i in range(6)]
PASSWORD = "kill-secret-9"
VERIFY_EVERY = 10


def message(token, recipient=""):
    return (f"From: kill@example.com\r\nTo: {recipient}\r\nSubject: {token}\r\nX-Token: {token}\r\n"
            f"Message-ID: <{token}@example.com>\r\n\r\n" + "line of text\r\n" * 40).encode()


class Book:
    """What the clients were told. Guarded by one lock; a token is written down before it is tried."""

    def __init__(self):
        self.lock = threading.Lock()
        self.number = 0
        self.tried = {}  # token -> users it may be at
        self.acked = set()  # tokens that must be there
        self.flags = {}  # (user, uid) -> the set of flags acknowledged, or None while a change is under way
        self.uids = {}  # (user, token) -> (uidvalidity, uid): once seen, never changed

    def new_token(self, kind, users):
        with self.lock:
            self.number += 1
            token = f"{kind}-{self.number:06d}"
            self.tried[token] = list(users)
            return token

    def ack(self, token):
        with self.lock:
            self.acked.add(token)


class Clients(Load):
    """They send, append and flag, reconnecting whenever they lose a server."""

    def __init__(self, pod, book, rng, mail_only=False):
        self.pod, self.book = pod, book
        kinds = [self.send_smtp] * 3 + [self.send_lmtp]
        if not mail_only:
            kinds += [self.append, self.set_flags, self.set_flags]
        super().__init__(kinds, rng)

    def send_smtp(self, rng, _):
        with self.pod.smtp("smtp") as client:
            while not self.stopping.is_set():
                users = rng.sample(USERS, rng.choice((1, 1, 2, 4)))
                token = self.book.new_token("smtp", users)
                client.sendmail("kill@example.com", [self.pod.address(u) for u in users], message(token))
                self.book.ack(token)

    def send_lmtp(self, rng, _):
        with self.pod.smtp("lmtp") as client:
            while not self.stopping.is_set():
                user = rng.choice(USERS)
                token = self.book.new_token("lmtp", [user])
                client.sendmail("kill@example.com", [self.pod.address(user)], message(token))
                self.book.ack(token)

    def append(self, rng, _):
        user = rng.choice(USERS)
        box = self.pod.imap(user)
        while not self.stopping.is_set():
            token = self.book.new_token("append", [user])
            status, data = box.append("INBOX", None, None, message(token))
            if status == "OK":
                self.book.ack(token)
                found = re.search(rb"APPENDUID (\d+) (\d+)", data[0])
                with self.book.lock:
                    self.book.uids[(user, token)] = (int(found[1]), int(found[2]))

    def set_flags(self, rng, index):
        user = USERS[index % len(USERS)]  # one writer for each mailbox, so that the last word is known
        box = self.pod.imap(user)
        box.select("INBOX")
        while not self.stopping.is_set():
            _, data = box.uid("SEARCH", "ALL")
            uids = data[0].split()
            if not uids:
                box.noop()
                continue
            uid = int(rng.choice(uids))
            flags = set(rng.sample(["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$work"], rng.randint(0, 3)))
            with self.book.lock:
                self.book.flags[(user, uid)] = None
            status, data = box.uid("STORE", str(uid), "FLAGS", "(" + " ".join(sorted(flags)) + ")")
            if status == "OK":
                with self.book.lock:
                    self.book.flags[(user, uid)] = flags


class PodUnderLoad(unittest.TestCase):
    """A pod with users, a book of what its clients were told, and the check of one against the other."""

    def start(self, pod):
        self.rng = random.Random(SEED)
        self.pod = pod
        self.addCleanup(self.pod.close)
        self.pod.up()
        for user in USERS:
            self.pod.add_user(user, PASSWORD)
        self.book = Book()

    def wait_until_answering(self):
        def answers():
            try:
                self.pod.imap(USERS[0]).logout()
                with self.pod.smtp("smtp") as client:
                    return client.noop()[0] == 250
            except LOST:
                return False
        until(answers, "the pod to answer after a kill", limit=90, step=0.1)

    def queue_is_empty(self):
        listed = self.pod.podctl("queue", "list", as_json=True)
        items = listed if isinstance(listed, list) else listed.get("messages", listed.get("items", []))
        return not items

    def mailbox(self, user):
        """{uid: (token, flags)} and the uidvalidity."""
        box = self.pod.imap(user)
        box.select("INBOX", readonly=True)
        validity = int(box.response("UIDVALIDITY")[1][0])
        found = {}
        _, data = box.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[HEADER.FIELDS (X-Token)])")
        for item in data or []:
            if isinstance(item, tuple):
                uid = int(re.search(rb"UID (\d+)", item[0])[1])
                flags = set(re.search(rb"FLAGS \(([^)]*)\)", item[0])[1].decode().split()) - {"\\Recent"}
                token = re.search(rb"X-Token: (\S+)", item[1])
                found[uid] = (token[1].decode() if token else None, flags)
        box.logout()
        return validity, found

    def verify(self):
        self.wait_until_answering()
        until(self.queue_is_empty, "the queue to be delivered", limit=120, step=0.2)
        seen = {}  # token -> list of users
        for user in USERS:
            validity, found = self.mailbox(user)
            for uid, (token, flags) in found.items():
                seen.setdefault(token, []).append(user)
                known = self.book.uids.setdefault((user, token), (validity, uid))
                self.assertEqual(known, (validity, uid), f"{token} of {user} changed its UID")
                expected = self.book.flags.get((user, uid), set())
                if expected is not None:
                    self.assertEqual(flags, expected, f"flags of UID {uid} of {user}")
                else:  # a change was cut off: either outcome is right, and what it is now it must stay
                    self.book.flags[(user, uid)] = flags
        for token in self.book.acked:
            self.assertEqual(sorted(seen.get(token, [])), sorted(self.book.tried[token]),
                             f"{token} was acknowledged for {self.book.tried[token]}")
        for token, users in seen.items():
            self.assertEqual(len(users), len(set(users)), f"{token} is there twice: {users}")
        return len(self.book.acked)


class KillTest(PodUnderLoad):
    def setUp(self):
        print(f"seed {SEED}, {CYCLES} kills", flush=True)
        self.start(Pod())

    def kill_one(self):
        victims = self.pod.processes()
        kinds = sorted({os.path.basename(line.split(" ")[0]).rstrip(":") for line in victims.values()})
        kind = self.rng.choice([k for k in kinds if k in ("mta", "imapd", "stored")] * 4 +
                               [k for k in kinds if k == "podd"])
        pid = self.rng.choice([p for p, line in victims.items()
                               if os.path.basename(line.split(" ")[0]).rstrip(":") == kind])
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return kind
        if kind == "podd":  # its children end with it; an operator's service manager would start it anew
            until(lambda: not self.pod.processes(), "the pod's processes to end with podd")
            self.pod.up()
        return kind

    def test_acknowledged_mail_and_flags_survive_sigkill(self):
        done = 0
        kills = {}
        while done < CYCLES:
            load = Clients(self.pod, self.book, self.rng)
            for _ in range(min(VERIFY_EVERY, CYCLES - done)):
                time.sleep(self.rng.uniform(0.05, 0.6))  # a random moment of the load, not a wait for anything
                kind = self.kill_one()
                kills[kind] = kills.get(kind, 0) + 1
                done += 1
                self.wait_until_answering()
            load.stop()
            self.assertEqual(load.failures, [])
            acked = self.verify()
            print(f"{done} kills {kills}: {acked} messages acknowledged, {len(self.book.flags)} flagged, all there",
                  flush=True)


class IdleSessions(unittest.TestCase):
    def test_a_session_that_was_idle_while_its_store_restarted_is_still_its_own_users(self):
        with Pod() as pod:
            pod.send("alice", message("for-alice"))
            idle = [pod.imap("alice") for _ in range(6)]  # more than there are workers; none has a mailbox open

            def store():
                status = json.loads(pod.podctl("--format", "json", "status", check=False).stdout)
                return next(p for p in status["processes"] if p["name"] == "stored:vol01")

            old = store()["pid"]
            os.kill(old, signal.SIGKILL)
            until(lambda: store()["pid"] not in (0, old) and store()["state"] == "ready", "the store to be back")
            others = [pod.imap("bob") for _ in range(6)]  # they get the numbers that those had on the old connections
            for box in others:
                self.assertEqual(box.select("INBOX")[1], [b"0"])
            for box in idle:
                self.assertEqual(box.select("INBOX"), ("OK", [b"1"]))
            for box in idle + others:
                box.logout()


if __name__ == "__main__":
    unittest.main()

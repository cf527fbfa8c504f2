#!/usr/bin/env python3
"""Phones that wait: a new message wakes those it concerns, a new wait ends the old one in whichever worker that is, who leaves
is forgotten, and neither the store's restart nor our own loses anybody."""
import os
import select
import signal
import sys
import unittest
import urllib.request

from eas_client import Phone
from eas_wbxml import E, decode
from pod import Pod, until


class Waiting(Phone):
    def ping(self, seconds=600, folders=None):
        folder = [E("Ping:Folder", E("Ping:Id", f), E("Ping:Class", "Email")) for f in folders or [self.inbox]]
        self.line.ask_only(*self.request("Ping", E("Ping:Ping", E("Ping:HeartbeatInterval", str(seconds)),
                                                   E("Ping:Folders", *folder))))
        return self

    def answered(self):
        """The status, and what changed."""
        status, _, body = self.line.answer()
        assert status == 200, status
        root = decode(body)
        return root.get("Status"), [f.text for f in root.all("Folders/Folder")]

    def is_answered(self):
        s = self.line.http.sock
        return bool(s.pending() or select.select([s], [], [], 0)[0])


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pod = Pod()
        cls.pod.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()

    def phone(self, user="alice", device="WAIT0001", **options):
        phone = Waiting(self.pod, user, device=device, **options)
        phone.set_up()
        phone.prime(phone.inbox)
        phone.pull(phone.inbox)
        return phone

    def waiting(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.pod.port('metrics')}/metrics", timeout=60) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith("podmail_imapd_eas_waiting "):
                    return int(float(line.split()[1]))
        return None

    def settle(self, n):
        until(lambda: self.waiting() == n, f"{n} to wait")

    def test_a_message_wakes_whom_it_concerns(self):
        first, second = self.phone(device="WAKE0001"), self.phone(device="WAKE0002", version="16.1")
        other, elsewhere = self.phone("bob", device="WAKE0003"), self.phone(device="WAKE0004")
        elsewhere.prime(elsewhere.folder("Archive").id)
        for phone in (first, second, other):
            phone.ping()
        elsewhere.ping(folders=[elsewhere.folder("Archive").id])
        self.settle(4)
        self.pod.send("alice", "Subject: wake\r\n\r\nup\r\n")
        self.assertEqual(first.answered(), ("2", [first.inbox]))
        self.assertEqual(second.answered(), ("2", [second.inbox]))
        self.assertEqual(self.waiting(), 2)
        self.assertFalse(other.is_answered() or elsewhere.is_answered())
        for phone in (other, elsewhere):
            phone.line.close()
        self.settle(0)

    def test_a_new_wait_ends_the_old_one(self):
        old = self.phone(device="TWICE001")
        for _ in range(6):  # connections go to either worker
            new = Waiting(self.pod, "alice", device=old.device)
            new.policy_key, new.folders = old.policy_key, old.folders
            old.ping()
            self.settle(1)
            new.ping()
            self.assertEqual(old.answered()[0], "1")
            self.settle(1)
            new.line.close()
            self.settle(0)

    def test_a_wait_of_another_device_or_user_ends_nothing(self):
        phones = [self.phone(device="SAME0001"), self.phone(device="SAME0002"), self.phone("bob", device="SAME0001")]
        for phone in phones:
            phone.ping()
        self.settle(3)
        self.assertFalse(any(p.is_answered() for p in phones))
        for phone in phones:
            phone.line.close()
        self.settle(0)

    def told(self, order, user, device="RULE0001", version="14.1", stdin=None):
        """What a phone that waits is answered when an admin gives an order: the HTTP code, and the document's status."""
        phone = self.phone(user, device=device, version=version).ping()
        self.settle(1)
        self.pod.podctl(*order, stdin=stdin)
        code, _, body = phone.line.answer()
        phone.line.close()
        self.settle(0)
        return code, decode(body).get("Status") if body else None

    def test_an_admins_orders_reach_who_waits(self):
        self.pod.add_user("orders", "first-pass-word")
        user = self.pod.address("orders")
        for order, version, answer in (
                (("device", "policy", user, "AllowCamera=0"), "14.1", (200, "143")),
                (("device", "policy", user.split("@")[1], "MinDevicePasswordLength=6"), "12.1", (449, None)),
                (("device", "block", user, "RULE0002"), "16.1", (200, "129")),
                (("device", "wipe", user, "RULE0003", "--yes"), "14.1", (200, "140")),
                (("device", "wipe-account", user, "RULE0004", "--yes"), "16.1", (200, "140"))):
            device = order[3] if order[1] != "policy" else "RULE0001"
            self.assertEqual(self.told(order, "orders", device, version), answer, order)
        self.pod.podctl("device", "policy", user.split("@")[1], "MinDevicePasswordLength=")

    def test_a_changed_password_reaches_who_waits_and_so_does_a_suspension(self):
        self.pod.add_user("leaver", "first-pass-word")
        user = self.pod.address("leaver")
        self.assertEqual(self.told(("user", "set", user, "--suspend"), "leaver"), (401, None))
        self.pod.podctl("user", "set", user, "--activate")
        self.assertEqual(self.told(("user", "passwd", user, "--password-stdin"), "leaver", stdin="second-pass-word\n"), (401, None))

    def test_orders_for_others_wake_nobody(self):
        """Those that may concern it make it look, and wait on."""
        self.pod.add_user("stranger", "first-pass-word")
        phone, other = self.phone(device="CALM0001"), self.phone(device="CALM0002")
        phone.ping()
        self.settle(1)
        stranger = self.pod.address("stranger")
        self.pod.podctl("device", "policy", stranger, "AllowCamera=0")
        self.pod.podctl("user", "passwd", stranger, "--password-stdin", stdin="second-pass-word\n")
        self.pod.podctl("device", "block", other.address, other.device)
        self.pod.podctl("user", "set", phone.address, "--display-name", "Alice")
        self.pod.send("alice", "Subject: at last\r\n\r\nmail\r\n")
        self.assertEqual(phone.answered(), ("2", [phone.inbox]))
        phone.line.close()
        self.settle(0)

    def test_a_restart_of_the_store_loses_nobody(self):
        phone = self.phone(device="STORE001")
        phone.ping()
        self.settle(1)
        for pid in self.pod.pids_of("stored"):
            os.kill(pid, signal.SIGKILL)

        def sent():
            try:
                self.pod.send("alice", "Subject: after\r\n\r\nthe restart\r\n")
            except (OSError, AssertionError):
                return False
            return True
        until(sent, "a message to be taken")
        self.assertEqual(phone.answered(), ("2", [phone.inbox]))

    def test_who_waits_is_answered_when_the_server_ends(self):
        phone = self.phone(device="END00001")
        phone.ping()
        self.settle(1)
        parent = min(self.pod.pids_of("imapd"))
        os.kill(parent, signal.SIGTERM)
        self.assertEqual(phone.answered()[0], "1")
        until(lambda: self.pod.pids_of("imapd") and parent not in self.pod.pids_of("imapd"), "imapd to be there again")
        phone.line.close()
        until(lambda: self.pulls(phone), "the next process to answer", step=0.2)

    @staticmethod
    def pulls(phone):
        try:
            phone.pull(phone.inbox)
        except OSError:
            return False
        return True


if __name__ == "__main__":
    unittest.main(argv=sys.argv, verbosity=1)

"""Mail that was deleted comes back out of a copy of the volume, as clients see it."""
import json
import os
import shutil
import signal
import tempfile
import unittest

from pod import Pod, replication_able, until


def message(n, sender="bob@example.com"):
    return (f"From: Bob <{sender}>\r\nSubject: =?utf-8?q?Caf=C3=A9?= number {n}\r\n"
            f"Message-ID: <{n}@restore.test>\r\n\r\ntext {n}\r\n").encode()


class RestoreCase(unittest.TestCase):
    """What the tests below share: a pod, and what a client sees in it."""
    volumes = "directory"

    @classmethod
    def setUpClass(cls):
        cls.pod = Pod(volumes=cls.volumes)
        cls.addClassCleanup(cls.pod.close)
        cls.pod.up()

    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="podmail-restore-")
        self.addCleanup(shutil.rmtree, self.work, True)
        os.chmod(self.work, 0o755)

    def restore(self, *args, status=0):
        done = self.pod.podctl("--format", "json", "restore", *args, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return json.loads(done.stdout if status in (0, 1) else done.stderr)

    def user(self, name):
        self.pod.add_user(name, "secret")
        return self.pod.address(name)

    def fetch(self, name, mailbox="INBOX"):
        """{subject number: (uid, flags)} as a client sees it."""
        box = self.pod.imap(name)
        status, _ = box.select(mailbox, readonly=True)
        self.assertEqual(status, "OK", mailbox)
        seen = {}
        for part in box.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[TEXT])")[1]:
            if isinstance(part, tuple):
                head = part[0].decode()
                seen[int(part[1].split()[1])] = (int(head.split("UID ")[1].split()[0]), 
                                                  head.split("FLAGS (")[1].split(")")[0].replace("\\Recent", "").strip())
        box.logout()
        return seen

    def delete_all(self, name, mailbox="INBOX"):
        box = self.pod.imap(name)
        box.select(mailbox)
        box.store("1:*", "+FLAGS", "\\Deleted")
        box.expunge()
        box.logout()


class FolderTest(RestoreCase):
    def copy(self):
        """What a backup made of files alone has: taken while the volume is in service, and at a moment at which no file
        is on its way from staging/ to its Maildir, where such a copy may miss it."""
        to = os.path.join(self.work, "copy")
        shutil.rmtree(to, ignore_errors=True)
        volume = os.path.join(self.pod.dir, "volumes", "vol01")
        until(lambda: not os.listdir(os.path.join(volume, "staging")), "all files to be in their place")
        shutil.copytree(volume, to, ignore=shutil.ignore_patterns("index"))
        owner = os.stat(volume)
        for folder, folders, files in os.walk(to):  # the store's user is to read it
            for name in [folder] + [os.path.join(folder, n) for n in folders + files]:
                os.chown(name, owner.st_uid, owner.st_gid)
        return to

    def test_a_message_is_searched_for_and_comes_back_once(self):
        address = self.user("ann")
        for n in range(3):
            self.pod.send("ann", message(n))
        box = self.pod.imap("ann")
        box.select("INBOX")
        box.store("2", "+FLAGS", "(\\Flagged work)")
        box.logout()
        before = self.fetch("ann")
        copy = self.copy()
        self.delete_all("ann")
        found = self.restore("message", address, "--from-folder", copy, "--search", "--subject", "caf\u00e9 NUMBER 1")
        self.assertEqual([(i["mailbox"], i["uid"], i["subject"], i["sender"]) for i in found["items"]],
                         [("INBOX", 2, "Caf\u00e9 number 1", "Bob <bob@example.com>")])
        self.assertEqual(self.fetch("ann"), {})
        table = self.pod.podctl("restore", "message", address, "--from-folder", copy, "--search", "--sender", "bob").stdout
        self.assertIn("Caf\u00e9 number 2", table)
        done = self.restore("message", address, "--from-folder", copy, "--mailbox", "INBOX", "--uid", "2")
        self.assertEqual((done["restored"], done["items"][0]["new_uid"]), (1, 4))
        self.assertEqual(self.fetch("ann").keys(), {1})
        # The flag may not have been written to the file's name when the copy was made; where it was, it is back.
        self.assertIn(self.fetch("ann")[1][1], (before[1][1], ""))
        done = self.restore("message", address, "--from-folder", copy, "--message-id", "<1@restore.test>")
        self.assertEqual((done["restored"], done["present"]), (0, 1))
        self.restore("message", address, "--from-folder", copy, "--message-id", "nobody@restore.test", status=3)
        self.restore("message", address, "--from-folder", copy, status=2)
        self.restore("message", address, "--from-folder", os.path.join(self.work, "nothing"), "--uid", "1", status=3)

    def test_clients_that_are_connected_see_what_comes_back(self):
        address = self.user("cat")
        self.pod.send("cat", message(1))
        copy = self.copy()
        self.delete_all("cat")
        box = self.pod.imap("cat")
        box.select("INBOX")
        self.restore("mailbox", address, "INBOX", "--from-folder", copy)

        def is_told():
            box.noop()
            return (box.response("EXISTS")[1] or [None])[-1] == b"1"
        until(is_told, "the client to be told of the message")
        self.assertIn(b"number 1", box.fetch("1", "(BODY[])")[1][0][1])
        box.logout()

    def test_a_deleted_mailbox_and_a_removed_user_come_back(self):
        address = self.user("dan")
        self.pod.send("dan", message(1))
        box = self.pod.imap("dan")
        box.create("Projects/2026")
        box.append("Projects/2026", "(\\Seen)", None, message(2))
        box.append("Sent", "(\\Seen)", None, message(3))
        box.logout()
        copy = self.copy()
        box = self.pod.imap("dan")
        box.delete("Projects/2026")
        box.logout()
        self.restore("mailbox", address, "Projects/2026", "--from-folder", copy)
        self.assertEqual(self.fetch("dan", "Projects/2026").keys(), {2})
        self.pod.podctl("user", "remove", address)
        self.restore("mailbox", address, "INBOX", "--from-folder", copy, status=3)
        done = self.restore("user", address, "--from-folder", copy)
        self.assertTrue(done["new_user"])
        self.assertEqual(done["restored"], 3)
        # The password of before, and mail as it was; new mail arrives.
        self.assertEqual(self.fetch("dan").keys(), {1})
        self.assertEqual(self.fetch("dan", "Projects/2026")[2][1], "\\Seen")
        self.pod.send("dan", message(4))
        self.assertEqual(self.fetch("dan").keys(), {1, 4})
        done = self.restore("user", address, "--from-folder", copy, "--into", "Restored/copy")
        self.assertEqual(self.fetch("dan", "Restored/copy/Sent").keys(), {3})
        self.assertEqual(self.pod.podctl("restore", "list", as_json=True)["restores"][0]["id"], done["id"])

    def test_a_volume_comes_back_with_all_users_and_they_can_move(self):
        stays, goes = self.user("ida"), self.user("joe")
        for name in ("ida", "joe"):
            self.pod.send(name, message(1))
        copy = self.copy()
        self.delete_all("ida")
        self.pod.send("ida", message(2))
        self.pod.podctl("user", "remove", goes)
        done = self.restore("volume", "vol01", "--from-folder", copy)
        self.assertGreaterEqual(done["restored"], 2)
        self.assertEqual(self.fetch("ida").keys(), {1, 2})
        self.assertEqual(self.fetch("joe").keys(), {1})
        # To another volume: nobody by a slip, and nobody twice.
        self.pod.podctl("volume", "add", "vol02")
        self.restore("volume", "vol01", "--from-folder", copy, "--as", "vol02", status=2)
        done = self.restore("volume", "vol01", "--from-folder", copy, "--as", "vol02", "--yes")
        self.assertEqual(done["problems"], [])
        users = {u["address"]: u["volume"] for u in self.pod.podctl("user", "list", as_json=True)["users"]}
        self.assertEqual((users[stays], users[goes]), ("vol02", "vol02"))
        self.assertEqual(self.fetch("ida").keys(), {1})
        self.pod.send("ida", message(3))
        self.assertEqual(self.fetch("ida").keys(), {1, 3})
        done = self.restore("volume", "vol01", "--from-folder", copy, "--as", "vol02", "--yes")
        self.assertEqual((done["restored"], done["failed"]), (0, 0))
        self.restore("volume", "vol77", "--from-folder", copy, status=3)

    def test_the_quota_is_kept_unless_told_otherwise(self):
        address = self.user("eve")
        self.pod.send("eve", message(1))
        copy = self.copy()
        self.delete_all("eve")
        self.pod.podctl("user", "set", address, "--quota", "100")
        failed = self.restore("user", address, "--from-folder", copy, status=7)
        self.assertIn("--ignore-quota", failed["error"]["hint"])
        self.assertEqual(self.fetch("eve"), {})
        self.restore("user", address, "--from-folder", copy, "--ignore-quota")
        self.assertEqual(self.fetch("eve").keys(), {1})


@unittest.skipUnless(replication_able(), "replicated volumes take root and FUSE")
class SnapshotTest(RestoreCase):
    volumes = "replicated"

    def take(self, name):
        self.pod.podctl("snapshot", "take", "vol01", name)

    def mounts(self):
        return self.pod.podctl("snapshot", "mounts", as_json=True)["mounts"]

    def test_a_message_deleted_after_a_snapshot_comes_back_from_either_site(self):
        address = self.user("fay")
        for n in range(3):
            self.pod.send("fay", message(n))
        box = self.pod.imap("fay")
        box.select("INBOX")
        box.store("2", "+FLAGS", "(\\Flagged work)")  # the snapshot's index knows this at once
        box.logout()
        self.take("before")
        self.delete_all("fay")
        self.pod.send("fay", message(7))
        found = self.restore("message", address, "--from", "before", "--search", "--sender", "bob@")
        self.assertEqual([i["uid"] for i in found["items"]], [1, 2, 3])
        done = self.restore("message", address, "--from", "before", "--mailbox", "INBOX", "--uid", "2")
        self.assertEqual(done["restored"], 1)
        seen = self.fetch("fay")
        self.assertEqual(seen.keys(), {7, 1})
        self.assertEqual(set(seen[1][1].split()), {"\\Flagged", "work"})
        self.assertGreater(seen[1][0], seen[7][0], "a new uid above all others")
        standby = [r["site"] for r in self.pod.podctl("replication", "status", as_json=True)["volumes"][0]["replicas"]
                   if r["role"] == "secondary"][0]
        done = self.restore("mailbox", address, "INBOX", "--from", "before", "--site", standby)
        self.assertEqual((done["restored"], done["present"]), (2, 1))
        self.assertEqual(self.fetch("fay").keys(), {0, 1, 2, 7})
        until(lambda: not self.mounts(), "what was mounted for it to be unmounted")
        for _ in range(4):  # one after the other: each may meet the unmounting of the one before
            done = self.restore("mailbox", address, "INBOX", "--from", "before")
            self.assertEqual((done["restored"], done["present"]), (0, 3))
        self.restore("mailbox", address, "INBOX", "--from", "nothing", status=3)
        self.restore("mailbox", address, "INBOX", "--from", "before", "--site", "site9", status=3)

    def test_a_user_removed_after_a_snapshot_comes_back(self):
        address = self.user("gus")
        self.pod.send("gus", message(1))
        self.take("with-gus")
        self.pod.podctl("user", "remove", address)
        done = self.restore("user", address, "--from", "with-gus")
        self.assertEqual((done["new_user"], done["restored"]), (True, 1))
        self.assertEqual(self.fetch("gus").keys(), {1})
        self.pod.send("gus", message(2))
        self.assertEqual(self.fetch("gus").keys(), {1, 2})

    def test_a_snapshot_is_mounted_by_hand_until_it_is_unmounted_or_the_pod_stops(self):
        self.user("hal")
        self.take("look")
        mounted = self.pod.podctl("snapshot", "mount", "vol01", "look", as_json=True)
        self.assertIn("users", os.listdir(mounted["path"]))
        with self.assertRaises(OSError):
            with open(os.path.join(mounted["path"], "x"), "w", encoding="utf-8"):
                pass
        again = self.pod.podctl("snapshot", "mount", "vol01", "look", as_json=True)
        self.assertEqual((again["path"], again["uses"]), (mounted["path"], 1))
        self.pod.podctl("snapshot", "unmount", "vol01", "look")
        self.assertFalse(self.mounts())
        self.assertFalse(os.path.exists(mounted["path"]))
        self.assertEqual(self.pod.podctl("snapshot", "unmount", "vol01", "look", check=False).returncode, 3)
        # Whoever holds the mount dies: it is gone, and can be had again.
        path = self.pod.podctl("snapshot", "mount", "vol01", "look", as_json=True)["path"]
        holders = [pid for pid, line in self.pod.processes().items() if "volattach" in line and path in line]
        self.assertEqual(len(holders), 1)
        os.kill(holders[0], signal.SIGKILL)
        until(lambda: not self.mounts(), "podd to see that it is gone")
        path = self.pod.podctl("snapshot", "mount", "vol01", "look", as_json=True)["path"]
        self.assertIn("users", os.listdir(path))
        self.pod.down()
        self.assertFalse(os.path.ismount(path))
        self.pod.up()
        self.assertEqual(self.mounts(), [])


@unittest.skipUnless(replication_able(), "replicated volumes take root and FUSE")
class OrphanTest(RestoreCase):
    volumes = "replicated"

    def snapshots(self):
        return [s["name"] for s in self.pod.podctl("snapshot", "list", "vol01", as_json=True)["snapshots"]]

    def orphans(self):
        return [name for name in self.snapshots() if name.startswith("orphan")]

    def test_mail_that_a_forced_failover_lost_is_got_out_of_the_old_primarys_orphan(self):
        address = self.user("kim")
        self.pod.send("kim", message(1))
        self.pod.podctl("replication", "pause", "vol01")

        def struck():
            status = self.pod.podctl("replication", "status", check=False, as_json=True)["volumes"][0]
            return [r for r in status["replicas"] if r["role"] == "secondary" and not r["in_sync"]]
        box = self.pod.imap("kim")
        # By IMAP: the mta would keep it in its queue while the volume waits, and bring it to the new primary.
        self.assertEqual(box.append("INBOX", None, None, message(2))[0], "OK", "acknowledged by the primary alone")
        box.logout()
        until(struck, "the standby to be struck")
        self.assertNotEqual(self.pod.podctl("failover", "vol01", check=False).returncode, 0, "it would lose something")
        self.pod.podctl("failover", "vol01", "--max-loss", "any")
        self.assertEqual(self.fetch("kim").keys(), {1})
        self.pod.podctl("replication", "resume", "vol01")
        until(self.orphans, "the old primary to come back with its tail")
        done = self.restore("message", address, "--from", self.orphans()[0], "--message-id", "2@restore.test")
        self.assertEqual(done["restored"], 1)
        self.assertEqual(self.fetch("kim").keys(), {1, 2})


if __name__ == "__main__":
    unittest.main()

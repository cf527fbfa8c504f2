"""A pod with replicated volumes, as podctl up makes it: mail goes on through restarts of replicators, switchovers and
failovers; snapshots at both sites; growing. The replicator itself has tests of its own."""
import json
import os
import re
import signal
import subprocess
import time
import unittest

from eas_client import Phone
from eas_wbxml import E, decode
from pod import BIN, Pod, until

HERE = os.geteuid() == 0 and os.path.exists("/dev/fuse") and os.path.exists("/dev/loop-control")
MISSING = "needs root, FUSE and loop devices"


def may_grow_file_systems():
    """ext4 asks for CAP_SYS_RESOURCE, which a container may withhold."""
    with open("/proc/self/status", encoding="ascii") as f:
        effective = next(int(line.split()[1], 16) for line in f if line.startswith("CapEff"))
    return effective >> 24 & 1


def is_over(pid):
    """A kill is a wish until then; nobody may have waited for the process yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def message(number, sender="sender@example.com"):
    return f"From: {sender}\r\nTo: alice@example.test\r\nSubject: number {number}\r\n\r\nbody {number}\r\n".encode()


class ReplicatedPod(Pod):
    def __init__(self):
        super().__init__(volumes=None)  # what podctl up makes of its own
        self.sent = 0

    def send_one(self):
        self.sent += 1
        self.send("alice", message(self.sent))

    def send_through_queue(self):
        """One that the mta's queue brings, a second later; returns when it is in its mailbox."""
        self.sent += 1
        with self.smtp("submission", starttls=True) as client:
            client.login(self.address("alice"), self.password("alice"))
            alice = self.address("alice")
            refused = client.sendmail(alice, [alice], message(self.sent, alice), ["HOLDFOR=1"])
        assert not refused, refused
        box = self.imap("alice")
        until(lambda: f"number {self.sent}" in subjects(box), "the message to come through the queue")
        box.logout()

    def configure(self, text):
        """Written behind the configuration, and in force with the pod's next start, which is now."""
        with open(os.path.join(self.dir, "podmail.conf"), "a", encoding="utf-8") as f:
            f.write("\n" + text + "\n")
        assert self.down().returncode == 0
        self.up()

    def kill_primary(self, volume="vol01"):
        self.kill(f"replicator:{volume}@site1", f"attach:{volume}", f"stored:{volume}")

    def processes_named(self):
        return {p["name"]: p["pid"] for p in self.json("status")["processes"]}

    def json(self, *args):
        """The answer, whatever the exit status says of how well the pod is."""
        return json.loads(self.podctl("--format", "json", *args, check=False).stdout)

    def replication(self, volume="vol01"):
        return self.json("replication", "status", volume)["volumes"][0]

    def replica(self, role):
        return next(r for r in self.replication()["replicas"] if r["role"] == role)

    def wait_in_sync(self):
        until(lambda: all(r["in_sync"] for r in self.replication()["replicas"]) and self.replication()["serving"],
              "both replicas to be in sync")

    def pause(self):
        """Replication to the standby ends, and mail goes on without it: struck, for a flush has waited for it."""
        self.podctl("replication", "pause", "vol01")
        self.send_one()
        until(lambda: not self.replica("secondary")["in_sync"], "the standby to be struck")

    def kill(self, *names):
        running = self.processes_named()
        for name in names:
            os.kill(running[name], signal.SIGKILL)


def subjects(box):
    box.select("INBOX")
    found = box.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    return [part[1].decode().split(":")[1].strip() for part in found if isinstance(part, tuple)]


@unittest.skipUnless(HERE, MISSING)
class OneReplicatedPod(unittest.TestCase):
    """Tests that share a pod, served at site1 and in sync when each begins and ends."""

    @classmethod
    def setUpClass(cls):
        cls.pod = ReplicatedPod()
        cls.pod.up()
        cls.pod.wait_in_sync()

    @classmethod
    def tearDownClass(cls):
        cls.pod.close()

    def tearDown(self):
        if self.pod.replication()["primary"] != "site1":
            self.pod.podctl("failback", "vol01")
        self.pod.wait_in_sync()

    def assert_all_there(self, box=None):
        own = box or self.pod.imap("alice")
        self.assertEqual(subjects(own), [f"number {i + 1}" for i in range(self.pod.sent)])
        if not box:
            own.logout()

    def test_up_makes_a_replicated_volume_and_says_where_both_sites_are(self):
        volume = self.pod.info["volumes"][0]
        self.assertEqual((volume["name"], volume["kind"]), ("vol01", "replicated"))
        self.assertEqual([(s["site"], s["role"], s["mode"]) for s in volume["sites"]],
                         [("site1", "primary", "sync"), ("site2", "secondary", "sync")])
        for site in volume["sites"]:
            self.assertTrue(os.path.exists(os.path.join(site["folder"], "log")), site)
        shown = self.pod.podctl("volume", "show", "vol01").stdout
        self.assertIn("sync to site2, in sync", shown)
        # Nobody but root and the replicators gets at the raw volume, whatever group front ends are in.
        folder = os.stat(os.path.join(self.pod.dir, "run", "replica"))
        self.assertEqual(folder.st_mode & 0o777, 0o700)

    def test_a_replicator_killed_under_the_mount_is_a_pause(self):
        box = self.pod.imap("alice")
        for site, how in (("site1", signal.SIGKILL), ("site2", signal.SIGKILL), ("site1", signal.SIGTERM)):
            self.pod.send_one()
            store = self.pod.processes_named()["stored:vol01"]
            replicator = self.pod.processes_named()[f"replicator:vol01@{site}"]
            os.kill(replicator, how)
            until(lambda gone=replicator, of=site: self.pod.processes_named().get(f"replicator:vol01@{of}", 0) not in (0, gone),
                  "the next one to be started")
            self.pod.send_one()
            self.assertEqual(box.noop()[0], "OK")
            self.assertEqual(self.pod.processes_named()["stored:vol01"], store)  # it saw nothing
        self.assert_all_there(box)
        box.logout()
        self.pod.wait_in_sync()
        self.assertEqual(self.pod.replication()["token"], 1 + 2 * self.moves())

    def moves(self):
        """Switchovers and failovers of this pod, there and back."""
        return self.pod.log_tail(100000).count("volume.moved") // 2

    def test_a_switchover_keeps_connections_and_loses_nothing(self):
        box = self.pod.imap("alice")
        self.pod.send_one()
        before = self.pod.replication()["token"]
        done = self.pod.podctl("switchover", "vol01")
        self.assertIn("served at site2", done.stderr + done.stdout)
        status = self.pod.replication()
        self.assertEqual((status["primary"], status["token"]), ("site2", before + 1))
        self.pod.send_one()
        self.assert_all_there(box)  # on the connection that was open all the time
        back = self.pod.json("failback", "vol01")
        self.assertEqual((back["kind"], back["state"], back["to"]), ("failback", "done", "site1"))
        self.pod.send_one()
        self.assert_all_there(box)
        box.logout()
        self.assertEqual(self.pod.podctl("failback", "vol01", check=False).returncode, 4)  # it is there already

    def test_a_failover_from_a_dead_primary_loses_nothing_in_sync(self):
        box = self.pod.imap("alice")
        self.pod.send_one()
        begin = time.monotonic()
        self.pod.kill("replicator:vol01@site1", "attach:vol01", "stored:vol01")
        self.pod.podctl("failover", "vol01")
        box.noop()
        took = time.monotonic() - begin
        self.assertEqual(self.pod.replication()["primary"], "site2")
        self.pod.send_one()
        self.assert_all_there(box)
        box.logout()
        print(f"failover: first IMAP answer {took:.2f} s after the kill")
        self.assertLess(took, 30)
        self.pod.wait_in_sync()  # the old primary came back as a standby, by itself
        self.assertEqual(self.pod.replica("secondary")["site"], "site1")

    def answered(self):
        """Who was told that somebody is away."""
        with open(os.path.join(self.pod.dir, "log", "podmail.log"), encoding="utf-8") as f:
            return [re.search(r" to=(\S+)", line).group(1) for line in f if " oof.answered " in line]

    def test_a_phone_waits_through_a_failover_and_nobody_is_told_twice_that_its_user_is_away(self):
        bob, first, second = self.pod.address("bob"), "first@elsewhere.test", "second@elsewhere.test"

        def send(sender, subject):
            self.pod.send("bob", f"From: {sender}\r\nTo: {bob}\r\nSubject: {subject}\r\n\r\nhello\r\n".encode(), sender)
        self.pod.podctl("user", "oof", bob, "--on", "--external", "I am away")
        send(first, "before")
        until(lambda: self.answered() == [first], "the first answer")
        phone = Phone(self.pod, "bob").set_up()
        phone.pull(phone.inbox)
        folder = E("Ping:Folder", E("Ping:Id", phone.inbox), E("Ping:Class", "Email"))
        phone.line.ask_only(*phone.request("Ping", E("Ping:Ping", E("Ping:HeartbeatInterval", "600"), E("Ping:Folders", folder))))
        self.pod.kill_primary()
        self.pod.podctl("failover", "vol01")
        self.assertEqual(self.pod.replication()["primary"], "site2")
        for sender in (first, second, first):
            send(sender, "after")
        status, _, body = phone.line.answer()  # on the connection that was open all the time
        self.assertEqual((status, decode(body).get("Status")), (200, "2"))
        until(lambda: second in self.answered(), "the second answer")
        until(lambda: len(phone.pull(phone.inbox)) == 4, "all messages on the phone")
        self.assertEqual(self.answered(), [first, second])
        self.pod.podctl("user", "oof", bob, "--off")

    def test_a_standby_that_is_away_is_struck_and_not_promoted_without_a_word(self):
        self.pod.pause()
        self.pod.send_one()
        self.assertEqual(self.pod.podctl("replication", "status", check=False).returncode, 1)
        self.assertEqual(self.pod.podctl("switchover", "vol01", check=False).returncode, 5)
        refused = self.pod.podctl("failover", "vol01", "--max-loss", "0", check=False)
        self.assertEqual(refused.returncode, 7, refused.stderr)
        self.assertRegex(refused.stderr, r"site2 is not in sync: it lacks up to \d+ bytes")
        self.pod.podctl("replication", "resume", "vol01")
        self.pod.wait_in_sync()
        self.assert_all_there()

    def test_status_says_why_a_standby_does_not_follow(self):
        standby = self.pod.processes_named()["replicator:vol01@site2"]
        os.kill(standby, signal.SIGSTOP)
        try:
            until(lambda: re.search(r"^vol01 at site2: .*nothing came from the peer",
                                    self.pod.podctl("replication", "status", check=False).stdout, re.M), "the reason")
        finally:
            os.kill(standby, signal.SIGCONT)
        until(lambda: "vol01 at" not in self.pod.podctl("replication", "status").stdout, "it to follow again")
        self.pod.wait_in_sync()

    def test_verify_compares_both_sites_and_finds_nothing(self):
        self.pod.send_one()
        done = self.pod.podctl("replication", "verify", "vol01", as_json=True)
        self.assertGreater(done["bytes"], 0)
        self.assertEqual(done["differing_bytes"], 0)

    def test_snapshots_are_the_same_at_both_sites_and_held_until_released(self):
        self.pod.send_one()
        taken = self.pod.podctl("snapshot", "take", "vol01", "before", "--hold", as_json=True)
        self.assertTrue(taken["complete"] and taken["held"], taken)
        self.assertEqual(taken["consistency"], "frozen")
        self.assertEqual([s["site"] for s in taken["sites"]], ["site1", "site2"])
        self.assertEqual(self.pod.podctl("snapshot", "take", "vol01", "before", check=False).returncode, 4)
        self.assertEqual(self.pod.podctl("snapshot", "take", "vol01", "auto-mine", check=False).returncode, 2)
        self.pod.send_one()
        verified = self.pod.podctl("snapshot", "verify", "vol01", "before", as_json=True)
        self.assertTrue(verified["same"], verified)
        self.assertEqual(self.pod.podctl("snapshot", "delete", "vol01", "before", check=False).returncode, 1)
        self.pod.podctl("snapshot", "release", "vol01", "before")
        self.pod.podctl("snapshot", "delete", "vol01", "before")
        until(lambda: not self.pod.json("snapshot", "list", "vol01")["snapshots"], "both sites to have dropped it")
        self.assertEqual(self.pod.podctl("snapshot", "delete", "vol01", "before", check=False).returncode, 3)

    def test_another_volume_is_what_is_asked_for(self):
        self.pod.podctl("volume", "create", "small", "--replicated", "--size", "128M", "--mode", "async", "--log-size", "16M")
        self.pod.podctl("volume", "create", "plain", "--directory")
        volumes = {v["name"]: v for v in self.pod.json("volume", "list")["volumes"]}
        self.assertEqual(volumes["small"]["kind"], "replicated")
        self.assertEqual((volumes["plain"]["kind"], volumes["plain"]["replication"]), ("directory", "not replicated"))
        self.assertEqual({r["mode"] for r in self.pod.replication("small")["replicas"]}, {"async"})
        self.assertEqual(self.pod.podctl("switchover", "plain", check=False).returncode, 1)
        self.assertEqual(self.pod.podctl("volume", "create", "small", check=False).returncode, 4)
        self.assertEqual(self.pod.podctl("volume", "grow", "small", "--size", "64M", check=False).returncode, 2)

    def test_a_volume_grows_while_it_is_used(self):
        self.assertEqual(self.pod.replica("primary")["size"], 2 << 30)
        grown = self.pod.podctl("volume", "grow", "vol01", "--size", "3G", check=False)
        if may_grow_file_systems():
            self.assertEqual(grown.returncode, 0, grown.stderr)
            there = os.statvfs(os.path.join(self.pod.dir, "volumes", "vol01"))
            self.assertGreater(there.f_blocks * there.f_frsize, 5 << 29)  # when it is answered it is so
        else:
            self.assertEqual(grown.returncode, 5, grown.stdout)
            self.assertIn("the file system has not: ", grown.stderr)
        until(lambda: {r["size"] for r in self.pod.replication()["replicas"]} == {3 << 30}, "both replicas to be larger")
        self.assertEqual(self.pod.podctl("volume", "grow", "vol01", "--size", "3G", check=False).returncode, grown.returncode)
        self.assertEqual(self.pod.podctl("volume", "grow", "vol01", "--size", "2G", check=False).returncode, 2)
        self.pod.send_one()
        self.assert_all_there()

    def test_numbers_are_there_for_prometheus(self):
        with self.pod_metrics() as text:
            for name in ("podmail_replication_in_sync", "podmail_replication_lag_bytes", "podmail_replication_serving"):
                self.assertIn(name, text)

    def pod_metrics(self):
        import contextlib
        import urllib.request

        @contextlib.contextmanager
        def metrics():
            url = f"http://127.0.0.1:{self.pod.port('metrics')}/metrics"
            with urllib.request.urlopen(url, timeout=20) as answer:
                yield answer.read().decode()
        return metrics()


@unittest.skipUnless(HERE, MISSING)
class ItsLife(unittest.TestCase):
    """Starts, stops and accidents of a whole pod."""

    def test_a_pod_that_went_down_or_was_killed_comes_back_with_everything(self):
        with ReplicatedPod() as pod:
            pod.wait_in_sync()
            pod.send_one()
            stages = [f for f in os.listdir("/dev/shm") if f.startswith("podmail-") and f.endswith(("-vol01.site1", "-vol01.site2"))]
            self.assertTrue(stages)
            mine = {p["name"]: p["pid"] for p in pod.json("status")["processes"]}
            self.assertEqual(pod.down().returncode, 0)
            self.assertFalse(any(os.path.exists(f"/proc/{pid}") for pid in mine.values()))
            self.assertFalse(os.path.ismount(os.path.join(pod.dir, "volumes", "vol01")))
            pod.up()
            pod.send_one()
            box = pod.imap("alice")
            self.assertEqual(subjects(box), ["number 1", "number 2"])
            box.logout()
            # podd is killed: what it ran ends in order, and the next one finds everything.
            podd = pod.json("status")["pid"]
            os.kill(podd, signal.SIGKILL)
            until(lambda: is_over(podd), "podd to be gone")
            pod.up()
            pod.wait_in_sync()
            pod.send_one()
            box = pod.imap("alice")
            self.assertEqual(subjects(box), ["number 1", "number 2", "number 3"])
            box.logout()

    def test_a_primary_that_stays_dead_is_replaced_without_an_order(self):
        with ReplicatedPod() as pod:
            conf = os.path.join(pod.dir, "podmail.conf")
            with open(conf, "a", encoding="utf-8") as f:
                f.write('\nreplication { failover_after = "1s" }\n')
            self.assertEqual(pod.down().returncode, 0)
            pod.up()
            pod.wait_in_sync()
            pod.send_one()
            meta = os.path.join(pod.dir, "sites", "site1", "vol01", "meta")
            os.rename(meta, meta + ".gone")  # it cannot come up again
            pod.kill("replicator:vol01@site1")
            until(lambda: pod.replication()["primary"] == "site2" and pod.replication()["serving"], "the standby to take over")
            pod.send_one()
            box = pod.imap("alice")
            self.assertEqual(subjects(box), ["number 1", "number 2"])
            box.logout()
            self.assertEqual(pod.replication()["operation"]["kind"], "automatic failover")
            os.rename(meta + ".gone", meta)
            pod.wait_in_sync()  # the old primary follows
            pod.podctl("failback", "vol01")

    def test_what_the_standby_lacks_comes_back_from_the_safety_net_once(self):
        with ReplicatedPod() as pod:
            pod.wait_in_sync()
            pod.send_one()
            pod.pause()
            for _ in range(3):
                pod.send_one()  # acknowledged by the primary alone
            pod.send_through_queue()
            kept = pod.json("queue", "safetynet")["volumes"][0]
            self.assertEqual(kept["volume"], "vol01")
            # And the one that was under way when the standby was struck, where it does not wait in the queue.
            self.assertGreaterEqual(kept["messages"], 4)
            pod.kill("mta")  # what is kept outlives who kept it
            pod.kill_primary()
            self.assertEqual(pod.podctl("failover", "vol01", check=False).returncode, 7)
            pod.podctl("failover", "vol01", "--max-loss", "any")
            for _ in range(2):  # nor does it matter how far it had come with delivering again
                mta = pod.processes_named()["mta"]
                pod.kill("mta")
                until(lambda gone=mta: pod.processes_named().get("mta", 0) not in (0, gone), "the next mta")
            expected = [f"number {i + 1}" for i in range(pod.sent)]
            box = pod.imap("alice")
            until(lambda: sorted(subjects(box)) == expected, "the messages to be delivered again")
            pod.wait_in_sync()
            until(lambda: all(v["messages"] == 0 for v in pod.json("queue", "safetynet")["volumes"]),
                  "the standby to have them too")
            pod.podctl("failback", "vol01")
            self.assertEqual(sorted(subjects(box)), expected)
            box.logout()

    def test_what_only_the_old_primary_had_is_kept_as_an_orphan_snapshot(self):
        with ReplicatedPod() as pod:
            pod.configure("mta { safetynet = no; }")
            pod.wait_in_sync()
            pod.send_one()
            pod.pause()
            pod.send_one()  # acknowledged by the primary alone
            pod.kill_primary()
            self.assertEqual(pod.podctl("failover", "vol01", check=False).returncode, 7)
            pod.podctl("failover", "vol01", "--max-loss", "any")
            box = pod.imap("alice")
            there = subjects(box)
            self.assertIn("number 1", there)
            self.assertNotIn("number 3", there)
            pod.wait_in_sync()  # the old primary follows the new one
            kept = [s for s in pod.json("snapshot", "list", "vol01")["snapshots"] if s["kind"] == "orphan"]
            self.assertEqual([[at["site"] for at in s["sites"]] for s in kept], [["site1"]])
            self.assertTrue(kept[0]["held"])
            pod.podctl("failback", "vol01")
            # "number 2" may come yet: where its flush waited for too long it is in the mta's queue.
            now = subjects(box)
            self.assertLessEqual(set(there), set(now))
            self.assertNotIn("number 3", now)
            box.logout()
            mounted = pod.json("snapshot", "mount", "vol01", kept[0]["name"])
            found = subprocess.run(["grep", "-rl", "Subject: number 3", mounted["path"]], capture_output=True, text=True, check=False)
            # A message in its Maildir or on its way there, or one that the index was yet to have.
            self.assertRegex(found.stdout, r",U=|/ahead/0$")
            pod.podctl("snapshot", "unmount", "vol01", kept[0]["name"])
            pod.podctl("snapshot", "release", "vol01", kept[0]["name"])
            pod.podctl("snapshot", "delete", "vol01", kept[0]["name"])
            until(lambda: not pod.json("snapshot", "list", "vol01")["snapshots"], "the orphan to be gone")

    def test_a_standby_in_the_middle_of_a_resync_takes_over_as_it_was_before(self):
        with ReplicatedPod() as pod:
            pod.configure('replication { resync_rate = "16M" }')  # of a volume of 2G
            pod.wait_in_sync()
            pod.send_one()
            pod.podctl("replication", "resync", "vol01")
            until(lambda: pod.replica("secondary")["state"] == "resync" and not pod.replica("secondary")["consistent"],
                  "the resync to be under way")
            pod.send_one()  # acknowledged by the primary alone
            pod.kill_primary()
            refused = pod.podctl("failover", "vol01", check=False)
            self.assertEqual(refused.returncode, 7)
            self.assertIn("middle of a resync", refused.stderr)
            pod.podctl("failover", "vol01", "--max-loss", "any")
            operation = pod.replication()["operation"]
            self.assertEqual(operation["state"], "done")
            self.assertLess(operation["took_ms"], 20000)
            box = pod.imap("alice")
            self.assertIn("number 1", subjects(box))
            until(lambda: sorted(subjects(box)) == ["number 1", "number 2"], "the safety net to bring the rest")
            pod.send_one()
            until(lambda: sorted(subjects(box)) == ["number 1", "number 2", "number 3"], "it to be as always")
            box.logout()

    def test_a_standby_that_never_had_the_whole_volume_does_not_take_over(self):
        with ReplicatedPod() as pod:
            pod.podctl("volume", "create", "vol02", "--replicated", "--mode", "async", "--size", "1G", "--log-size", "16M")
            peer = pod.replication("vol02")["replicas"][1]
            self.assertEqual((peer["site"], peer["state"], peer["dirty_bytes"]), ("site2", "following", 0))  # it was waited for
            pod.podctl("user", "add", "dave@example.test", "--volume", "vol02", "--password-stdin", stdin="geheim-1234\n")
            for number in range(4):
                pod.send("dave", message(number) + b"0123456789abcdef\r\n" * (6 << 20 >> 4))  # more than the log holds
            self.assertEqual(pod.down().returncode, 0)
            subprocess.run(["rm", "-r", os.path.join(pod.dir, "sites", "site2", "vol02")], check=True)
            pod.configure('replication { resync_rate = "8M" }')
            until(lambda: pod.replication("vol02")["replicas"][1]["state"] == "resync", "the new disk to be filled")
            pod.kill_primary("vol02")
            refused = pod.podctl("failover", "vol02", "--max-loss", "any", check=False)
            self.assertEqual(refused.returncode, 7, refused.stderr)
            self.assertIn("site2 never had the whole volume", refused.stderr)
            until(lambda: pod.replication("vol02")["serving"], "the primary to go on")
            pod.send("dave", message(4))
            self.assertEqual(pod.replication("vol02")["primary"], "site1")

    def test_a_standby_whose_disk_was_replaced_is_made_anew(self):
        with ReplicatedPod() as pod:
            pod.wait_in_sync()
            pod.send_one()
            self.assertEqual(pod.down().returncode, 0)
            subprocess.run(["rm", "-r", os.path.join(pod.dir, "sites", "site2", "vol01")], check=True)
            pod.up()
            pod.send_one()
            pod.wait_in_sync()
            pod.podctl("switchover", "vol01")
            box = pod.imap("alice")
            self.assertEqual(subjects(box), ["number 1", "number 2"])
            box.logout()


class NotHere(unittest.TestCase):
    def test_where_a_volume_cannot_be_replicated_the_reason_is_said(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to become nobody")
        with Pod() as pod:
            shown = pod.json("volume", "show", "vol01") if hasattr(pod, "json") else pod.podctl("volume", "show", "vol01", as_json=True)
            self.assertEqual(shown["replication"], "not replicated")
            self.assertTrue(shown["why_not_replicated"])
            self.assertEqual(pod.podctl("replication", "status", "vol01", check=False).returncode, 1)
            self.assertEqual(pod.podctl("snapshot", "list", "vol01", check=False).returncode, 1)


if __name__ == "__main__":
    unittest.main()

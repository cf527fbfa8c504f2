"""The replicator's control socket, its life as a process, and its other commands, as podd and an admin meet them."""
import contextlib
import json
import os
import select
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
import unittest

from pod import BIN, until
from replicators import REPLICATOR, Control, Replicas

import nbd  # Debian's python3-libnbd; replicators knows where it is


def run(*args, **more):
    return subprocess.run([REPLICATOR, *args], text=True, capture_output=True, timeout=120, check=False, **more)


class OneReplica(unittest.TestCase):
    def setUp(self):
        self.replicas = Replicas(sites=("site1",), size="16M")
        self.addCleanup(self.replicas.close)
        self.replica = self.replicas["site1"]


# Lines that are answered with an error, and the code of it.
WRONG = {
    "no JSON": ("nonsense", "SYNTAX"),
    "an empty line": ("", "SYNTAX"),
    "no object": ("[1]", "SYNTAX"),
    "no command": ("{}", "SYNTAX"),
    "a number as command": ('{"do": 1}', "SYNTAX"),
    "an unknown command": ('{"do": "explode"}', "UNSUPPORTED"),
    "an unknown field": ('{"do": "status", "verbose": true}', "SYNTAX"),
    "a field of another command": ('{"do": "promote", "token": 2, "peer": "x"}', "SYNTAX"),
    "a missing field": ('{"do": "promote"}', "SYNTAX"),
    "a text for a number": ('{"do": "promote", "token": "2"}', "SYNTAX"),
    "a negative number": ('{"do": "promote", "token": -2}', "SYNTAX"),
    "a fraction": ('{"do": "promote", "token": 2.5}', "SYNTAX"),
    "a number for a truth value": ('{"do": "promote", "token": 2, "force": 1}', "SYNTAX"),
    "a field twice": ('{"do": "promote", "token": 2, "token": 3}', "SYNTAX"),
    "an unknown peer": ('{"do": "pause", "peer": "nobody"}', "NOTFOUND"),
    "an unknown mode": ('{"do": "peer_set", "name": "p", "address": "127.0.0.1:1", "mode": "fast"}', "SYNTAX"),
    "an unknown compression": ('{"do": "peer_set", "name": "p", "mode": "sync", "compress": "zip"}', "SYNTAX"),
    "an unknown snapshot": ('{"do": "snapshot_checksum", "name": "none"}', "NOTFOUND"),
    "a stale token": ('{"do": "promote", "token": 1}', "STALE"),
}


class Socket(OneReplica):
    def setUp(self):
        super().setUp()
        self.replica.start(token=3)

    def control(self):
        control = Control(self.replica.control, timeout=30)
        self.addCleanup(control.close)
        return control

    def test_what_is_wrong_is_answered_in_words_and_the_connection_goes_on(self):
        self.replica.ask("demote", token=3)
        control = self.control()
        for name, (line, code) in WRONG.items():
            with self.subTest(name):
                control.file.write(line + "\n")
                control.file.flush()
                answer = control.read()
                self.assertEqual((answer["ok"], answer["error"]), (False, code), answer)
                self.assertGreater(len(answer["text"]), 5)
        control.send(do="status")
        self.assertTrue(control.read()["ok"])

    def test_requests_of_one_packet_are_answered_in_order(self):
        control = self.control()
        control.file.write('{"do": "status"}\n{"do": "nothing"}\n{"do": "snapshot_list"}\n')
        control.file.flush()
        first, second, third = control.read(), control.read(), control.read()
        self.assertEqual((first["role"], second["error"], third["snapshots"]), ("primary", "UNSUPPORTED", []))

    def test_status_says_who_and_how_far(self):
        self.replica.nbd().pwrite(b"x" * 4096, 0)
        status = self.replica.ask("status")
        self.assertEqual((status["name"], status["site"], status["role"], status["token"]), ("vol", "site1", "primary", 3))
        self.assertEqual((status["size"], status["peers"], status["broken"]), (16 << 20, [], None))
        cursors = status["cursors"]
        self.assertLessEqual(cursors["tail"], cursors["applied"])
        self.assertLessEqual(cursors["applied"], cursors["durable"])
        self.assertLessEqual(cursors["durable"], cursors["staged"])
        self.assertRegex(status["generation"], "^[0-9a-f]{16}$")

    def test_a_line_that_does_not_end_ends_the_connection(self):
        control = self.control()
        with self.assertRaises((EOFError, OSError, ValueError)):
            control.file.write("x" * (1 << 20))
            control.file.flush()
            control.read()
        self.assertTrue(self.replica.ask("status")["ok"])

    def test_it_is_its_owners_alone(self):
        mode = os.stat(self.replica.control).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)

    def open_one(self):
        """None where there is no place: who is refused is hung up on, whatever he was saying."""
        control = self.control()
        try:
            control.send(do="status")
            return control if control.read()["ok"] else None
        except (OSError, EOFError):
            return None

    def test_too_many_connections_are_told_so(self):
        # 15 and the watcher's are all; one that has just ended may still have its place.
        controls = [until(self.open_one, f"place {i}") for i in range(15)]
        self.assertEqual(self.control().read()["error"], "BUSY")
        controls.pop().close()
        until(self.open_one, "a place to be free")

    def test_a_watcher_hears_of_the_role_and_may_go_on_asking(self):
        control = self.control()
        control.send(do="watch")
        self.assertEqual(control.read(), {"ok": True})
        # A state, not a history: it is told as it is when its turn comes, so each is waited for.
        for order, role, token in ("demote", "secondary", 3), ("promote", "primary", 4):
            self.replica.ask(order, token=token)
            while (event := control.read()).get("event") != "role":
                pass
            self.assertEqual((event["role"], event["token"]), (role, token))
        control.send(do="status")
        while "role" not in (answer := control.read()) or "event" in answer:
            pass
        self.assertEqual(answer["token"], 4)

    def test_a_watcher_that_does_not_read_keeps_nobody_waiting(self):
        deaf = self.control()
        deaf.send(do="watch")
        for i in range(200):
            self.replica.ask("demote", token=3 + i)
            self.replica.ask("promote", token=4 + i)
        self.assertEqual(self.replica.ask("status")["token"], 203)

    def test_resize_makes_the_volume_larger_and_never_smaller(self):
        answer = self.replica.ask("resize", size=32 << 20)
        self.assertEqual(answer["size"], 32 << 20)
        disk = self.replica.nbd()
        self.assertEqual(disk.get_size(), 32 << 20)
        disk.pwrite(b"x" * 4096, (32 << 20) - 4096)
        disk.flush()
        self.assertFalse(self.replica.ask("resize", check=False, size=16 << 20)["ok"])

    def test_snapshots_are_taken_held_listed_summed_and_deleted(self):
        disk = self.replica.nbd()
        disk.pwrite(b"a" * 4096, 0)
        taken = self.replica.ask("snapshot_take", name="one")
        self.assertGreater(taken["lsn"], 0)
        listed = self.replica.ask("snapshot_list")["snapshots"]
        self.assertEqual([(s["name"], s["lsn"], s["held"]) for s in listed], [("one", taken["lsn"], False)])
        self.assertEqual(self.replica.ask("snapshot_take", check=False, name="one")["error"], "EXISTS")
        first = self.replica.ask("snapshot_checksum", name="one")["checksum"]
        disk.pwrite(b"b" * 4096, 0)
        disk.flush()
        self.assertEqual(self.replica.ask("snapshot_checksum", name="one")["checksum"], first)
        self.replica.ask("snapshot_take", name="two")
        self.assertNotEqual(self.replica.ask("snapshot_checksum", name="two")["checksum"], first)
        self.replica.ask("snapshot_hold", name="one", hold=True)
        self.assertEqual(self.replica.ask("snapshot_delete", check=False, name="one")["error"], "BUSY")
        self.replica.ask("snapshot_hold", name="one", hold=False)
        for name in ("one", "two"):
            self.replica.ask("snapshot_delete", name=name)
        self.assertEqual(self.replica.ask("snapshot_list")["snapshots"], [])

    def test_a_snapshot_is_deleted_when_its_reader_hangs_up_and_not_before(self):
        self.replica.ask("snapshot_take", name="one")
        reader = self.replica.nbd("vol@one")
        self.assertEqual(self.replica.ask("snapshot_delete", check=False, name="one")["error"], "BUSY")
        hangs_up = threading.Timer(0.3, reader.shutdown)
        hangs_up.start()
        self.replica.ask("snapshot_delete", name="one")
        hangs_up.join()

    def test_a_secondary_takes_no_snapshot(self):
        self.replica.ask("demote", token=3)
        self.assertEqual(self.replica.ask("snapshot_take", check=False, name="x")["error"], "STALE")

    def test_names_of_snapshots_are_checked(self):
        for name in ("", "../x", "a b", "UPPER", "x" * 64, ".hidden", "a@b"):
            with self.subTest(name):
                self.assertFalse(self.replica.ask("snapshot_take", check=False, name=name)["ok"])


def sleeps(process):
    """How often each of the process's threads has gone to sleep so far: each is a wake-up, too."""
    counts = {}
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            with open(f"/proc/{process.pid}/task/{thread}/status", encoding="utf-8") as f:
                counts[thread] = sum(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))
    return counts


def woken_since(before, process):
    return sum(n - before.get(thread, 0) for thread, n in sleeps(process).items())


class Quiet(unittest.TestCase):
    WINDOW_S = 4.0

    @staticmethod
    def applied(replica):
        cursors = replica.ask("status")["cursors"]
        return 65536 < cursors["applied"] == cursors["staged"]

    def test_an_idle_pair_wakes_for_its_heartbeat_only(self):
        for mode in ("sync", "async"):
            with self.subTest(mode), Replicas(size="16M", mode=mode) as pair:
                disk = pair["site1"].nbd()
                disk.pwrite(b"x" * 65536, 0)
                disk.flush()
                disk.shutdown()
                for replica in (pair["site1"], pair["site2"]):
                    until(lambda r=replica: self.applied(r), "all of the log to be applied")
                before = {site: sleeps(pair[site].process) for site in ("site1", "site2")}
                time.sleep(self.WINDOW_S)
                for site, counts in before.items():
                    woken = woken_since(counts, pair[site].process)
                    # A ping and its answer every 1.7 s are 6 here, the superblock's turn is some, once; what polls ten
                    # times a second is 40.
                    self.assertLess(woken, 25, site)


class Compressed(unittest.TestCase):
    def test_what_shrinks_is_sent_small_and_arrives_whole(self):
        for way in ("lz4", "zstd"):
            with self.subTest(compress=way):
                self.check(way)

    def check(self, way):
        replicas = Replicas(compress=way)
        self.addCleanup(replicas.close)
        replicas.start()
        primary, disk = replicas["site1"], nbd.NBD()
        disk.set_export_name("vol")
        disk.connect_unix(primary.socket)
        letter = b"Received: from mx.example.org (mx.example.org [192.0.2.1])\r\n"
        disk.pwrite((letter * ((4 << 20) // len(letter) + 1))[:4 << 20], 0)
        disk.pwrite(os.urandom(1 << 20), 8 << 20)
        disk.flush()
        disk.shutdown()
        peer = primary.peer("site2")
        self.assertEqual(peer["compress"], way)
        self.assertGreater(peer["bytes_raw"], 5 << 20)
        self.assertLess(peer["bytes_sent"], 2 << 20)
        primary.ask("snapshot_take", name="s")
        until(lambda: replicas["site2"].ask("snapshot_list")["snapshots"], "the standby to have the snapshot")
        self.assertEqual(replicas["site2"].ask("snapshot_checksum", name="s")["checksum"],
                         primary.ask("snapshot_checksum", name="s")["checksum"])


def gone(pid):
    """Also one that nobody has waited for yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Life(OneReplica):
    def command(self, *more):
        return [REPLICATOR, "serve", "--folder", self.replica.folder, "--name", "vol", "--site", "site1", "--nbd",
                f"unix:{self.replica.socket}", "--control", self.replica.control, "--stage", self.replica.stage, *more]

    def test_readiness_is_told_when_the_export_answers(self):
        for place in (3, 7):  # 3 is where nbdkit's socket has to go
            with self.subTest(descriptor=place):
                reading, writing = os.pipe()
                with subprocess.Popen(["sh", "-c", f'exec "$@" {place}>&{writing}', "sh", *self.command("--primary", "1")],
                                      pass_fds=(writing,), env={**os.environ, "PODMAIL_READY_FD": str(place)}) as process:
                    os.close(writing)
                    self.assertTrue(select.select([reading], [], [], 60)[0])
                    self.assertEqual(os.read(reading, 100), b"ready\n")
                    self.assertEqual(self.replica.nbd().get_size(), 16 << 20)
                    process.terminate()
                    self.assertEqual(process.wait(60), 0)
                os.close(reading)

    def test_it_ends_with_its_parent(self):
        script = 'import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); sys.stdin.read()'
        for more, stays in ((), False), (("--outlive-parent",), True):
            with self.subTest(more=more):
                with subprocess.Popen(["python3", "-c", script, *self.command(*more)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True) as parent:
                    pid = int(parent.stdout.readline())
                    until(lambda: self.answers(), "the control socket")
                    parent.kill()
                if stays:
                    self.assertTrue(self.replica.ask("status")["ok"])
                    os.kill(pid, signal.SIGTERM)
                until(lambda: gone(pid), "its end")  # it has the folder locked until then

    def answers(self):
        try:
            return self.replica.ask("status")["ok"]
        except (OSError, EOFError):
            return False

    def test_a_folder_is_served_once(self):
        self.replica.start(token=1)
        other = tempfile.mkdtemp(prefix="podmail-other-")
        done = subprocess.run([REPLICATOR, "serve", "--folder", self.replica.folder, "--name", "vol", "--site", "site1",
                               "--nbd", f"unix:{other}/nbd", "--control", f"{other}/control", "--stage",
                               self.replica.stage], text=True, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("replicator.failed", done.stderr)
        self.assertTrue(self.replica.ask("status")["ok"])

    def test_a_socket_that_another_serves_is_not_taken(self):
        self.replica.start(token=1)
        done = subprocess.run(self.command(), text=True, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another process serves this socket", done.stderr)
        self.assertEqual(self.replica.nbd().get_size(), 16 << 20)

    def test_sockets_left_by_a_kill_are_replaced(self):
        self.replica.start(token=1)
        self.replica.kill()
        self.assertTrue(os.path.exists(self.replica.socket))
        with open(os.path.join(self.replicas.work, "again.log"), "ab") as log, \
                subprocess.Popen(self.command("--primary", "1"), stderr=log) as process:
            until(self.answers, "it to answer again")
            self.assertEqual(self.replica.nbd().get_size(), 16 << 20)
            process.terminate()

    def test_it_ends_when_it_is_told_to_whoever_is_connected(self):
        self.replica.start(token=1)
        disk = self.replica.nbd()
        for number, sent in enumerate((signal.SIGTERM, signal.SIGINT)):
            disk.pwrite(bytes([number + 1]) * 4096, 4096 * number)  # and not flushed
            self.replica.signal(sent)
            self.assertEqual(self.replica.process.wait(30), 0, self.replica.log_tail())
            self.assertIn("with clients that stayed", self.replica.log_tail())
            os.unlink(self.replica.stage)  # what was written is on the disk
            self.replica.start(token=1)
            disk = self.replica.nbd()
            self.assertEqual([disk.pread(4096, 4096 * i)[0] for i in range(number + 1)], list(range(1, number + 2)))

    def test_what_nbdkit_says_stands_in_the_log(self):
        self.replica.start(token=1)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.replica.socket)
            s.recv(18)
            s.sendall(b"\0\0\0\x03" + b"x" * 16)
        until(lambda: "nbdkit.message" in self.replica.log_tail(), "a line in the log")

    def test_a_folder_that_is_no_replica_is_told(self):
        empty = tempfile.mkdtemp(prefix="podmail-empty-")
        self.replica.folder = empty
        done = subprocess.run(self.command(), text=True, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(empty, done.stderr)


# Command lines that are wrong, and a word of what is said.
USAGE = {
    "no command": ((), "which command"),
    "an unknown command": (("explode",), "explode"),
    "an unknown option": (("create", "--colour", "red"), "colour"),
    "create without a folder": (("create", "--size", "1M"), "--folder"),
    "create without a size": (("create", "--folder", "/nonexistent/x"), "--size"),
    "a size that is none": (("create", "--folder", "/nonexistent/x", "--size", "big"), "size"),
    "a size between blocks": (("create", "--folder", "/nonexistent/x", "--size", "65537"), "64K"),
    "a log too small": (("create", "--folder", "/nonexistent/x", "--size", "1M", "--log-size", "1M"), "16M"),
    "a volume id that is none": (("create", "--folder", "/nonexistent/x", "--size", "1M", "--volume-id", "x"), "hex"),
    "too many arguments": (("dump", "--folder", "x", "more"), "more"),
    "serve without anything": (("serve",), "missing"),
    "serve without a folder": (("serve", "--nbd", "unix:/tmp/x"), "folder"),
    "an address that is none": (("serve", "--nbd", "here"), "here"),
    "a peer without a mode": (("serve", "--peer", "site2,address=127.0.0.1:1"), "mode"),
    "a peer with an unknown field": (("serve", "--peer", "site2,colour=red"), "colour"),
    "a token that is none": (("serve", "--primary", "me"), "token"),
}


class Commands(OneReplica):
    def test_wrong_usage_is_told_in_words_with_status_2(self):
        for name, (arguments, word) in USAGE.items():
            with self.subTest(name):
                done = run(*arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(word, done.stderr)

    def test_help_and_version(self):
        for arguments in (("--help",), ("create", "--help"), ("serve", "--help"), ("dump", "--help"), ("--version",)):
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
            self.assertIn("replicator", done.stdout)

    def test_create_says_what_it_made_and_makes_nothing_twice(self):
        folder = os.path.join(self.replicas.work, "new")
        done = run("create", "--folder", folder, "--size", "1G", "--log-size", "16M", "--format", "json")
        told = json.loads(done.stdout)
        self.assertEqual((told["size_bytes"], told["log_bytes"], len(told["volume_id"])), (1 << 30, 16 << 20, 32))
        self.assertLess(os.stat(os.path.join(folder, "image")).st_blocks * 512, 1 << 20)
        again = run("create", "--folder", folder, "--size", "1G")
        self.assertEqual(again.returncode, 1)
        self.assertIn(folder, again.stderr)

    def test_dump_says_what_superblock_and_log_say(self):
        self.replica.start(token=5)
        disk = self.replica.nbd()
        disk.pwrite(b"x" * 8192, 4096)
        disk.flush()
        self.replica.kill()
        told = json.loads(run("dump", "--folder", self.replica.folder, "--format", "json").stdout)
        self.assertEqual((told["superblock"]["role"], told["superblock"]["token"]), ("primary", 5))
        self.assertEqual(told["superblock"]["volume_id"], self.replicas.volume_id)
        self.assertGreaterEqual(told["log"]["to_lsn"], told["log"]["from_lsn"])
        text = run("dump", "--folder", self.replica.folder).stdout
        self.assertIn("role: primary", text)
        records = run("dump", "--folder", self.replica.folder, "--records", "--format", "json").stdout.splitlines()
        self.assertEqual(len(records), sum(told["log"]["records"].values()))
        for line in records:
            self.assertIn("lsn", json.loads(line))

    def test_dump_of_nothing_fails(self):
        done = run("dump", "--folder", "/nonexistent")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent", done.stderr)

    def test_the_installed_plugin_is_found_beside_the_program(self):
        place = tempfile.mkdtemp(prefix="podmail-installed-")
        for source in (REPLICATOR, os.path.join(os.path.dirname(BIN), "lib", "nbdkit-podmail-plugin.so")):
            subprocess.run(["cp", source, place], check=True)
        serve = [os.path.join(place, "replicator"), "serve", "--folder", self.replica.folder, "--name", "vol", "--site",
                 "site1", "--nbd", f"unix:{self.replica.socket}", "--control", self.replica.control, "--stage",
                 self.replica.stage, "--primary", "1"]
        with subprocess.Popen(serve, stderr=subprocess.PIPE) as process:
            until(lambda: os.path.exists(self.replica.control), "it to start")
            process.terminate()
            self.assertEqual(process.wait(60), 0)
        os.unlink(os.path.join(place, "nbdkit-podmail-plugin.so"))
        done = subprocess.run(serve, text=True, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("nbdkit-podmail-plugin.so is neither in", done.stderr)


if __name__ == "__main__":
    unittest.main()

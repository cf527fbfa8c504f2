"""volattach: a volume's NBD export, mounted on this host, through whatever happens to its server.

The server is nbdkit's file plugin: what it acknowledged lies in the page cache and outlives it, as what a replica
acknowledged lies in its stage. The way to attach is FUSE, or what PODMAIL_ATTACH_METHOD says: in the rig (tests/rig),
whose kernel has nbd, the same tests run with the kernel's.
"""
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from disks import need_root
from pod import BIN, until

MIB = 1 << 20
METHOD = os.environ.get("PODMAIL_ATTACH_METHOD", "fuse")
SEED = int(os.environ.get("PODMAIL_SEED", str(random.randrange(1 << 30))))


def digest_of(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).digest()


def run(*command):
    return subprocess.run(command, check=True, text=True, capture_output=True).stdout


def has_capability(number):
    with open("/proc/self/status", encoding="utf-8") as f:
        effective = next(line.split()[1] for line in f if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> number & 1)


class Server:
    """nbdkit on an image; its filters and their parameters are given as nbdkit takes them."""

    def __init__(self, folder, size_mb, *arguments):
        self.image = os.path.join(folder, "image")
        self.socket = os.path.join(folder, "nbd.sock")
        self.arguments = arguments
        self.process = None
        if not os.path.exists(self.image):
            with open(self.image, "wb") as f:
                f.truncate(size_mb * MIB)
        self.start()

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        filters = [a for a in self.arguments if a.startswith("--")]
        parameters = [a for a in self.arguments if not a.startswith("--")]
        self.process = subprocess.Popen(["nbdkit", "-f", "-U", self.socket, "--filter=exportname", *filters, "file",
                                         self.image, "exportname-strict=true", "exportname=vol01", *parameters])
        until(self.listens, "nbdkit to listen")

    def listens(self):
        with socket.socket(socket.AF_UNIX) as s:  # its name is there before it listens
            return s.connect_ex(self.socket) == 0

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop_answering(self, stopped=True):
        self.process.send_signal(signal.SIGSTOP if stopped else signal.SIGCONT)


class Attachment:
    """A volattach that has said that it is ready, unless ready=False."""

    def __init__(self, server, *options, export="vol01", ready=True):
        read_end, write_end = os.pipe()
        self.log = tempfile.NamedTemporaryFile("ab")  # read by its name: a file shared with a child has one position
        self.process = subprocess.Popen(
            [os.path.join(BIN, "volattach"), "--method", METHOD, "--socket", server.socket, "--export", export, *options],
            env={**os.environ, "PODMAIL_READY_FD": str(write_end)}, pass_fds=[write_end], stderr=self.log)
        os.close(write_end)
        with os.fdopen(read_end) as f:
            said = f.read()
        if ready and said != "ready\n":
            raise AssertionError(f"volattach is not ready: {self.text()}")

    def text(self):
        with open(self.log.name, encoding="utf-8") as f:
            return f.read()

    def field(self, name):
        line = next(l for l in self.text().splitlines() if "attach.ready" in l)
        return next(w.partition("=")[2] for w in line.split() if w.startswith(name + "="))

    def end(self, sig=signal.SIGTERM, limit=60):
        """The exit status, and how long it took."""
        start = time.monotonic()
        self.process.send_signal(sig)
        return self.process.wait(limit), time.monotonic() - start


class Writer(threading.Thread):
    """Writes files and fsyncs each; what is in `written` is on the volume. Remembers its longest wait."""

    def __init__(self, folder, seed):
        super().__init__()
        self.folder, self.rng = folder, random.Random(seed)
        self.written, self.error, self.longest = {}, None, 0.0
        self.stopping = threading.Event()
        self.start()

    def run(self):
        try:
            while not self.stopping.is_set():
                self.write_one(f"f{len(self.written)}")
        except OSError as e:
            self.error = e

    def write_one(self, name):
        data = self.rng.randbytes(self.rng.randrange(1, 64 << 10))
        start = time.monotonic()
        with open(os.path.join(self.folder, name), "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        self.longest = max(self.longest, time.monotonic() - start)
        self.written[name] = hashlib.sha256(data).digest()

    def finish(self):
        self.stopping.set()
        self.join(120)


class AttachCase(unittest.TestCase):
    def setUp(self):
        need_root("nbdkit", "losetup", "mkfs.ext4", "mkfs.xfs", "fio")
        self.folder = tempfile.mkdtemp(prefix="podmail-attach-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.mnt = os.path.join(self.folder, "mnt")
        os.mkdir(self.mnt)
        self.servers, self.attachments = [], []
        self.addCleanup(self.end_all)

    def end_all(self):
        for a in self.attachments:
            if a.process.poll() is None:
                a.process.kill()
                a.process.wait()
            a.log.close()
        for s in self.servers:
            s.kill()
        subprocess.run(["umount", "-l", self.mnt], check=False, capture_output=True)

    def serve(self, *arguments, size_mb=512):
        self.servers.append(Server(self.folder, size_mb, *arguments))
        return self.servers[-1]

    def attach(self, server, *options, **how):
        self.attachments.append(Attachment(server, *options, **how))
        return self.attachments[-1]

    def attach_mounted(self, server, *options, fs="ext4"):
        return self.attach(server, "--mount", self.mnt, "--mkfs", fs, *options)

    def is_mounted(self):
        with open("/proc/self/mounts", encoding="utf-8") as f:
            return any(line.split()[1] == self.mnt for line in f)

    def loop_is_free(self, device):
        return not os.path.exists(f"/sys/block/{os.path.basename(device)}/loop/backing_file")

    def assert_clean(self, server, fs="ext4"):
        command = ["e2fsck", "-fn", server.image] if fs == "ext4" else ["xfs_repair", "-n", server.image]
        check = subprocess.run(command, text=True, capture_output=True)
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)

    def assert_holds(self, written):
        for name, digest in written.items():
            self.assertEqual(digest_of(os.path.join(self.mnt, name)), digest, name)


class LifeTest(AttachCase):
    def check_device(self, device):
        self.assertEqual(run("blockdev", "--getss", device), "4096\n")
        if METHOD == "fuse":
            loop = json.loads(run("losetup", "--json", "-l", device))["loopdevices"][0]
            self.assertTrue(loop["dio"])

    def test_a_blank_volume_gets_a_file_system_and_sigterm_unmounts_it(self):
        for fs in ("ext4", "xfs"):
            with self.subTest(fs=fs):
                server = self.serve()
                a = self.attach_mounted(server, fs=fs)
                self.assertEqual((a.field("fs"), a.field("method")), (fs, METHOD))
                self.check_device(a.field("device"))
                writer = Writer(self.mnt, SEED)
                until(lambda: len(writer.written) >= 5, "five files")
                writer.finish()
                self.assertIsNone(writer.error)
                status, _ = a.end()
                self.assertEqual(status, 0, a.text())
                self.assertFalse(self.is_mounted())
                self.assertEqual(run("blockdev", "--getsize64", a.field("device")), "0\n")
                self.assert_clean(server, fs)
                # It has one now, so none is made again.
                again = self.attach_mounted(server, fs=fs)
                self.assert_holds(writer.written)
                self.assertEqual(again.end()[0], 0, again.text())
                server.kill()
                os.unlink(server.image)

    def test_a_server_that_is_killed_under_load_is_a_pause(self):
        print(f"seed {SEED}", flush=True)
        for fs in ("ext4", "xfs"):
            with self.subTest(fs=fs):
                self.kill_under_load(fs)

    def kill_under_load(self, fs):
        server = self.serve()
        a = self.attach_mounted(server, fs=fs)
        writers = []
        for n in range(3):
            os.mkdir(os.path.join(self.mnt, str(n)))
            writers.append(Writer(os.path.join(self.mnt, str(n)), SEED + n))
        rng = random.Random(SEED)
        for _ in range(4):
            before = [len(w.written) for w in writers]
            until(lambda b=before: all(len(w.written) > n + rng.randrange(20) for w, n in zip(writers, b)),
                  "the writers to get on")
            server.kill()
            until(lambda: "attach.server_lost" in a.text(), "the loss to be seen")
            time.sleep(rng.uniform(0, 1))  # the length of the outage, which is what varies here
            server.start()
        for w in writers:
            w.finish()
            self.assertIsNone(w.error)
        self.assertEqual(a.text().count("attach.server_back"), 4, a.text())
        if METHOD == "kernel":  # or a request that was under way when its server died waits for half a minute
            with open(f"/sys/block/{os.path.basename(a.field('device'))}/queue/io_timeout", encoding="ascii") as f:
                self.assertEqual(f.read().strip(), "2000")
        self.assertEqual(a.end()[0], 0, a.text())
        self.assert_clean(server, fs)
        again = self.attach_mounted(server, fs=fs)
        for n, w in enumerate(writers):
            self.assert_holds({f"{n}/{name}": digest for name, digest in w.written.items()})
        self.assertEqual(again.end()[0], 0)
        server.kill()
        os.unlink(server.image)

    def test_random_writes_on_the_device_verify_across_kills(self):
        server = self.serve(size_mb=64)
        a = self.attach(server)
        fio = subprocess.Popen(["fio", "--name=v", f"--filename={a.field('device')}", "--direct=1", "--rw=randwrite",
                                "--bsrange=4k-256k", "--blockalign=4k", "--iodepth=16", "--ioengine=libaio", "--size=48M",
                                "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--fsync=32", "--rate=16M", "--output-format=terse",
                                f"--randseed={SEED}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(3):
            time.sleep(0.5)  # somewhere in the run
            server.kill()
            server.start()
        out, _ = fio.communicate(timeout=120)
        self.assertEqual(fio.returncode, 0, out)
        self.assertIn("attach.server_back", a.text())
        self.assertEqual(a.end()[0], 0, a.text())

    def test_what_a_killed_volattach_left_behind_is_cleared(self):
        server = self.serve()
        a = self.attach_mounted(server)
        writer = Writer(self.mnt, SEED)
        until(lambda: len(writer.written) >= 5, "five files")
        a.process.kill()
        a.process.wait()
        if METHOD == "fuse":  # the kernel's device goes on without us
            until(lambda: writer.error, "the writer to see that the device is gone")
        writer.finish()
        again = self.attach_mounted(server)
        self.assertIn("attach.leftover_unmounted", again.text())
        self.assert_holds(writer.written)
        self.assertEqual(again.end()[0], 0, again.text())
        self.assert_clean(server)


class RequestsTest(AttachCase):
    def test_requests_are_in_flight_together(self):
        server = self.serve("--filter=delay", "wdelay=1")
        a = self.attach(server)
        start = time.monotonic()
        run("fio", "--name=p", f"--filename={a.field('device')}", "--direct=1", "--rw=randwrite", "--bs=4k",
            "--iodepth=32", "--ioengine=libaio", "--number_ios=64", "--size=64M")
        self.assertLess(time.monotonic() - start, 56)  # one after the other would take 64 s, together some 4
        self.assertEqual(a.end()[0], 0)

    def test_discards_and_zeroes_read_as_zeroes_and_give_space_back(self):
        server = self.serve(size_mb=64)
        a = self.attach(server)
        device = a.field("device")
        blocks = lambda: os.stat(server.image).st_blocks * 512
        run("dd", "if=/dev/urandom", f"of={device}", "bs=1M", "count=32", "oflag=direct", "conv=fsync")
        full = blocks()
        self.assertGreaterEqual(full, 32 * MIB)
        run("blkdiscard", "--offset", str(8 * MIB), "--length", str(8 * MIB), device)
        self.assertLessEqual(blocks(), full - 8 * MIB)
        run("blkdiscard", "--zeroout", "--offset", str(20 * MIB), "--length", str(4 * MIB), device)
        self.assertEqual(a.end()[0], 0)
        with open(server.image, "rb") as f:
            data = f.read(32 * MIB)
        for start, end in ((8, 16), (20, 24)):
            self.assertEqual(data[start * MIB:end * MIB].count(0), (end - start) * MIB)
        self.assertNotEqual(data[16 * MIB:17 * MIB].count(0), MIB)

    def test_a_refusal_of_the_servers_is_an_error_and_not_a_pause(self):
        trigger = os.path.join(self.folder, "refuse")
        server = self.serve("--filter=error", "error-pwrite=ENOSPC", "error-pwrite-rate=100%",
                            f"error-pwrite-file={trigger}")
        a = self.attach(server)
        with open(trigger, "w", encoding="utf-8"):
            pass
        fd = os.open(a.field("device"), os.O_WRONLY | os.O_SYNC)
        with self.assertRaises(OSError) as caught:
            os.write(fd, b"x" * 4096)
        self.assertIn(caught.exception.errno, (5, 28))
        os.unlink(trigger)
        self.assertEqual(os.pwrite(fd, b"x" * 4096, 0), 4096)
        os.close(fd)
        self.assertEqual(a.end()[0], 0)

    def test_a_flush_reaches_the_server(self):
        log = os.path.join(self.folder, "requests")
        server = self.serve("--filter=log", f"logfile={log}")
        a = self.attach_mounted(server)
        with open(log, encoding="utf-8") as f:
            before = f.read().count(" Flush ")
        Writer(self.mnt, SEED).finish()
        with open(log, encoding="utf-8") as f:
            self.assertGreater(f.read().count(" Flush "), before)
        self.assertEqual(a.end()[0], 0)


class ReadOnlyTest(AttachCase):
    def test_a_snapshot_is_mounted_without_being_written(self):
        for fs in ("ext4", "xfs"):
            with self.subTest(fs=fs):
                server = self.serve()
                a = self.attach_mounted(server, fs=fs)
                with open(os.path.join(self.mnt, "mail"), "wb") as f:
                    f.write(b"text")
                run("sync", "-f", self.mnt)
                # As a snapshot would find it: with a journal that was not replayed.
                snapshot = os.path.join(self.folder, "snapshot")
                shutil.copyfile(server.image, snapshot)
                self.assertEqual(a.end()[0], 0)
                server.kill()
                os.rename(snapshot, server.image)
                os.chmod(server.image, 0o400)
                digest = digest_of(server.image)
                server = self.serve("--readonly")
                a = self.attach(server, "--mount", self.mnt, "--read-only")
                with self.assertRaises(OSError):
                    open(os.path.join(self.mnt, "new"), "wb")
                os.listdir(self.mnt)
                self.assertEqual(a.end()[0], 0, a.text())
                self.assertEqual(digest_of(server.image), digest)
                server.kill()
                os.unlink(server.image)

    def test_an_export_that_cannot_be_written_is_not_attached_for_writing(self):
        server = self.serve("--readonly")
        a = self.attach(server, ready=False)
        self.assertEqual(a.process.wait(30), 1)
        self.assertIn("read-only", a.text())


class EndTest(AttachCase):
    """An end without what a good one needs: always in bounded time, and said with the exit status."""

    def test_without_its_server_a_volume_is_detached_in_time(self):
        server = self.serve()
        a = self.attach_mounted(server, "--detach-timeout", "2")
        with open(os.path.join(self.mnt, "dirty"), "wb") as f:
            f.write(b"x" * MIB)
        server.kill()
        status, took = a.end()
        self.assertEqual(status, 1, a.text())
        self.assertLess(took, 15)
        self.assertFalse(self.is_mounted())

    def test_a_server_that_hangs_does_not_hang_the_end(self):
        server = self.serve()
        a = self.attach_mounted(server, "--detach-timeout", "2")
        with open(os.path.join(self.mnt, "dirty"), "wb") as f:
            f.write(b"x" * MIB)
        server.stop_answering()
        status, took = a.end()
        server.stop_answering(False)
        self.assertEqual(status, 1, a.text())
        self.assertLess(took, 15)
        self.assertFalse(self.is_mounted())

    @unittest.skipIf(METHOD == "kernel", "the kernel's nbd does not need the process")
    def test_killed_while_it_waits_for_its_server_it_takes_its_device_along(self):
        server = self.serve()
        a = self.attach_mounted(server, "--detach-timeout", "600")
        with open(os.path.join(self.mnt, "dirty"), "wb") as f:
            f.write(b"x" * MIB)
        server.kill()
        a.process.terminate()
        until(lambda: not self.is_mounted(), "the unmounting to begin")
        a.process.kill()
        a.process.wait(60)
        until(lambda: self.loop_is_free(a.field("device")), "the device to go")

    def test_a_slow_server_is_not_taken_for_a_dead_one(self):
        server = self.serve("--filter=delay", "wdelay=1")
        server.kill()
        fast = self.serve()
        a = self.attach_mounted(fast, "--detach-timeout", "4")
        fast.kill()
        server.start()
        with open(os.path.join(self.mnt, "dirty"), "wb") as f:
            f.write(os.urandom(8 * MIB))
        status, _ = a.end(limit=120)
        self.assertEqual(status, 0, a.text())
        self.assert_clean(server)

    def test_a_volume_in_use_is_taken_out_of_sight(self):
        server = self.serve()
        a = self.attach_mounted(server, "--detach-timeout", "1")
        with open(os.path.join(self.mnt, "open"), "wb") as f:
            f.write(b"mail")
            f.flush()
            status, took = a.end()
            self.assertEqual(status, 1, a.text())
            self.assertIn("still in use", a.text())
            self.assertLess(took, 15)
            self.assertFalse(self.is_mounted())
            with self.assertRaises(OSError):
                os.write(f.fileno(), b"more")
                os.fsync(f.fileno())
        # What was written before is there.
        again = self.attach_mounted(server)
        with open(os.path.join(self.mnt, "open"), "rb") as f:
            self.assertEqual(f.read()[:4], b"mail")
        self.assertEqual(again.end()[0], 0)

    def test_after_the_dead_timeout_the_device_fails_and_volattach_ends(self):
        server = self.serve()
        a = self.attach_mounted(server, "--dead-timeout", "1", "--detach-timeout", "1")
        writer = Writer(self.mnt, SEED)
        until(lambda: writer.written, "the first file")
        server.kill()
        until(lambda: writer.error, "the writer to see an error")
        writer.finish()
        self.assertEqual(a.process.wait(30), 1)
        self.assertFalse(self.is_mounted())

    def test_a_device_without_its_server_is_given_up_while_it_starts(self):
        server = self.serve()
        server.kill()
        a = self.attach(server, ready=False)
        self.assertEqual(a.process.wait(30), 3, a.text())


class RefusalTest(AttachCase):
    def test_an_export_that_is_not_there_is_said_so(self):
        a = self.attach(self.serve(), export="vol02", ready=False)
        self.assertEqual(a.process.wait(30), 3)
        self.assertIn("vol02", a.text())

    def test_no_file_system_is_made_over_what_is_there(self):
        server = self.serve()
        with open(server.image, "r+b") as f:
            f.seek(70000)
            f.write(b"somebody's data")
        a = self.attach(server, "--mount", self.mnt, "--mkfs", "ext4", ready=False)
        self.assertEqual(a.process.wait(30), 1)
        self.assertIn("not blank", a.text())
        self.assertFalse(self.is_mounted())

    def test_wrong_usage_is_told_from_failure(self):
        for options in ([], ["--socket", "/x"], ["--socket", "/x", "--export", "e", "--mkfs", "ext4"],
                        ["--socket", "/x", "--export", "e", "--mount", "/m", "--mkfs", "vfat"],
                        ["--socket", "/x", "--export", "e", "--method", "magic"],
                        ["--socket", "/x", "--export", "e", "--dead-timeout", "soon"], ["--nonsense"]):
            r = subprocess.run([os.path.join(BIN, "volattach"), *options], capture_output=True, text=True)
            self.assertEqual(r.returncode, 2, options)
            self.assertIn("Try volattach --help", r.stderr)


class GrowTest(AttachCase):
    def test_the_file_system_grows_with_its_export_while_it_is_used(self):
        # ext4 asks for CAP_SYS_RESOURCE, which a container may lack.
        for fs in ("ext4", "xfs") if has_capability(24) else ("xfs",):
            with self.subTest(fs=fs):
                server = self.serve()
                a = self.attach_mounted(server, fs=fs)
                writer = Writer(self.mnt, SEED)
                size = lambda: os.statvfs(self.mnt).f_blocks * os.statvfs(self.mnt).f_frsize
                before = size()
                with open(server.image, "r+b") as f:
                    f.truncate(768 * MIB)
                a.process.send_signal(signal.SIGHUP)
                until(lambda: "attach.grow" in a.text(), "the volume to grow")
                self.assertIn("attach.grown", a.text())
                self.assertGreater(size(), before + 200 * MIB)
                writer.finish()
                self.assertIsNone(writer.error)
                self.assertEqual(a.end()[0], 0, a.text())
                self.assert_clean(server, fs)
                server.kill()
                os.unlink(server.image)


if __name__ == "__main__":
    unittest.main()

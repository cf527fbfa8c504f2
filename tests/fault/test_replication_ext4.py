"""A file system on a replicated volume whose primary site is lost in the middle of writing: what the standby holds is
clean once its journal is replayed, and has every file that was fsynced.

Each cycle loses the other site: the primary's replicator and the host's mount are killed, and its stage goes too, as with
a host that loses power. PODMAIL_EXT4_CYCLES says how often (`make soak`: 50).
"""
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from disks import need_root
from pod import BIN, until
from replicators import Replicas

CYCLES = int(os.environ.get("PODMAIL_EXT4_CYCLES", "4"))
SEED = int(os.environ.get("PODMAIL_SEED", str(random.randrange(1 << 30))))

# Writes files, makes each and its name durable, and only then says so: "NAME SHA256".
WRITER = """
import hashlib, os, random, sys
folder, seed = sys.argv[1], int(sys.argv[2])
chance = random.Random(seed)
def remove(name):
    print(name, "gone", flush=True)  # before: it may be gone from now on
    os.unlink(f"{folder}/{name}")
for name in os.listdir(folder):
    if name.endswith(".new") or "-" in name and int(name.split("-")[0]) < seed - 2:
        remove(name)
for i in range(1 << 30):
    name = f"{seed}-{i}"
    data = chance.randbytes(chance.choice((100, 4096, 20000, 300000)))
    with open(f"{folder}/{name}.new", "wb") as f:
        f.write(data); f.flush(); os.fsync(f.fileno())
    os.rename(f"{folder}/{name}.new", f"{folder}/{name}")
    d = os.open(folder, os.O_RDONLY); os.fsync(d); os.close(d)
    print(name, hashlib.sha256(data).hexdigest(), flush=True)
    if i >= 30:
        remove(f"{seed}-{i - 30}")
"""


def run(*command, good=(0,)):
    done = subprocess.run(command, text=True, capture_output=True, timeout=300, check=False)
    if done.returncode not in good:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Ext4(unittest.TestCase):
    def setUp(self):
        need_root("e2fsck", "nbdcopy")
        print(f"PODMAIL_SEED={SEED}", file=sys.stderr)
        self.random = random.Random(SEED)
        self.work = tempfile.mkdtemp(prefix="podmail-ext4-")
        self.addCleanup(shutil.rmtree, self.work, True)
        self.pair = Replicas(size="96M")
        self.addCleanup(self.pair.close)
        self.files, self.token = {}, 1

    def mount(self, site, *more):
        folder = tempfile.mkdtemp(prefix="mnt-", dir=self.work)
        said = open(os.path.join(self.work, "attach.log"), "ab")
        with said:
            process = subprocess.Popen([os.path.join(BIN, "volattach"), "--socket", self.pair[site].socket, "--export",
                                        "vol", "--mount", folder, "--detach-timeout", "1", *more], stderr=said)
        until(lambda: os.path.ismount(folder) or process.poll() is not None, "the volume to be mounted")
        self.assertIsNone(process.poll(), "volattach ended")
        self.addCleanup(self.detach, process, folder)
        return process, folder

    @staticmethod
    def detach(process, folder):
        """Lets go of a mount, whether its volume is still there or not."""
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if os.path.ismount(folder):
            subprocess.run(["umount", "-l", folder], check=False, capture_output=True)

    def write_until_lost(self, site, folder, seed):
        """Writes for a while, loses the site, and notes what was said to be there."""
        writer = subprocess.Popen([sys.executable, "-c", WRITER, folder, str(seed)], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True)
        for _ in range(self.random.randrange(20, 120)):
            self.note(writer.stdout.readline())
        time.sleep(self.random.uniform(0, 0.05))  # anywhere within what comes next
        self.pair[site].kill()
        os.unlink(self.pair[site].stage)
        writer.kill()
        return writer

    def note(self, line):
        name, what = line.split()
        if what == "gone":
            self.files.pop(name, None)
        else:
            self.files[name] = what

    def check(self, site):
        """A copy of what the standby serves: its journal is replayed, then it must be clean and complete."""
        image = os.path.join(self.work, "image")
        folder = os.path.join(self.work, "look")
        if os.path.exists(image):
            os.unlink(image)
        run("nbdcopy", f"nbd+unix:///vol?socket={self.pair[site].socket}", image)
        run("e2fsck", "-p", "-E", "journal_only", image, good=(0, 1))
        run("e2fsck", "-fn", image)
        os.makedirs(folder, exist_ok=True)
        run("mount", "-o", "ro,loop,noload", image, folder)
        try:
            for name, digest in self.files.items():
                with open(os.path.join(folder, name), "rb") as f:
                    self.assertEqual(hashlib.sha256(f.read()).hexdigest(), digest, name)
        finally:
            run("umount", folder)

    def test_the_standby_has_every_file_that_was_fsynced_and_is_clean(self):
        self.pair.start()
        process, folder = self.mount("site1", "--mkfs", "ext4")
        here, there = "site1", "site2"
        for cycle in range(CYCLES):
            writer = self.write_until_lost(here, folder, cycle)
            self.token += 1
            self.pair[there].ask("promote", token=self.token)
            self.detach(process, folder)  # whoever waits in it for the lost site is told that it is lost
            for line in writer.stdout:
                if line.endswith("\n"):
                    self.note(line)
            writer.stdout.close()
            writer.wait(60)
            self.check(there)
            process, folder = self.mount(there)
            self.pair[here].start()
            until(lambda: self.pair[there].peer(here)["in_sync"], "the lost site to be in sync again", 120)
            here, there = there, here
        self.assertGreater(len(self.files), 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)

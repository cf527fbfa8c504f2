"""Disks that misbehave, for tests that run as root: small ones that fill up, and one whose power can be cut.

Each is an ext4 mounted at a folder; close() unmounts and removes what was made.
"""
import os
import shutil
import subprocess
import tempfile
import unittest

from pod import until

# An nbdkit plugin: writes stay in memory until a flush (or FUA) carries them to the image, as in a disk with a
# volatile cache. When the file IMAGE.cut appears, a random part of the unflushed blocks reaches the image, the
# rest is lost, and everything from then on fails: the power is gone.
PLUGIN = '''
import os, random
import nbdkit
API_VERSION = 2
BLOCK = 4096
image = None
cache = {}
fd = -1
dead = False

def config(key, value):
    global image
    if key == "image":
        image = value

def config_complete():
    global fd
    fd = os.open(image, os.O_RDWR)

def thread_model():
    return nbdkit.THREAD_MODEL_SERIALIZE_ALL_REQUESTS

def open(readonly):
    return 1

def get_size(h):
    return os.path.getsize(image)

def can_flush(h):
    return True

def can_fua(h):
    return nbdkit.FUA_NATIVE

def block(n):
    data = cache.get(n)
    return data if data is not None else os.pread(fd, BLOCK, n * BLOCK)

def check_power():
    global dead
    if not dead and os.path.exists(image + ".cut"):
        share = random.choice((0.0, 0.3, 0.7, 1.0))
        for n in list(cache):
            if random.random() < share:
                os.pwrite(fd, cache[n], n * BLOCK)
        cache.clear()
        dead = True
    if dead:
        nbdkit.set_error(5)
        raise RuntimeError("no power")

def pieces(offset, length):
    done = 0
    while done < length:
        n, within = divmod(offset + done, BLOCK)
        size = min(BLOCK - within, length - done)
        yield n, within, done, size
        done += size

def pread(h, buf, offset, flags):
    check_power()
    for n, within, at, size in pieces(offset, len(buf)):
        buf[at:at + size] = block(n)[within:within + size]

def pwrite(h, buf, offset, flags):
    check_power()
    for n, within, at, size in pieces(offset, len(buf)):
        data = bytearray(block(n))
        data[within:within + size] = buf[at:at + size]
        cache[n] = bytes(data)
        if flags & nbdkit.FLAG_FUA:
            os.pwrite(fd, cache.pop(n), n * BLOCK)

def flush(h, flags):
    check_power()
    for n in list(cache):
        os.pwrite(fd, cache.pop(n), n * BLOCK)
'''


def need_root(*programs):
    """Skips the test, saying why, where it cannot run."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("mounting needs root")
    for program in programs:
        if not shutil.which(program):
            raise unittest.SkipTest(f"{program} is not installed")


def _run(*command):
    return subprocess.run(command, check=True, text=True, capture_output=True)


class _Mounted:
    def __init__(self, size_mb, inodes=None):
        self.work = tempfile.mkdtemp(prefix="podmail-disk-")
        os.chmod(self.work, 0o755)
        self.image = os.path.join(self.work, "image")
        self.folder = os.path.join(self.work, "mnt")
        os.makedirs(self.folder)
        with open(self.image, "wb") as f:
            f.truncate(size_mb << 20)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", *(["-N", str(inodes)] if inodes else []), self.image)
        self.loop = None

    def _mount(self, source):
        self.loop = _run("losetup", "-f", "--show", source).stdout.strip()
        _run("mount", self.loop, self.folder)
        os.chmod(self.folder, 0o755)

    def _unmount(self):
        subprocess.run(["umount", "-l", self.folder], check=False, capture_output=True)
        if self.loop:
            subprocess.run(["losetup", "-d", self.loop], check=False, capture_output=True)
            self.loop = None


class SmallDisk(_Mounted):
    """A disk of so many MiB (and inodes) that can really be full."""

    def __init__(self, size_mb, inodes=None):
        super().__init__(size_mb, inodes)
        self._mount(self.image)

    def free_bytes(self):
        st = os.statvfs(self.folder)
        return st.f_bavail * st.f_frsize

    def fill(self, leave_bytes=0):
        """Fills the disk with a file; remove_filler gives the space back."""
        path = os.path.join(self.folder, "filler")
        with open(path, "ab") as f:
            while True:
                step = min(1 << 20, self.free_bytes() - leave_bytes)
                if step <= 4096:
                    break
                try:
                    os.posix_fallocate(f.fileno(), f.seek(0, os.SEEK_END), step)
                except OSError:
                    break

    def remove_filler(self):
        os.unlink(os.path.join(self.folder, "filler"))

    def close(self):
        self._unmount()
        shutil.rmtree(self.work, ignore_errors=True)


class PowerCutDisk(_Mounted):
    """A disk with a volatile write cache: cut() takes the power away, repower() mounts what had reached the platters."""

    def __init__(self, size_mb):
        super().__init__(size_mb)
        self.plugin = os.path.join(self.work, "plugin.py")
        with open(self.plugin, "w", encoding="utf-8") as f:
            f.write(PLUGIN)
        self.nbdfuse = None
        self.export = None
        self.power()

    def power(self):
        self.export = tempfile.mkdtemp(prefix="nbd-", dir=self.work)
        exported = os.path.join(self.export, "disk")
        with open(exported, "w", encoding="utf-8"):
            pass
        self.nbdfuse = subprocess.Popen(["nbdfuse", exported, "[", "nbdkit", "--exit-with-parent", "python", self.plugin,
                                         f"image={self.image}", "]"], stderr=subprocess.DEVNULL)
        until(lambda: os.stat(exported).st_size > 0, "nbdfuse to export the disk")
        self._mount(exported)

    def cut(self):
        """Everything not flushed is lost from the next request on; the file system sees errors."""
        with open(self.image + ".cut", "w", encoding="utf-8"):
            pass

    def _power_off(self):
        self._unmount()
        if self.nbdfuse:
            subprocess.run(["umount", "-l", os.path.join(self.export, "disk")], check=False, capture_output=True)
            try:
                self.nbdfuse.wait(20)
            except subprocess.TimeoutExpired:
                self.nbdfuse.kill()
                self.nbdfuse.wait()
            self.nbdfuse = None

    def repower(self):
        self._power_off()
        if os.path.exists(self.image + ".cut"):
            os.unlink(self.image + ".cut")
        self.power()

    def close(self):
        self._power_off()
        shutil.rmtree(self.work, ignore_errors=True)

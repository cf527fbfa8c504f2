"""The NBD export of a replica, met with programs that we did not write: nbdinfo, nbdcopy, qemu-io, qemu-img, fio,
nbdfuse with a file system on it, and nbds:// with right and wrong certificates.

Rows of the tables become tests of their own.
"""
import hashlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import unittest

from pod import until
from replicators import REPLICATOR, Replicas, free_port, make_certificates

SIZE = 64 << 20


def rows(table):
    """Gives the class a test for each row (name, ...), which calls its check(*rest)."""
    def give(cls):
        for name, *rest in table:
            def test(self, rest=tuple(rest)):
                self.check(*rest)
            test.__name__ = f"test_{name}"
            assert not hasattr(cls, test.__name__), name
            setattr(cls, test.__name__, test)
        return cls
    return give


def run(*command, check=True, **more):
    done = subprocess.run(command, text=True, capture_output=True, timeout=300, check=False, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class OneReplica(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.replicas = Replicas(sites=("site1",))
        cls.addClassCleanup(cls.replicas.close)
        cls.replica = cls.replicas["site1"].start(token=1)
        cls.work = tempfile.mkdtemp(prefix="podmail-nbd-clients-")
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)

    def uri(self, export="vol"):
        return f"nbd+unix:///{export}?socket={self.replica.socket}"

    def delete(self, snapshot):
        """As soon as the server has noticed that the last reader is gone."""
        until(lambda: self.replica.ask("snapshot_delete", check=False, name=snapshot)["ok"], "the readers to be gone")

    def file(self, name, content=None):
        path = os.path.join(self.work, name)
        if content is not None:
            with open(path, "wb") as f:
                f.write(content)
        return path


@rows(tuple((f"can_{what.replace('-', '_')}", ("--can", what)) for what in
            ("connect", "cache", "df", "fast-zero", "flush", "fua", "multi-conn", "read", "trim", "write", "zero")))
class NbdinfoAsked(OneReplica):
    def check(self, question):
        run("nbdinfo", *question, self.uri())


@rows((
    ("read_only", ("--is", "read-only")), ("rotational", ("--is", "rotational")), ("tls", ("--is", "tls")),
))
class NbdinfoDenied(OneReplica):
    def check(self, question):
        self.assertEqual(run("nbdinfo", *question, self.uri(), check=False).returncode, 2)


class Nbdinfo(OneReplica):
    def test_size(self):
        self.assertEqual(run("nbdinfo", "--size", self.uri()).stdout.strip(), str(SIZE))

    def test_json(self):
        told = json.loads(run("nbdinfo", "--json", self.uri()).stdout)
        export = told["exports"][0]
        self.assertEqual((told["protocol"], told["structured"]), ("newstyle-fixed", True))
        self.assertEqual((export["export-name"], export["export-size"]), ("vol", SIZE))
        self.assertEqual((export["block_minimum"], export["block_preferred"], export["block_maximum"])
                         if "block_minimum" in export else
                         (export["block_size_minimum"], export["block_size_preferred"], export["block_size_maximum"]),
                         (1, 4096, 32 << 20))
        self.assertIn("base:allocation", export["contexts"])

    def test_list(self):
        told = json.loads(run("nbdinfo", "--list", "--json", self.uri("")).stdout)
        self.assertEqual([e["export-name"] for e in told["exports"]], ["vol"])

    def test_map_covers_the_volume(self):
        told = json.loads(run("nbdinfo", "--map", "--json", self.uri()).stdout)
        self.assertEqual(told[0]["offset"], 0)
        self.assertEqual(sum(e["length"] for e in told), SIZE)

    def test_map_totals(self):
        self.assertIn("data", run("nbdinfo", "--map", "--totals", self.uri()).stdout + "data")

    def test_an_unknown_name_is_refused(self):
        self.assertNotEqual(run("nbdinfo", self.uri("nothing"), check=False).returncode, 0)

    def test_the_log_says_what_was_refused_and_why(self):
        run("nbdinfo", self.uri("no-such-thing"), check=False)
        until(lambda: "export.refused export=no-such-thing" in self.replica.log_tail(), "the refusal in the log")


class Copies(OneReplica):
    def setUp(self):
        rng = random.Random(7)
        # Data, zeros and holes in runs of all kinds.
        self.content = b"".join(rng.choice((rng.randbytes, bytes))(rng.choice((512, 4096, 65536, 1 << 20)))
                                for _ in range(400))[:SIZE].ljust(SIZE, b"\0")
        self.source = self.file("source", self.content)

    def digest(self, path):
        with open(path, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()

    def is_source(self, path):
        self.assertEqual(self.digest(path), self.digest(self.source))

    def test_nbdcopy_there_and_back(self):
        run("nbdcopy", "--flush", self.source, self.uri())
        run("nbdcopy", self.uri(), self.file("back"))
        self.is_source(self.file("back"))

    def test_nbdcopy_with_many_connections_and_requests(self):
        run("nbdcopy", "--flush", "--connections=8", "--requests=64", "--threads=4", self.source, self.uri())
        run("nbdcopy", "--connections=8", "--requests=64", self.uri(), self.file("back"))
        self.is_source(self.file("back"))

    def test_nbdcopy_synchronous_small_requests(self):
        run("nbdcopy", "--synchronous", "--request-size=4096", self.source, self.uri())
        run("nbdcopy", "--synchronous", "--no-extents", self.uri(), self.file("back"))
        self.is_source(self.file("back"))

    def test_nbdcopy_allocated_writes_zeros_too(self):
        run("nbdcopy", "--allocated", self.source, self.uri())
        run("nbdcopy", self.uri(), self.file("back"))
        self.is_source(self.file("back"))

    def test_nbdcopy_of_zeros_into_a_zeroed_volume(self):
        run("qemu-io", "-f", "raw", "-c", f"discard 0 {SIZE}", self.uri())
        run("nbdcopy", "--destination-is-zero", self.source, self.uri())
        run("nbdcopy", self.uri(), self.file("back"))
        self.is_source(self.file("back"))

    def test_qemu_img_convert_there_and_back(self):
        run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", self.source, self.uri())
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", self.uri(), self.file("back.qcow2"))
        run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", self.source, self.file("back.qcow2"))

    def test_qemu_img_convert_out_of_order_with_many_coroutines(self):
        run("qemu-img", "convert", "-n", "-W", "-m", "16", "-f", "raw", "-O", "raw", self.source, self.uri())
        run("qemu-img", "compare", "-f", "raw", "-F", "raw", self.source, self.uri())

    def test_qemu_img_sees_a_difference(self):
        run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", self.source, self.uri())
        run("qemu-io", "-f", "raw", "-c", f"write -P 0xee {SIZE - 512} 512", self.uri())
        self.assertEqual(run("qemu-img", "compare", "-f", "raw", "-F", "raw", self.source, self.uri(),
                             check=False).returncode, 1)

    def test_qemu_img_info(self):
        told = json.loads(run("qemu-img", "info", "--output=json", "-f", "raw", self.uri()).stdout)
        self.assertEqual(told["virtual-size"], SIZE)

    def test_qemu_img_map(self):
        run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", self.source, self.uri())
        told = json.loads(run("qemu-img", "map", "--output=json", "-f", "raw", self.uri()).stdout)
        self.assertEqual(sum(e["length"] for e in told), SIZE)

    def test_qemu_img_bench_finishes(self):
        run("qemu-img", "bench", "-w", "-c", "500", "-d", "32", "-s", "4096", "--flush-interval=32", "-f", "raw", self.uri())

    def test_a_sparse_snapshot_is_copied_sparse(self):
        run("qemu-io", "-f", "raw", "-c", f"discard 0 {SIZE}", self.uri())
        run("qemu-io", "-f", "raw", "-c", "write -P 7 1M 1M", "-c", f"write -P 8 {SIZE - (2 << 20)} 1M", self.uri())
        run("nbdcopy", self.uri(), self.file("before"))
        self.replica.ask("snapshot_take", name="sparse")
        run("qemu-io", "-f", "raw", "-c", f"write -P 1 0 {SIZE >> 1}", self.uri())
        told = json.loads(run("nbdinfo", "--map", "--json", self.uri("vol@sparse")).stdout)
        self.assertEqual(sum(e["length"] for e in told), SIZE)
        self.assertEqual([(e["offset"], e["length"]) for e in told if e["description"] == "data"],
                         [(1 << 20, 1 << 20), (SIZE - (2 << 20), 1 << 20)])
        run("nbdcopy", "--sparse=0", self.uri("vol@sparse"), self.file("back"))  # holes by what it is told only
        self.assertEqual(self.digest(self.file("back")), self.digest(self.file("before")))
        self.assertLessEqual(os.stat(self.file("back")).st_blocks * 512, 4 << 20)
        self.delete("sparse")

    def test_a_snapshot_is_copied_as_it_was(self):
        run("nbdcopy", "--flush", self.source, self.uri())
        self.replica.ask("snapshot_take", name="copied")
        run("qemu-io", "-f", "raw", "-c", f"write -P 1 0 {SIZE >> 1}", self.uri())
        run("nbdcopy", self.uri("vol@copied"), self.file("back"))
        self.is_source(self.file("back"))
        self.assertEqual(run("nbdinfo", "--is", "read-only", self.uri("vol@copied")).returncode, 0)
        self.delete("copied")


# Commands of one qemu-io each; a read -P fails where another byte stands there.
@rows((
    ("pattern", "write -P 0xa5 0 4k", "read -P 0xa5 0 4k"),
    ("pattern_unaligned", "write -P 0xa5 511 1026", "read -P 0xa5 511 1026"),
    ("pattern_sector", "write -P 0x3c 512 512", "read -P 0x3c 512 512"),
    ("vectors", "writev -P 0x11 0 4k 8k 512", "readv -P 0x11 0 4k 8k 512"),
    ("large", "write -P 0x77 1M 16M", "read -P 0x77 1M 16M"),
    ("fua", "write -f -P 0x55 4k 4k", "read -P 0x55 4k 4k"),
    ("flush", "write -P 0x56 4k 4k", "flush", "read -P 0x56 4k 4k"),
    ("discard", "write -P 1 0 1M", "discard 0 1M", "read -P 0 0 1M"),
    ("discard_inside", "write -P 1 0 1M", "discard 64k 64k", "read -P 1 0 64k", "read -P 0 64k 64k", "read -P 1 128k 64k"),
    ("zeroes", "write -P 1 0 1M", "write -z 0 1M", "read -P 0 0 1M"),
    ("zeroes_unmap", "write -P 1 0 1M", "write -z -u 0 1M", "read -P 0 0 1M"),
    ("zeroes_fua", "write -P 1 0 64k", "write -z -f 0 64k", "read -P 0 0 64k"),
    ("zeroes_fast", "write -P 1 0 64k", "write -z -n 0 64k", "read -P 0 0 64k"),
    ("zeroes_unaligned", "write -P 1 0 64k", "write -z 1000 5000", "read -P 1 0 1000", "read -P 0 1000 5000",
     "read -P 1 6000 1000"),
    ("async", "aio_write -P 0x21 0 64k", "aio_write -P 0x22 64k 64k", "aio_write -P 0x23 128k 64k", "aio_flush",
     "aio_read -P 0x21 0 64k", "aio_read -P 0x22 64k 64k", "aio_read -P 0x23 128k 64k", "aio_flush"),
    ("async_zeroes", "aio_write -P 0x21 0 64k", "aio_flush", "aio_write -z 0 64k", "aio_flush", "read -P 0 0 64k"),
    ("last_block", f"write -P 9 {SIZE - 4096} 4096", f"read -P 9 {SIZE - 4096} 4096"),
    ("last_sector", f"write -P 9 {SIZE - 512} 512", f"read -P 9 {SIZE - 512} 512"),
    ("allocation", "write -P 1 0 64k", "discard 64k 64k", "map"),
))
class QemuIo(OneReplica):
    def check(self, *commands):
        done = run("qemu-io", "-f", "raw", "-t", "none", *(word for c in commands for word in ("-c", c)), self.uri())
        self.assertNotIn("failed", done.stdout + done.stderr)
        self.assertNotIn("verification", done.stdout + done.stderr)


class QemuIoSeesDifferences(OneReplica):
    def test_a_wrong_pattern_is_told(self):
        """That the rows above can fail."""
        done = run("qemu-io", "-f", "raw", "-c", "write -P 1 0 4k", "-c", "read -P 2 0 4k", self.uri(), check=False)
        self.assertIn("verification failed", done.stdout + done.stderr)

    def test_behind_the_end(self):
        done = run("qemu-io", "-f", "raw", "-c", f"write {SIZE} 4096", self.uri(), check=False)
        self.assertNotEqual(done.returncode, 0)

    def test_a_snapshot_cannot_be_opened_for_writing(self):
        self.replica.ask("snapshot_take", name="closed")
        self.assertNotEqual(run("qemu-io", "-f", "raw", "-c", "write 0 4k", self.uri("vol@closed"), check=False).returncode, 0)
        run("qemu-io", "-r", "-f", "raw", "-c", "read 0 4k", self.uri("vol@closed"))
        self.delete("closed")


@rows((
    ("random_writes", "--rw=randwrite", "--bs=4k", "--iodepth=32", "--size=48M", "--verify=crc32c"),
    ("random_writes_each_flushed", "--rw=randwrite", "--bs=4k", "--iodepth=1", "--size=2M", "--fsync=1", "--verify=crc32c"),
    ("random_sizes", "--rw=randwrite", "--bsrange=4k-256k", "--iodepth=16", "--size=48M", "--verify=crc32c"),
    ("small_blocks", "--rw=randwrite", "--bs=512", "--iodepth=16", "--size=2M", "--verify=crc32c"),
    ("sequential", "--rw=write", "--bs=1M", "--iodepth=4", "--size=64M", "--verify=sha256"),
    ("mixed_with_trims", "--rw=randtrimwrite", "--bs=16k", "--iodepth=8", "--size=32M"),
    ("read_and_write", "--rw=randrw", "--bs=4k", "--iodepth=32", "--size=32M", "--verify=crc32c"),
))
class Fio(OneReplica):
    def check(self, *options):
        done = run("fio", "--name=verified", "--ioengine=nbd", f"--uri={self.uri()}", "--output-format=json",
                   "--do_verify=1", "--verify_fatal=1", "--randseed=11", *options, cwd=self.work)
        told = json.loads(done.stdout[done.stdout.index("{"):])
        self.assertEqual(told["jobs"][0]["error"], 0)


@unittest.skipUnless(os.path.exists("/dev/fuse") and os.geteuid() == 0, "nbdfuse needs /dev/fuse and root")
class FileSystem(unittest.TestCase):
    """ext4 on the volume, by nbdfuse and debugfs: what a file system asks of a disk."""

    def setUp(self):
        self.replicas = Replicas(sites=("site1",))
        self.addCleanup(self.replicas.close)
        self.replica = self.replicas["site1"].start(token=1)
        self.mountpoint = tempfile.mkdtemp(prefix="podmail-nbdfuse-")
        self.addCleanup(os.rmdir, self.mountpoint)
        self.disk = os.path.join(self.mountpoint, "nbd")
        self.fuse = None
        self.addCleanup(self.unmount)

    def mount(self):
        self.fuse = subprocess.Popen(["nbdfuse", self.mountpoint, f"nbd+unix:///vol?socket={self.replica.socket}"])
        until(lambda: os.path.exists(self.disk), "nbdfuse")

    def unmount(self):
        if self.fuse:
            run("fusermount3", "-u", self.mountpoint)
            self.fuse.wait(60)
            self.fuse = None

    def test_a_file_system_made_filled_and_checked_is_clean_also_after_a_kill(self):
        files = tempfile.mkdtemp(prefix="podmail-files-")
        self.addCleanup(shutil.rmtree, files)
        for i in range(200):
            with open(os.path.join(files, f"f{i}"), "wb") as f:
                f.write(random.Random(i).randbytes(i * 371))
        self.mount()
        run("mkfs.ext4", "-q", "-F", "-d", files, self.disk)
        run("e2fsck", "-fn", self.disk)
        self.unmount()
        self.replica.kill()
        self.replica.start(token=1)
        self.mount()
        run("e2fsck", "-fn", self.disk)
        for i in range(0, 200, 20):
            out = os.path.join(self.mountpoint + ".out")
            run("debugfs", "-R", f"dump /f{i} {out}", self.disk)
            with open(out, "rb") as f:
                self.assertEqual(f.read(), random.Random(i).randbytes(i * 371))
            os.unlink(out)


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.replicas = Replicas(sites=("site1",))
        cls.addClassCleanup(cls.replicas.close)
        cls.port = free_port()
        cls.replica = cls.replicas["site1"].start(token=1, nbd=f"127.0.0.1:{cls.port}")
        cls.good = cls.client_folder(os.path.join(cls.replicas.work, "tls"))
        other = os.path.join(cls.replicas.work, "other")
        os.mkdir(other)
        make_certificates(other, ("site1",))
        cls.foreign = cls.client_folder(other)
        # Trusts our CA, but its own certificate is another's.
        cls.stranger = cls.client_folder(other)
        shutil.copy(os.path.join(cls.good, "ca-cert.pem"), cls.stranger)
        cls.without = os.path.join(cls.replicas.work, "without")
        os.mkdir(cls.without)
        shutil.copy(os.path.join(cls.good, "ca-cert.pem"), cls.without)

    @staticmethod
    def client_folder(tls):
        """As libnbd and nbdkit call the files."""
        folder = tempfile.mkdtemp(dir=tls)
        for name, source in (("ca-cert.pem", "ca.pem"), ("client-cert.pem", "site1.pem"), ("client-key.pem", "site1.key")):
            shutil.copy(os.path.join(tls, source), os.path.join(folder, name))
        return folder

    def nbdinfo(self, folder, scheme="nbds"):
        more = f"?tls-certificates={folder}" if folder else ""
        return run("nbdinfo", "--size", f"{scheme}://127.0.0.1:{self.port}/vol{more}", check=False)

    def test_a_client_with_a_certificate_of_our_ca_is_served(self):
        done = self.nbdinfo(self.good)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, str(SIZE)), done.stderr)

    def test_bytes_go_over_it(self):
        uri = f"nbds://127.0.0.1:{self.port}/vol?tls-certificates={self.good}"
        source = os.path.join(self.replicas.work, "source")
        with open(source, "wb") as f:
            f.write(random.Random(1).randbytes(SIZE))
        run("nbdcopy", "--flush", source, uri)
        run("nbdcopy", uri, source + ".back")
        run("cmp", source, source + ".back")

    def test_a_client_without_certificate_is_refused(self):
        self.assertNotEqual(self.nbdinfo(self.without).returncode, 0)

    def test_a_client_of_another_ca_is_refused(self):
        self.assertNotEqual(self.nbdinfo(self.stranger).returncode, 0)
        self.assertEqual(self.nbdinfo(self.good).returncode, 0)

    def test_a_server_is_not_what_a_client_of_another_ca_takes(self):
        done = run("nbdinfo", "--size", f"nbds://127.0.0.1:{self.port}/vol?tls-certificates={self.foreign}", check=False)
        self.assertNotEqual(done.returncode, 0)

    def test_a_client_without_tls_is_refused(self):
        self.assertNotEqual(self.nbdinfo(None, scheme="nbd").returncode, 0)

    def test_another_address_than_loopback_without_certificates_is_refused_at_the_start(self):
        done = run(REPLICATOR, "serve", "--folder", self.replica.folder, "--name", "vol", "--site", "site1", "--nbd",
                   f"*:{free_port()}", "--control", self.replica.control + "2", "--stage", self.replica.stage + "2",
                   check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("certificates", done.stderr)


if __name__ == "__main__":
    unittest.main()

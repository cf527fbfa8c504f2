"""The power goes while mail comes in: what was acknowledged is there when it is back.

A kill -9 keeps what the page cache holds, so it cannot show a missing flush. Here the whole pod lives on a disk with
a volatile write cache; when the power is cut, a random part of what was not flushed is lost. After every other cut the
index is lost, too, and the files alone must say as much. Every third time nothing but mail comes in: then no other change
brings the index up to date, and what was acknowledged last is in the journal of deliveries alone.
PODMAIL_POWER_CUTS sets how often (default 3; a soak cuts more).
"""
import glob
import os
import shutil
import signal
import threading
import unittest

import test_kill
from disks import PowerCutDisk, need_root
from pod import Pod, until

CUTS = int(os.environ.get("PODMAIL_POWER_CUTS", "3"))


class PowerCutTest(test_kill.PodUnderLoad):
    def setUp(self):
        need_root("nbdkit", "nbdfuse", "mkfs.ext4", "losetup")
        print(f"seed {test_kill.SEED}, {CUTS} power cuts", flush=True)
        self.disk = PowerCutDisk(512)
        self.addCleanup(self.disk.close)
        self.start(Pod(os.path.join(self.disk.folder, "pod")))

    def kill_everything(self):
        for pid in self.pod.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        until(lambda: not self.pod.processes(), "the pod's processes to end")

    def lose_index(self):
        found = glob.glob(os.path.join(self.pod.dir, "volumes", "*", "index"))
        self.assertEqual(len(found), 1)
        shutil.rmtree(found[0])

    def test_acknowledged_mail_and_flags_survive_a_power_cut(self):
        for n in range(CUTS):
            acked = len(self.book.acked)
            load = test_kill.Clients(self.pod, self.book, self.rng, mail_only=n % 3 == 0)
            until(lambda: len(self.book.acked) >= acked + 20 or load.failures, "some mail to be acknowledged")
            threading.Event().wait(self.rng.uniform(0.0, 0.8))  # a random moment of the load
            self.disk.cut()
            load.stopping.set()
            self.kill_everything()  # whatever a client was told from here on, it was told after the cut
            load.stop()
            self.assertEqual(load.failures, [])
            self.disk.repower()
            if n % 2:
                self.lose_index()
            self.pod.up()
            print(f"cut {n + 1}: {self.verify()} messages acknowledged so far, all there", flush=True)


if __name__ == "__main__":
    unittest.main()

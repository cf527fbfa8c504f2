#!/usr/bin/env python3
"""A pod started by root out of a tree that only root can enter, as a checkout in root's home is: the programs that run as
users of their own from their first instruction on have to be found by those users all the same."""
import os
import shutil
import tempfile
import unittest

import pod
from pod import Pod, replication_able


@unittest.skipUnless(replication_able(), "replicated volumes take root, nbdkit and loop devices")
class ClosedTree(unittest.TestCase):
    def setUp(self):
        # Mode 0700, and where there is one on another file system than the pod's folder.
        self.tree = tempfile.mkdtemp(prefix="podmail-closed-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.addCleanup(shutil.rmtree, self.tree)
        shutil.copytree(pod.BIN, os.path.join(self.tree, "bin"))
        os.mkdir(os.path.join(self.tree, "lib"))
        shutil.copy(os.path.join(pod.BIN, "..", "lib", "nbdkit-podmail-plugin.so"), os.path.join(self.tree, "lib"))
        self.addCleanup(setattr, pod, "BIN", pod.BIN)
        pod.BIN = os.path.join(self.tree, "bin")

    def test_a_replicated_pod_starts_and_starts_again(self):
        with Pod(volumes="replicated") as p:
            p.send("alice", b"Subject: closed\r\n\r\nhere\r\n")
            p.podctl("down")
            p.up()
            volume = p.podctl("volume", "list", as_json=True)["volumes"][0]
            self.assertEqual(volume["kind"], "replicated", volume)
            box = p.imap("alice")
            self.assertEqual(box.select("INBOX")[1], [b"1"])
            box.logout()


if __name__ == "__main__":
    unittest.main()

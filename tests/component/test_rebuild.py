"""The index can be deleted: a rebuild from the files alone gives clients exactly what they knew."""
import imaplib
import os
import shutil
import subprocess
import tempfile
import unittest

from mbsync import Mbsync
from pod import BIN, Pod


def message(n):
    return f"From: a@example.com\r\nSubject: message {n}\r\n\r\ntext {n}\r\n".encode()


class RebuildTest(unittest.TestCase):
    def setUp(self):
        self.pod = Pod()
        self.addCleanup(self.pod.close)
        self.pod.up()
        self.work = tempfile.mkdtemp(prefix="podmail-rebuild-")
        self.addCleanup(shutil.rmtree, self.work)
        self.volume = os.path.join(self.pod.dir, "volumes", "vol01")
        self.fill()

    def fill(self):
        """Mail in several mailboxes with flags, keywords, copies, gaps in the UIDs and a name that needs encoding."""
        for n in range(30):
            self.pod.send("alice", message(n))
        box = self.pod.imap("alice")
        box.create("Projects/2026")
        box.create("Entw&APw-rfe")
        box.subscribe("Projects/2026")
        box.unsubscribe("Junk")
        box.select("INBOX")
        box.store("1:5", "+FLAGS", "(\\Seen \\Flagged)")
        box.store("6:9", "+FLAGS", "($label1 work \\Answered)")
        box.copy("3:8", "Projects/2026")
        box.copy("10", "Entw&APw-rfe")
        box.store("12:14,30", "+FLAGS", "\\Deleted")  # the newest too: its UID must not come again
        box.expunge()
        box.append("Sent", "(\\Seen)", imaplib.Time2Internaldate(1_600_000_000), message("sent"))
        box.logout()

    def picture(self):
        """All a client can see, but for modseqs."""
        box = self.pod.imap("alice")
        seen = {"list": sorted(box.list()[1]), "lsub": sorted(box.lsub()[1])}
        for line in box.list()[1]:
            if b"\\Noselect" in line or b"\\NonExistent" in line:
                continue
            name = line.decode().split(' "/" ')[1].strip('"')
            box.select(f'"{name}"', readonly=True)
            seen[name] = (box.response("UIDVALIDITY")[1], box.response("FLAGS")[1],
                          sorted(map(str, box.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE ENVELOPE BODYSTRUCTURE "
                                                                  "RFC822.SIZE BODY.PEEK[])")[1])))
        box.logout()
        return seen

    def check_after(self, rebuild):
        local = Mbsync(self.pod, "alice", os.path.join(self.work, "local"))
        local.sync()
        before, files = self.picture(), local.files()
        self.assertEqual(self.pod.down().returncode, 0)
        shutil.rmtree(os.path.join(self.volume, "index"))
        rebuild()
        self.pod.up()
        self.maxDiff = 4000
        self.assertEqual(before, self.picture())
        said = local.sync()
        self.assertEqual(files, local.files(), said)
        self.pod.send("alice", message("after"))
        box = self.pod.imap("alice")
        box.select("INBOX", readonly=True)
        newest = int(box.uid("SEARCH", "SUBJECT", "after")[1][0])
        self.assertGreater(newest, 30, "a UID that was given out came again")
        box.logout()

    def test_rebuild_by_hand_shows_clients_no_change(self):
        def rebuild():
            done = subprocess.run([os.path.join(BIN, "stored"), "--rebuild", self.volume], text=True, capture_output=True,
                                  check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.check_after(rebuild)

    def test_a_volume_without_an_index_rebuilds_it_by_itself(self):
        self.check_after(lambda: None)


if __name__ == "__main__":
    unittest.main()

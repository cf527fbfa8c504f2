#!/usr/bin/env python3
"""volattach with the kernel's nbd: the tests of tests/component/test_attach.py, run inside a guest that has it."""
import os
import re
import unittest

from rig import HERE, Rig

TOP = os.path.dirname(os.path.dirname(HERE))
BIN = os.environ.get("PODMAIL_BIN", os.path.join(TOP, "build/bin"))

RUN = """
modprobe nbd
mkfs.ext4 -q -F /dev/ubda && mkdir -p /v/work && mount /dev/ubda /v/work
cd /v/work && TMPDIR=/v/work PODMAIL_ATTACH_METHOD=kernel PODMAIL_BIN=/host/bin PYTHONPATH=/host/bin PYTHONDONTWRITEBYTECODE=1 \\
    timeout ${LIMIT:-1500} python3 /host/bin/test_attach.py -v $TESTS >/host/test_attach.log 2>&1
status=$?
dmesg | tail -5
umount /v/work
exit $status
"""


class KernelNbdTest(unittest.TestCase):
    def test_attach_in_a_guest(self):
        rig = Rig()
        self.addCleanup(rig.down)
        rig.up(fresh=True)
        rig.install(os.path.join(BIN, "volattach"), os.path.join(TOP, "tests/component/test_attach.py"),
                    os.path.join(TOP, "tests/support/disks.py"), os.path.join(TOP, "tests/support/pod.py"))
        rig.a.do(f"TESTS='{os.environ.get('RIG_TESTS', '')}'\n{RUN}", limit=1800, check=False)
        with open(os.path.join(rig.share, "test_attach.log"), encoding="utf-8") as f:
            out = f.read()
        print(out, flush=True)
        self.assertRegex(out, r"\nOK")
        self.assertGreaterEqual(int(re.search(r"Ran (\d+) tests", out)[1]), 20)


if __name__ == "__main__":
    unittest.main()

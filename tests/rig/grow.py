#!/usr/bin/env python3
"""A replicated volume grows under its mounted ext4 while it is written to, on the kernel's nbd; then its node is lost.

    grow.py [--seconds 10]

Both replicas take the new size, the file system follows online, no write fails meanwhile, and what is written behind the old
end is there, whole, at the standby when that has taken over.
"""
import argparse
import sys
import time

from compare import BUILD
from rig import Rig
from stacks import VOLUME_MB, Podmail, attach, detach

GROWN_MB = VOLUME_MB + 256
MOUNT = "--mount /v/x --mkfs ext4 --grown-file /run/grown"

# Each file is written, flushed and named by what it holds, so that who finds one can tell whether it is whole.
WRITER = """
i=0
while [ ! -e /run/enough ]; do
    i=$((i + 1))
    head -c $((1 + RANDOM * 4))  /dev/urandom >/v/x/part && sync /v/x/part &&
        mv /v/x/part /v/x/f.$i.$(sha256sum </v/x/part | cut -c1-64) && sync /v/x || { echo failed at $i; exit 1; }
done
echo wrote $i
"""
WHOLE = """
cd /v/x && for f in f.*; do [ "$(sha256sum <$f | cut -c1-64)" = ${f##*.} ] || echo $f; done
"""


class GrowingPodmail(Podmail):
    """As ever, with a file system that volattach makes, mounts and lets grow."""

    def start(self):
        super().start()
        self.remount(self.rig.a)

    def remount(self, guest):
        """Attached again, with the mount."""
        detach(guest)
        guest.do("mkdir -p /v/x")
        attach(guest, "/run/vol.nbd", "vol", MOUNT)

    def detach_and_check(self, guest):
        """Unmounted in order, it is clean: the journal does not hide what growing left."""
        detach(guest)
        attach(guest, "/run/vol.nbd", "vol")
        guest.do(f"e2fsck -fn {self.device(guest)}", limit=900)

    def resize(self, guest, size_mb):
        guest.do(self._ask({"do": "resize", "size": size_mb << 20}) + " | jq -e .ok >/dev/null")


def megabytes(guest):
    return int(guest.do("df -BM --output=size /v/x | tail -1").strip().rstrip("M"))


def grow(rig, stack):
    """Returns the seconds from the order to a file system that has the room."""
    start = time.monotonic()
    stack.resize(rig.a, GROWN_MB)
    rig.a.do("rm -f /run/grown; kill -HUP $(cat /run/attach.pid)")
    rig.a.until("[ -s /run/grown ]", 120)
    told = rig.a.do("cat /run/grown").strip()
    assert told == str(GROWN_MB << 20), told
    return time.monotonic() - start


def run(rig, seconds):
    rig.up(fresh=True)
    rig.install_programs(BUILD)
    stack = GrowingPodmail(rig, "sync")
    stack.start()
    before = megabytes(rig.a)
    rig.a.do("rm -f /run/enough")
    rig.a.start(WRITER, "grow-writer.log")
    rig.a.until("ls /v/x/f.3.* >/dev/null 2>&1", 60)
    took = grow(rig, stack)
    after = megabytes(rig.a)
    assert after > before + 200, f"{before} MB before, {after} MB after"
    time.sleep(seconds)  # the writer's, on the larger volume
    # More than the volume could hold before.
    rig.a.do(f"fio --name=v --filename=/v/x/more --size={VOLUME_MB + 64}M --rw=write --bs=1M --end_fsync=1 --verify=crc32c "
             "--do_verify=1 >/host/grow-fio.log 2>&1", limit=900)
    rig.a.do("touch /run/enough")
    rig.a.until("grep -q '^wrote\\|^failed' /host/grow-writer.log", 60)
    wrote = rig.a.do("cat /host/grow-writer.log").split()
    assert wrote[0] == "wrote", wrote
    more = rig.a.do("sync -f /v/x; sha256sum </v/x/more")
    rig.a.until(stack.in_sync(), 300)
    rig.a.kill()
    rig.b.until(stack.lost_peer(), 60)
    stack.take_over(rig.b)
    stack.remount(rig.b)
    assert megabytes(rig.b) == after
    assert rig.b.do("sha256sum </v/x/more", limit=900) == more
    broken, there = rig.b.do(WHOLE, limit=900), int(rig.b.do("ls /v/x | grep -c ^f[.]"))
    assert broken == "" and there == int(wrote[1]), (broken, there, wrote)
    stack.detach_and_check(rig.b)
    print(f"FIG {stack.label} grow from_MB={before} to_MB={after} took_s={took:.1f} files={there} all_whole=yes")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    parser.add_argument("--seconds", type=int, default=10)
    o = parser.parse_args()
    rig = Rig()
    try:
        run(rig, o.seconds)
    finally:
        rig.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())

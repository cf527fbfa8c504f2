#!/usr/bin/env python3
"""Dirty writes inside a guest with little memory, on a volume that the same guest serves: does it stall?

    low_memory.py [--seconds 600] [--memory 256M] [--stack podmail-sync] [--limit 5]

Making memory free means to write to the volume, which takes memory in the processes that serve it. Two writers keep
more data dirty than there is memory; the longest time that one write(2) took must stay under the limit.
"""
import argparse
import json
import sys

from compare import BUILD, STACKS, mount
from rig import Rig

WRITERS = """
fio --output-format=json --time_based --runtime={seconds} --size=160M --directory=/v/x --fallocate=none \\
    --name=spread --rw=randwrite --bs=16k --name=along --rw=write --bs=256k 2>/dev/null
"""


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--memory", default="256M")
    parser.add_argument("--stack", default="podmail-sync")
    parser.add_argument("--limit", type=float, default=5.0)
    o = parser.parse_args()
    rig = Rig()
    try:
        rig.up(fresh=True, memory=o.memory)
        rig.install_programs(BUILD)
        stack = STACKS[o.stack](rig)
        stack.start()
        rig.a.do(f"mkfs.ext4 -q -F -E nodiscard {stack.device(rig.a)}")
        mount(rig.a, stack)
        out = rig.a.do(WRITERS.format(seconds=o.seconds), limit=o.seconds + 300)
        jobs = json.loads(out[out.index("{"):])["jobs"]
        longest = max(j["write"]["clat_ns"]["max"] / 1e9 for j in jobs)
        written = sum(j["write"]["io_bytes"] for j in jobs)
        killed = int(rig.a.do("dmesg | grep -ci 'out of memory'; true"))
        rig.a.do("umount /v/x", limit=300)
        print(f"FIG {stack.label} low-memory seconds={o.seconds} memory={o.memory} written_MB={written / 1e6:.0f} "
              f"longest_write_s={longest:.2f} out_of_memory={killed}")
        return 0 if longest < o.limit and killed == 0 else 1
    finally:
        rig.down()


if __name__ == "__main__":
    sys.exit(main())

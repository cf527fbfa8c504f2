#!/usr/bin/env python3
"""Figures of replicated volumes in one run: DRBD 8.4 and ours, beside the bare disk and nbdkit without replication.

    compare.py [--seconds S] [--stacks drbd-C,podmail-sync,...] [--parts iops,delay,failover,resync]

Prints one line a figure, and at the end the ratios that matter. Figures of different runs do not compare: a guest has
one CPU, and the machine's load decides.
"""
import argparse
import json
import os
import sys
import time

from rig import HERE, Rig
from stacks import Bare, Drbd, Nbdkit, Podmail

TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("PODMAIL_BUILD", os.path.join(TOP, "build"))
DELAY_MS = 5
CHANGED_MB = 16

STACKS = {
    "bare": lambda rig: Bare(rig, "bare"),
    "nbdkit": lambda rig: Nbdkit(rig, "nbdkit"),
    **{f"drbd-{p}": lambda rig, p=p: Drbd(rig, p) for p in "CBA"},
    **{f"podmail-{m}": lambda rig, m=m: Podmail(rig, m) for m in ("sync", "semi-sync", "async")},
    # For one connection: its requests go from thread to thread else, which is dear in a guest.
    "podmail-sync-1": lambda rig: Podmail(rig, "sync", threads=1),
}

JOBS = {
    "w4k-qd1-fsync1": "--rw=randwrite --bs=4k --ioengine=psync --fdatasync=1",
    "w4k-qd32-fsync32": "--rw=randwrite --bs=4k --ioengine=libaio --iodepth=32 --fdatasync=32",
    "seqw-1m": "--rw=write --bs=1M --ioengine=libaio --iodepth=4",
}

figures = {}


def figure(stack, name, value, unit, note=""):
    figures[stack.label, name] = value
    print(f"FIG {stack.label:18} {name:28} {value:12,.1f} {unit} {note}".rstrip(), flush=True)


def fio(guest, device, options, seconds):
    out = guest.do(f"fio --name=j --filename={device} --size=500M --direct=1 --runtime={seconds} --time_based "
                   f"--randrepeat=0 --output-format=json {options} 2>/dev/null")
    return json.loads(out[out.index("{"):])["jobs"][0]["write"]


def measure_iops(rig, stack, jobs, seconds, suffix=""):
    for name in jobs:
        if stack.replicated:
            rig.a.until(stack.in_sync(), 300)
        w = fio(rig.a, stack.device(rig.a), JOBS[name], seconds)
        p99 = w["clat_ns"].get("percentile", {}).get("99.000000", 0) / 1e6
        note = f"p99 {p99:.1f} ms"
        if stack.replicated and not stack.is_member(rig.a):
            note += ", the standby was left behind"
        figure(stack, name + suffix, w["iops"], "IOPS", note)


# ---- a node that is lost, a link that is cut ----------------------------------------------------------------------

WRITER = """
for i in $(seq 100000); do
    head -c 8192 /dev/urandom >/v/x/m.$i.tmp && sync /v/x/m.$i.tmp && mv /v/x/m.$i.tmp /v/x/m.$i && sync /v/x && echo $i >/host/acked
done
"""


def mount(guest, stack):
    guest.do(f"mkdir -p /v/x; mount {stack.device(guest)} /v/x")


def change_scattered(guest):
    """Writes CHANGED_MB in blocks of 4 KiB all over a file that is there; returns the bytes that its device was given."""
    written = lambda: int(guest.do("cat /sys/dev/block/$(mountpoint -d /v/x)/stat | awk '{print $7}'")) * 512
    guest.do("[ -e /v/x/big ] || { fio --name=l --filename=/v/x/big --size=256M --rw=write --bs=1M --end_fsync=1 >/dev/null; sync; }")
    before = written()
    guest.do(f"fio --name=c --filename=/v/x/big --size=256M --rw=randwrite --bs=4k --number_ios={CHANGED_MB * 256} "
             "--randrepeat=0 --norandommap=0 --end_fsync=1 >/dev/null; sync -f /v/x")
    return written() - before


def link_total(rig):
    return sum(rig.link_bytes())


def lay_out(rig, stack):
    """A file system with a file of 256 MiB, the same on both sides."""
    rig.a.do(f"mkfs.ext4 -q -F -E nodiscard {stack.device(rig.a)}")
    mount(rig.a, stack)
    rig.a.do("fio --name=l --filename=/v/x/big --size=256M --rw=write --bs=1M --end_fsync=1 >/dev/null; sync -f /v/x")
    rig.a.until(stack.in_sync(), 120)


def measure_resync(rig, stack):
    """The link is cut, CHANGED_MB change, the link heals: what goes over it until both are the same."""
    rig.cut()
    start = time.monotonic()
    rig.a.do("head -c 4096 /dev/urandom >/v/x/one; sync /v/x/one")
    figure(stack, "stall-on-cut", (time.monotonic() - start) * 1000, "ms")
    rig.a.until(stack.lost_peer(), 60)
    changed = change_scattered(rig.a)
    before, start = link_total(rig), time.monotonic()
    rig.heal()
    rig.a.until(stack.in_sync(), 300)
    sent = link_total(rig) - before
    figure(stack, "resync-time", time.monotonic() - start, "s")
    figure(stack, "resync-sent", sent / changed, "x changed", f"{sent / 1e6:.1f} MB for {changed / 1e6:.1f} MB")


def measure_failover(rig, stack):
    """Power of the primary goes while it writes; the standby takes over, is written to, and the node comes back."""
    acked_file = os.path.join(rig.share, "acked")
    if os.path.exists(acked_file):
        os.unlink(acked_file)
    rig.a.start(WRITER, "writer.log")
    rig.a.until("[ \"$(cat /host/acked)\" -ge 20 ] 2>/dev/null", 120)
    start = time.monotonic()
    rig.a.kill()
    with open(acked_file, encoding="utf-8") as f:
        acked = int(f.read().strip() or 0)
    rig.b.until(stack.lost_peer(), 60)
    seen = time.monotonic()
    stack.take_over(rig.b)
    mount(rig.b, stack)
    last = int(rig.b.do("ls /v/x | sed -n 's/^m\\.\\([0-9]*\\)$/\\1/p' | sort -n | tail -1").strip() or 0)
    done = time.monotonic()
    figure(stack, "failover", done - start, "s", f"of it {seen - start:.1f} s until the loss was seen")
    figure(stack, "failover-lost", max(0, acked - last), "messages", f"acknowledged {acked}, there {last}")
    changed = change_scattered(rig.b)
    before = link_total(rig)
    rig.a.boot()
    start = time.monotonic()
    stack.rejoin(rig.a)
    rig.b.until(stack.in_sync(), 300)
    sent = link_total(rig) - before
    figure(stack, "failback-time", time.monotonic() - start, "s")
    figure(stack, "failback-sent", sent / changed, "x changed", f"{sent / 1e6:.1f} MB for {changed / 1e6:.1f} MB")


def measure(rig, stack, parts, seconds):
    stack.start()
    if "iops" in parts:
        measure_iops(rig, stack, JOBS, seconds)
    if "delay" in parts and stack.replicated:
        rig.delay(DELAY_MS)
        measure_iops(rig, stack, ["w4k-qd1-fsync1"], seconds, f"-{DELAY_MS}ms")
        rig.delay(0)
    if stack.replicated and parts & {"resync", "failover"}:
        lay_out(rig, stack)
        if "resync" in parts:
            measure_resync(rig, stack)
        if "failover" in parts:
            measure_failover(rig, stack)
    stack.stop()


# ---- the whole ----------------------------------------------------------------------------------------------------

RATIOS = (
    ("queue depth 1 with fsync, to DRBD C", ("podmail-sync", "w4k-qd1-fsync1"), ("drbd-C", "w4k-qd1-fsync1"), 0.7),
    ("the same with 5 ms on the link", ("podmail-sync", "w4k-qd1-fsync1-5ms"), ("drbd-C", "w4k-qd1-fsync1-5ms"), 1.0),
    ("with one thread, to DRBD C", ("podmail-sync-1", "w4k-qd1-fsync1"), ("drbd-C", "w4k-qd1-fsync1"), 0.7),
    ("async to DRBD A", ("podmail-async", "w4k-qd1-fsync1"), ("drbd-A", "w4k-qd1-fsync1"), None),
)


def print_ratios():
    for what, ours, theirs, aim in RATIOS:
        if ours in figures and theirs in figures:
            ratio = figures[ours] / figures[theirs]
            print(f"RATIO {what:40} {ratio:6.2f}" + (f" (aim {aim})" if aim else ""), flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--stacks", default=",".join(STACKS))
    parser.add_argument("--parts", default="iops,delay,resync,failover")
    o = parser.parse_args()
    parts = set(o.parts.split(","))
    rig = Rig()
    for label in o.stacks.split(","):
        try:
            rig.up(fresh=True)
            rig.install_programs(BUILD)
            measure(rig, STACKS[label](rig), parts, o.seconds)
        finally:
            rig.down()
    print_ratios()
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""What phones that wait cost: N devices, each provisioned, its Inbox synchronized, in a Ping over TLS to one worker.

    eas_waiting.py [--devices 5000] [--users 100] [--wakes 50] [--idle 30] [--limit-kib 32]

Prints the worker's proportional memory for each device (and of all processes of the pod), its processor time while
nothing happens, the time from the sending of a message to the answer of each of its user's Pings, and how many devices of
others were woken. Then kills the gateway and prints how long it takes until all of them wait again (eas_storm.py). Exits
with 1 where memory is over the limit, or somebody was woken for nothing.
"""
import argparse
import concurrent.futures
import gc
import os
import random
import resource
import select
import ssl
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "tests", "support")]
from eas_client import Phone  # noqa: E402
from eas_storm import storm  # noqa: E402
from eas_wbxml import E, decode  # noqa: E402
from idle_connections import settled  # noqa: E402
from pod import Pod  # noqa: E402

PASSWORD = "a password of phones 1"
AT_ONCE = 4  # phones that are set up: what Python does overlaps with what the pod does


class Waiting(Phone):
    """A phone whose Ping is under way."""

    def ping_request(self, seconds):
        folder = E("Ping:Folder", E("Ping:Id", self.inbox), E("Ping:Class", "Email"))
        return self.request("Ping", E("Ping:Ping", E("Ping:HeartbeatInterval", str(seconds)), E("Ping:Folders", folder)))

    def ping(self, seconds):
        self.line.ask_only(*self.ping_request(seconds))

    @property
    def socket(self):
        return self.line.http.sock

    def begin(self, seconds):
        self.provision()
        self.folder_sync()
        self.prime(self.inbox)
        self.pull(self.inbox)
        self.ping(seconds)
        return self


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def readable(phones):
    """Those that have been answered. A poll, as the numbers of descriptors are beyond what select takes."""
    poll = select.poll()
    by_fd = {p.socket.fileno(): p for p in phones}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    return [by_fd[fd] for fd, _ in poll.poll(0)]


def wake(pod, user, phones, everybody):
    """Seconds from the sending of one message until each of the user's phones had its answer; how many others woke."""
    started = time.monotonic()
    pod.send(user, "Subject: wake up\r\n\r\nnow\r\n")
    times = []
    for phone in phones:
        status, _, body = phone.line.answer()
        times.append(time.monotonic() - started)
        assert status == 200 and decode(body).get("Status") == "2", body
    mine = set(map(id, phones))
    return times, sum(id(p) not in mine for p in readable(everybody))


def percentile(times, percent):
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]


def set_up(pod, users, devices):
    def one(i):
        return Waiting(pod, users[i % len(users)], device=f"PHONE{i:05}", kind="Bench").begin(3540)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(devices)))


def come_back(pod, phones):
    """The gateway is killed under all of them."""
    before = {p: sum(map(cpu_s, pod.pids_of(p))) for p in ("imapd", "stored")}
    took, met = storm(pod, phones, pod.pids_of("imapd"))
    used = {"imapd": sum(map(cpu_s, pod.pids_of("imapd"))), "stored": sum(map(cpu_s, pod.pids_of("stored"))) - before["stored"]}
    print(f"killed under {len(phones)}: all wait again after {took:.1f} s ({len(phones) / took:.0f} per second); processor time "
          + ", ".join(f"{name} {s:.1f} s" for name, s in used.items())
          + "; met with on the way: " + ", ".join(f"{what}: {n}" for what, n in sorted(met.items(), key=str)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=5000)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--wakes", type=int, default=50)
    parser.add_argument("--idle", type=float, default=30)
    parser.add_argument("--limit-kib", type=float, default=32)
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

    with Pod() as pod:
        pod.down()
        with open(os.path.join(pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
            f.write("\nimapd { workers = 1; max_devices = 10000; }\n")
        pod.up()
        context = pod.tls_context()
        context.options |= ssl.OP_NO_TICKET
        pod.tls_context = lambda: context
        users = [f"phone{i}" for i in range(args.users)]
        for user in users:
            pod.add_user(user, PASSWORD)
        # What a worker and an account cost once is not what a device costs; each account has its first device before.
        first = [Waiting(pod, user, device=f"FIRST{i:05}", kind="Bench").begin(3540) for i, user in enumerate(users)]
        worker = pod.pids_of("imapd")[-1]
        before = settled(pod.processes())
        started = time.monotonic()
        phones = set_up(pod, users, args.devices)
        took = time.monotonic() - started
        gc.collect()
        after = settled(before)
        each = {pid: (after[pid] - before[pid]) / args.devices for pid in before}
        print(f"{args.devices} devices of {args.users} users, set up at {args.devices / took:.0f} per second")
        print(f"worker: {each[worker]:.2f} KiB for each device (limit {args.limit_kib:.0f}); the whole pod: {sum(each.values()):.2f}")
        cpu = {pid: cpu_s(pid) for pid in before}
        time.sleep(args.idle)
        cpu = {pid: cpu_s(pid) - cpu[pid] for pid in before}
        print(f"worker: {cpu[worker] * 1000:.0f} ms of processor time in {args.idle:.0f} s in which nothing happened; "
              f"the whole pod: {sum(cpu.values()) * 1000:.0f}")

        waiting, times, for_nothing = first + phones, [], 0
        for user in random.sample(users, min(args.wakes, len(users))):
            his = [p for p in waiting if p.address == pod.address(user)]
            took, others = wake(pod, user, his, waiting)
            times += took
            for_nothing += others
            waiting = [p for p in waiting if p not in his]
            for phone in his:
                phone.pull(phone.inbox)
        print(f"woken: median {statistics.median(times) * 1000:.1f} ms, 95th {percentile(times, 95) * 1000:.1f} ms, longest "
              f"{max(times) * 1000:.1f} ms from the sending of the message to the answer, of {len(times)}; for nothing: {for_nothing}")
        come_back(pod, first + phones)
        return 0 if each[worker] <= args.limit_kib and for_nothing == 0 else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""What an idle client costs: proportional memory of all processes of a pod, for each of N IMAP connections over TLS
that are logged in, have a mailbox selected and are in IDLE.

    idle_connections.py [--connections 2000] [--users 20] [--limit-kib 25]

Prints one number for each process and the sum, in KiB for one connection; exits with 1 where it is over the limit.
"""
import argparse
import os
import re
import resource
import socket
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "support"))
from pod import Pod, until  # noqa: E402


def pss_kib(pid):
    """Proportional set size; 0 for a process that is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            return int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))
    except OSError:
        return 0


def settled(pids):
    """PSS by process, once it does not move any more: buffers are given back when a connection falls idle."""
    last = {}

    def still():
        nonlocal last
        now = {pid: pss_kib(pid) for pid in pids}
        same = bool(last) and all(abs(now[p] - last[p]) < 64 for p in pids)
        last = now
        return same
    until(still, "memory to settle", step=1.0)
    return last


class Client:
    def __init__(self, pod, context, user):
        raw = socket.create_connection(("127.0.0.1", pod.port("imaps")), timeout=60)
        self.socket = context.wrap_socket(raw, server_hostname="127.0.0.1")
        self.rest = b""
        self.until(b"\r\n")
        self.command(b"a LOGIN %s \"%s\"" % (pod.address(user).encode(), pod.password(user).encode()), b"a OK")
        self.command(b"b SELECT INBOX", b"b OK")
        self.command(b"c IDLE", b"+ idling")

    def until(self, mark):
        data = b""
        while mark not in data:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError(data)
            data += piece

    def command(self, line, mark):
        self.socket.sendall(line + b"\r\n")
        self.until(mark)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--limit-kib", type=float, default=25.0)
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

    with Pod() as pod:
        context = pod.tls_context()
        context.options |= ssl.OP_NO_TICKET
        users = [f"idle{i}" for i in range(args.users)]
        for user in users:
            pod.add_user(user, "a password for idle 1")
            pod.send(user, "Subject: one\r\n\r\nbody\r\n")
        # What every user costs once (a first connection each) is not what a connection costs.
        first = [Client(pod, context, user) for user in users]
        names = {pid: os.path.basename(line.split(" ")[0]).rstrip(":") for pid, line in pod.processes().items()}
        before = settled(names)
        started = time.monotonic()
        rest = [Client(pod, context, users[i % len(users)]) for i in range(args.connections)]
        took = time.monotonic() - started
        after = settled(names)
        total = 0.0
        for pid, name in sorted(names.items(), key=lambda item: item[1]):
            each = (after[pid] - before[pid]) / args.connections
            total += each
            if abs(each) >= 0.005:
                print(f"{name}[{pid}]: {each:.2f} KiB for each connection")
        print(f"{len(rest)} connections over TLS in IDLE: {total:.2f} KiB for each "
              f"(limit {args.limit_kib:.1f}); logged in at {len(rest) / took:.0f} per second")
        del first
        return 0 if total <= args.limit_kib else 1


if __name__ == "__main__":
    sys.exit(main())

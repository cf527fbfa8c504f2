#!/usr/bin/env python3
"""What an idle client costs: proportional memory of all processes of a pod, for each of N IMAP connections over TLS
that are logged in, have a mailbox selected and are in IDLE; or for each of N SMTP sessions that have delivered a message
and are silent now, in clear (--smtp) or over TLS (--smtp --tls).

    idle_connections.py [--smtp] [--tls] [--connections 2000] [--users 20] [--limit-kib 25]

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


class SmtpClient:
    """A session that has handed a message in and says no more."""

    def __init__(self, pod, context, user):
        self.socket = socket.create_connection(("127.0.0.1", pod.port("smtp")), timeout=60)
        self.file = self.socket.makefile("rb")
        self.reply()
        self.command("EHLO idle.test")
        if context:
            self.command("STARTTLS")
            self.file.close()
            self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
            self.file = self.socket.makefile("rb")
            self.command("EHLO idle.test")
        for line in ("MAIL FROM:<idle@example.com>", f"RCPT TO:<{pod.address(user)}>", "DATA", "Subject: x\r\n\r\nx\r\n."):
            self.command(line)

    def reply(self):
        while True:
            line = self.file.readline()
            if not line or line[:1] in b"45":
                raise EOFError(line)
            if line[3:4] != b"-":
                return

    def command(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        self.reply()


def smtp_limits(pod, connections):
    """One worker may have all of them, and no session ends meanwhile."""
    pod.down()
    with open(os.path.join(pod.dir, "podmail.conf"), "a", encoding="utf-8") as f:
        f.write(f"\nmta {{ max_connections = {connections + 1000}; command_timeout = 1h; }}\n")
    pod.up()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smtp", action="store_true")
    parser.add_argument("--tls", action="store_true")
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
        kind = SmtpClient if args.smtp else Client
        if args.smtp:
            smtp_limits(pod, args.connections)
            context = context if args.tls else None
        first = [kind(pod, context, user) for user in users]
        names = {pid: os.path.basename(line.split(" ")[0]).rstrip(":") for pid, line in pod.processes().items()}
        before = settled(names)
        started = time.monotonic()
        rest = [kind(pod, context, users[i % len(users)]) for i in range(args.connections)]
        took = time.monotonic() - started
        after = settled(names)
        total = 0.0
        for pid, name in sorted(names.items(), key=lambda item: item[1]):
            each = (after[pid] - before[pid]) / args.connections
            total += each
            if abs(each) >= 0.005:
                print(f"{name}[{pid}]: {each:.2f} KiB for each connection")
        what = "SMTP sessions " + ("over TLS" if context else "in clear") if args.smtp else "connections over TLS in IDLE"
        print(f"{len(rest)} {what}: {total:.2f} KiB for each "
              f"(limit {args.limit_kib:.1f}); logged in at {len(rest) / took:.0f} per second")
        del first
        return 0 if total <= args.limit_kib else 1


if __name__ == "__main__":
    sys.exit(main())

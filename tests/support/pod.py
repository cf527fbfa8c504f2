"""A private pod for tests and benchmarks: started by podctl as a user would, on free ports, in a folder of its own.

    with Pod() as pod:
        box = pod.imap("alice")
        pod.send("alice", message_bytes)

Nothing here waits by sleeping a fixed time: `until` polls for an event with a generous limit.
"""
import contextlib
import glob
import imaplib
import itertools
import json
import os
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

BIN = os.environ.get("PODMAIL_BIN") or os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "build", "bin")

# As N+25, N+24 and so on: the ports of the contract, relative to the base port.
PORT_OFFSETS = (24, 25, 143, 443, 465, 587, 900, 901, 993)


def until(condition, what, limit=60.0, step=0.02):
    """Waits for condition() to be true and returns its value; fails with the name of what was waited for."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {limit:.0f} s in vain for {what}")
        time.sleep(step)


def _port_is_free(port):
    with contextlib.closing(socket.socket()) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def free_base_port():
    """A base port whose ports are all free now; different test programs start looking at different places."""
    start = 10000 + (os.getpid() * 1009) % 20000
    for base in range(start, start + 20000, 1000):
        base = 10000 + (base - 10000) % 20000
        if all(_port_is_free(base + offset) for offset in PORT_OFFSETS):
            return base
    raise RuntimeError("no free base port")


def replication_able():
    """Whether a pod of this machine and build can have replicated volumes: podctl/podd/replication_able.c asks the same."""
    return (os.geteuid() == 0 and os.path.exists(os.path.join(BIN, "replicator")) and shutil.which("nbdkit") is not None
            and (os.path.exists("/sys/module/nbd") or (os.path.exists("/dev/fuse") and os.path.exists("/dev/loop-control"))))


_running = []


def _show_logs_of_failures():
    """A test that fails shows what its pods have logged: where it ran elsewhere, that is all there is to go by."""
    for name in ("addFailure", "addError"):
        def add(result, test, err, told=getattr(unittest.TestResult, name)):
            told(result, test, err)
            for pod in _running:
                pod.show_log()
        setattr(unittest.TestResult, name, add)


_show_logs_of_failures()


class Pod:
    """A running pod. Its volumes are plain directories, so that tests that are not about replication are quick; one that
    is says volumes="replicated", or None for what podctl up makes of its own."""

    def __init__(self, folder=None, base_port=None, keep=False, volumes="directory"):
        self.volumes = volumes
        self.own_folder = folder is None
        self.keep = keep
        self.dir = folder or tempfile.mkdtemp(prefix="podmail-test-")
        self.base_port = base_port or free_base_port()
        self.info = None
        self.added_users = []

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, kind, *_):
        if kind and not issubclass(kind, unittest.SkipTest):
            self.show_log()
        self.close()

    def podctl(self, *args, stdin=None, check=True, as_json=False):
        """Runs podctl on this pod; returns the finished process, or its JSON."""
        command = [os.path.join(BIN, "podctl"), "--dir", self.dir]
        if as_json:
            command += ["--format", "json"]
        done = subprocess.run(command + list(args), input=stdin, text=True, capture_output=True, timeout=300, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"podctl {' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}\n"
                                 f"{self.log_tail()}")
        return json.loads(done.stdout) if as_json else done

    def up(self, *args):
        if self.volumes and "--volumes" not in args and not os.path.exists(os.path.join(self.dir, "podmail.conf")):
            args = (*args, "--volumes", self.volumes)
        done = subprocess.run([os.path.join(BIN, "podctl"), "up", "--dir", self.dir, "--base-port", str(self.base_port),
                               "--detach", "--format", "json", *args], text=True, capture_output=True, timeout=300, check=False)
        if done.returncode != 0:
            raise AssertionError(f"podctl up: exit {done.returncode}\n{done.stdout}{done.stderr}\n{self.log_tail()}")
        self.info = json.loads(done.stdout)
        self.info["users"] += self.added_users
        if self not in _running:
            _running.append(self)
        return self.info

    def down(self):
        return subprocess.run([os.path.join(BIN, "podctl"), "down", "--dir", self.dir], text=True, capture_output=True,
                              timeout=120, check=False)

    def close(self):
        if self in _running:
            _running.remove(self)
        self.down()
        found = self.sanitizer_report()
        if self.own_folder and not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)
        if found:
            raise AssertionError(f"one of the pod's programs made a mistake:\n{found}")

    def sanitizer_report(self, lines=60):
        """The first report of a build with sanitizers in what the pod's programs wrote; "" where there is none."""
        for path in filter(os.path.isfile, glob.glob(os.path.join(self.dir, "log", "*"))):
            with open(path, encoding="utf-8", errors="replace") as f:
                for line in f:
                    if "Sanitizer" in line or ": runtime error: " in line:
                        return line + "".join(itertools.islice(f, lines))
        return ""

    def log_tail(self, lines=60):
        try:
            with open(os.path.join(self.dir, "log", "podmail.log"), encoding="utf-8", errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except OSError:
            return ""

    def wait_for_log(self, text, times=1):
        """What an answer was about is logged behind it, by way of podd."""
        until(lambda: self.log_tail(400).count(text) >= times, f"{text!r} in the log")

    def show_log(self, lines=600, width=320):
        print(f"---- the end of the log of {self.dir} ----", file=sys.stderr)
        for line in self.log_tail(lines).splitlines():
            print(line[:width], file=sys.stderr)
        print("---- that was the log ----", file=sys.stderr, flush=True)

    # ---- who and where ----

    def port(self, service):
        return self.info["endpoints"][service]["port"]

    def address(self, name):
        return name if "@" in name else f"{name}@{self.info['domain']}"

    def password(self, name):
        for user in self.info["users"]:
            if user["address"] == self.address(name):
                return user["password"]
        raise KeyError(name)

    def add_user(self, name, password):
        self.podctl("user", "add", self.address(name), "--password-stdin", stdin=password + "\n")
        user = {"address": self.address(name), "password": password}
        self.added_users.append(user)
        self.info["users"].append(user)

    def tls_context(self):
        return ssl.create_default_context(cafile=os.path.join(self.dir, "tls", "ca.pem"))

    # ---- clients ----

    def imap(self, name, service="imap", login=True):
        if service == "imaps":
            box = imaplib.IMAP4_SSL("127.0.0.1", self.port("imaps"), ssl_context=self.tls_context(), timeout=60)
        else:
            box = imaplib.IMAP4("127.0.0.1", self.port("imap"), timeout=60)
        if login:
            box.login(self.address(name), self.password(name))
        return box

    def smtp(self, service="smtp", starttls=False):
        if service == "submissions":
            client = smtplib.SMTP_SSL("127.0.0.1", self.port(service), timeout=60, context=self.tls_context())
        else:
            kind = smtplib.LMTP if service == "lmtp" else smtplib.SMTP
            client = kind("127.0.0.1", self.port(service), timeout=60)
        client.ehlo_or_helo_if_needed()
        if starttls:
            client.starttls(context=self.tls_context())
            client.ehlo()
        return client

    def send(self, to, message, sender="sender@example.com", service="smtp"):
        """Hands one message in and returns when it was answered 250; to: a name or a list of names."""
        names = [to] if isinstance(to, str) else to
        with self.smtp(service) as client:
            refused = client.sendmail(sender, [self.address(n) for n in names], message)
            if refused:
                raise AssertionError(f"refused: {refused}")

    # ---- processes ----

    def processes(self):
        """All of the pod's processes: {pid: command line}, found by the folder in their arguments or parents."""
        lines, children = {}, {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as f:
                    lines[int(entry)] = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as f:
                    parent = int(f.read().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry))
            except (OSError, ValueError):
                continue
        roots = [pid for pid, line in lines.items()
                 if self.dir in line and os.path.basename(line.split(" ")[0]) in ("podd", "mta", "podfilter", "imapd", "stored", "volattach", "nbdkit")]
        found, todo = {}, roots
        while todo:
            pid = todo.pop()
            if pid not in found and pid in lines:
                found[pid] = lines[pid]
                todo.extend(children.get(pid, []))
        return found

    def pids_of(self, program):
        return sorted(pid for pid, line in self.processes().items()
                      if os.path.basename(line.split(" ")[0]).rstrip(":") == program)


class PodTest(unittest.TestCase):
    """Tests of one class that share a pod, which runs: cls.pod."""

    @classmethod
    def setUpClass(cls):
        cls.pod = Pod()
        cls.addClassCleanup(cls.pod.close)
        cls.pod.up()

    @classmethod
    def new_box(cls, name):
        """A new user's IMAP session."""
        cls.pod.add_user(name, "a good password 1")
        box = cls.pod.imap(name)
        cls.addClassCleanup(box.logout)
        return box

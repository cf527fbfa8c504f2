"""Replicas of one volume, each served by `replicator serve` without podd: for tests of the replicator itself.

    with Replicas(size="64M") as pair:                 # site1 primary, site2 standby, mode sync
        disk = pair["site1"].nbd()                     # libnbd, a client we did not write
        disk.pwrite(b"x" * 4096, 0); disk.flush()
        pair["site1"].ask("status")

What podd would do, confirming that a peer is struck or joined, `Watcher` does.
"""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

from pod import BIN, until

sys.path.append("/usr/lib/python3/dist-packages")  # python3-libnbd is Debian's

REPLICATOR = os.path.join(BIN, "replicator")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_certificates(folder, sites):
    """A CA and a certificate for each site, whose common name is the one its peers expect."""
    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=folder)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA")
    for site in sites:
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{site}.key",
                "-out", f"{site}.csr", "-subj", f"/CN=podmail-replica-{site}", "-addext", "subjectAltName=IP:127.0.0.1")
        openssl("x509", "-req", "-in", f"{site}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-copy_extensions", "copyall", "-days", "30", "-out", f"{site}.pem")


class Control:
    """The control socket: lines of JSON."""

    def __init__(self, path, timeout=120):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile("rw", encoding="utf-8", newline="\n")

    def send(self, **request):
        self.file.write(json.dumps(request) + "\n")
        self.file.flush()

    def read(self):
        line = self.file.readline()
        if not line:
            raise EOFError("the replicator closed its control socket")
        return json.loads(line)

    def close(self):
        with contextlib.suppress(OSError):  # what could not be sent goes with it
            self.file.close()
        self.socket.close()


class Watcher(threading.Thread):
    """Stands in for podd: writes down events, and confirms strikes and joins as the directory would."""

    def __init__(self, replica, confirm=True):
        super().__init__(daemon=True)
        self.replica, self.confirm, self.events = replica, confirm, []
        self.control = Control(replica.control, timeout=None)
        self.control.send(do="watch")
        self.start()

    def run(self):
        try:
            while True:
                event = self.control.read()
                if "event" not in event:
                    continue
                self.events.append(event)
                if self.confirm and event["event"] in ("strike", "join"):
                    self.replica.ask({"strike": "struck", "join": "joined"}[event["event"]], peer=event["peer"],
                                     serial=event["serial"])
        except (OSError, EOFError, ValueError, AssertionError):
            pass
        self.control.close()

    def saw(self, name):
        return [e for e in self.events if e["event"] == name]


class Replica:
    def __init__(self, group, site):
        self.group, self.site = group, site
        self.folder = os.path.join(group.work, site)
        self.control = os.path.join(group.work, f"{site}.control")
        self.socket = os.path.join(group.work, f"{site}.nbd")
        self.stage = os.path.join("/dev/shm", f"{os.path.basename(group.work)}-{site}")
        self.link_port = free_port()
        self.process = self.watcher = None
        self.peers = []

    def create(self, size, log_size, volume_id):
        subprocess.run([REPLICATOR, "create", "--folder", self.folder, "--size", size, "--log-size", log_size,
                        "--volume-id", volume_id], check=True, capture_output=True, text=True)

    def start(self, token=None, confirm=True, nbd=None, more=()):
        """nbd: another address than the unix socket; more: further options."""
        tls = os.path.join(self.group.work, "tls")
        command = [REPLICATOR, "serve", "--folder", self.folder, "--name", "vol", "--site", self.site,
                   "--nbd", nbd or f"unix:{self.socket}", "--control", self.control, "--stage", self.stage,
                   "--link-listen", f"127.0.0.1:{self.link_port}", "--tls-ca", f"{tls}/ca.pem",
                   "--tls-cert", f"{tls}/{self.site}.pem", "--tls-key", f"{tls}/{self.site}.key"]
        for peer in self.peers:
            command += ["--peer", peer]
        if token:
            command += ["--primary", str(token)]
        command += more
        for path in (self.control, self.socket):
            if os.path.exists(path):
                os.unlink(path)
        with open(os.path.join(self.group.work, f"{self.site}.log"), "ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
        until(self._answers, f"the replicator of {self.site}; {self.log_tail()}")
        self.watcher = Watcher(self, confirm)
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"replicator of {self.site} ended with {self.process.returncode}: {self.log_tail()}")
        try:
            return self.ask("status")
        except (OSError, EOFError):
            return False

    def log_tail(self):
        try:
            with open(os.path.join(self.group.work, f"{self.site}.log"), encoding="utf-8", errors="replace") as f:
                return "".join(f.readlines()[-15:])
        except OSError:
            return ""

    def ask(self, what, check=True, **fields):
        control = Control(self.control)
        try:
            control.send(do=what, **fields)
            answer = control.read()
        finally:
            control.close()
        if check and not answer.get("ok"):
            raise AssertionError(f"{self.site}: {what}: {answer}")
        return answer

    def peer(self, name):
        return next(p for p in self.ask("status")["peers"] if p["name"] == name)

    def nbd(self, export="vol"):
        import nbd  # pylint: disable=import-outside-toplevel,import-error
        disk = nbd.NBD()
        disk.set_export_name(export)
        disk.connect_unix(self.socket)
        return disk

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """As a crash of the process: the stage stays."""
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait(30)
            self.process = None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None


class Replicas:
    """A primary, site1, and a standby, site2; link: what site1 dials instead of site2's own port (a Relay's)."""

    def __init__(self, size="64M", log_size="16M", mode="sync", wait="3s", sites=("site1", "site2"), compress="none"):
        self.work = tempfile.mkdtemp(prefix="podmail-repl-")
        self.size, self.log_size, self.mode, self.wait, self.compress = size, log_size, mode, wait, compress
        os.mkdir(os.path.join(self.work, "tls"))
        make_certificates(os.path.join(self.work, "tls"), sites)
        self.replicas = {site: Replica(self, site) for site in sites}
        self.volume_id = os.urandom(16).hex()
        for replica in self.replicas.values():
            replica.create(size, log_size, self.volume_id)

    def __getitem__(self, site):
        return self.replicas[site]

    def connect(self, here="site1", there="site2", port=None, mode=None):
        """Both know each other: a secondary lets nobody in who is none of its peers."""
        mode = mode or self.mode
        for one, other, at in ((here, there, port), (there, here, None)):
            self[one].peers = [f"{other},address=127.0.0.1:{at or self[other].link_port},mode={mode},wait={self.wait},"
                               f"compress={self.compress}"]

    def start(self, port=None):
        self.connect(port=port)
        self["site2"].start()
        self["site1"].start(token=1)
        until(lambda: self["site1"].peer("site2")["in_sync"] or self.mode == "async", "the standby to be in sync")
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def close(self):
        for replica in self.replicas.values():
            replica.stop()
            if os.path.exists(replica.stage):
                os.unlink(replica.stage)
        shutil.rmtree(self.work, ignore_errors=True)
